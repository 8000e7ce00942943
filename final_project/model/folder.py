"""Load and check model folders: standard transformers folders, some with this project's own head. Only safetensors are
read, and no remote code is run."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from final_project.errors import ArtifactError, first_line
from final_project.model.custom_parts import add_custom_embeddings
from final_project.model.heads.classifier import PooledClassifier, has_own_head, load_pooled_classifier
from final_project.model.inspection import require_fit
from final_project.model.loading import load_weights
from final_project.model.positions import n_positions
from final_project.model.scale import is_scorer_folder, is_text_folder
from final_project.tokens.tokenizer import with_special_tokens_as_text

MOST_TOKENS = 2**31 - 1  # the limit if nothing else sets one: tokenizers accept no larger number


def require_model_folder(folder: str | Path) -> Path:
    """Check that a folder holds a model and its tokenizer; raises ArtifactError naming what is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such model folder")
    if not (folder / "config.json").is_file():
        raise ArtifactError(f"{folder}: config.json is missing, so this is no transformers model folder")
    if not any((folder / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json")):
        raise ArtifactError(f"{folder}: model.safetensors is missing; pickled weights are not loaded")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "spm.model", "tokenizer.model")):
        raise ArtifactError(f"{folder}: the tokenizer is missing (tokenizer.json or vocab.txt)")
    return folder


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, which treats special tokens spelled in a text as text; raises ArtifactError."""
    folder = require_model_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # whatever a damaged tokenizer file makes the library raise
        raise ArtifactError(f"{folder}: the tokenizer cannot be loaded: {first_line(error)}") from error
    return with_special_tokens_as_text(tokenizer)


def load_classifier(
    folder: str | Path, pairs: bool = False
) -> tuple[PreTrainedModel | PooledClassifier, PreTrainedTokenizerBase]:
    """Load a sequence classifier from a model folder, offline, without remote code.

    Args:
        folder: a transformers folder with safetensors weights and a tokenizer, possibly with this project's own head.
        pairs: require a pair classifier: one or two outputs.
    Returns:
        The model in evaluation mode and its tokenizer. model(**inputs).logits is (B, C) for every kind of head.
    Raises:
        ArtifactError: a file is missing or damaged, or model and tokenizer do not fit each other.
    Example:
        >>> model, tokenizer = load_classifier("runs/demo/similarity_v0/result/model")  # doctest: +SKIP
    """
    if pairs and is_text_folder(folder):
        loader = "TextScorer" if is_scorer_folder(folder) else "transformers' pipeline"
        raise ArtifactError(f"{folder}: a model of single texts, not of pairs; {loader} loads it")
    tokenizer = load_tokenizer(folder)
    model: PreTrainedModel | PooledClassifier
    model = load_pooled_classifier(folder) if has_own_head(folder) else load_standard_classifier(folder)
    add_custom_embeddings(model, folder).eval()
    require_fit(folder, model, tokenizer, pairs=pairs)
    return model, tokenizer


def load_standard_classifier(folder: str | Path) -> PreTrainedModel:
    model, missing = load_weights(AutoModelForSequenceClassification, folder, use_safetensors=True)
    if missing:
        raise ArtifactError(f"{folder}: no trained classifier: weights without values, among them {min(missing)}")
    return model


def longest_input(model: PreTrainedModel | PooledClassifier, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens, special ones included, that the model's positions and its tokenizer allow; at most MOST_TOKENS.

    Position tables are measured (final_project/model/positions.py), because a configuration may count rows that no
    token's position uses.
    """
    stated = (getattr(model.config, "max_position_embeddings", None), n_positions(model, tokenizer))
    limits = [limit for limit in (*stated, tokenizer.model_max_length) if limit is not None and limit > 0]
    return int(min([*limits, MOST_TOKENS]))
