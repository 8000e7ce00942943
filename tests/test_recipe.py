"""Recipes: every file loads, every field is read, every problem is said at once with its place."""

from __future__ import annotations

import ast

import pytest
from conftest import ROOT, call

from final_project.errors import RecipeError
from final_project.recipe import describe_fields, dotted_fields, load_recipe, recipe_names
from similarity_v1.explain.from_settings import SETTING_NAMES


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads(name):
    assert load_recipe(name).name == name.split("/")[-1]


def test_the_competition_recipe_holds_the_published_hyper_parameters():
    recipe = load_recipe("competition")
    v0, posttrain = recipe.similarity_v0, recipe.posttrain
    assert (recipe.nproc, recipe.seed, recipe.encoder.init) == (4, 111, "hfl/chinese-roberta-wwm-ext-large")
    assert (posttrain.epochs, posttrain.lr, posttrain.step_rows, posttrain.max_length) == (60, 5e-5, 64 * 4, 64)
    assert (v0.epochs, v0.lr, v0.micro_rows, v0.step_rows, v0.max_length) == (5, 5e-5, 25, 25 * 4 * 5, 64)
    assert (v0.engine, v0.eval_every, v0.best_by, v0.fgm_eps) == ("fairscale", 100, "accuracy", 1.0)
    assert (recipe.similarity_v1.ratio, recipe.similarity_v1.chain) == (0.705, "published")
    assert recipe.prepare.augment and recipe.prepare.contest_set == "B"


@pytest.mark.stage
def test_every_field_is_read_somewhere():
    read = set(SETTING_NAMES.values())  # options of explanation methods, read by the names of their dataclasses
    for path in ROOT.glob("*/**/*.py"):
        if "settings" in path.parts or path.is_relative_to(ROOT / "tests") or ".venv" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = list(ast.walk(tree))
        read |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        subscripts = [node.slice for node in nodes if isinstance(node, ast.Subscript)]
        read |= {key.value for key in subscripts if isinstance(key, ast.Constant)}
    unread = [key for key in dotted_fields() if key.rsplit(".", 1)[-1] not in read]
    assert unread == []


def test_every_field_says_what_it_means():
    assert [key for key, field in dotted_fields().items() if not field.description] == []


def test_all_problems_of_a_recipe_are_listed_at_once_with_file_and_line(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "seed: 1\nsimilarity_v0:\n  epoch: 3\n  lr: high\n  fgm_eps: -1\n"
        "  micro_rows: 48\nposttrain:\n  zero_stage: 7\n",
        encoding="utf-8",
    )
    with pytest.raises(RecipeError) as error:
        load_recipe(str(path), ["similarity_v1.ratio=2", "nprocs=2"])
    text = str(error.value)
    assert "mine.yaml:3: unknown key similarity_v0.epoch; did you mean similarity_v0.epochs?" in text
    assert "mine.yaml:4: similarity_v0.lr" in text
    assert "mine.yaml:5: similarity_v0.fgm_eps" in text
    assert "mine.yaml:8: posttrain.zero_stage" in text
    assert "override 'similarity_v1.ratio=2': similarity_v1.ratio" in text
    assert "override 'nprocs=2': unknown key nprocs; did you mean nproc?" in text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("similarity_v0.step_rows=100", "step_rows: 100 is not a multiple of micro_rows: 64"),
        ("encoder.n_heads=3", "hidden_size: 256 is not a multiple of n_heads: 3"),
        ("posttrain.max_length=512", "posttrain.max_length: 512 exceeds encoder.max_positions: 128"),
        ("similarity_v0.epochs=1.5", "valid integer"),
        ("seed", "expected key.path=value"),
        ("seed.deep=1", "seed"),
        ("prepare=3", "prepare"),
    ],
)
def test_what_cannot_work_is_refused(override, message, tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text("encoder:\n  hidden_size: 256\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path), [override])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not valid YAML"),
        (b"- 1\n- 2\n", "expected `key: value` lines"),
        (b"seed: 1\nseed: 2\n", ":2: seed is given twice"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_with_its_place(content, message, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_numbers_may_be_written_as_people_write_them():
    assert load_recipe("demo", ["similarity_v0.lr=5e-5"]).similarity_v0.lr == 5e-5
    assert load_recipe("demo", ["similarity_v0.fgm_eps=1"]).similarity_v0.fgm_eps == 1.0


@pytest.mark.stage
@pytest.mark.parametrize("stage", ["posttrain", "similarity_v0"])
def test_help_all_of_a_stage_shows_each_of_its_settings_with_unit_default_and_meaning(stage):
    text = call(stage, "--help-all").stdout
    for key, field in dotted_fields().items():
        if key.startswith(f"{stage}."):
            assert f"{key}=" in text and field.description in text
    assert "updates between checkpoints" in text and "(int, updates)" in text


@pytest.mark.stage
@pytest.mark.parametrize(
    "arguments",
    [("posttrain", "--recipe", "nonesuch"), ("similarity_v0", "--recipe", "demo", "--", "x=1"), ("posttrain", "--bad")],
)
def test_wrong_use_ends_with_status_2_and_no_traceback(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr.strip()


def test_help_shows_types_and_defaults_as_a_recipe_writes_them():
    text = describe_fields()
    assert "similarity_v1.baseline=null  (zero|mask|pad|null)" in text
    assert "similarity_v1.target=predicted  (predicted|both|int|str)" in text
    assert "posttrain.zero_stage=null  (null|0|1|2|3)" in text and "similarity_v0.lr_patterns=[]  ([str, ...]" in text
    heads = [line for line in text.splitlines() if not line.startswith("      ")]
    assert not [head for head in heads if "None" in head or "Literal" in head or "Annotated" in head]
