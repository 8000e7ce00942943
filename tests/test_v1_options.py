"""Options are checked where they live, and recipe, command line and Python agree on them."""

import dataclasses
from math import inf, nan
from types import NoneType
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_sequence_classifier, tiny_tokenizer
from v1_support import pair

from final_project.data.records import Rationale
from final_project.errors import DataError, EnvironmentProblem, RecipeError
from final_project.model.decision import Decision
from final_project.model.device import chosen_device
from final_project.option_checks import field_types
from final_project.settings import SimilarityV1
from final_project.settings.similarity_v1 import OPTIONS, MethodName
from similarity_v0.api import PairClassifier
from similarity_v0.model import PairModel
from similarity_v1.commands.options import MODEL_OPTIONS
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.evaluate.figures import References, measure
from similarity_v1.evaluate.files import EvaluationRequest
from similarity_v1.evaluate.learn_length import by_gold
from similarity_v1.evaluate.metrics import best_gold_set, ranking
from similarity_v1.evaluate.perturb import perturb_pair
from similarity_v1.explain.explainer import PRECISIONS, Explainer
from similarity_v1.explain.from_settings import method_options
from similarity_v1.explain.methods import METHODS, method_named
from similarity_v1.explain.methods.gradients import IntegratedGradients
from similarity_v1.explain.methods.noise import SmoothGrad
from similarity_v1.rationales.clean_chain import ORDERS, refine_clean
from similarity_v1.rationales.published_chain import SourceRows, refine_f2, refine_f3
from similarity_v1.rationales.selection import Rule, Selection, n_chosen, select

SETTING = {"steps": "ig_steps", "rule": "ig_rule", "tolerance": "ig_tolerance"}  # where a setting has another name
PYTHON_ALONE = {"seed"}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_sequence_classifier("bert", tokenizer)


# --- recipe, command line and methods


def words_of(annotation):
    """All words that an annotation allows, however its alternatives are nested."""
    if get_origin(annotation) is Literal:
        return {word for word in get_args(annotation) if isinstance(word, str)}
    return {word for part in get_args(annotation) for word in words_of(part)}


def kind_and_bounds(name):
    field = SimilarityV1.model_fields[name]
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not NoneType]
    bounds = {bound: getattr(found, bound) for found in field.metadata for bound in ("ge", "gt", "le")
              if hasattr(found, bound)}  # fmt: skip
    return kinds[0] if len(kinds) == 1 else None, bounds


@pytest.mark.parametrize("method", METHODS)
def test_recipe_and_method_agree_in_names_choices_and_bounds(method):
    fields = {field.name: field for field in dataclasses.fields(METHODS[method]) if field.name not in PYTHON_ALONE}
    assert [SETTING.get(name, name) for name in fields] == list(OPTIONS[method])
    for name, field in fields.items():
        setting, kind = SETTING.get(name, name), field_types(METHODS[method])[name]
        annotation = SimilarityV1.model_fields[setting].annotation
        assert words_of(kind) == words_of(annotation), name
        if not words_of(kind):
            its_kind, bounds = kind_and_bounds(setting)
            kind = next(part for part in (get_args(kind) or (kind,)) if part is not NoneType)
            assert kind is its_kind and dict(field.metadata) == bounds, name


def test_every_method_of_the_recipe_is_one_of_python_and_the_command_line_offers_its_choices():
    assert set(get_args(MethodName)) == set(METHODS) == set(OPTIONS) == set(MODEL_OPTIONS["method"]["choices"])
    for name in ("ig_rule", "baseline", "reduce", "precision", "select"):
        assert set(MODEL_OPTIONS[name]["choices"]) == words_of(SimilarityV1.model_fields[name].annotation)
    assert set(PRECISIONS) == words_of(SimilarityV1.model_fields["precision"].annotation)
    assert set(get_args(Rule)) == words_of(SimilarityV1.model_fields["select"].annotation)
    assert set(ORDERS) == words_of(SimilarityV1.model_fields["clean_order"].annotation)
    assert {name for options in OPTIONS.values() for name in options} <= set(MODEL_OPTIONS)


def test_whatever_the_recipe_takes_the_method_takes():
    edges = {"ig_steps": (1, 1000), "samples": (2, 100_000), "noise": (0.0, 10.0), "ig_tolerance": (1e-9, 1.0)}
    for method, options in OPTIONS.items():
        for name in options:
            for value in edges.get(name, sorted(words_of(SimilarityV1.model_fields[name].annotation))):
                more = {"ig_rule": "adaptive"} if name == "ig_tolerance" else {}
                told = method_options(SimilarityV1(method=method, **{name: value}, **more))
                method_named(method, **told)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("gradient_x_input", {"reduce": "L2"}, "reduce: expected one of l2, sum, found 'L2'; did you mean l2?"),
        ("integrated_gradients", {"steps": 0}, "steps: expected a whole number of at least 1 and at most 1,000"),
        ("integrated_gradients", {"steps": 2.5}, "steps: expected a whole number"),
        ("integrated_gradients", {"steps": True}, "steps: expected a whole number"),
        ("integrated_gradients", {"rule": "simpson"}, "rule: expected one of right, midpoint, gauss_legendre"),
        ("integrated_gradients", {"rule": "gauss-legendre"}, "did you mean gauss_legendre?"),
        ("integrated_gradients", {"tolerance": nan}, "tolerance: expected a number above 0 and at most 1, found nan"),
        ("integrated_gradients", {"tolerance": 0.1, "rule": "right"}, "tolerance: takes the rule adaptive"),
        ("integrated_gradients", {"baseline": None}, "baseline: expected one of zero, mask, pad, found None"),
        ("integrated_gradients", {"step": 5}, "has no option 'step'; did you mean steps?"),
        ("smooth_grad", {"samples": 0}, "samples: expected a whole number of at least 2"),
        ("smooth_grad", {"noise": -1}, "noise: expected a number of at least 0 and at most 10, found -1"),
        ("grad_shap", {"noise": inf}, "noise: expected a number"),
        ("grad_shap", {"noise": "0.1"}, "noise: expected a number"),
        ("deep_lift", {"baseline": "Mask"}, "did you mean mask?"),
        ("leave_one_out", {"baseline": "unk"}, "baseline: expected one of zero, mask, pad, found 'unk'"),
        ("lime", {"samples": -3}, "samples: expected a whole number of at least 2"),
        ("kernel_shap", {"seed": -1}, "seed: expected a whole number of at least 0"),
        ("random", {"seed": 0.5}, "seed: expected a whole number"),
    ],
)  # fmt: skip
def test_an_option_that_is_off_is_one_sentence_and_never_another_method(model, tokenizer, method, options, said):
    for refused in (lambda: Explainer(model, tokenizer, method, **options), lambda: method_named(method, **options)):
        with pytest.raises(RecipeError) as error:
            refused()
        assert said in str(error.value) and len(error.value.problems) == 1


def test_all_problems_come_at_once_and_numpy_numbers_are_numbers(model, tokenizer):
    with pytest.raises(RecipeError) as error:
        own = {"words": "letters", "precision": "fp8", "batch_tokens": 0}
        Explainer(model, tokenizer, "smooth_grad", samples=0, noise=nan, reduce="l1", n=1, **own)
    assert len(error.value.problems) == 7
    assert SmoothGrad(samples=np.int64(5), noise=np.float32(0.5)).samples == 5


# --- the Explainer's own, and others'


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_tokens": 0}, "batch_tokens: expected a whole number of at least 1, found 0"),
        ({"batch_tokens": -64}, "batch_tokens"),
        ({"batch_tokens": 64.0}, "batch_tokens"),
        ({"precision": "bf-16"}, "precision: expected fp32 or bf16, found 'bf-16'; did you mean bf16?"),
        ({"precision": None}, "precision"),
        ({"device": "gpu"}, "device: expected cpu, cuda or cuda:NUMBER, found 'gpu'"),
        ({"device": "meta"}, "which computes nothing"),
        ({"words": "character"}, "did you mean characters?"),
        ({"decision": 0.5}, "decision: expected a Decision"),
        ({"target": True}, "target"),
        ({"target": 1.0}, "target"),
        ({"method": IntegratedGradients}, "method: expected a name or an instance of a method"),
        ({"method": None}, "method: expected a name or an instance of a method"),
        ({"method": SmoothGrad(), "samples": 3}, "samples: a method that is made already keeps its own options"),
    ],
)
def test_the_explainers_own_options_are_checked(model, tokenizer, options, said):
    with pytest.raises(RecipeError) as error:
        Explainer(model, tokenizer, **options)
    assert said in str(error.value)


def test_a_device_that_this_machine_lacks_is_its_problem():
    assert chosen_device("cpu") == torch.device("cpu")
    with pytest.raises(EnvironmentProblem, match="this machine lacks it"):
        chosen_device("cuda:97")


def test_classifier_judge_and_rule_of_decision_check_theirs(tokenizer):
    classifier = tiny_classifier(vocab_size=len(tokenizer), max_position_embeddings=64)
    with pytest.raises(RecipeError, match="precision: expected fp32 or bf16, found 'int8'"):
        PairClassifier(PairModel(classifier), tokenizer, Decision(), torch.device("cpu"), "int8")
    with pytest.raises(RecipeError, match="device: expected cpu"):
        PairClassifier.load("nowhere", device="gpu")
    for tokens in (0, -1, 2.5):
        with pytest.raises(RecipeError, match="batch_tokens: expected a whole number"):
            Judge(classifier, tokenizer, batch_tokens=tokens)
    for threshold in (nan, inf, "0.5", True):
        with pytest.raises(RecipeError, match="threshold: expected a finite number or None"):
            Decision(threshold)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: Selection("share", 0.5),
        lambda: Selection("ratio", 0),
        lambda: Selection("ratio", nan),
        lambda: Selection("top_k", 0),
        lambda: Selection("top_k", 1.5),
        lambda: Selection("mass", 1.1),
        lambda: Selection("threshold", -0.1),
        lambda: select([0.1, 0.2], 1.5),
        lambda: n_chosen(3, nan),
        lambda: by_gold([], {}, "share"),
        lambda: EvaluationRequest(None, None, convention="paddle"),
        lambda: measure([], References({}), "paddle"),
        lambda: best_gold_set([0], [{0}], "trust"),
        lambda: ranking([0.5, nan], [0]),
        lambda: ranking([0.5, 0.1], [2]),
        lambda: refine_clean([], [], "rare"),
        lambda: perturb_pair(pair(1, "怎么", "如何"), 2, ("synonyms",), 1, 0),
        lambda: perturb_pair(pair(1, "怎么", "如何"), 2, ("typo",), 0, 0),
    ],
)  # fmt: skip
def test_numbers_and_names_out_of_range_are_refused(refused):
    with pytest.raises(RecipeError):
        refused()


def f3_without_originals(pairs, rows):
    return refine_f3(pairs, rows, SourceRows(frozenset(), frozenset()))[0]


@pytest.mark.parametrize("refine", [refine_f2, refine_clean, f3_without_originals])
def test_rationales_of_other_pairs_are_not_refined(refine):
    pairs = [pair(1, "怎么开通", "如何开通"), pair(2, "关闭", "开通")]
    rows = [Rationale(1, 1, (0,), (1,)), Rationale(2, 0, (1,), (0,))]
    assert [row.id for row in refine(pairs, rows)] == [1, 2]
    for wrong, said in (
        (rows[::-1], "row 0: expected id 1, the pair's, found 2"),
        (rows[:1], "found 1 for 2 pairs"),
        ([rows[0], Rationale(2, 0, (2,), (0,))], "id 2: no word 2, there are 2"),
        ([rows[0], Rationale(2, 0, (-1,), (0,))], "no word -1"),
    ):
        with pytest.raises(DataError, match=said):
            refine(pairs, wrong)
