"""The dropout of a given encoder and of its head, set in their configuration."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig

from final_project.errors import ArtifactError, first_line

NOT_THE_ENCODERS = ("classif", "pooler", "summary", "qa_", "layerdrop")
"""Parts of the names of other dropouts in a configuration: those of heads, and of whole layers."""


def dropout_options(place: str, encoder: float | None, head: float | None = None) -> dict[str, Any]:
    """Entries of the configuration at `place` with these probabilities in place of their values: options of
    from_pretrained. None keeps what is there. A head whose configuration does not name its dropout gets no entry: set
    it in the module. Raises ArtifactError if the configuration cannot be read or names no dropout of the encoder.

    Example:
        >>> dropout_options("models/bert", 0.0)  # doctest: +SKIP
        {'hidden_dropout_prob': 0.0, 'attention_probs_dropout_prob': 0.0}
    """
    if encoder is None and head is None:
        return {}
    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True)
    except Exception as error:  # whatever a missing or foreign config.json makes the library raise
        raise ArtifactError(f"{place}: the model cannot be loaded: {first_line(error)}") from error
    options = {"classifier_dropout": head} if head is not None and hasattr(config, "classifier_dropout") else {}
    if encoder is None:
        return options
    names = [name for name, value in config.to_dict().items() if _is_dropout(name, value)]
    if not names:
        raise ArtifactError(f"{place}: encoder_dropout {encoder:g}: a {config.model_type} model has no dropout to set")
    return {**options, **dict.fromkeys(names, encoder)}


def _is_dropout(name: str, value: Any) -> bool:
    is_named = ("dropout" in name or name.endswith("pdrop")) and not any(part in name for part in NOT_THE_ENCODERS)
    return is_named and isinstance(value, (int, float)) and not isinstance(value, bool)
