"""Write a model folder: weights and configuration, tokenizer, and for a classifier its decision rule and model card."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from final_project.artifacts import write_text
from final_project.model.decision import Decision


def libraries_log_to_stderr() -> contextlib.redirect_stdout:
    """Within this block nothing is printed to standard output, which is for the answers of commands.

    Where accelerate and DeepSpeed are installed, save_pretrained imports both, and DeepSpeed logs to standard output.
    """
    return contextlib.redirect_stdout(sys.stderr)


def write_model_folder(
    folder: Path,
    save_model: Callable[[Path], object],
    tokenizer: PreTrainedTokenizerBase,
    decision: Decision | None = None,
    card: str | None = None,
) -> None:
    """Write all files of a model folder. Call it inside folder_atomic, so that the folder is whole or absent.

    Args:
        folder: where to write; it is created if needed.
        save_model: writes weights and configuration into the folder, as a model's save_pretrained does.
        tokenizer: written as it is; see tokens/tokenizer.py for special tokens that a text spells.
        decision: written as decision.json; None for a folder that is no classifier.
        card: the model card, written as README.md; None for no card.
    Raises:
        ArtifactError: decision.json or README.md cannot be written. OSError or SafetensorError: another file cannot.
    Example:
        >>> with folder_atomic(target) as partial:  # doctest: +SKIP
        ...     write_model_folder(partial, model.save_pretrained, tokenizer, Decision(threshold=0.5), card)
    """
    folder.mkdir(parents=True, exist_ok=True)
    with libraries_log_to_stderr():
        save_model(folder)
    tokenizer.save_pretrained(folder)
    if decision is not None:
        decision.save(folder)
    if card is not None:
        write_text(folder / "README.md", card)
