"""What a model is given, found from the model: padding never changes an answer, whoever makes the batch."""

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from final_project.errors import ArtifactError
from final_project.model.decision import Decision
from final_project.model.folder import longest_input
from final_project.model.model_inputs import inspect_inputs, padding_id, padding_matters
from final_project.parallel.world import World
from final_project.tokens.token_table import tokenised
from final_project.training.batching import batches_by_length
from similarity_v0.api import PairClassifier
from similarity_v0.export.check import compare, torch_scorer
from similarity_v0.model import PairModel
from similarity_v0.probabilities import predict_probabilities
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.explainer import Explainer

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
PAIRS = [
    ("怎么开通花呗", "如何关闭花呗"),
    ("How do I open it", "how to close it"),
    ("手机", "手机号码是多少 abc 123"),
    ("开", "关"),
    ("花", "呗"),
]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"max_position_embeddings": 64}
ODD_PAD = {"pad_token_id": 7}  # a letter of the vocabulary: the tokenizer's own padding token is 0
MODELS = {
    "llama": SIZES | ODD_PAD | {"num_key_value_heads": 2},
    "qwen2": SIZES | ODD_PAD | {"num_key_value_heads": 2},
    "gpt2": ODD_PAD | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "fnet": SIZES,
    "convbert": SIZES | {"embedding_size": 16, "head_ratio": 1},
    "yoso": SIZES,
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "mpnet": SIZES,
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64},
}
OF_ONE_LENGTH = ("fnet", "convbert", "yoso", "xlnet")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


def built(kind, tokenizer, **changes):
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 2, "eos_token_id": 3}
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), num_labels=2, **{**special, **MODELS[kind], **changes}
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.3)
    return model


def slow_probability(model, tokenizer, pair):
    """One row in float64, as the tokenizer makes it, without padding."""
    keys = inspect_inputs(model, tokenizer, 64).keys
    inputs = tokenizer(*pair, return_tensors="pt")
    with torch.no_grad():
        logits = model.double()(**{key: value for key, value in inputs.items() if key in keys}).logits
    model.float()
    return float(logits.softmax(-1)[0, 1])


@pytest.mark.parametrize("kind", MODELS)
def test_every_predictor_answers_a_batch_as_it_answers_each_row_alone(kind, tokenizer):
    model = built(kind, tokenizer)
    wanted = [slow_probability(model, tokenizer, pair) for pair in PAIRS]
    explainer = Explainer(model, tokenizer)
    assert explainer.inputs.one_length == (kind in OF_ONE_LENGTH)
    together, alone = explainer.explain(PAIRS), [explainer.explain([pair])[0] for pair in PAIRS]
    np.testing.assert_allclose([found.probabilities[1] for found in together], wanted, atol=2e-6)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(np.concatenate(one.scores), np.concatenate(other.scores), atol=1e-5)
    np.testing.assert_allclose(Judge(model, tokenizer).probabilities(PAIRS)[:, 1], wanted, atol=2e-6)
    classifier = PairClassifier(PairModel(model), tokenizer, Decision(), CPU)
    np.testing.assert_allclose(classifier.predict(PAIRS).probabilities, wanted, atol=2e-6)


@pytest.mark.parametrize("kind", ["fnet", "llama", "gpt2"])
def test_where_the_old_padding_would_have_changed_the_answer_is_found(kind, tokenizer):
    """The check does not pass by looking at nothing: padded by the tokenizer's token, these answers do change."""
    model = built(kind, tokenizer)
    row = tokenizer("开")["input_ids"]

    def ask(rows):
        longest = max(map(len, rows))
        ids = torch.tensor([one + [tokenizer.pad_token_id] * (longest - len(one)) for one in rows])
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in rows])
        with torch.no_grad():
            return model(input_ids=ids, attention_mask=mask).logits

    assert padding_matters(ask, row, [[*row, 8, 9]])
    assert not padding_matters(ask, row, [row])


@pytest.mark.parametrize("kind", ["fnet", "convbert", "distilbert"])
def test_evaluation_in_training_finds_it_out_from_its_own_rows(kind, tokenizer):
    model = built(kind, tokenizer)
    rows = [(*pair, 1) for pair in PAIRS]
    table, _ = tokenised(rows, tokenizer, 64)
    found = predict_probabilities(PairModel(model), table, tokenizer.pad_token_id, World(device=CPU))
    wanted = [slow_probability(model, tokenizer, pair) for pair in PAIRS]
    np.testing.assert_allclose(found[:, 1], wanted, atol=2e-6)


def test_the_check_of_an_export_lays_rows_of_one_length_together(tokenizer):
    from final_project.data.records import Pair

    model = built("fnet", tokenizer)
    asked = []

    def scorer(inputs):
        asked.append(inputs["attention_mask"])
        return torch_scorer("", lambda **given: model(given["input_ids"], given["token_type_ids"]))(inputs)

    pairs = [Pair(*pair, label=1) for pair in PAIRS]
    given = inspect_inputs(model, tokenizer, 64)
    answer = compare(scorer, scorer, pairs, tokenizer, 64, Decision(), given)
    assert answer["largest_difference"] == 0 and all(bool(mask.all()) for mask in asked)


def test_a_model_whose_rows_see_each_other_is_refused(tokenizer):
    model = tiny_classifier(vocab_size=len(tokenizer), max_position_embeddings=64).eval()
    whole = model.forward

    def forward(input_ids, attention_mask, token_type_ids=None):
        answer = whole(input_ids, attention_mask, token_type_ids)
        answer.logits = answer.logits - answer.logits.mean(0) if len(input_ids) > 1 else answer.logits
        return answer

    model.forward = forward
    with pytest.raises(ArtifactError, match="when another row is in its batch"):
        Explainer(model, tokenizer)
    with pytest.raises(ArtifactError, match="when another row is in its batch"):
        PairClassifier(PairModel(model), tokenizer, Decision(), CPU)


def test_a_decoder_without_a_padding_token_is_refused_with_what_to_do(tokenizer):
    model = built("gpt2", tokenizer, pad_token_id=None)
    with pytest.raises(ArtifactError, match="a decoder needs a pad_token_id"):
        Explainer(model, tokenizer)


def test_a_tokenizer_and_a_config_without_padding_are_refused_and_one_of_both_is_enough(tokenizer):
    model, bare = built("mpnet", tokenizer), tiny_tokenizer("wordpiece_lower")
    bare.pad_token = None
    assert padding_id(model, bare) == 0 and padding_id(built("llama", tokenizer), tokenizer) == 7
    model.config.pad_token_id = -1  # as old Llama folders have it
    assert padding_id(model, tokenizer) == tokenizer.pad_token_id
    with pytest.raises(ArtifactError, match="names a padding token"):
        padding_id(model, bare)


def test_a_bert_keeps_its_batches_and_comes_back_in_its_mode(tokenizer):
    model = tiny_classifier(vocab_size=len(tokenizer), max_position_embeddings=64).train()
    given = inspect_inputs(model, tokenizer, longest_input(model, tokenizer))
    assert not given.one_length and set(given.keys) == {"input_ids", "token_type_ids", "attention_mask"}
    assert all(module.training for module in model.modules())


def test_batches_of_one_length_hold_every_row_once_and_never_two_lengths():
    lengths = np.random.default_rng(0).integers(1, 12, 200)
    for shortest_first in (False, True):
        batches = batches_by_length(lengths, 64, one_length=True, shortest_first=shortest_first)
        assert sorted(int(row) for batch in batches for row in batch) == list(range(200))
        for batch in batches:
            assert len({int(lengths[row]) for row in batch}) == 1 and sum(lengths[row] for row in batch) <= 64
