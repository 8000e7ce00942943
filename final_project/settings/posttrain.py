"""Settings of posttrain."""

from __future__ import annotations

from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training


class Posttrain(Training):
    """Masked-LM training on in-domain text."""

    text_form: Literal["pair", "sentence"] = setting("pair", "one row is both sentences of a pair, or one sentence")
    mask_unit: Literal["token", "word"] = setting(
        "token", "masking unit: single tokens, or all tokens of a word (jieba)", common=True
    )
    mask_prob: float = setting(0.15, "fraction of the tokens to predict", "fraction", common=True, gt=0, lt=1)
    eval_every: int = setting(0, "updates between evaluations on the held-out rows; 0 = once an epoch", "updates", ge=0)
    held_out_rows: int = setting(256, "rows held out to measure the loss", "rows", ge=1)
    export: Literal["last", "best"] = setting(
        "last", "weights that are exported: the last ones, or those with the lowest held-out loss", common=True
    )
