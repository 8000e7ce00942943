"""Which settings and which earlier stages each training stage depends on, and whether it is up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from final_project.artifacts import StageFolder, digest_of
from final_project.settings import Recipe


@dataclass(frozen=True)
class StageState:
    """key: digest of all the stage depends on. inputs: digests by stage of what it reads."""

    folder: StageFolder
    key: str
    inputs: dict[str, str]
    engine: str

    @property
    def is_finished(self) -> bool:
        return self.folder.is_finished(self.key)


def training_stage_state(recipe: Recipe, stage: str) -> StageState:
    """Raises ArtifactError where a stage that this one reads from has not finished."""
    if stage == "posttrain":
        sections, needs = ("encoder", "posttrain"), ("prepare",)
    else:
        sections = ("similarity_v0",)
        needs = ("prepare",) if recipe.similarity_v0.init else ("prepare", "posttrain")
    run_dir = Path(recipe.runs_dir) / recipe.name
    inputs = {need: digest_of(StageFolder(run_dir, need).outputs()) for need in needs}
    settings = {section: getattr(recipe, section).model_dump(mode="json") for section in sections}
    key = digest_of({"settings": settings, "seed": recipe.seed, "inputs": inputs})
    return StageState(StageFolder(run_dir, stage), key, inputs, getattr(recipe, stage).engine)
