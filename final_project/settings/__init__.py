"""Every setting of a recipe: its type, default, range, unit and meaning, in one place; one file per section.

`--help` of a stage, the checks on a recipe and the manifests all read these classes.
A recipe is one YAML file that holds only what differs from these defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import model_validator

from final_project.settings.encoder_section import Encoder
from final_project.settings.posttrain import Posttrain
from final_project.settings.prepare_section import CleaningStep, Policy, Prepare
from final_project.settings.rows_and_settings import conflicts_with_rows, with_defaults_of_rows
from final_project.settings.section import Section, setting
from final_project.settings.similarity_v0 import SimilarityV0
from final_project.settings.similarity_v1 import SimilarityV1
from final_project.settings.targets import Targets
from final_project.settings.training import Precision, Schedule, Training

__all__ = [
    "CleaningStep", "Encoder", "Policy", "Posttrain", "Precision", "Prepare", "Recipe", "Schedule", "Section",
    "SimilarityV0", "SimilarityV1", "Targets", "Training", "setting",
]  # fmt: skip


class Recipe(Section):
    """One experiment: all stages."""

    name: str = setting("", "name of the run; empty = the name of the recipe file")
    runs_dir: str = setting("runs", "folder of all runs", "path", common=True)
    nproc: int = setting(1, "processes on this machine, one per device", "processes", common=True, ge=1, le=1024)
    seed: int = setting(111, "seed of shuffling, masking, dropout and initial weights", common=True, ge=0)
    patience_s: int = setting(1800, "how long processes wait for each other before the run fails", "seconds", ge=5)
    targets: Targets = Targets()
    prepare: Prepare = Prepare()
    encoder: Encoder = Encoder()
    posttrain: Posttrain = Posttrain()
    similarity_v0: SimilarityV0 = SimilarityV0()
    similarity_v1: SimilarityV1 = SimilarityV1()

    @model_validator(mode="before")
    @classmethod
    def fill_in_defaults_of_rows(cls, values: Any) -> Any:
        return with_defaults_of_rows(values)

    @property
    def chain(self) -> str:
        """The chain that is handed in or shown first."""
        return self.similarity_v1.chain or ("published" if self.prepare.explains_contest else "clean")

    def conflicts(self) -> Iterator[str]:
        if self.encoder.init == "scratch":
            for stage in ("posttrain", "similarity_v0"):
                length = getattr(self, stage).max_length
                if length > self.encoder.max_positions:
                    yield f"{stage}.max_length: {length} exceeds encoder.max_positions: {self.encoder.max_positions}"
        yield from conflicts_with_rows(self)
