"""Weights of a folder: an encoder is loaded whole or not at all, what is new is named, a trained pooler is kept."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch
from conftest import TINY, call, stage
from folder_support import (
    change_config,
    change_weights,
    renamed,
    tiny_folder,
    tiny_masked_lm_folder,
    write_folder,
)
from safetensors.torch import load_file
from tiny_models import tiny_sequence_classifier, tiny_tokenizer
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, BertModel

from final_project.errors import ArtifactError
from final_project.model.encoder import trained_pooler
from final_project.model.folder import load_classifier
from final_project.model.loading import load_start
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from posttrain.fit import pooler_of_start, start_model
from similarity_v0.model import pair_model_from

START = ("encoder.init={start}", "posttrain.max_length=32", "similarity_v0.max_length=32")


def without(part: str):
    return lambda weights: {name: value for name, value in weights.items() if part not in name}


def damaged(folder: Path, how: str) -> Path:
    """A BERT folder whose encoder has no value for some or all of its weights."""
    tiny_masked_lm_folder(folder)
    if how == "one layer too many":
        return change_config(folder, num_hidden_layers=3)
    changes = {
        "module": renamed(lambda name: f"module.{name}"),
        "another architecture": renamed(lambda name: name.replace("bert.", "roberta.", 1)),
        "inside another model": renamed(lambda name: f"encoder.{name}"),
        "a layer missing": without("layer.0."),
        "a weight missing": without("layer.1.attention.self.key"),
        "other names": renamed(lambda name: name.replace("self.query", "self.q")),
    }
    return change_weights(folder, changes[how])


FAULTS = {
    "module": (r"37 of 37 weights of the encoder are not there.*its names begin with `module\.`", True),
    "another architecture": (r"37 of 37 .*its names begin with `roberta\.`", True),
    "inside another model": (r"37 of 37 .*its names begin with `encoder\.`", True),
    "a layer missing": (r"16 of 37 .*the weights lack layer 0 of 2", False),
    "a weight missing": (
        r"2 of 37 .*layer\.1\.attention\.self\.key\.bias among them: the weights are incomplete",
        False,
    ),
    "one layer too many": (r"16 of 53 .*config\.json asks for 3 layers, the weights have 2", False),
    "other names": (r"4 of 37 .*the weights have other names, such as bert\.encoder\.layer\.0\.attention", False),
}


@pytest.mark.stage
@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("kind", [AutoModelForMaskedLM, AutoModelForSequenceClassification])
def test_an_encoder_without_values_is_refused_with_its_likely_cause(how, kind, tmp_path):
    folder = damaged(tmp_path / "start", how)
    with pytest.raises(ArtifactError, match=FAULTS[how][0]):
        load_start(kind, folder)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_fine_tuning_and_its_pools_refuse_it_too(pool, tmp_path):
    folder = damaged(tmp_path / "start", "module")
    with pytest.raises(ArtifactError, match=r"begin with `module\.`"):
        pair_model_from(str(folder), 1, SimilarityV0(pool=pool))


@pytest.mark.parametrize("architecture", ["roberta", "electra", "deberta"])
def test_other_architectures_are_refused_alike(architecture, tmp_path):
    folder = change_weights(tiny_folder(tmp_path / "start", architecture), renamed(lambda name: f"module.{name}"))
    for load in (load_classifier, lambda place: load_start(AutoModelForSequenceClassification, place)):
        with pytest.raises(ArtifactError, match=r"(\d+) of \1 weights of the encoder.*`module\.`"):
            load(folder)


def test_weights_in_several_files_are_judged_together(tmp_path):
    tokenizer = tiny_tokenizer("wordpiece_lower")
    model = tiny_sequence_classifier("bert", tokenizer)
    model.save_pretrained(tmp_path, max_shard_size="5KB")
    tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    load_classifier(tmp_path)
    change_config(tmp_path, num_hidden_layers=4)
    with pytest.raises(ArtifactError, match=r"config\.json asks for 4 layers, the weights have 2"):
        load_classifier(tmp_path)


def test_a_classifier_with_a_layer_too_few_in_its_config_is_refused_and_a_start_says_so(tmp_path, caplog):
    folder = change_config(tiny_folder(tmp_path / "cut"), num_hidden_layers=1)
    with pytest.raises(ArtifactError, match=r"16 weights belong to layers that .* config\.json does not have"):
        load_classifier(folder)
    with caplog.at_level(logging.INFO):
        load_start(AutoModelForSequenceClassification, folder)
    assert "layers that config.json does not ask for are left out: bert.encoder.layer.1." in caplog.text


def test_new_weights_are_named_in_one_log_line(tmp_path, caplog):
    folder = tiny_masked_lm_folder(tmp_path / "start")
    with caplog.at_level(logging.INFO):
        load_start(AutoModelForSequenceClassification, folder)
    (line,) = caplog.messages
    new = "bert.pooler.dense.bias, bert.pooler.dense.weight, classifier.bias, classifier.weight"
    assert line == f"{folder}: new, with random weights: {new}"


@pytest.mark.parametrize("n_labels", [3, 1])
def test_a_start_with_another_number_of_classes_gets_a_new_head(n_labels, tmp_path, caplog):
    folder = tiny_folder(tmp_path / "start", num_labels=n_labels)
    with caplog.at_level(logging.INFO):
        model = pair_model_from(str(folder), 1, SimilarityV0())
    assert caplog.messages == [f"{folder}: new, with random weights: classifier.bias, classifier.weight"]
    assert model.output_layer.weight.shape == (2, 16)
    kept = load_file(folder / "model.safetensors")["bert.pooler.dense.weight"]
    assert torch.equal(model.pool.dense.weight, kept)


def test_an_encoder_of_another_shape_is_still_refused(tmp_path):
    folder = change_config(tiny_folder(tmp_path / "start"), intermediate_size=48)
    with pytest.raises(ArtifactError, match=r"has the shape \[.*\] in the weights and \[.*\] by config.json"):
        load_start(AutoModelForSequenceClassification, folder)


def test_a_trained_pooler_is_found_under_any_prefix(tmp_path):
    classifier = tiny_folder(tmp_path / "classifier")
    weights = load_file(classifier / "model.safetensors")
    tokenizer = tiny_tokenizer("wordpiece_lower")
    bare = write_folder(tmp_path / "bare", BertModel.from_pretrained(classifier), tokenizer)
    for folder in (classifier, bare):
        found = trained_pooler(str(folder), allow_download=False)
        assert sorted(found) == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
        assert torch.equal(found["bert.pooler.dense.weight"], weights["bert.pooler.dense.weight"])
    for architecture in ("bert", "electra"):
        folder = tiny_masked_lm_folder(tmp_path / f"{architecture}_lm", architecture)
        assert trained_pooler(str(folder), allow_download=False) == {}
    assert pooler_of_start(load_recipe("demo", TINY)) == {}


def start_folder(folder: Path, prepared: Path) -> Path:
    """A classifier, whose pooler is trained, with the tokenizer of the demo's text."""
    tokenizer, _ = start_model(load_recipe("demo", TINY), prepared / "demo" / "prepare" / "text.tsv")
    tokenizer.model_max_length = 64
    return write_folder(folder, tiny_sequence_classifier("bert", tokenizer), tokenizer)


def test_post_training_passes_a_trained_pooler_on_to_fine_tuning(prepared, copy_of, tmp_path):
    start = start_folder(tmp_path / "start", prepared)
    runs = copy_of(prepared)
    overrides = [setting.format(start=start) for setting in START]
    done = stage("posttrain", runs, *overrides, "posttrain.epochs=1")
    assert "new, with random weights: cls.predictions" in done.stderr
    (exported,) = (runs / "demo" / "posttrain" / "posttrain_models").iterdir()
    before, after = load_file(start / "model.safetensors"), load_file(exported / "model.safetensors")
    for name in ("bert.pooler.dense.weight", "bert.pooler.dense.bias"):
        assert torch.equal(after[name], before[name])
    assert not torch.equal(
        after["bert.embeddings.word_embeddings.weight"], before["bert.embeddings.word_embeddings.weight"]
    )
    model = pair_model_from(str(exported), 1, SimilarityV0())
    assert torch.equal(model.pool.dense.weight, before["bert.pooler.dense.weight"])


def test_without_a_pooler_the_export_holds_what_it_held(posttrained):
    (exported,) = (posttrained / "demo" / "posttrain" / "posttrain_models").iterdir()
    assert not [name for name in load_file(exported / "model.safetensors") if "pooler" in name]


@pytest.mark.parametrize("name", ["posttrain", "similarity_v0"])
def test_a_stage_that_starts_from_such_a_folder_ends_with_one_message(name, prepared, copy_of, tmp_path):
    start = start_folder(tmp_path / "start", prepared)
    change_weights(start, renamed(lambda name: f"module.{name}"))
    runs = copy_of(prepared)
    init = "encoder.init" if name == "posttrain" else "similarity_v0.init"
    overrides = (*TINY, f"runs_dir={runs}", f"{init}={start}", f"{name}.max_length=32")
    done = call(name, "--recipe", "demo", "--", *overrides)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {start}: ")
    assert "its names begin with `module.`" in done.stderr and "Traceback" not in done.stderr
    assert not list((runs / "demo" / name).rglob("*.safetensors"))
    check = call("final_project", "plan", "--check", "--recipe", "demo", "--stages", name, "--", *overrides)
    assert check.returncode == 2 and "its names begin with `module.`" in check.stderr
    shutil.rmtree(runs)
