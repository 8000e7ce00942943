"""What each stage after prepare depends on (settings, earlier stages), and whether it is up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from final_project.artifacts import digest_of
from final_project.model.start_folder import resolve_init
from final_project.run.stage_folder import StageFolder
from final_project.settings import Recipe


@dataclass(frozen=True)
class StageState:
    """key: digest of everything the stage depends on. resume_key: the same without settings that change results by
    rounding alone, such as the engine; an interrupted run with the same resume_key can be resumed. inputs: digests of
    what the stage reads, by stage."""

    folder: StageFolder
    key: str
    resume_key: str
    inputs: dict[str, str]
    engine: str

    @property
    def is_finished(self) -> bool:
        return self.folder.is_finished(self.key)

    def require_intact_inputs(self) -> None:
        """Read all that the stage reads; raises ArtifactError where it is not as the earlier stages wrote it."""
        for stage in self.inputs.keys() - {"init"}:
            StageFolder(self.folder.run_dir, stage).require_intact()


def training_stage_state(recipe: Recipe, stage: str) -> StageState:
    """Raises ArtifactError where a stage that this one reads from has not finished."""
    sections = ("encoder", "posttrain") if stage == "posttrain" else (stage,)
    run_dir = Path(recipe.runs_dir) / recipe.name
    inputs = {need: digest_of(StageFolder(run_dir, need).outputs()) for need in _needs(recipe, stage)}
    init = {"posttrain": recipe.encoder.init, "similarity_v0": recipe.similarity_v0.init}.get(stage, "")
    if init not in ("", "scratch"):
        inputs["init"] = _folder_stamp(Path(resolve_init(init, recipe.encoder.allow_download)))

    def key(up_to_rounding: bool) -> str:
        settings = {section: getattr(recipe, section).affecting_result(up_to_rounding) for section in sections}
        if stage == "similarity_v0" and recipe.targets.rows != "pairs":
            settings["targets"] = recipe.targets.affecting_result(up_to_rounding)
        return digest_of({"settings": settings, "seed": recipe.seed, "inputs": inputs})

    engine = getattr(getattr(recipe, stage), "engine", "torch")
    return StageState(StageFolder(run_dir, stage), key(False), key(True), inputs, engine)


def _needs(recipe: Recipe, stage: str) -> tuple[str, ...]:
    """The earlier stages that the stage reads."""
    if stage == "posttrain" or (stage == "similarity_v0" and recipe.similarity_v0.init):
        return ("prepare",)
    return ("prepare", "posttrain") if stage == "similarity_v0" else ("prepare", "similarity_v0")


def _folder_stamp(folder: Path) -> str:
    """A digest of names, sizes and times of a folder's files. Contents are not read: weights have gigabytes."""
    files = sorted(path for path in folder.glob("*") if path.is_file())
    return digest_of([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files])
