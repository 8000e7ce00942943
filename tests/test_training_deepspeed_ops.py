"""What DeepSpeed compiles on its first use on a CPU."""

from __future__ import annotations

import shutil

import pytest
from conftest import TINY, call

pytestmark = pytest.mark.engines


def test_a_lock_that_a_killed_process_has_left_keeps_nobody_waiting(prepared, copy_of, tmp_path):
    if shutil.which("c++") is None or shutil.which("ninja") is None:
        pytest.skip("nothing is compiled here: no c++ or no ninja")
    left = tmp_path / "deepspeed_shm_comm" / "lock"
    left.parent.mkdir()
    left.touch()
    asked = (*TINY, f"runs_dir={copy_of(prepared)}", "posttrain.engine=deepspeed", "posttrain.epochs=1")
    done = call("posttrain", "--recipe", "demo", "--", *asked, nproc=2, TORCH_EXTENSIONS_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("its lock is removed") == 1, "by the rank that came first"
    assert not left.exists() and list(left.parent.glob("*.so"))
