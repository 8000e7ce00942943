"""The shards of an extraction on a Ray cluster, by Ray Data: an actor per core or GPU holds the model and explains
shard after shard; the driver alone writes. The rows are those of any other engine, to the last bit.

Model folder and pairs must be readable under the same path on every machine; the code travels with the job. A worker
that is lost is replaced by Ray, and its shard done again. No usage report is sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from final_project.cli import set_up_libraries
from final_project.errors import ArtifactError, EnvironmentProblem, ProjectError
from final_project.places import PACKAGES_DIR
from final_project.run.progress import progress
from final_project.settings import SimilarityV1
from similarity_v1.extract.shards import PairShards, ShardFolder
from similarity_v1.extract.worker import Worker, warn_truncated

OBJECT_STORE_BYTES = 200 << 20  # for a local cluster; a shard's answer has some hundred kilobytes
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
ANSWER = pa.schema(
    [("number", pa.int64()), ("parquet", pa.binary()), ("cut_ids", pa.list_(pa.int64())), ("problem", pa.string())]
)


class RayEngine:
    """Explains shards on the cluster at an address, or on one of this machine that lives as long as they take."""

    def __init__(self, model: Path, settings: SimilarityV1, address: str | None = None):
        self.model, self.settings, self.address = model.resolve(), settings, address

    def __call__(self, shards: PairShards, numbers: Sequence[int], folder: ShardFolder) -> None:
        """Put the shards of these numbers into the folder. Raises ArtifactError with what an actor could not read,
        EnvironmentProblem where the cluster fails."""
        if not numbers:
            return
        cut_ids: list[int] = []
        with started_ray(self.address):
            for answer in progress(self._answers(shards, numbers), len(numbers), "extract: on ray", "shards"):
                if answer["problem"]:
                    raise ArtifactError(answer["problem"])
                folder.add(answer["number"], answer["parquet"])
                cut_ids += answer["cut_ids"]
        warn_truncated(cut_ids, sum(map(shards.rows_in, numbers)))

    def _answers(self, shards: PairShards, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """What the actors answer, one dict a shard, as they finish."""
        import ray
        from ray.data import ActorPoolStrategy

        n_gpus = int(ray.cluster_resources().get("GPU", 0))
        n_cores = int(ray.cluster_resources().get("CPU", 1))
        n_actors = n_gpus or max(1, n_cores // self.settings.threads)
        table = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
        answers = table.map_batches(
            ShardActor,
            fn_constructor_args=(self.model, self.settings, shards),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=min(n_actors, len(numbers))),
            num_cpus=self.settings.threads,
            num_gpus=1 if n_gpus else None,
        )
        return iter(answers.iter_rows())


class ShardActor:
    """Explains the shards whose numbers it is given. It loads the model with the first one, so that what is wrong with
    the model comes back as an answer."""

    def __init__(self, model: Path, settings: SimilarityV1, shards: PairShards):
        self.model, self.settings, self.shards = model, settings, shards
        self.worker: Worker | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        number = batch["number"][0].as_py()
        try:
            (parquet, cut_ids), problem = self._explain(number), ""
        except ProjectError as error:
            (parquet, cut_ids), problem = (b"", []), str(error)
        return pa.table({"number": [number], "parquet": [parquet], "cut_ids": [cut_ids], "problem": [problem]}, ANSWER)

    def _explain(self, number: int) -> tuple[bytes, list[int]]:
        if self.worker is None:
            set_up_libraries()
            self.worker = Worker(self.model, self.settings)
        return self.worker.explain(self.shards.read(number))


@contextlib.contextmanager
def started_ray(address: str | None) -> Iterator[None]:
    """Connected to a cluster while open: the one at the address, else one of this machine's cores that ends, and leaves
    nothing, with the block. Raises EnvironmentProblem where Ray fails."""
    os.environ.update(QUIET)
    import ray
    from ray.exceptions import RayError

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    # Ray creates its sockets below this folder; the path of a socket has at most 107 characters
    session = tempfile.mkdtemp(prefix="ray_", dir="/tmp")
    try:
        if address is None:
            ray.init(_temp_dir=session, object_store_memory=OBJECT_STORE_BYTES, **quiet)
        else:
            packages = [str(PACKAGES_DIR / name) for name in ("final_project", "similarity_v1")]
            del quiet["include_dashboard"]
            ray.init(address, runtime_env={"py_modules": packages}, **quiet)
        _quiet_ray_data()
        yield
    except (RayError, ConnectionError) as error:
        # the last line of a remote traceback is the error itself
        lines = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise EnvironmentProblem(f"ray: {lines[0]}; run the same command again to resume") from error
    finally:
        ray.shutdown()
        shutil.rmtree(session, ignore_errors=True)


def _quiet_ray_data() -> None:
    from ray.data import DataContext

    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
