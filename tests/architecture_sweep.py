"""Every method on every family of classifiers: what is right, and what is refused with which reason.

    python tests/architecture_sweep.py [FAMILY ...]

writes the table of docs/CLASSIFIERS.md anew (with families named, only shows their rows). A verdict is `yes` once the
scores are those of a slow reference and the same alone and in a batch; a traceback or a wrong score fails.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from architectures import FAMILIES, tiny_family
from tiny_models import tiny_tokenizer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from final_project.errors import ArtifactError  # noqa: E402
from similarity_v1.explain.explainer import Explainer  # noqa: E402
from similarity_v1.explain.methods import METHODS  # noqa: E402

DOCUMENT = ROOT / "docs" / "CLASSIFIERS.md"
BEGIN, END = "<!-- table: python tests/architecture_sweep.py -->", "<!-- end of the table -->"
HEAD = "| family | gradients | deep_lift | attention | words left out | what it lacks |\n|---|---|---|---|---|---|"
GROUPS = {
    "gradients": ("gradient_x_input", "integrated_gradients", "smooth_grad", "grad_shap"),
    "deep_lift": ("deep_lift",),
    "attention": ("attention", "attention_rollout"),
    "words left out": ("leave_one_out", "lime", "kernel_shap"),
}
ROWS = [("怎么开通花呗", "如何关闭花呗"), ("手机", "手机号码是多少")]
ALIKE = [("怎么开通花呗", "如何关闭花呗"), ("手机号码是多", "怎么关闭花呗")]
NEAR = 2e-3


def row_of_table(family: str) -> str:
    """One line of the table."""
    cells, lacks = [], {}
    try:
        verdicts = verdicts_of(family)
    except ImportError as error:
        line = next(line for line in str(error).splitlines() if line.strip())
        return f"| {family} | – | – | – | – | {line.split(' but ')[0].strip()} |"
    for group, names in GROUPS.items():
        found = {verdicts[name] for name in names}
        assert len(found) == 1, f"{family}: {group} should have one verdict, found {found}"
        (verdict,) = found
        cells.append("yes" if verdict == "yes" else "–")
        if verdict != "yes":
            lacks.setdefault(verdict, []).append(group)
    notes = [reason if len(groups) == 4 else f"{', '.join(groups)}: {reason}" for reason, groups in lacks.items()]
    notes += ["its answer depends on padding"] if verdicts["padding"] == "depends" and "yes" in cells else []
    return f"| {family} | {' | '.join(cells)} | {'; '.join(notes)} |"


def verdicts_of(family: str) -> dict[str, str]:
    """Method -> `yes` or the reason of its refusal; `padding` -> `depends` or `ignored`. Raises AssertionError where
    scores are wrong."""
    tokenizer = tiny_tokenizer("wordpiece_lower")
    model = tiny_family(family, tokenizer)
    found = {"padding": "depends" if depends_on_padding(model, tokenizer) else "ignored"}
    rows = ALIKE if found["padding"] == "depends" else ROWS
    for name, method in METHODS.items():
        options = {"samples": 4} if hasattr(method, "samples") else {}
        options |= {"steps": 3} if hasattr(method, "steps") else {}
        options |= {"reduce": "sum"} if hasattr(method, "reduce") else {}
        try:
            explainer = Explainer(model, tokenizer, name, **options)
            together = explainer.explain(rows)
            alone = [explainer.explain([row])[0] for row in rows]
        except ArtifactError as error:
            assert "\n" not in str(error), f"{family}, {name}: the refusal is one sentence: {error}"
            found[name] = str(error).split("model_type ")[-1].split(") ", 1)[-1].split(": ", 1)[-1]
            found[name] = found[name].removesuffix("; use another method").replace("|", "/")
            continue
        for one, other in zip(together, alone, strict=True):
            close(one, numbers(other), f"{family}, {name}: alone and in a batch")
        if name in REFERENCES:
            wanted = REFERENCES[name](explainer, model, tokenizer, rows[0], alone[0].label)
            close(alone[0], wanted, f"{family}, {name}: against the reference")
        found[name] = "yes"
    return found


def close(found: Any, wanted: np.ndarray, what: str) -> None:
    assert np.isfinite(numbers(found)).all(), what
    scale = max(np.abs(wanted).max(), 1e-4)
    np.testing.assert_allclose(numbers(found), wanted, rtol=0, atol=NEAR * scale, err_msg=what)


def numbers(explanation: Any) -> np.ndarray:
    return np.concatenate([np.asarray(side) for side in explanation.scores])


# --- slow references: one row, no padding, plain autograd, float64 where the family can


def depends_on_padding(model: Any, tokenizer: Any) -> bool:
    """Whether a row that is padded on the right, to any of a few widths, gets another answer."""
    takes = model.forward.__code__.co_varnames
    keys = ["input_ids", *(["attention_mask"] if "attention_mask" in takes or "kwargs" in takes else [])]
    answers = []
    for n_more in (0, 1, 2, 3, 5):
        width = len(tokenizer(*ROWS[1])["input_ids"]) + n_more
        given = tokenizer(*ROWS[1], padding="max_length", max_length=width, return_tensors="pt")
        with torch.no_grad():
            answers.append(model(**{key: given[key] for key in keys}).logits)
    return not all(torch.allclose(answer, answers[0], atol=1e-4, rtol=1e-4) for answer in answers)


def exact(model: Any, inputs: dict) -> Any:
    """A copy in float64, or in float32 where the family breaks on it or gives no finite numbers (Canine)."""
    try:
        double = copy.deepcopy(model).double()
        with torch.no_grad():
            finite = bool(torch.isfinite(double(**inputs).logits).all())
    except RuntimeError:
        finite = False
    return double if finite else copy.deepcopy(model)


def inputs_of(explainer: Explainer, tokenizer: Any, row: tuple[str, str]) -> tuple[dict, np.ndarray]:
    """The inputs of one row, and the places of its characters."""
    encoding = tokenizer(*row, return_tensors="pt")
    inputs = {key: encoding[key] for key in explainer.keys}
    if explainer.model.config.model_type == "fnet":
        inputs.pop("attention_mask")
    return inputs, np.array([side is not None for side in encoding.sequence_ids(0)])


def by_autograd(explainer: Explainer, model: Any, tokenizer: Any, row: tuple[str, str], label: int) -> np.ndarray:
    """Gradient times input, summed over the hidden units: through `inputs_embeds` where the block is the word table."""
    inputs, places = inputs_of(explainer, tokenizer, row)
    block = next(name for name, module in model.named_modules() if module is explainer.reading.block)
    model = exact(model, inputs)
    block = model.get_submodule(block)
    ids, kept = inputs["input_ids"], []
    if explainer.reading.block is getattr(explainer.model.base_model, "embeddings", None) or not takes_embeddings(
        model, block, inputs
    ):

        def keep(_module: Any, arguments: tuple, keywords: dict, output: Any) -> Any:
            given = [value for value in (*arguments, *keywords.values()) if isinstance(value, torch.Tensor)]
            if any(value.shape[0] in ids.shape and value.flatten()[:3].equal(ids[0, :3]) for value in given):
                first = output[0] if isinstance(output, tuple) else output
                kept.append(first.detach().requires_grad_())
                return (kept[0] + 0, *output[1:]) if isinstance(output, tuple) else kept[0] + 0
            return output

        handle = block.register_forward_hook(keep, with_kwargs=True)
        logits = model(**inputs).logits
        handle.remove()
    else:
        kept.append(block(ids).detach().requires_grad_())
        logits = model(**{**inputs, "input_ids": None, "inputs_embeds": kept[0] + 0}).logits
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[0, label], kept[0])
    scores = (gradient * kept[0]).sum(-1)
    return scores.flatten()[: len(places)].detach().numpy()[places]


def takes_embeddings(model: Any, block: Any, inputs: dict) -> bool:
    try:
        with torch.no_grad():
            embedded = {**inputs, "input_ids": None, "inputs_embeds": block(inputs["input_ids"])}
            return torch.allclose(model(**embedded).logits, model(**inputs).logits, atol=1e-4)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError):
        return False


def by_hand(explainer: Explainer, model: Any, tokenizer: Any, row: tuple[str, str], label: int) -> np.ndarray:
    """Leave-one-out: the ids themselves are replaced, one after the other."""
    inputs, places = inputs_of(explainer, tokenizer, row)
    model, scores = exact(model, inputs), []
    with torch.no_grad():
        full = model(**inputs).logits.log_softmax(-1)[0, label]
        for place in np.flatnonzero(places):
            ids = inputs["input_ids"].clone()
            ids[0, place] = tokenizer.mask_token_id
            scores.append(float(full - model(**{**inputs, "input_ids": ids}).logits.log_softmax(-1)[0, label]))
    return np.array(scores)


def by_output(explainer: Explainer, model: Any, tokenizer: Any, row: tuple[str, str], label: int) -> np.ndarray:
    """Attention of the last layer at the places whose last hidden states move the logits."""
    inputs, places = inputs_of(explainer, tokenizer, row)
    model = copy.deepcopy(model)
    model.set_attn_implementation("eager")
    kept = []

    def keep(_module: Any, _arguments: tuple, output: Any) -> None:
        kept.append(output)

    model.base_model.register_forward_hook(keep)
    logits = model(**inputs, output_attentions=True).logits
    hidden = kept[0].last_hidden_state
    each = [torch.autograd.grad(logit, hidden, retain_graph=True)[0][0] for logit in logits[0]]
    moved = torch.cat(each, dim=-1).norm(dim=-1)
    attention = kept[0].attentions[-1][0].mean(0)
    return ((moved / moved.sum()) @ attention).detach().numpy()[places]


REFERENCES = {"gradient_x_input": by_autograd, "leave_one_out": by_hand, "attention": by_output}


def table_in(document: str) -> dict[str, str]:
    """Family -> its line, of the table between the marks."""
    lines = document.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    return {line.split("|")[1].strip(): line for line in lines}


def main(families: list[str]) -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    lines = []
    for family in families or FAMILIES:
        lines.append(row_of_table(family))
        print(lines[-1], flush=True)
    if not families:
        before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
        table = "\n".join([BEGIN, "", HEAD, *lines, "", END])
        DOCUMENT.write_text(before + table + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
