"""Check the folder that a training will start from, before anything starts."""

from __future__ import annotations

from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from final_project.model.folder import load_tokenizer, longest_input
from final_project.model.inspection import require_fit
from final_project.model.loading import load_start
from final_project.tokens.tokenizer import load_init_tokenizer


def require_fit_start(place: str, max_length: int, setting: str, masks: bool) -> None:
    """Load a folder as its training will, then drop it. masks: for masked-LM training. Raises ArtifactError naming
    every fault."""
    tokenizer = load_init_tokenizer(place, allow_download=False) if masks else load_tokenizer(place)
    model = load_start(AutoModelForMaskedLM if masks else AutoModelForSequenceClassification, place, quietly=True)
    if not masks:
        tokenizer.model_max_length = max_length  # fine-tuning truncates by its own setting
    longest = longest_input(model, tokenizer)
    require_fit(place, model, tokenizer, masks=masks, setting=setting, max_length=max_length, longest=longest)
