"""Settings of posttrain."""

from __future__ import annotations

from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training


class Posttrain(Training):
    """Masked-LM training on in-domain text."""

    text_form: Literal["pair", "sentence"] = setting("pair", "one row = both sentences of a pair, or one")
    mask_unit: Literal["token", "word"] = setting("token", "what is masked together: a token, or a whole word (jieba)")
    mask_prob: float = setting(0.15, "share of the tokens to predict", "share", gt=0, lt=1)
    eval_every: int = setting(
        0, "updates between measurements on the rows kept aside; 0 = once an epoch", "updates", ge=0
    )
    held_out_rows: int = setting(256, "rows kept aside to measure the loss on", "rows", ge=1)
    export: Literal["last", "best"] = setting(
        "last", "weights that are exported: the last, or the lowest held-out loss"
    )
