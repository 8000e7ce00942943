import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from v1_support import golden, pair, tiny_classifier

from final_project.data.files.contest import read_segmented
from final_project.settings import SimilarityV1
from final_project.training.batching import batches_by_length
from similarity_v1.explain.probe import Reading, probing
from similarity_v1.extract.worker import Worker

PAIRS = [
    pair(1, "怎么开通花呗", "如何关闭花呗"),
    pair(2, "手机号码", "手机号码是多少？"),
    pair(3, "好看吗", "好看的了是在有，多少钱！怎么如何开通关闭"),
    pair(4, "钱", "钱"),
    pair(5, "如何借钱 abc 123", "怎么 借 钱"),
]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"))


def explain(folder, pairs=PAIRS, **settings):
    return Worker(folder, SimilarityV1(method="integrated_gradients", **settings)).score(pairs)[0]


def scores_of(rows):
    return np.concatenate([[*row.scores_q, *row.scores_t] for row in rows])


@pytest.mark.stage
@pytest.mark.parametrize("n_steps", [1, 8])
@pytest.mark.parametrize("batch_tokens", [64, 512, 100_000])
def test_extract_agrees_with_the_published_formula(n_steps, batch_tokens):
    folder = golden("attribution")
    expected = json.loads((folder / f"attributions_ig{n_steps}.json").read_text())
    pairs = read_segmented(folder / "pairs.txt")
    rows = explain(folder, pairs, ig_steps=n_steps, batch_tokens=batch_tokens)
    for row, given in zip(rows, pairs, strict=True):
        scores = expected[str(row.id)]["word_attributions"]
        n_q = len(given.words_q)
        assert row.label == expected[str(row.id)]["label"]
        for found, wanted in ((row.scores_q, scores[1 : 1 + n_q]), (row.scores_t, scores[2 + n_q : -1])):
            assert np.abs(np.subtract(found, wanted)).max() <= 1e-5 * max(wanted)
    lines = (folder / f"sim_rationale_ig{n_steps}.txt").read_text().splitlines()
    for rationale, line, row in zip([row.chosen(0.705) for row in rows], lines, rows, strict=True):
        for chosen, wanted, scores in zip(
            (rationale.words_q, rationale.words_t), line.split("\t")[2:], (row.scores_q, row.scores_t), strict=True
        ):
            wanted = [int(index) for index in wanted.split(",")]
            for ours, theirs in zip(chosen, wanted, strict=True):
                assert ours == theirs or abs(scores[ours] - scores[theirs]) <= 1e-5 * max(scores)


def reference(folder, given, n_steps):
    """The formula read literally: one pair, float64, no padding, no hook."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).double().eval()
    encoding = AutoTokenizer.from_pretrained(folder)(given.query, given.title, return_tensors="pt")
    embedded_1TH = model.bert.embeddings(encoding["input_ids"], encoding["token_type_ids"]).detach()

    def logits(hidden_1TH):
        return model.classifier(model.bert.pooler(model.bert.encoder(hidden_1TH)[0]))

    label = logits(embedded_1TH).argmax().item()
    total = torch.zeros_like(embedded_1TH)
    for step in range(1, n_steps + 1):
        point = (embedded_1TH * step / n_steps).requires_grad_()
        logits(point).log_softmax(-1)[0, label].backward()
        total += point.grad
    scores_T = (total / n_steps * embedded_1TH).norm(dim=-1)[0]
    return label, [s.item() for s, side in zip(scores_T, encoding.sequence_ids(0), strict=True) if side is not None]


@pytest.mark.parametrize("n_steps", [1, 5])
def test_scores_agree_with_the_literal_formula_in_float64(folder, n_steps):
    for given, row in zip(PAIRS[:4], explain(folder, PAIRS[:4], ig_steps=n_steps), strict=True):
        label, scores = reference(folder, given, n_steps)
        assert row.label == label
        np.testing.assert_allclose([*row.scores_q, *row.scores_t], scores, rtol=0, atol=1e-5 * max(scores))


@pytest.mark.stage
def test_batch_size_order_and_padding_change_nothing(folder):
    alone = scores_of([row for given in PAIRS for row in explain(folder, [given], ig_steps=3)])
    together = explain(folder, PAIRS * 13, ig_steps=3, batch_tokens=100_000)
    assert [row.id for row in together] == [given.id for given in PAIRS * 13]
    np.testing.assert_allclose(scores_of(together[:5]), alone, rtol=0, atol=1e-5 * alone.max())
    backwards = explain(folder, PAIRS[::-1], ig_steps=3, batch_tokens=64)
    np.testing.assert_allclose(scores_of(backwards[::-1]), alone, rtol=0, atol=1e-5 * alone.max())


@pytest.mark.stage
@pytest.mark.parametrize("n_rows", [1, 7, 64])
def test_padding_to_the_longest_equals_buckets(folder, n_rows):
    pairs = [pair(i, "怎么开通花呗"[: 1 + i % 6], "如何关闭花呗手机"[: 1 + i % 8]) for i in range(64)]
    worker = Worker(folder, SimilarityV1())
    expected = scores_of(worker.score(pairs)[0])
    padded = [row for i in range(0, 64, n_rows) for row in worker.score(pairs[i : i + n_rows])[0]]
    np.testing.assert_allclose(scores_of(padded), expected, rtol=0, atol=1e-5 * expected.max())


def test_one_step_is_gradient_times_input(folder):
    by_name = Worker(folder, SimilarityV1(method="gradient_x_input")).score(PAIRS)[0]
    assert by_name == explain(folder, ig_steps=1)


def test_the_model_comes_back_as_it_was(folder):
    worker = Worker(folder, SimilarityV1())
    model = worker.explainer.model.train()
    model.classifier.weight.requires_grad_(False)
    worker.score(PAIRS)
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert not model.classifier.weight.requires_grad
    assert model.classifier.bias.requires_grad and model.bert.embeddings.word_embeddings.weight.requires_grad
    assert not model.bert.embeddings._forward_hooks


def test_the_model_comes_back_even_when_a_batch_fails(folder):
    model = Worker(folder, SimilarityV1()).explainer.model
    inputs = {"input_ids": torch.tensor([[10**6]]), "attention_mask": torch.tensor([[1]])}
    with pytest.raises(IndexError), probing(model, inputs, [], Reading(), True):
        pass
    assert not model.bert.embeddings._forward_hooks
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_batches_keep_the_token_budget_and_cover_every_row_once():
    lengths = np.array([5, 9, 3, 30, 5, 8, 200, 1])
    batches = batches_by_length(lengths, 64, shortest_first=True)
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 64 for batch in batches)
    assert batches_by_length(np.array([], dtype=int), 64, shortest_first=True) == []
