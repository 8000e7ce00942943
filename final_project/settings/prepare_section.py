"""Settings of prepare: which pairs are read, cleaned and split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from final_project.settings.reading import Columns, Labels, column_conflicts
from final_project.settings.section import Section, setting

Policy = Literal["keep", "report", "drop"]  # keep: the check is skipped
BUILT_IN = "demo"  # the corpus of the built-in pairs
DEFAULT_SHARE = 0.1  # of own training pairs, held out for a split that the recipe does not name
Split = Literal["dev", "test"]
NEED_PAIRS = ("dev_file", "test_file", "explain_file", "contest_set", "text_files", "text_corpora")
CleaningStep = Literal["nfkc", "tags", "entities", "control", "space", "half_width", "simplified"]


class Prepare(Section):
    """Which pairs to read, clean and split, and which rows to explain."""

    corpus: str = setting(BUILT_IN, "name of a registered corpus, or demo for the built-in pairs", common=True)
    data_dir: str = setting("data", "folder of the raw corpora", "path", common=True)
    train_file: str = setting("", "own training pairs; empty = those of the corpus", "path", common=True)
    dev_file: str = setting(
        "", "own dev pairs; empty = those of the corpus, or held out of train_file", "path", common=True
    )
    test_file: str = setting(
        "",
        "own test pairs, with or without labels; empty = those of the corpus, or held out of train_file",
        "path",
        common=True,
    )
    explain_file: str = setting(
        "", "rows to explain: contest JSONL, or any file of pairs; empty = the test pairs", "path", common=True
    )
    columns: Columns = setting(
        {},
        "columns of own files where their header does not say: sentence1, sentence2, label -> name, or number from 1 "
        "where there is no header; label: '' = read none",
        "names",
        common=True,
    )
    labels: Labels = Labels()
    contest_set: Literal["", "A", "B"] = setting("", "contest set to explain, looked for below data_dir", common=True)
    demo_pairs: int = setting(
        8000, "size of the built-in training split (corpus: demo)", "pairs", common=True, ge=100, le=1_000_000
    )
    demo_seed: int = setting(2022, "seed of the built-in pairs (corpus: demo)", ge=0)
    dev_share: float = setting(
        0.0,
        "fraction of the training pairs held out as dev; 0 = the dev file, or 0.1 of train_file",
        "fraction",
        ge=0,
        le=0.5,
    )
    test_share: float = setting(
        0.0,
        "fraction of the training pairs held out as test; 0 = the test file, or 0.1 of train_file",
        "fraction",
        ge=0,
        le=0.5,
    )
    split_seed: int = setting(
        2022, "seed that chooses held-out pairs; pairs that share a sentence stay in one split", ge=0
    )
    clean: list[CleaningStep] = setting([], "cleaning steps; the published solution has none", "names", common=True)
    duplicates: Policy = setting(
        "report", "repeated training pairs: same label and normalised sentences, in either order", common=True
    )
    contradictions: Policy = setting("report", "training pairs that occur with both labels", common=True)
    leaks: Policy = setting("report", "training pairs that also occur in a set that is scored", common=True)
    near_duplicates: float = setting(
        0.0, "lowest Jaccard similarity at which pairs count as repeated; 0 = off", ge=0, lt=1
    )
    text_corpora: list[str] = setting(
        [], "corpora added to the post-training text; all = every one found", "names", common=True
    )
    text_parts: Literal["merged", "all"] = setting(
        "merged", "files of these corpora: those that the published collection merged, or all"
    )
    text_files: list[str] = setting(
        [],
        "plain text and JSON added to the post-training text: files or folders; all = text/ below data_dir",
        "names",
        common=True,
    )
    text_duplicates: Policy = setting("report", "repeated pairs in the post-training text, with any label")
    text_leaks: Policy = setting(
        "drop", "pairs of the post-training text that share a sentence with a set that is scored"
    )
    keep_out: list[str] = setting(
        [], "further sets that are scored: A, B (contest sets), corpora (their dev and test), files", "names"
    )
    id_column: str = setting(
        "", "column of a text's id; empty = id, text_id, essay_id or text_id_kaggle; row = the row number", "name"
    )
    text_column: str = setting("", "column of the text; empty = text, full_text or essay", "name")
    group_column: str = setting(
        "", "texts with the same value here stay in one split and one fold: an author, a prompt", "name"
    )
    label_column: str = setting("", "column of a text's label; empty = label (targets.kind: labels)", "name")
    target_columns: dict[str, str] = setting(
        {}, "columns of scores that are not called as the scores: score name -> column (targets.kind: scores)", "names"
    )
    scores_unknown: Literal["refuse", "keep"] = setting(
        "refuse", "training and dev texts of which some scores are unknown: refused, or kept and left out of the loss"
    )
    augment: bool = setting(False, "add the training pairs that others imply, at the same label ratio", common=True)

    @property
    def is_own(self) -> bool:
        """Whether own training pairs replace a corpus; no built-in pair takes part then."""
        return self.corpus == BUILT_IN and bool(self.train_file)

    @property
    def explains_contest(self) -> bool:
        """Whether the rows to explain are those of a contest, or the built-in ones in their form."""
        return bool(self.explain_file or self.contest_set or (self.corpus == BUILT_IN and not self.is_own))

    @property
    def pairs_name(self) -> str:
        """What the training pairs are called on cards and in records: the corpus, or `own pairs`."""
        return "own pairs" if self.train_file else self.corpus

    def held_out_share(self, split: Split) -> float:
        """The share of the training pairs that is held out as this split; 0 where a file or the corpus has it.

        A split of own pairs that the recipe does not name is held out by DEFAULT_SHARE.
        """
        if getattr(self, f"{split}_file"):
            return 0.0
        return getattr(self, f"{split}_share") or (DEFAULT_SHARE if self.is_own else 0.0)

    def conflicts(self) -> Iterator[str]:
        yield from self._unpaired()
        yield from column_conflicts(self.columns)
        if 0 < self.near_duplicates < 0.5:
            yield f"near_duplicates: {self.near_duplicates} is too low a similarity; use 0 (off) or at least 0.5"
        shares = {split: self.held_out_share(split) for split in get_args(Split)}
        if sum(shares.values()) > 0.5:
            yield f"dev_share: {shares['dev']} and test_share: {shares['test']} leave less than half of the pairs"

    def _unpaired(self) -> Iterator[str]:
        """Own files without the pairs that they go with, and splits that are named twice."""
        alone = [name for name in NEED_PAIRS if getattr(self, name)]
        if self.corpus == BUILT_IN and not self.train_file and alone:
            yield (
                f"{' and '.join(alone)}: no training pairs are named, and the built-in ones belong to the demo alone: "
                "add prepare.train_file (one file is enough), or name a prepare.corpus"
            )
        for split in get_args(Split):
            if getattr(self, f"{split}_file") and getattr(self, f"{split}_share"):
                yield f"{split}_file and {split}_share both say what {split} is: leave one of them out"
