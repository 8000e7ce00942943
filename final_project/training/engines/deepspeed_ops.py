"""What DeepSpeed compiles on its first use on a CPU: here one process at a time compiles or loads it.

torch keeps other processes out of a build folder by a file `lock`, and one that is killed there leaves it behind;
every later one then waits for it without end. So a lock of the operating system's is taken first, which goes with its
process, however that ends: who holds it and finds torch's knows that nobody is at work there. DeepSpeed keeps what is
loaded, and does not come to torch's lock again.
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

    deepspeed: the package, which its engine alone imports. Needs TORCH_EXTENSIONS_DIR, a folder that this project alone
    compiles in; where it is not set, DeepSpeed is left to do it.
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
