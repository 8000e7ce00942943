"""The Explainer on other people's models: architectures, one text or two, classes or a score, folders."""

import numpy as np
import pytest
import torch
from tiny_models import ARCHITECTURES, tiny_sequence_classifier, tiny_tokenizer
from v1_support import tiny_classifier

from final_project.errors import ArtifactError, DataError, RecipeError
from final_project.model.decision import Decision
from final_project.model.heads.classifier import PooledClassifier
from similarity_v1.explain.embedding_calls import embedding_block
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.methods import METHODS
from similarity_v1.explain.probe import evaluation_mode, frozen

PAIRS = [("怎么开通花呗", "如何关闭花呗"), ("How do I open it", "how to close it"), ("手机", "手机号码是多少 abc 123")]
KIND = {"roberta": "byte_bpe", "xlm-roberta": "unigram"}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


def built(architecture, **changes):
    tokenizer = tiny_tokenizer(KIND.get(architecture, "wordpiece_lower"))
    return tiny_sequence_classifier(architecture, tokenizer, **changes), tokenizer


def numbers(explanations):
    return np.concatenate([side for found in explanations for side in found.scores])


def slow_gradient_times_input(model, tokenizer, texts, label):
    """The formula read literally: one row, float64, no padding; the sum over the texts' tokens."""
    inputs = tokenizer(*texts, return_tensors="pt")
    if getattr(model.config, "type_vocab_size", 2) < 2:
        inputs.pop("token_type_ids", None)
    kept = {}

    def keep(module, arguments, output):
        kept["e"] = output
        output.retain_grad()

    handle = embedding_block(model).register_forward_hook(keep)
    model.double()(**inputs).logits.log_softmax(-1)[0, label].backward()
    handle.remove()
    scores_T = (kept["e"].grad * kept["e"]).norm(dim=-1)[0]
    model.float().zero_grad()
    return sum(s.item() for s, side in zip(scores_T, inputs.sequence_ids(0), strict=True) if side is not None)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_gives_the_formula_s_scores_in_any_batch(architecture):
    model, tokenizer = built(architecture)
    explainer = Explainer(model, tokenizer)
    together = explainer.explain(PAIRS)
    alone = [explainer.explain([row])[0] for row in PAIRS]
    np.testing.assert_allclose(numbers(together), numbers(alone), rtol=0, atol=1e-6 * max(1, numbers(alone).max()))
    for found, texts in zip(together, PAIRS, strict=True):
        wanted = slow_gradient_times_input(model, tokenizer, texts, found.label)
        assert sum(map(sum, found.scores)) == pytest.approx(wanted, rel=1e-4)
        assert [len(side) for side in found.scores] == [len(side) for side in found.words]


@pytest.mark.stage
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains_every_architecture(architecture, method):
    model, tokenizer = built(architecture)
    options = {"samples": 4} if hasattr(METHODS[method], "samples") else {}
    options |= {"steps": 3} if hasattr(METHODS[method], "steps") else {}
    for found in Explainer(model, tokenizer, method, **options).explain(PAIRS[:2]):
        scores = np.concatenate(found.scores)
        assert np.isfinite(scores).all() and np.abs(scores).max() > 0


@pytest.mark.stage
@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta"])
def test_integrated_gradients_from_mask_are_complete_at_fifty_steps(architecture):
    model, tokenizer = built(architecture, initializer_range=0.1)
    for baseline in ("mask", "pad"):
        explainer = Explainer(model, tokenizer, "integrated_gradients", steps=50, baseline=baseline)
        assert max(found.completeness_error for found in explainer.explain(PAIRS)) <= 1e-3


def test_one_text_three_classes_and_their_names(tokenizer):
    names = {0: "no", 1: "maybe", 2: "yes"}
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=3, id2label=names)
    found = Explainer(model, tokenizer, target="both").explain(["怎么开通花呗", ("How do I",)])
    assert [len(row.scores) for row in found] == [1, 1] and found[1].words == (("How", "do", "I"),)
    for row in found:
        assert row.label_name == names[row.label] and row.probability == max(row.probabilities)
        assert sum(row.probabilities) == pytest.approx(1) and row.score is None


@pytest.mark.stage
def test_a_given_class_is_explained_whatever_was_decided(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=3)
    decided = Explainer(model, tokenizer).explain(PAIRS)
    by_class = [Explainer(model, tokenizer, target=c).explain(PAIRS) for c in range(3)]
    for b, row in enumerate(decided):
        assert row.scores == by_class[row.label][b].scores and row.label == by_class[0][b].label


def test_the_contrast_of_two_classes_changes_its_sign_with_the_class(tokenizer):
    """d(z_1 - z_0): the log-probabilities' gradients differ from it by a positive factor each, and in sign."""
    model = tiny_sequence_classifier("bert", tokenizer)
    both, zero, one = (Explainer(model, tokenizer, target=t, reduce="sum").explain(PAIRS) for t in ("both", 0, 1))
    for b, row in enumerate(both):
        for_label, against = (one, zero) if row.label else (zero, one)
        total = np.concatenate(row.scores)
        np.testing.assert_allclose(
            np.concatenate(for_label[b].scores) - np.concatenate(against[b].scores), total, atol=1e-5
        )


def test_a_score_has_no_label_and_a_decision_makes_two_classes_of_it(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=1)
    (row,) = Explainer(model, tokenizer).explain(PAIRS[:1])
    assert row.label is None and row.probability is None and row.probabilities == () and np.isfinite(row.score)
    (decided,) = Explainer(model, tokenizer, decision=Decision(threshold=0.5)).explain(PAIRS[:1])
    assert decided.probabilities[1] == pytest.approx(1 / (1 + np.exp(-row.score)), abs=1e-6)
    assert decided.label == (row.score >= 0)


def test_several_labels_at_once_have_a_sigmoid_each(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=3, problem_type="multi_label_classification")
    (row,) = Explainer(model, tokenizer).explain(PAIRS[:1])
    assert row.probability == max(row.probabilities) and sum(row.probabilities) != pytest.approx(1)


def test_the_rule_of_decision_decides_what_is_explained(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer)
    never = Explainer(model, tokenizer, decision=Decision(threshold=1.1)).explain(PAIRS)
    assert [row.label for row in never] == [0, 0, 0]
    assert numbers(never).tolist() == numbers(Explainer(model, tokenizer, target=0).explain(PAIRS)).tolist()


OF_POOLS = {
    "mean_and_cls": {"pool_width": 5, "pool_share": 0.5},
    "weighted_layers_mean": {"layers_from": 1},
    "spans": {"span": "sentence", "span_ends": [3, 7, 9]},
}


@pytest.mark.stage
@pytest.mark.parametrize("pool", ["mean", "attention", "mean_max_min", "mean_and_cls", "weighted_layers_mean", "spans"])
def test_a_head_of_our_own_is_explained_from_its_folder(tokenizer, tmp_path, pool):
    encoder = tiny_sequence_classifier("bert", tokenizer).bert
    PooledClassifier(encoder, pool, 2, 0.1, OF_POOLS.get(pool)).eval().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for method in ("gradient_x_input", "attention", "kernel_shap"):
        explainer = Explainer.from_folder(tmp_path, method)
        together, alone = explainer.explain(PAIRS), [explainer.explain([row])[0] for row in PAIRS]
        np.testing.assert_allclose(numbers(together), numbers(alone), atol=1e-6)


@pytest.mark.stage
def test_a_folder_of_sentence_transformers_cross_encoder_is_explained(tokenizer, tmp_path):
    from sentence_transformers import CrossEncoder

    tiny_sequence_classifier("bert", tokenizer, num_labels=1).save_pretrained(tmp_path / "plain")
    tokenizer.save_pretrained(tmp_path / "plain")
    peer = CrossEncoder(str(tmp_path / "plain"), device="cpu")
    peer.save_pretrained(str(tmp_path / "cross"))
    rows = Explainer.from_folder(tmp_path / "cross").explain(PAIRS)
    wanted = peer.predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose([row.score for row in rows], wanted, atol=1e-5)


@pytest.mark.stage
def test_bf16_is_near_fp32_and_says_the_same_label(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer, initializer_range=0.1)
    exact = Explainer(model, tokenizer, "integrated_gradients", baseline="mask").explain(PAIRS)
    near = Explainer(model, tokenizer, "integrated_gradients", baseline="mask", precision="bf16").explain(PAIRS)
    assert [row.label for row in near] == [row.label for row in exact]
    assert np.abs(numbers(near) - numbers(exact)).max() < 0.1 * np.abs(numbers(exact)).max()


def test_given_words_are_explained_and_must_join_to_the_text(tokenizer):
    explainer = Explainer(tiny_sequence_classifier("bert", tokenizer), tokenizer)
    (row,) = explainer.explain([("怎么 开通", "如何")], [(("怎么", "开通"), ("如何",))])
    assert row.words == (("怎么", "开通"), ("如何",)) and [len(side) for side in row.scores] == [2, 1]
    with pytest.raises(DataError, match="row 1: the words do not join to the text '开通'"):
        explainer.explain([("怎么", "如何"), ("开通", "花呗")], [(("怎么",), ("如何",)), (("开",), ("花呗",))])
    with pytest.raises(DataError, match="row 1: expected 2 texts, found 1"):
        explainer.explain([("怎么", "如何"), ("开通",)])
    assert explainer.explain([]) == []


def test_wrong_options_are_refused_with_what_there_is(tokenizer):
    model = tiny_sequence_classifier("bert", tokenizer)
    for options, message in (
        ({"method": "magic"}, "no attribution method 'magic'"),
        ({"target": 2}, "expected a class from 0 to 1, found 2"),
        ({"target": "neither"}, "expected predicted, both or the number of a class"),
        ({"words": "letters"}, "expected one of characters, contest, jieba, whitespace"),
        ({"precision": "int8"}, "expected fp32 or bf16"),
        ({"method": "integrated_gradients", "n": 3}, "integrated_gradients has no option 'n'"),
    ):
        with pytest.raises(RecipeError, match=message):
            Explainer(model, tokenizer, **options)
    with pytest.raises(RecipeError, match="both needs two classes"):
        Explainer(tiny_sequence_classifier("bert", tokenizer, num_labels=1), tokenizer, target="both")


def test_a_model_without_embeddings_is_refused(tokenizer):
    nothing = torch.nn.Linear(2, 2)
    nothing.config = tiny_sequence_classifier("bert", tokenizer).config
    with pytest.raises(ArtifactError, match="no embedding block"):
        embedding_block(nothing)


def test_what_is_lent_comes_back_as_it_was():
    module = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2)).train()
    module[1].bias.requires_grad_(False)
    with evaluation_mode(module), frozen(module):
        assert not module[0].training and not module[1].weight.requires_grad
    assert module[0].training and module[1].weight.requires_grad and not module[1].bias.requires_grad


@pytest.mark.stage
def test_memory_does_not_grow_with_the_steps(tmp_path):
    """No forward sees more tokens than the budget, however many points are asked for."""
    explainer = Explainer.from_folder(tiny_classifier(tmp_path), "integrated_gradients", steps=40, batch_tokens=128)
    seen = []
    handle = explainer.model.register_forward_pre_hook(
        lambda module, arguments, named: seen.append(named["input_ids"].numel()), with_kwargs=True
    )
    explainer.explain(PAIRS * 5)
    handle.remove()
    assert max(seen) <= 128 and sum(seen) > 40 * 128


def test_a_notebook_shows_words_and_scores(tmp_path):
    (row,) = Explainer.from_folder(tiny_classifier(tmp_path)).explain([("<b>开", "如何")])
    assert "<b>开" not in row._repr_html_() and "&lt;" in row._repr_html_()
    assert sorted(row.ranked(1)) == [0, 1]
