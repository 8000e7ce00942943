"""Load transformers weights quietly; any failure becomes one ArtifactError.

Every weight of the encoder must be there. Whether other weights (head, pooler) may be missing is the caller's decision.
Unexpected weights are this project's custom embeddings (custom_parts.py)."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils import logging as library_logging

from final_project.errors import ArtifactError, first_line
from final_project.model.finite import require_finite_weights

log = logging.getLogger(__name__)

LAYER = re.compile(r"\.(\d+)\.")
SHOWN_NAMES = 6


def load_weights(auto_class: Any, place: str | Path, **options: Any) -> tuple[PreTrainedModel, set[str]]:
    """Load a model; returns it and the names of weights outside the encoder that `place` lacks. Offline by default.

    auto_class: one of transformers' Auto classes; its from_pretrained gets the options. Raises ArtifactError, also if
    `place` has layers that config.json does not have.
    """
    model, report = _loaded(auto_class, place, options)
    if report["mismatched_keys"]:
        raise ArtifactError(f"{place}: {_misfit(report['mismatched_keys'])}")
    if unread := _unread_layers(model, report["unexpected_keys"]):
        raise ArtifactError(
            f"{place}: {len(unread)} weights belong to layers that the model by config.json does not have, "
            f"{min(unread)} among them"
        )
    return model, set(report["missing_keys"])


def load_start(
    auto_class: Any, place: str | Path, quietly: bool = False, without_head: str = "", **options: Any
) -> PreTrainedModel:
    """Load a model to train. Weights outside the encoder (head, pooler) may be missing; they are random, and one log
    line names them. without_head: a warning for where all of the head is missing. Options: see load_weights. Raises
    ArtifactError.
    """
    model, report = _loaded(auto_class, place, options)
    mismatched = {name: (name, *shapes) for name, *shapes in report["mismatched_keys"]}
    if misfits := [mismatched[name] for name in mismatched.keys() & encoder_weights(model)]:
        raise ArtifactError(f"{place}: {_misfit(misfits)}")
    if quietly:
        return model
    if new := sorted({*report["missing_keys"], *mismatched}):
        log.info("%s: new, with random weights: %s", place, _listed(new))
        if without_head and _outside(model) <= set(new):
            log.warning("%s: WARNING: %s", place, without_head)
    if unread := sorted(_unread_layers(model, report["unexpected_keys"])):
        log.warning("%s: layers that config.json does not ask for are left out: %s", place, _listed(unread))
    return model


def encoder_weights(model: PreTrainedModel) -> set[str]:
    """Names of the weights below a model's head, without a pooler: many encoders are trained without one."""
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    return {name for name in model.state_dict() if name.startswith(prefix) and "pooler" not in name.split(".")}


def _outside(model: PreTrainedModel) -> set[str]:
    """Names of the head's own weights: not the encoder's, its pooler's, or those tied to the encoder's."""
    shared = {value.data_ptr() for value in model.base_model.state_dict().values()}
    prefix = f"{model.base_model_prefix}."
    return {
        name
        for name, value in model.state_dict().items()
        if not name.startswith(prefix) and value.data_ptr() not in shared
    }


@contextlib.contextmanager
def without_report() -> Iterator[None]:
    before = library_logging.get_verbosity()
    library_logging.set_verbosity_error()
    try:
        yield
    finally:
        library_logging.set_verbosity(before)


def _loaded(auto_class: Any, place: str | Path, options: dict[str, Any]) -> tuple[PreTrainedModel, dict[str, Any]]:
    """(model, the library's report); every weight is finite, and every encoder weight comes from `place`."""
    options = {
        "local_files_only": True,
        "ignore_mismatched_sizes": True,
        **options,
    }  # the callers decide about mismatches
    try:
        with without_report():
            model, report = auto_class.from_pretrained(str(place), output_loading_info=True, **options)
    except Exception as error:  # whatever missing or damaged weights or a foreign config make the library raise
        raise ArtifactError(f"{place}: the model cannot be loaded: {first_line(error)}") from error
    encoder = encoder_weights(model)
    if missing := encoder & set(report["missing_keys"]):
        cause = _likely_cause(model, missing, report["unexpected_keys"])
        raise ArtifactError(
            f"{place}: {len(missing)} of {len(encoder)} weights of the encoder are not there, {min(missing)} among "
            f"them: {cause}"
        )
    require_finite_weights(place, model.state_dict().items())
    return model, report


def _likely_cause(model: PreTrainedModel, missing: set[str], unexpected: Collection[str]) -> str:
    """Why weights of the encoder have no value: other names, other layers, or none at all."""
    tails: dict[str, str] = {}  # end of a name -> what it begins with
    for name in unexpected:
        parts = name.split(".")
        tails |= {".".join(parts[at:]): ".".join(parts[:at]) for at in range(1, len(parts))}
    own = f"{model.base_model_prefix}."
    bare = {name.removeprefix(own) for name in missing}
    for ends in ({own + name for name in bare}, bare):
        if known := sorted(end for end in ends if end in tails):
            (beginning, _), *_ = Counter(tails[end] for end in known).most_common(1)
            return (
                f"its names begin with `{beginning}.`, such as {tails[known[0]]}.{known[0]}: rename them, as "
                "`explained-pairs weights FOLDER --output NEW` does"
            )
    numbers = {int(found[1]) for name in missing if (found := LAYER.search(name))}
    rest = {int(found[1]) for name in encoder_weights(model) - missing if (found := LAYER.search(name))}
    if numbers and all(LAYER.search(name) for name in missing) and not numbers & rest:
        if rest and min(numbers) > max(rest):
            return f"config.json asks for {max(numbers) + 1} layers, the weights have {len(rest)}"
        return f"the weights lack layer {', '.join(map(str, sorted(numbers)))} of {max(numbers | rest) + 1}, from 0"
    beginnings = {own.removesuffix("."), *(name.split(".")[0] for name in bare)}
    if others := [name for name in unexpected if name.split(".")[0] in beginnings]:
        return f"the weights have other names, such as {min(others)}: they are those of another model"
    return "the weights are incomplete"


def _unread_layers(model: PreTrainedModel, unexpected: Collection[str]) -> set[str]:
    """The names that differ from a weight of the model in the layer's number only."""
    prefix = f"{model.base_model_prefix}."
    known = {LAYER.sub(".N.", name) for name in model.state_dict()}
    layered = {name: LAYER.sub(".N.", name) for name in unexpected if LAYER.search(name)}
    return {name for name, form in layered.items() if form in known or f"{prefix}{form}" in known}


def _misfit(mismatched: Collection[tuple]) -> str:
    name, found, expected = min(mismatched)
    return f"{name} has the shape {[*found]} in the weights and {[*expected]} by config.json"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
