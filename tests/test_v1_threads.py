"""Several threads on one model: the rows of one, whoever asks beside it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_models import tiny_sequence_classifier, tiny_tokenizer
from v1_support import tiny_classifier

from final_project.model.turns import alone_with
from similarity_v0.api import PairClassifier
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.explainer import Explainer

PAIRS = [
    ("怎么开通花呗", "如何关闭花呗"),
    ("手机号码", "手机号码是多少？"),
    ("好看吗", "好看的了是在有，多少钱"),
    ("钱", "钱"),
    ("如何借钱", "怎么借钱"),
]
N_THREADS, N_ROWS = 8, 40

pytestmark = [pytest.mark.stage, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"))


def in_threads(work, items):
    """The answers to the items, in order, with all threads let go at once."""
    gate = threading.Barrier(N_THREADS)
    with ThreadPoolExecutor(N_THREADS, initializer=gate.wait) as pool:
        return list(pool.map(work, items))


@pytest.mark.parametrize("method", ["gradient_x_input", "leave_one_out", "deep_lift"])
def test_threads_on_one_explainer_get_the_rows_of_one_thread(folder, method):
    explainer = Explainer.from_folder(folder, method)
    rows = [PAIRS[number % len(PAIRS)] for number in range(N_ROWS)]
    alone = {row: explainer.explain([row])[0] for row in PAIRS}
    for row, found in zip(rows, in_threads(lambda row: explainer.explain([row])[0], rows), strict=True):
        assert found.label == alone[row].label and found.texts == row
        np.testing.assert_allclose(np.concatenate(found.scores), np.concatenate(alone[row].scores), atol=1e-6)


def test_explainers_and_a_judge_of_one_model_wait_for_each_other(folder):
    first = Explainer.from_folder(folder)
    others = [Explainer(first.model, first.tokenizer, name) for name in ("leave_one_out", "attention")]
    judge = Judge(first.model, first.tokenizer)
    askers = [*(explainer.explain for explainer in (first, *others)), judge.probabilities]
    jobs = [(asker, PAIRS[number % len(PAIRS)]) for number in range(N_ROWS // 4) for asker in askers]
    wanted = [asker([row]) for asker, row in jobs]
    for found, alone in zip(in_threads(lambda job: job[0]([job[1]]), jobs), wanted, strict=True):
        numbers = [
            np.concatenate(answer[0].scores) if isinstance(answer, list) else answer for answer in (found, alone)
        ]
        np.testing.assert_allclose(*numbers, atol=1e-6)


def test_two_models_under_deep_lift_keep_captums_rules_apart():
    """Captum has one table of rules for all models; who ends first must not take the other's away."""
    tokenizer = tiny_tokenizer("wordpiece_lower")
    explainers = [
        Explainer(tiny_sequence_classifier("bert", tokenizer, hidden_act=act), tokenizer, "deep_lift")
        for act in ("gelu", "gelu_new", "silu", "relu")
    ]
    jobs = [(explainer, row) for explainer in explainers for row in PAIRS]
    wanted = [explainer.explain([row])[0].scores for explainer, row in jobs]
    found = in_threads(lambda job: job[0].explain([job[1]])[0].scores, jobs)
    for ours, alone in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.concatenate(ours), np.concatenate(alone), atol=1e-6)


def test_threads_on_one_pair_classifier_get_the_probabilities_of_one(folder):
    classifier = PairClassifier.load(folder)
    wanted = classifier.predict(PAIRS).probabilities
    rows = [number % len(PAIRS) for number in range(N_ROWS)]
    found = in_threads(lambda number: float(classifier.predict([PAIRS[number]]).probabilities[0]), rows)
    np.testing.assert_allclose(found, wanted[rows], atol=1e-6)


def test_locks_are_taken_in_one_order_and_a_thread_may_enter_again():
    class Thing:
        pass

    one, other, seen = Thing(), Thing(), []

    def work(things):
        for _ in range(200):
            with alone_with(*things), alone_with(*reversed(things)):
                seen.append(things)

    threads = [threading.Thread(target=work, args=(things,)) for things in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(seen) == 400
