"""Where the project's own files are: next to the packages in a checkout, inside them in an installation.

What users bring (data/, models/) and what a run writes (runs/) is looked for in the current folder, recipes aside.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGES_DIR = Path(__file__).resolve().parent.parent  # holds final_project, posttrain, similarity_v0, similarity_v1
CHECKOUT = PACKAGES_DIR if (PACKAGES_DIR / "run.sh").is_file() else None  # None: an installed package
RECIPE_DIR = CHECKOUT / "recipes" if CHECKOUT else PACKAGES_DIR / "final_project" / "recipes"
DS_CONFIG_DIR = PACKAGES_DIR / "posttrain" / "ds_config"


def cache_dir() -> Path:
    """Where libraries may keep what they download or compile: inside a checkout, else the user's cache folder."""
    if CHECKOUT:
        return CHECKOUT / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explained-pairs"


def base_dirs() -> list[Path]:
    """Where relative places such as models/ are looked for, the current folder first."""
    return [Path(), *([CHECKOUT] if CHECKOUT else [])]
