"""What the recipe's files, or the built-in generator, hold: small sets as lists, training pairs and text as streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from final_project.data.demo.pairs import DemoSet, build_demo
from final_project.data.files.how_to_read import HowToRead
from final_project.data.quality.clean import Cleaner
from final_project.data.records import Pair, SegmentedPair
from final_project.errors import DataError
from final_project.prepare.inputs import Inputs, Source
from final_project.prepare.rows_to_explain import read_explained, segment_by_script
from final_project.settings import Prepare
from final_project.settings.prepare_section import BUILT_IN, Split


@dataclass(frozen=True)
class ScoredSets:
    """The sets that will be scored. source_pairs: the texts by which refinement recognises source rows."""

    dev: list[Pair]
    test: list[Pair]
    explain: list[SegmentedPair]
    source_pairs: list[Pair]


@dataclass
class RawMaterial:
    """What the inputs hold.

    splits: dev and test, without those that are to be held out of the training pairs. explain: None if the test pairs
    are explained. cleaners: set -> what cleaning changed in it. n_train: training pairs read so far by `rows`.
    """

    inputs: Inputs
    settings: Prepare
    demo: DemoSet | None = None
    splits: dict[Split, list[Pair]] = field(default_factory=dict)
    explain: list[SegmentedPair] | None = None
    cleaners: dict[str, Cleaner] = field(default_factory=dict)
    n_train: int = 0

    def rows(self) -> Iterator[tuple[str, Pair]]:
        """Yield (corpus, pair): first the training pairs, which `n_train` counts, then the other pairs of the text."""
        for corpus, pair in self._training_rows():
            self.n_train += 1
            yield corpus, pair
        for source in self.inputs.text:
            yield from ((source.corpus, pair) for pair in self._cleaned("text", source.read()))

    def _training_rows(self) -> Iterator[tuple[str, Pair]]:
        if "train" not in self.inputs.splits:
            assert self.demo is not None
            yield from ((BUILT_IN, pair) for pair in self._cleaned("train", self.demo.train))
        for source in self.inputs.splits.get("train", ()):
            yield from ((source.corpus, pair) for pair in self._cleaned("train", labelled(source)))

    def _cleaned(self, name: str, pairs: Iterable[Pair]) -> Iterator[Pair]:
        if not self.settings.clean:
            return iter(pairs)
        cleaner = self.cleaners.setdefault(name, Cleaner(self.settings.clean))
        return map(cleaner, pairs)

    def clean(self, name: str, pairs: Iterable[Pair]) -> list[Pair]:
        return list(self._cleaned(name, pairs))

    @property
    def explained_demo(self) -> DemoSet | None:
        """The built-in pairs if their test rows are the test set: only then do they bring gold and a pair map."""
        return None if self.settings.held_out_share("test") else self.demo

    def scored_sets(self, held_out: Mapping[Split, list[Pair]]) -> ScoredSets:
        """The sets as read, completed by those that were held out of the training pairs."""
        splits = {**self.splits, **held_out}
        explain, source_pairs = self.explain, splits["test"]
        if self.explained_demo is not None:
            source_pairs = self.explained_demo.source_pairs
        if explain is None:
            explain = [segment_by_script(k, pair) for k, pair in enumerate(splits["test"], start=1)]
        return ScoredSets(splits["dev"], splits["test"], explain, source_pairs)


def read_material(settings: Prepare, inputs: Inputs) -> RawMaterial:
    """Read the sets that will be scored; raises DataError with file and line. Built-in pairs are read where the recipe
    names none of its own."""
    material = RawMaterial(inputs, settings)
    read: dict[Split, list[Pair]] = {
        split: [pair for source in inputs.splits[split] for pair in source.read()]
        for split in get_args(Split)
        if split in inputs.splits
    }
    for source in inputs.splits.get("dev", ()):
        _refuse_missing_labels(source, read["dev"])
    if settings.corpus == BUILT_IN and not settings.is_own:
        material.demo = build_demo(settings.demo_pairs, settings.demo_seed)
        if not settings.held_out_share("dev"):
            read["dev"] = material.demo.dev
        if not settings.held_out_share("test"):
            read["test"], material.explain = material.demo.test, material.demo.segmented
    if inputs.explain is not None:
        how = HowToRead(settings.columns, settings.labels)
        material.explain = read_explained(inputs.explain, how)
    material.splits = {split: material.clean(split, pairs) for split, pairs in read.items()}
    return material


def labelled(source: Source) -> Iterator[Pair]:
    """The pairs of a source, all of which need a label."""
    for pair in source.read():
        _refuse_missing_labels(source, (pair,))
        yield pair


def _refuse_missing_labels(source: Source, pairs: Iterable[Pair]) -> None:
    if any(pair.label is None for pair in pairs):
        raise DataError(source.path, "no label; training and dev pairs need 0 or 1", 1)
