"""Sweeps: what a file may ask for, which trials follow, what the table says, and that nothing is trained twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, call, run_sh
from scipy.stats import ttest_rel

from final_project.errors import RecipeError
from final_project.recipe import load_recipe
from similarity_v0.sweep import table as sweep_table
from similarity_v0.sweep.runner import Runner, TrialResult
from similarity_v0.sweep.search import search
from similarity_v0.sweep.spec import Trial, read_sweep
from similarity_v0.sweep.table import compare_variants, holm, interval_over_pairs, paired_t, write_tables


def write_sweep(folder: Path, text: str, name: str = "tries.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def outcome(
    variant: str, seed: int, accuracy: float, right: list[int] | None = None, seconds: float = 10
) -> TrialResult:
    trial = Trial(variant, seed, {} if variant == "base" else {"similarity_v0.fgm_eps": 1.0})
    scores = {"dev": {"accuracy": accuracy, "f1": accuracy / 2}}
    return TrialResult(trial, scores, None if right is None else np.array(right, dtype=bool), seconds)


def test_a_grid_takes_every_combination_but_the_base_with_every_seed(tmp_path):
    text = (
        "recipe: demo\nseeds: [1, 2]\n"
        "grid:\n  similarity_v0.lr: [7e-4, 1e-4]\n  similarity_v0.schedule: [linear, cosine]\n"
        "variants:\n  fgm: {similarity_v0.fgm_eps: 1}\n"
    )
    sweep = read_sweep(write_sweep(tmp_path, text), overrides=(f"runs_dir={tmp_path}",))
    assert list(sweep.variants) == [
        "base", "fgm", "lr=0.0007_schedule=cosine", "lr=0.0001_schedule=linear", "lr=0.0001_schedule=cosine",
    ]  # fmt: skip
    assert [trial.name for trial in sweep.trials][:2] == ["base-s1", "fgm-s1"] and len(sweep.trials) == 10
    recipe = sweep.build_recipe(sweep.trials[4])
    assert (recipe.similarity_v0.lr, recipe.similarity_v0.schedule, recipe.seed) == (1e-4, "cosine", 1)
    assert Path(recipe.runs_dir) / recipe.name == tmp_path / "demo" / "sweeps" / "tries" / sweep.trials[4].name


def test_a_list_of_recipes_is_tried_by_what_they_change_in_the_base(tmp_path):
    for name, settings in {"fgm": "fgm_eps: 1", "one_target": "loss: bce\n  n_outputs: 1"}.items():
        (tmp_path / f"{name}.yaml").write_text(f"base: ablation\nsimilarity_v0:\n  {settings}\n")
    text = f"recipe: ablation\nvariants: [{tmp_path / 'fgm.yaml'}, {tmp_path / 'one_target.yaml'}]\n"
    assert read_sweep(write_sweep(tmp_path, text)).variants == {
        "base": {},
        "fgm": {"similarity_v0.fgm_eps": 1.0},
        "one_target": {"similarity_v0.loss": "bce", "similarity_v0.n_outputs": 1},
    }


def test_all_problems_of_a_sweep_are_listed_before_anything_starts(tmp_path):
    bad = write_sweep(tmp_path, "recipe: demo\nseed: 1\nseeds: [one]\noptuna:\n  trials: 0\n  space: {}\n")
    with pytest.raises(RecipeError) as error:
        read_sweep(bad)
    text = str(error.value)
    assert f"{bad}:2: seed" in text and f"{bad}:3: seeds.0" in text and f"{bad}:5: optuna.trials" in text
    wrong = write_sweep(
        tmp_path,
        "recipe: demo\nseeds: [1, 1]\nvariants:\n  a b: {}\n  eps: {similarity_v0.fgm_eps: -1}\n"
        "  early: {posttrain.lr: 1e-3}\n  typo: {similarity_v0.lrr: 1}\n"
        "optuna:\n  trials: 1\n  space:\n    similarity_v0.lr: {low: 1e-5, high: 3}\n",
    )
    with pytest.raises(RecipeError) as error:
        read_sweep(wrong)
    text = str(error.value)
    assert "seeds are given twice" in text and "variant 'a b'" in text
    assert "variant eps: override 'similarity_v0.fgm_eps=-1'" in text
    assert "variant early: posttrain.lr is no setting of similarity_v0" in text
    assert "did you mean similarity_v0.lr?" in text
    assert "optuna.space: override 'similarity_v0.lr=3'" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [1]\n", "names no recipe"),
        ("recipe: demo\nvariants: {base: {}}\n", "base is the recipe without changes"),
        ("recipe: demo\nvariants: [demo]\n", "recipe demo does not differ from demo"),
        ("recipe: demo\nvariants: [lcqmc_small]\n", "prepare.corpus is no setting of similarity_v0"),
        ("recipe: demo\noptuna: {trials: 1, space: {similarity_v0.lr: {low: 1}}}\n", "either choices, or low and high"),
        ("recipe: [\n", "not valid YAML"),
    ],
)
def test_what_cannot_be_swept_is_refused(text, message, tmp_path):
    with pytest.raises(RecipeError, match=message.replace(".", r"\.")):
        read_sweep(write_sweep(tmp_path, text))


def test_a_recipe_may_build_on_another_and_changes_only_what_it_names(tmp_path):
    (tmp_path / "low.yaml").write_text("name: other\nbase: demo\nseed: 5\nsimilarity_v0:\n  lr: 1e-3\n")
    (tmp_path / "high.yaml").write_text(f"base: {tmp_path / 'low.yaml'}\nsimilarity_v0:\n  epochs: 1\n")
    recipe, demo = load_recipe(str(tmp_path / "high.yaml")), load_recipe("demo")
    assert (recipe.name, recipe.seed, recipe.similarity_v0.lr, recipe.similarity_v0.epochs) == ("high", 5, 1e-3, 1)
    assert recipe.prepare == demo.prepare and recipe.encoder == demo.encoder
    (tmp_path / "low.yaml").write_text(f"base: {tmp_path / 'high.yaml'}\n")
    with pytest.raises(RecipeError, match=r"low.yaml:1: base .*high.yaml is built on this recipe itself"):
        load_recipe(str(tmp_path / "high.yaml"))
    (tmp_path / "low.yaml").write_text("base: demo\nsimilarity_v0:\n  lr: high\n")
    with pytest.raises(RecipeError, match=r"low.yaml:3: similarity_v0.lr"):
        load_recipe(str(tmp_path / "high.yaml"))


def test_the_paired_t_test_is_that_of_scipy_and_says_nothing_where_there_is_nothing_to_say():
    ours, theirs = np.array([0.71, 0.74, 0.72]), np.array([0.70, 0.70, 0.71])
    assert paired_t((ours - theirs).tolist()) == pytest.approx(ttest_rel(ours, theirs).pvalue, abs=1e-12)
    assert paired_t([0.01]) is None and paired_t([0.0, 0.0]) is None


def test_holms_correction_of_a_worked_example():
    # Holm (1979): sorted p times the number of hypotheses left, never falling, at most 1
    assert holm([0.01, None, 0.04, 0.03, 0.9]) == pytest.approx([0.04, None, 0.09, 0.09, 0.9])


def test_the_interval_over_pairs_is_that_of_drawing_pairs_one_by_one():
    generator = np.random.default_rng(3)
    ours, theirs = generator.random((2, 3, 400)) < np.array([0.8, 0.7])[:, None, None]
    couples = [
        (outcome("x", seed, 0.8, ours[seed]), outcome("base", seed, 0.7, theirs[seed])) for seed in range(3)
    ]  # fmt: skip
    low, high = interval_over_pairs(couples)
    gains = ours.mean(axis=0) - theirs.mean(axis=0)
    means = [gains[generator.integers(400, size=400)].mean() for _ in range(4000)]
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.004)
    assert low < gains.mean() < high


def test_the_table_compares_each_variant_with_the_base_seed_by_seed():
    outcomes = [outcome("base", seed, value) for seed, value in ((1, 0.70), (2, 0.80), (3, 0.75))]
    outcomes += [outcome("fgm", 1, 0.72, seconds=20), outcome("fgm", 2, 0.81, seconds=22)]
    outcomes += [
        TrialResult(Trial("fgm", 3, {}), problem="ended by SIGKILL"),
        TrialResult(Trial("gone", 1, {}), problem="no"),
    ]
    base, fgm, gone = compare_variants(outcomes, "accuracy")
    assert (base.mean, base.deviation, base.difference) == (pytest.approx(0.75), pytest.approx(0.05), None)
    assert (fgm.mean, fgm.difference, fgm.time) == (pytest.approx(0.765), pytest.approx(0.015), pytest.approx(2.1))
    assert fgm.t_p == pytest.approx(ttest_rel([0.72, 0.81], [0.70, 0.80]).pvalue) and fgm.holm_p == fgm.t_p
    assert fgm.others == {"dev f1": pytest.approx(0.3825)} and fgm.pairs_low is None
    assert gone.mean is None and gone.seeds == ()


class MadeUpRunner(Runner):
    """Trials whose figure is known: a parabola over the rate, best at 1e-3. The search is Optuna's own."""

    def run(self, trial: Trial) -> TrialResult:
        off = np.log10(trial.settings["similarity_v0.lr"] / 1e-3)
        return TrialResult(trial, {"dev": {"accuracy": float(1 - off**2 / 10) - trial.seed / 1000}})


def test_a_search_resumes_where_it_was_ended_and_finds_the_best_rate(tmp_path):
    text = (
        "recipe: demo\nseeds: [1, 2]\noptuna:\n  trials: 12\n  space:\n"
        "    similarity_v0.lr: {low: 1e-5, high: 1e-1, log: true}\n    similarity_v0.epochs: {low: 1, high: 3}\n"
        "    similarity_v0.schedule: {choices: [linear, cosine]}\n"
    )
    sweep = read_sweep(write_sweep(tmp_path, text), overrides=(f"runs_dir={tmp_path}",))
    ended = search(MadeUpRunner(sweep))
    before = [next(ended) for _ in range(9)]  # the fifth choice is told of after its second seed: it was running
    ended.close()
    found = list(search(MadeUpRunner(sweep)))
    assert len(found) == 24 and [o.trial.settings for o in found[:9]] == [o.trial.settings for o in before]
    assert {type(o.trial.settings["similarity_v0.epochs"]) for o in found} == {int}
    best = max(found, key=lambda o: o.dev("accuracy"))
    assert 1e-4 < best.trial.settings["similarity_v0.lr"] < 1e-2
    assert [o.trial.settings for o in search(MadeUpRunner(sweep))] == [o.trial.settings for o in found]


def test_trials_are_ordinary_runs_on_shared_artefacts_and_none_is_trained_twice(posttrained, copy_of, tmp_path):
    runs = copy_of(posttrained)
    path = write_sweep(
        tmp_path, "recipe: demo\nsettings: {similarity_v0.epochs: 1}\nseeds: [1]\n"
        "variants:\n  gone: {similarity_v0.init: nowhere}\n",
    )  # fmt: skip
    arguments = ("similarity_v0", "sweep", str(path), "--", *TINY, f"runs_dir={runs}", "similarity_v0.epochs=1")
    done = call(*arguments)
    folder = runs / "demo" / "sweeps" / "tries"
    assert done.returncode == 1 and json.loads(done.stdout)["failed"] == ["gone-s1"], done.stderr
    assert "2/2 gone-s1: FAILED" in done.stderr and "encoder 'nowhere' is not here" in done.stderr
    manifest = folder / "base-s1" / "similarity_v0" / "manifest.json"
    facts = json.loads(manifest.read_text())
    assert facts["recipe"]["seed"] == 1 and facts["recipe"]["similarity_v0"]["epochs"] == 1
    assert (folder / "base-s1" / "prepare").resolve() == (runs / "demo" / "prepare").resolve()
    results = json.loads((folder / "results.json").read_text())
    assert [row["variant"] for row in results["rows"]] == ["base", "gone"] and results["rows"][0]["mean"] > 0
    assert "| base | 1 |" in (folder / "results.md").read_text()
    written = manifest.stat().st_mtime_ns
    again = call(*arguments)
    assert again.returncode == 1 and manifest.stat().st_mtime_ns == written
    said = [next(line for line in run.stderr.splitlines() if "1/2 base-s1" in line) for run in (done, again)]
    assert "min left" in said[0] and "min left" not in said[1]  # nothing was run yet from which to tell


@pytest.mark.stage
def test_a_sweep_needs_its_base_and_names_the_stage_to_run(tmp_path):
    path = write_sweep(tmp_path, "recipe: demo\nseeds: [1]\n")
    done = call("similarity_v0", "sweep", str(path), "--", f"runs_dir={tmp_path}")
    assert done.returncode == 2 and "run bash run.sh prepare --recipe demo" in done.stderr


@pytest.mark.usefixtures("environment_of_run_sh")
@pytest.mark.stage
def test_run_sh_takes_a_sweep_for_the_stage_that_can(tmp_path):
    path = write_sweep(tmp_path, "recipe: demo\nseeds: [4]\n")
    done = run_sh("similarity_v0", "--sweep", path.name, "--dry-run", "--nproc", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--nproc-per-node=2" in done.stdout and "name=base-s4" in done.stdout
    wrong = run_sh("posttrain", "--sweep", str(path))
    assert wrong.returncode == 2 and "--sweep needs the stage similarity_v0" in wrong.stderr


def test_the_table_is_written_as_three_files(tmp_path):
    sweep = read_sweep(write_sweep(tmp_path, "recipe: demo\n"), overrides=(f"runs_dir={tmp_path}",))
    right = [1, 0, 1, 1]
    table = write_tables(sweep, [outcome("base", 1, 0.75, right), outcome("fgm", 1, 1.0, [1, 1, 1, 1])])
    assert (sweep.folder / "results.md").read_text() == table and "+0.2500" in table
    assert f"{sweep_table.RESAMPLES:,} times" in table
    assert (sweep.folder / "results.csv").read_text().splitlines()[0].startswith("trial,variant,seed,problem,dev_accu")
