"""Settings of similarity_v1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting


class SimilarityV1(Section):
    """Rationales: attribution, selection, refinement, submission, report."""

    method: Literal["gradient_x_input", "integrated_gradients"] = setting("gradient_x_input", "how words are scored")
    ig_steps: int = setting(1, "points on the path of integrated gradients", "steps", ge=1, le=1000)
    ratio: float = setting(0.705, "share of the words chosen in each sentence", "share", gt=0, le=1)
    chain: Literal["original", "clean"] = setting("original", "which refined file is handed in")
    batch_tokens: int = setting(8192, "most tokens, padding included, in one attribution batch", "tokens", ge=64)
    shard_rows: int = setting(512, "rows of a unit of work, the most that a kill costs a process", "rows", ge=1)
    threads: int = setting(
        1, "CPU threads of a process: their number may change last digits, that of the processes does not", "threads",
        ge=1, le=1024,
    )  # fmt: skip
    report_pairs: int = setting(20_000, "most pairs listed in the report, evenly spread", "pairs", ge=0)

    def conflicts(self) -> Iterator[str]:
        if self.method == "gradient_x_input" and self.ig_steps != 1:
            yield f"gradient_x_input has one step, found ig_steps {self.ig_steps}: use integrated_gradients"
