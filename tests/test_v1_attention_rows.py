"""Attention is taken where the head reads: found from the model, or refused."""

import numpy as np
import pytest
import torch
from architectures import tiny_family
from tiny_models import tiny_sequence_classifier, tiny_tokenizer

from final_project.errors import ArtifactError
from final_project.model.heads.classifier import PooledClassifier
from similarity_v1.explain.explainer import Explainer

ROWS = [("怎么开通花呗", "如何关闭花呗"), ("手机", "手机号码")]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


def layers_of(encoder, tokenizer, row):
    """(mean attention of each layer over its heads, places of the characters)."""
    encoding = tokenizer(*row, return_tensors="pt")
    encoder.set_attn_implementation("eager")
    with torch.no_grad():
        found = encoder(encoding["input_ids"], attention_mask=encoding["attention_mask"], output_attentions=True)
    encoder.set_attn_implementation("sdpa")
    places = np.array([side is not None for side in encoding.sequence_ids(0)])
    return [layer[0].mean(0).double() for layer in found.attentions], places


def rolled_out(layers):
    product = torch.eye(len(layers[0]), dtype=torch.float64)
    for layer in layers:
        product = 0.5 * (layer + torch.eye(len(product), dtype=torch.float64)) @ product
    return product


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2", "opt"])
def test_a_decoder_is_read_at_its_last_token_in_any_batch(family, tokenizer):
    model = tiny_family(family, tokenizer)
    if family == "gpt2":  # without types, as the reference asks it
        tokenizer = tiny_tokenizer("wordpiece_lower")
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    for method in ("attention", "attention_rollout"):
        together = Explainer(model, tokenizer, method).explain(ROWS)
        for found, row in zip(together, ROWS, strict=True):
            layers, places = layers_of(model.base_model, tokenizer, row)
            wanted = (layers[-1] if method == "attention" else rolled_out(layers))[-1].numpy()[places]
            np.testing.assert_allclose(np.concatenate(found.scores), wanted, atol=1e-5)
            assert (wanted > 0).all()


@pytest.mark.parametrize("pool", ["mean", "weighted_layers", "attention", "max"])
def test_a_pooled_head_is_read_at_all_that_it_pools(pool, tokenizer):
    encoder = tiny_sequence_classifier("bert", tokenizer).bert
    torch.manual_seed(1)
    model = PooledClassifier(encoder, pool, 2, 0.0).eval()
    tokenizer = tiny_tokenizer("wordpiece_lower")
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    for found, row in zip(Explainer(model, tokenizer, "attention").explain(ROWS), ROWS, strict=True):
        layers, places = layers_of(encoder, tokenizer, row)
        ours = np.concatenate(found.scores)
        if pool == "mean":
            np.testing.assert_allclose(ours, layers[-1].mean(0).numpy()[places], atol=1e-5)
        elif pool == "weighted_layers":
            np.testing.assert_allclose(ours, layers[-1][0].numpy()[places], atol=1e-5)
        else:
            assert (ours > 0).all() and ours.sum() < 1


def test_a_mean_pooled_modernbert_is_read_at_all_tokens(tokenizer):
    for pooling, rows in (("mean", slice(None)), ("cls", slice(0, 1))):
        model = tiny_family("modernbert", tokenizer, classifier_pooling=pooling)
        (found,) = Explainer(model, tokenizer, "attention").explain(ROWS[:1])
        layers, places = layers_of(model.base_model, tokenizer, ROWS[0])
        np.testing.assert_allclose(np.concatenate(found.scores), layers[-1][rows].mean(0).numpy()[places], atol=1e-5)


def with_attention(tokenizer, change):
    """A BERT classifier that shows a changed attention."""
    model = tiny_sequence_classifier("bert", tokenizer)

    def shown(_module, _arguments, output):
        if output.attentions:
            output.attentions = change(output.attentions)
        return output

    model.bert.register_forward_hook(shown)
    return model


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda layers: [layer - 0.1 for layer in layers], "no distribution"),
        (lambda layers: [layer / 2 for layer in layers], "no distribution"),
        (lambda layers: [layer * float("nan") for layer in layers], "no distribution"),
        (lambda layers: [layer[..., :4] for layer in layers], "not heads x"),
        (lambda layers: [layer[0] for layer in layers], "not heads x"),
        (lambda layers: layers[:1], "attention for 1 of its 2 layers"),
        (lambda layers: [None, layers[1]], "does not give the attention of each of its layers"),
        (lambda layers: None, "does not give the attention of each of its layers"),
    ],
)
@pytest.mark.parametrize("method", ["attention", "attention_rollout"])
def test_attention_of_another_kind_is_refused(change, reason, method, tokenizer):
    with pytest.raises(ArtifactError, match=reason):
        Explainer(with_attention(tokenizer, change), tokenizer, method)


def test_a_head_that_shows_nothing_is_refused(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer)
    model.bert.pooler.register_forward_hook(lambda module, arguments, output: output.detach())
    with pytest.raises(ArtifactError, match="which places of its last hidden states its head reads"):
        Explainer(model, tokenizer, "attention")


@pytest.mark.stage
@pytest.mark.parametrize("family", ["fnet", "longformer", "funnel", "jamba", "gpt_oss", "mra"])
def test_families_without_such_attention_are_refused_and_gradients_still_work(family, tokenizer):
    model = tiny_family(family, tokenizer)
    for method in ("attention", "attention_rollout"):
        with pytest.raises(ArtifactError, match="cannot be explained by attention"):
            Explainer(model, tokenizer, method)
    (found,) = Explainer(model, tokenizer).explain(ROWS[:1])
    assert np.isfinite(np.concatenate(found.scores)).all()


def test_deep_lift_takes_attention_s_softmax_row_by_row(tokenizer):
    """SqueezeBERT's is a module that Captum has a rule for, which sums over the whole batch."""
    explainer = Explainer(tiny_family("squeezebert", tokenizer), tokenizer, "deep_lift")
    for found, row in zip(explainer.explain(ROWS), ROWS, strict=True):
        (alone,) = explainer.explain([row])
        np.testing.assert_allclose(np.concatenate(found.scores), np.concatenate(alone.scores), atol=1e-5)


def test_deep_lift_refuses_activations_that_its_rule_cannot_take(tokenizer):
    for family, reason in (
        ("albert", "in several places"),
        ("mixtral", "in another order"),
        ("phimoe", "of the tokens|another order"),
    ):
        with pytest.raises(ArtifactError, match=reason):
            Explainer(tiny_family(family, tokenizer), tokenizer, "deep_lift")
