"""The raw files that a recipe reads, found before anything is read; one error lists all that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from final_project.artifacts import file_digest
from final_project.data.corpora.entry import Corpus
from final_project.data.corpora.inventory import COLLECTION, data_folders, find_parts, places
from final_project.data.corpora.registry import CONTEST_SOURCE, CORPORA, contest_places, find_corpus, locate
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.plain_text import SUFFIXES, text_pairs
from final_project.data.files.tables import read_and_log_pairs
from final_project.data.records import Pair
from final_project.errors import ArtifactError, DataError
from final_project.settings import Prepare
from final_project.settings.prepare_section import BUILT_IN

OWN = "own"  # in place of a corpus's name, for files that the recipe names
PLAIN = "plain text"  # in place of a corpus's name, for text that is not pairs
CONTEST_SETS = ("A", "B")
ALL = "all"


@dataclass(frozen=True)
class Source:
    """One raw file, and the corpus and part that it is. how: own files are read as the recipe says."""

    corpus: str
    part: str
    path: Path
    how: HowToRead = AS_NAMED

    @property
    def name(self) -> str:
        return self.part if self.corpus == OWN else f"{self.corpus} {self.part}"

    def read(self) -> Iterator[Pair]:
        """Its pairs; raises DataError with file and line."""
        if self.corpus == OWN:
            return read_and_log_pairs(self.path, how=self.how)
        return text_pairs(self.path) if self.corpus == PLAIN else CORPORA[self.corpus].read(self.path)


@dataclass
class Inputs:
    """What each split is read from (none: built in, or held out of the training pairs), what else joins the text, and
    what must stay out of it. refused: corpus -> why its files are no text. absent: sets to keep out that are not here,
    so that overlap with them cannot be checked."""

    splits: dict[str, list[Source]] = field(default_factory=dict)
    explain: Path | None = None
    text: list[Source] = field(default_factory=list)
    held_out: list[Source] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def digests(self) -> dict[str, str]:
        """Content digest of every file by its role."""
        roles = {**self.splits, "text": self.text, "held out": self.held_out}
        found = {f"{role}: {source.name}": file_digest(source.path) for role in roles for source in roles[role]}
        return found | ({"explain": file_digest(self.explain)} if self.explain else {})


def find_inputs(settings: Prepare) -> Inputs:
    """Every file to read. Files named in the recipe go before the corpus's own. Raises one ArtifactError that lists
    all that is missing and where to place it, DataError where two files fit one place."""
    return _InputSearch(settings).inputs()


class _InputSearch:
    """One search of the data folders; `missing` collects what was not found."""

    def __init__(self, settings: Prepare):
        self.settings = settings
        self.how = HowToRead(settings.columns, settings.labels)
        self.folders = data_folders(settings.data_dir)
        self.missing: list[str] = []
        self.advice: list[str] = []

    def inputs(self) -> Inputs:
        settings = self.settings
        corpus = None if settings.corpus == BUILT_IN else find_corpus(settings.corpus)
        parts = find_parts(corpus, self.folders) if corpus else {}
        found = Inputs()
        ways = (
            ("train", settings.train_file, 0.0),
            ("dev", settings.dev_file, settings.held_out_share("dev")),
            ("test", settings.test_file, settings.held_out_share("test")),
        )
        for split, own_file, share in ways:
            if own_file:
                found.splits[split] = self._own(f"{split}_file", own_file)
            elif corpus and not share:
                found.splits[split] = self._split(corpus, parts, split)
        if settings.explain_file:
            found.explain = next((source.path for source in self._own("explain_file", settings.explain_file)), None)
        elif settings.contest_set:
            found.explain = self._explain(settings.contest_set)
        held_out = {name: self._held_out(name) for name in settings.keep_out}
        found.held_out = [s for sources in held_out.values() for s in sources if s.path != found.explain]
        found.absent = [name for name, sources in held_out.items() if not sources]
        found.text, found.refused = self._text({source.path for sources in found.splits.values() for source in sources})
        found.text += self._plain_text()
        if self.missing:
            raise ArtifactError(self._message())
        return found

    def _own(self, role: str, file: str) -> list[Source]:
        if Path(file).exists():
            return [Source(OWN, Path(file).name, Path(file), self.how)]
        self.missing.append(f"  {file}: named in the recipe (prepare.{role}), but there is no such file")
        return []

    def _split(self, corpus: Corpus, parts: dict[str, Path], split: str) -> list[Source]:
        """The parts of one split; the collection's own file counts as training pairs."""
        wanted = [part for part in corpus.parts if part.split == split]
        found = [Source(corpus.name, part.name, parts[part.name]) for part in wanted if part.name in parts]
        if split == "train" and COLLECTION in parts:
            found.append(Source(corpus.name, COLLECTION, parts[COLLECTION]))
        if not found:
            self._advise(f"{corpus.name}: {corpus.raw_format}. From {corpus.source} ({corpus.licence}).")
            place = places(corpus, wanted[0], self.settings.data_dir)[0] if wanted else f"{corpus.name}'s {split} file"
            way_out = "" if split == "train" else f"   or hold out training pairs: prepare.{split}_share=0.1"
            self.missing.append(f"  {place}{way_out}")
        for source in found:
            if why := corpus.why_not_text(source.path):
                raise DataError(source.path, why)
        return found

    def _explain(self, contest_set: str) -> Path | None:
        path = locate(contest_places(contest_set), self.folders)
        if path is None:
            self.missing.append(f"  {self.folders[0] / contest_places(contest_set)[0]}")
            self._advise(f"Contest set {contest_set}: {CONTEST_SOURCE}.")
        return path

    def _held_out(self, name: str) -> list[Source]:
        """The files of one entry of keep_out. One that is not here is no error: it cannot be scored here either."""
        if name in CONTEST_SETS:
            path = locate(contest_places(name), self.folders)
            return [Source(OWN, f"contest {name}", path)] if path else []
        if Path(name).is_file():
            return [Source(OWN, Path(name).name, Path(name), self.how)]
        corpus = find_corpus(name)
        parts = find_parts(corpus, self.folders)
        scored = [part.name for part in corpus.parts if part.split != "train" and part.name in parts]
        return [Source(corpus.name, part, parts[part]) for part in scored]

    def _text(self, taken: set[Path]) -> tuple[list[Source], dict[str, str]]:
        """The files of the corpora whose text is wanted, except those that a split reads; and, by corpus, why
        a file is no text. A corpus asked for by name must be there and must be text."""
        asked = self.settings.text_corpora
        found, refused = [], {}
        for corpus in CORPORA.values() if ALL in asked else map(find_corpus, asked):
            sources = self._text_sources(corpus)
            if not sources and ALL not in asked:
                self._advise(f"{corpus.name}: {corpus.raw_format}. From {corpus.source} ({corpus.licence}).")
                self.missing.append(f"  {places(corpus, corpus.parts[0], self.settings.data_dir)[0]}")
            for source in sources:
                if why := corpus.why_not_text(source.path):
                    if ALL not in asked:
                        raise DataError(source.path, why)
                    refused[corpus.name] = why
                elif source.path not in taken:
                    found.append(source)
        return found, refused

    def _text_sources(self, corpus: Corpus) -> list[Source]:
        parts = find_parts(corpus, self.folders)
        if self.settings.text_parts == "merged":
            merged = {COLLECTION, *(part.name for part in corpus.parts if part.merged)}
            parts = {name: path for name, path in parts.items() if name in merged}
        return [Source(corpus.name, name, path) for name, path in parts.items()]

    def _plain_text(self) -> list[Source]:
        """The files that text_files names, and those in folders that it names."""
        found = []
        for name in self.settings.text_files:
            place = Path(self.settings.data_dir) / "text" if name == ALL else Path(name)
            if place.is_dir():
                found += sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
            elif place.is_file():
                found.append(place)
            elif name != ALL:
                self.missing.append(f"  {name}: named in the recipe (prepare.text_files), but there is no such file")
        return [Source(PLAIN, str(path), path) for path in found]

    def _advise(self, line: str) -> None:
        if line not in self.advice:
            self.advice.append(line)

    def _message(self) -> str:
        way_out = "prepare.data_dir names another folder; bash run.sh --recipe demo needs no files at all."
        return "\n".join(["prepare: these files are missing:", *self.missing, *self.advice, way_out])
