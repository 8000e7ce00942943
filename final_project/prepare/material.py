"""What the recipe's files, or the built-in generator, hold: small sets as lists, training pairs and text as streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from final_project.data.demo.pairs import DemoSet, build_demo
from final_project.data.files.contest import read_segmented
from final_project.data.quality.clean import Cleaner
from final_project.data.records import GoldRow, Pair, SegmentedPair
from final_project.errors import DataError
from final_project.prepare.inputs import Inputs, Source
from final_project.settings import Prepare
from final_project.settings.prepare import BUILT_IN
from final_project.text.script_words import words_by_script


@dataclass
class Material:
    """dev, test: None where they are to be held out of the training pairs. explain, originals: None where they are the
    test pairs. gold and pair_map exist for built-in rows only. cleaners: set -> what cleaning changed in it."""

    inputs: Inputs
    settings: Prepare
    demo: DemoSet | None = None
    dev: list[Pair] | None = None
    test: list[Pair] | None = None
    originals: list[Pair] | None = None
    explain: list[SegmentedPair] | None = None
    gold: Sequence[GoldRow] = ()
    pair_map: Sequence[tuple[int, int]] = ()
    cleaners: dict[str, Cleaner] = field(default_factory=dict)
    n_train: int = 0

    def rows(self) -> Iterator[tuple[str, Pair]]:
        """(corpus, pair): first the training pairs, `n_train` of them, then what else joins the text."""
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


def read_material(settings: Prepare, inputs: Inputs) -> Material:
    """Read the sets that will be scored; raises DataError with file and line. Built-in pairs are read where the recipe
    names none of its own."""
    material = Material(inputs, settings)
    read = {
        split: [pair for source in inputs.splits[split] for pair in source.read()]
        for split in ("dev", "test")
        if split in inputs.splits
    }
    for source in inputs.splits.get("dev", ()):
        _refuse_missing_labels(source, read["dev"])
    if settings.corpus == BUILT_IN and not settings.is_own:
        material.demo = build_demo(settings.demo_pairs, settings.demo_seed)
        if not settings.share_of("dev"):
            read["dev"] = material.demo.dev
        if not settings.share_of("test"):
            read["test"], material.originals = material.demo.test, material.demo.originals
            material.explain = material.demo.segmented
            material.gold, material.pair_map = material.demo.gold, material.demo.pair_map
    if inputs.explain is not None:
        material.explain = read_segmented(inputs.explain)
    if "dev" in read:
        material.dev = material.clean("dev", read["dev"])
    if "test" in read:
        material.test = material.clean("test", read["test"])
    return material


def labelled(source: Source) -> Iterator[Pair]:
    """The pairs of a source, all of which need a label."""
    for pair in source.read():
        _refuse_missing_labels(source, (pair,))
        yield pair


def _refuse_missing_labels(source: Source, pairs: Iterable[Pair]) -> None:
    if any(pair.label is None for pair in pairs):
        raise DataError(source.path, "no label; training and dev pairs need 0 or 1", 1)


def segment_by_script(number: int, pair: Pair) -> SegmentedPair:
    """A row to explain: Chinese characters one by one, whole words of other scripts (see script_words)."""
    words = map(words_by_script, (pair.sentence1, pair.sentence2))
    return SegmentedPair(number, pair.sentence1, pair.sentence2, *words)
