"""One inspection of a model and its tokenizer, wherever a folder is taken up."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import TINY, call
from folder_support import tiny_folder, tiny_gpt2_folder, tiny_masked_lm_folder, write_folder
from tiny_models import TEXT, tiny_sequence_classifier, tiny_tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from final_project.errors import ArtifactError
from final_project.model.encoder import masked_lm_from
from final_project.model.folder import load_classifier, load_tokenizer
from final_project.model.inspection import require_fit
from final_project.model.model_inputs import takes_token_types
from final_project.model.start import require_fit_start
from final_project.settings import SimilarityV0
from posttrain.model import MaskedLm
from similarity_v0.api import PairClassifier
from similarity_v0.commands.export import FORMATS
from similarity_v0.model import PairModel, pair_model_from
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.explainer import Explainer

PAIRS = [("怎么开通花呗", "如何关闭花呗"), ("a", "abc")]


def with_more_tokens(folder):
    tokenizer = tiny_tokenizer("wordpiece_lower")
    model = tiny_sequence_classifier("bert", tokenizer)
    tokenizer.add_tokens(["开通", "关闭"])
    return write_folder(folder, model, tokenizer)


def without_padding(folder):
    path = tiny_folder(folder) / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token": None}))
    return folder


UNFIT = {
    "a tokenizer beyond the weights": (with_more_tokens, r"the tokenizer has (\d+) tokens, the weights \d+"),
    "no padding": (without_padding, "the tokenizer has no padding token"),
}


@pytest.mark.parametrize("how", UNFIT)
@pytest.mark.parametrize("load", [load_classifier, PairClassifier.load, Explainer.from_folder, Judge.from_folder])
def test_whoever_loads_a_folder_refuses_what_does_not_go_together(how, load, tmp_path):
    make, said = UNFIT[how]
    folder = make(tmp_path / "model")
    with pytest.raises(ArtifactError, match=said):
        load(folder)


@pytest.mark.parametrize("how", UNFIT)
@pytest.mark.parametrize("masks", [True, False])
def test_so_do_the_stages_that_start_from_it(how, masks, tmp_path):
    make, said = UNFIT[how]
    with pytest.raises(ArtifactError, match=said):
        require_fit_start(str(make(tmp_path / "model")), 32, "max_length", masks)


def test_a_tokenizer_that_cannot_mask_serves_fine_tuning_alone(tmp_path):
    path = tiny_folder(tmp_path / "model") / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mask_token": None}))
    require_fit_start(str(path.parent), 32, "similarity_v0.max_length", masks=False)
    with pytest.raises(ArtifactError, match="the tokenizer has no mask token"):
        require_fit_start(str(path.parent), 32, "posttrain.max_length", masks=True)


@pytest.mark.parametrize(("architecture", "longest"), [("bert", 65), ("roberta", 64), ("xlm-roberta", 64)])
def test_positions_are_counted_as_the_model_counts_them(architecture, longest, tmp_path):
    """RoBERTa's kind begins behind the padding token, so that its rows have one position fewer."""
    folder = tiny_masked_lm_folder(tmp_path / "start", architecture)
    for masks in (True, False):
        tokenizer = load_tokenizer(folder)
        tokenizer.model_max_length = 1000
        tokenizer.save_pretrained(folder)
        require_fit_start(str(folder), longest, "x.max_length", masks)
        with pytest.raises(ArtifactError, match=f"x.max_length {longest + 1} exceeds {longest}, the tokens"):
            require_fit_start(str(folder), longest + 1, "x.max_length", masks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_labels": 3}, "answers with 1 or 2 outputs, this model with 3"),
        ({"problem_type": "multi_label_classification"}, "this model is one of multi_label_classification"),
        ({"problem_type": "regression"}, "this model is one of regression"),
    ],
)
def test_what_is_no_pair_classifier_is_refused_by_predict_and_explained_by_explain(changes, said, tmp_path, capsys):
    folder = tiny_folder(tmp_path / "model", **changes)
    with pytest.raises(ArtifactError, match=said):
        PairClassifier.load(folder)
    with pytest.raises(ArtifactError, match=said):
        load_classifier(folder, pairs=True)
    assert Explainer.from_folder(folder).explain(PAIRS)[0].words


def test_all_faults_are_listed_at_once(tmp_path):
    tokenizer = tiny_tokenizer("wordpiece_lower")
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=3)
    tokenizer.add_tokens(["开通"])
    tokenizer.pad_token = tokenizer.mask_token = None
    with pytest.raises(ArtifactError) as caught:
        require_fit("here", model, tokenizer, masks=True, pairs=True, setting="max_length", max_length=9, longest=8)
    for part in (
        "here: ",
        "tokens, the weights",
        "no padding token",
        "no mask token",
        "this model with 3",
        "exceeds 8",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "electra"])
def test_a_model_without_token_types_is_not_given_any(architecture, tmp_path):
    """The tokenizer tells two types apart, RoBERTa has a vector for one and DistilBERT takes none."""
    tokenizer = tiny_tokenizer("wordpiece_lower")
    if architecture == "distilbert":
        changes = {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
        folder = write_folder(
            tmp_path / "model", tiny_sequence_classifier("distilbert", tokenizer, **changes), tokenizer
        )
    else:
        folder = tiny_folder(tmp_path / "model", architecture)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert takes_token_types(model) == (architecture == "electra")
    inputs = tokenizer(*map(list, zip(*PAIRS, strict=True)), padding=True, return_tensors="pt")
    if architecture != "electra":
        inputs.pop("token_type_ids")
    with torch.no_grad():
        expected = torch.softmax(model(**inputs).logits.double(), -1)[:, 1]
    assert PairClassifier.load(folder).predict(PAIRS).probabilities == pytest.approx(expected.numpy(), abs=1e-6)


def test_masked_lm_training_of_roberta_takes_a_tokenizer_that_gives_token_types(tmp_path):
    folder = tiny_masked_lm_folder(tmp_path / "start", "roberta")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = MaskedLm(masked_lm_from(str(folder), tokenizer, allow_download=False))
    inputs = tokenizer(*TEXT[:2], return_tensors="pt")
    assert inputs["token_type_ids"].max() == 1
    assert model(**inputs, masked_M=torch.tensor([1, 2])).shape == (2, len(tokenizer))


def test_a_decoder_is_predicted_with_and_refused_where_it_cannot_be(tmp_path):
    whole = tiny_gpt2_folder(tmp_path / "whole")
    assert len(PairClassifier.load(whole).predict(PAIRS).labels) == 2
    with pytest.raises(ArtifactError, match=r"no_padding: this gpt2 model .* needs a pad_token_id in its config\.json"):
        PairClassifier.load(tiny_gpt2_folder(tmp_path / "no_padding", pad_token_id=None))
    with pytest.raises(ArtifactError, match="a gpt2 model cannot be fine-tuned here"):
        pair_model_from(str(whole), 1, SimilarityV0())
    write = FORMATS["cross-encoder"][0]
    with pytest.raises(ArtifactError, match="a gpt2 classifier has no linear layer that ends its head"):
        write(load_classifier(whole)[0], tmp_path / "out", 32)
    assert not PairModel(load_classifier(whole)[0]).has_output_layer


def test_the_commands_end_with_one_message_and_write_nothing(prepared, copy_of, tmp_path):
    three = tiny_folder(tmp_path / "three", num_labels=3)
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text("sentence1,sentence2\n怎么开通,如何开通\n", encoding="utf-8")
    done = call("similarity_v0", "predict", "--model", str(three), "--input", str(pairs), "--output", str(out))
    assert (done.returncode, out.exists()) == (2, False)
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {three}: a pair classifier answers")
    runs = copy_of(prepared)
    roberta = tiny_masked_lm_folder(tmp_path / "roberta", "roberta")
    overrides = (
        *TINY,
        f"runs_dir={runs}",
        f"similarity_v0.init={roberta}",
        "similarity_v0.max_length=65",
        "encoder.max_positions=80",
    )
    done = call("similarity_v0", "--recipe", "demo", "--", *overrides)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "similarity_v0.max_length 65 exceeds 64" in done.stderr
