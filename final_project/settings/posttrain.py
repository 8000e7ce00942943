"""Settings of posttrain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training


class Posttrain(Training):
    """Masked-LM training on in-domain text."""

    text_form: Literal["pair", "sentence"] = setting("pair", "one row = both sentences of a pair, or one")
    batch_form: Literal["rows", "packed"] = setting(
        "rows", "rows of one length beside each other, or any rows packed into lines without padding"
    )
    pack_length: int = setting(128, "length of a line into which rows are packed", "tokens", ge=8, le=65536)
    mask_unit: Literal["token", "word"] = setting("token", "what is masked together: a token, or a whole word (jieba)")
    mask_prob: float = setting(0.15, "share of the tokens to predict", "share", gt=0, lt=1)
    eval_every: int = setting(
        0, "updates between measurements on the rows kept aside; 0 = once an epoch", "updates", ge=0
    )
    held_out_rows: int = setting(256, "rows kept aside to measure the loss on", "rows", ge=1)
    export: Literal["last", "best"] = setting(
        "last", "weights that are exported: the last, or the lowest held-out loss"
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.batch_form == "packed":
            if self.pack_length < self.max_length:
                yield (
                    f"a row of max_length {self.max_length} does not fit into a line of pack_length {self.pack_length}"
                )
            if 0 < self.micro_tokens < self.pack_length:
                yield f"micro_tokens {self.micro_tokens} has no room for a line of pack_length {self.pack_length}"
