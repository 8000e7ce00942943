"""Errors about recipes name what is at fault: every setting of a conflict, and the line or override that set it."""

from __future__ import annotations

import pytest
from conftest import call

from final_project.errors import RecipeError
from final_project.recipe import load_recipe

FILE = """encoder:
  hidden_size: 256
similarity_v0:
  epochs: 2
  loss: focal
  micro_rows: 32
similarity_v1:
  method: integrated_gradients
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def problems(recipe, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as error:
        load_recipe(str(recipe), list(overrides))
    return error.value.problems


def test_two_overrides_in_conflict_are_both_named(recipe):
    assert problems(recipe, "similarity_v0.loss=ce", "similarity_v0.n_outputs=1") == [
        "override 'similarity_v0.loss=ce', override 'similarity_v0.n_outputs=1': similarity_v0: "
        "loss: ce needs n_outputs: 2; with n_outputs: 1 use loss: bce"
    ]


def test_an_override_in_conflict_with_a_line_is_named_first(recipe):
    (said,) = problems(recipe, "similarity_v0.n_outputs=1")
    assert said.startswith(f"override 'similarity_v0.n_outputs=1', {recipe}:5: similarity_v0: loss: focal needs")
    (said,) = problems(recipe, "encoder.n_heads=3")
    assert said.startswith(f"override 'encoder.n_heads=3', {recipe}:2: encoder: hidden_size: 256 is not a multiple")


def test_a_default_in_a_conflict_is_called_one(recipe):
    (said,) = problems(recipe, "similarity_v0.optimizer=adafactor", "similarity_v0.engine=fsdp2", "seed=3")
    assert said.startswith("override 'similarity_v0.engine=fsdp2', override 'similarity_v0.optimizer=adafactor': ")
    (said,) = problems(recipe, "similarity_v0.step_rows=100")
    assert said.startswith(f"override 'similarity_v0.step_rows=100', {recipe}:6: similarity_v0: step_rows: 100")
    (said,) = problems(recipe, "posttrain.step_rows=100")
    assert said.startswith("override 'posttrain.step_rows=100' (default: micro_rows): posttrain: step_rows: 100 is")


def test_a_conflict_between_sections_names_the_settings_of_both(recipe):
    (said,) = problems(recipe, "posttrain.max_length=64", "encoder.max_positions=32", "similarity_v0.max_length=16")
    assert said == (
        "override 'encoder.max_positions=32', override 'posttrain.max_length=64': "
        "posttrain.max_length: 64 exceeds encoder.max_positions: 32"
    )


def test_two_conflicts_of_a_section_are_blamed_on_their_own_settings(recipe):
    one, two = problems(recipe, "similarity_v0.folds=1", "similarity_v0.fgm_eps=1", "similarity_v0.awp_gamma=0.1")
    assert one.startswith("override 'similarity_v0.awp_gamma=0.1', override 'similarity_v0.fgm_eps=1': similarity_v0: ")
    assert two.startswith("override 'similarity_v0.folds=1': similarity_v0: folds: 1 would hold out every pair")


def test_a_conflict_in_the_file_alone_names_its_lines(recipe):
    recipe.write_text(FILE + "  ig_tolerance: 0.01\n", encoding="utf-8")
    assert problems(recipe)[0].startswith(f"{recipe}:9 (default: ig_rule): similarity_v1: ig_tolerance: 0.01 needs")


def test_an_override_of_a_whole_section_or_list_is_named_for_what_is_in_it(recipe):
    (said,) = problems(recipe, "similarity_v0={loss: focal, n_outputs: 1}")
    assert said.startswith("override 'similarity_v0={loss: focal, n_outputs: 1}': similarity_v0: loss: focal needs")
    (said,) = problems(recipe, "posttrain={lrr: 2}")
    assert said == "override 'posttrain={lrr: 2}': unknown key posttrain.lrr; did you mean posttrain.lr?"
    (said,) = problems(recipe, "prepare.clean=[nfkc, wash]")
    assert said.startswith("override 'prepare.clean=[nfkc, wash]': prepare.clean.1: Input should be 'nfkc'")


@pytest.mark.parametrize(
    ("stage", "overrides", "named"),
    [
        ("similarity_v0", ("zero_stage=2",), "similarity_v0: zero_stage: 2 needs engine: deepspeed"),
        ("similarity_v0", ("threshold=margin", "calibration=isotonic"), "similarity_v0: calibration: isotonic"),
        ("similarity_v0", ("lr_patterns=[x]",), "similarity_v0: lr_patterns: expected pattern=factor"),
        ("similarity_v0", ("head_lr_factor=2",), "similarity_v0: head_lr_factor: 2.0 has no effect"),
        ("similarity_v0", ("ema_decay=0.9", "swa_start=0.5"), "similarity_v0: ema_decay: 0.9 and swa_start: 0.5"),
        ("posttrain", ("batch_form=packed", "pack_length=32"), "posttrain: pack_length: 32 is too small"),
        ("encoder", ("vocab_words=5000",), "encoder: vocab_words: 5000 is more than half"),
        ("similarity_v1", ("method=lime", "reduce=sum"), "similarity_v1: reduce: sum is not an option of method: lime"),
        ("prepare", ("dev_share=0.4", "test_share=0.3"), "prepare: dev_share"),
    ],
)
def test_every_section_names_the_overrides_of_its_conflicts(recipe, stage, overrides, named):
    (said,) = problems(recipe, *(f"{stage}.{override}" for override in overrides))
    assert named in said
    for override in overrides:
        if not override.startswith("batch_form"):  # only what the message names
            assert f"override '{stage}.{override}'" in said


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("similarity_v1.chain", lambda recipe: recipe.similarity_v1.chain),
        ("similarity_v0.lr_groups", lambda recipe: recipe.similarity_v0.lr_groups),
    ],
)
def test_original_is_still_read_as_the_older_spelling_of_published(key, read, tmp_path):
    section, name = key.split(".")
    path = tmp_path / "older.yaml"
    path.write_text(f"{section}:\n  {name}: original\n", encoding="utf-8")
    older, newer = load_recipe(str(path)), load_recipe(str(path), [f"{key}=published"])
    assert read(older) == read(newer) == "published" and older == newer
    assert read(load_recipe("demo", [f"{key}=original"])) == "published"
    with pytest.raises(RecipeError, match=f"{name}=orignal.*'published'"):
        load_recipe("demo", [f"{key}=orignal"])


@pytest.mark.stage
@pytest.mark.parametrize(
    ("stage", "most_lines"), [("posttrain", 25), ("similarity_v0", 25), ("similarity_v1", 25), ("prepare", 25)]
)
def test_help_of_a_stage_shows_its_common_settings_alone(stage, most_lines):
    command = ("final_project", "prepare") if stage == "prepare" else (stage,)
    text, everything = call(*command, "--help").stdout, call(*command, "--help-all").stdout
    shown = [line for line in text.splitlines() if line.startswith((f"  {stage}.", "  encoder.", "  seed="))]
    assert 10 <= len(shown) <= most_lines and "--help-all" in text
    assert all(line in everything for line in shown) and "  patience_s=" in everything and "patience_s" not in text
