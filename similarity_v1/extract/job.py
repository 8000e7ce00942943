"""Whole files of pairs: explained shard by shard, by one process or many, resumed where an earlier call ended.

Processes write shards into a folder next to the output (`shards.py`), and the first joins them. The rows are the same,
to the last bit, for any number of processes and after any number of interruptions: a batch holds rows of one shard,
and every process computes with the same number of CPU threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from final_project import __version__
from final_project.artifacts import digest_of, file_digest
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.errors import EnvironmentProblem
from final_project.parallel.world import World, started_world
from final_project.settings import SimilarityV1
from similarity_v1.extract.explained_rows import problem_of_shard, write_parquet, write_text
from similarity_v1.extract.shards import PairShards, ShardFolder, find_shards
from similarity_v1.extract.worker import Worker

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
GRACE_S = 30  # a shared file system may show another machine's file that much later


@dataclass(frozen=True)
class Job:
    """model: folder of the classifier. pairs: contest JSONL, or other pairs, read as `how` says. output: *.parquet
    takes every column; any other name is text, and `scores` takes the scores beside it."""

    model: Path
    pairs: Path
    output: Path
    scores: Path
    settings: SimilarityV1
    how: HowToRead = AS_NAMED

    @property
    def is_parquet(self) -> bool:
        return self.output.suffix.lower() == ".parquet"


@dataclass(frozen=True)
class Extracted:
    """rows: of the output. new_rows: those that this call explained, at rows_per_s from its start to its end."""

    rows: int
    new_rows: int
    rows_per_s: float


Engine = Callable[[PairShards, Sequence[int], ShardFolder], None]
"""(shards, the numbers of those to explain, where to); they are all there when it returns."""


def extract(job: Job, engine: Engine | None = None) -> Extracted | None:
    """Explain all pairs of the job: on the processes that the launcher has started, or by an engine on one.

    Returns None on every process but the first. Raises DataError, ArtifactError or EnvironmentProblem; the output is
    then as it was, and finished shards stay next to it for the same call.
    """
    with started_world() as world:
        share = plan_share(job, world, engine)
    return share.work()


def plan_share(job: Job, world: World, engine: Engine | None = None) -> Share:
    """Agree, while the world is open, on what each process will do. It does so alone: none waits for another until the
    first one waits for all."""
    began, folder = time.monotonic(), ShardFolder(job.output)
    found, engine = world.run_on_all_ranks(lambda: _start(job, folder, world, engine))
    shards, missing = world.gather(found)[0]
    folder.hold(world.rank)
    world.barrier()
    return Share(job, folder, world, shards, missing, engine, began)


@dataclass(frozen=True)
class Share:
    """One process's part of an extraction. missing: the shards to explain, of all processes together."""

    job: Job
    folder: ShardFolder
    world: World
    shards: PairShards
    missing: list[int]
    engine: Engine
    began: float

    def work(self) -> Extracted | None:
        """Explain this share; on the first process also wait for the others and join all."""
        try:
            self.engine(self.shards, self.missing[self.world.rank :: self.world.size], self.folder)
            if not self.world.is_first:
                return None
            self._wait_for_others()
            files = [self.folder.shard_path(number) for number in range(len(self.shards))]
            if self.job.is_parquet:
                write_parquet(self.job.output, files)
            else:
                write_text(self.job.output, self.job.scores, files)
        except BaseException:
            if self.world.is_first:
                self.folder.remove_if_empty()
            raise
        else:
            self.folder.remove()
        finally:
            self.folder.release()
        new_rows = sum(map(self.shards.rows_in, self.missing))
        return Extracted(self.shards.n_rows, new_rows, new_rows / (time.monotonic() - self.began))

    def _wait_for_others(self) -> None:
        """Until every shard is there. Raises EnvironmentProblem where a process has ended without its own."""
        for position, number in enumerate(self.missing):
            rank, gone_at = position % self.world.size, None
            while not self.folder.is_done(number):
                if gone_at is None and not self.folder.is_held(rank):
                    gone_at = time.monotonic()
                if gone_at is not None and time.monotonic() - gone_at > GRACE_S:
                    raise EnvironmentProblem(
                        f"process {rank} of {self.world.size} has ended before its rows were explained; "
                        "run the same command again to resume"
                    )
                time.sleep(LOOK_EVERY_S)


def _start(
    job: Job, folder: ShardFolder, world: World, engine: Engine | None
) -> tuple[tuple[PairShards, list[int]] | None, Engine]:
    """Load the model; on the first process also check the pairs, make the folder ready and find what is missing."""
    shards = find_shards(job.pairs, job.settings.shard_rows, job.how) if world.is_first else None
    engine = engine or Worker(job.model, job.settings).explain_shards
    if shards is None:
        return None, engine
    folder.begin(_key(job, shards, world))
    missing = [number for number in range(len(shards)) if not _is_whole(folder, number, shards.rows_in(number))]
    if len(missing) < len(shards):
        n_there = shards.n_rows - sum(map(shards.rows_in, missing))
        log.info("extract: resuming: %d of %d rows were explained by an earlier call", n_there, shards.n_rows)
    return (shards, missing), engine


def _is_whole(folder: ShardFolder, number: int, n_rows: int) -> bool:
    """Whether an earlier call has left this shard and it can be read; a damaged one is named and removed."""
    if not folder.is_done(number):
        return False
    if problem := problem_of_shard(folder.shard_path(number), n_rows):
        log.warning("%s cannot be used (%s); its rows are explained again", folder.shard_path(number), problem)
        folder.shard_path(number).unlink()
    return not problem


def _key(job: Job, shards: PairShards, world: World) -> str:
    """A digest of all that the rows depend on, to the last digit."""
    files = sorted(path for path in job.model.rglob("*") if path.is_file())
    return digest_of(
        {
            "model": {path.relative_to(job.model).as_posix(): file_digest(path) for path in files},
            "pairs": shards.digest,
            "settings": job.settings.affecting_result(),
            "device": world.device.type,
            "versions": [__version__, torch.__version__, transformers.__version__],
        }
    )
