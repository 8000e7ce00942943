"""Compile what DeepSpeed needs on a CPU, one process at a time.

torch guards a build folder by a file `lock`. A process that is killed while compiling leaves it behind, and every later
process waits for it forever. So a lock of the operating system is taken first, which ends with its process: whoever
holds it and finds torch's file knows that nobody is compiling. DeepSpeed keeps what is loaded and does not use torch's
lock again.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from types import ModuleType

log = logging.getLogger(__name__)


def load_compiled_parts(deepspeed: ModuleType) -> None:
    """Compile or load what deepspeed.initialize would.

    deepspeed: the package, which only its engine imports. Needs TORCH_EXTENSIONS_DIR, a folder in which only this
    project compiles; if it is not set, DeepSpeed compiles by itself.
    """
    if "TORCH_EXTENSIONS_DIR" not in os.environ:
        return
    builder = deepspeed.accelerator.get_accelerator().create_op_builder("ShareMemCommBuilder")
    if builder is None or not deepspeed.ops.__compatible_ops__.get(builder.NAME, False):
        return
    folder = Path(os.environ["TORCH_EXTENSIONS_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "in_use").open("w") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        for left in folder.glob("*/lock"):
            log.warning("%s: a process was killed while it compiled; its lock is removed", left)
            left.unlink(missing_ok=True)
        builder.load()
