"""Where the encoder's start weights are: a folder, one below models/, or a hub name."""

from __future__ import annotations

from pathlib import Path

from final_project.errors import ArtifactError
from final_project.places import base_dirs


def resolve_init(init: str, allow_download: bool) -> str:
    """Resolve `encoder.init` to a folder, or to a hub name where downloads are allowed.

    A hub name `owner/model` is first searched as a folder and below models/. Raises ArtifactError that says what to put
    where.
    """
    places = [Path(init)]
    for base in base_dirs():
        places += [base / init, base / "models" / init, base / "models" / init.rsplit("/", 1)[-1]]
    for folder in places:
        if (folder / "config.json").is_file():
            return str(folder)
    if allow_download:
        return init
    raise ArtifactError(
        f"encoder {init!r} is not here: place its transformers folder (config.json, weights, tokenizer) at "
        f"models/{init.rsplit('/', 1)[-1]}, or allow the download with -- encoder.allow_download=true; "
        "`python -m final_project weights` brings encoders here, also where no hub is in reach"
    )
