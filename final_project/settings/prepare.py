"""Settings of prepare: which pairs are read, cleaned and split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting

Policy = Literal["keep", "report", "drop"]  # keep: the check is skipped
CleaningStep = Literal["nfkc", "tags", "entities", "control", "space", "half_width", "simplified"]


class Prepare(Section):
    """Which pairs to read, clean and split, and which rows to explain."""

    corpus: str = setting("demo", "name of a registered corpus, or demo for the built-in pairs", common=True)
    data_dir: str = setting("data", "folder of the raw corpora", "path", common=True)
    train_file: str = setting("", "own training pairs; empty = those of the corpus", "path", common=True)
    dev_file: str = setting("", "own dev pairs; empty = those of the corpus", "path", common=True)
    test_file: str = setting(
        "", "own test pairs, with or without labels; empty = those of the corpus", "path", common=True
    )
    explain_file: str = setting("", "contest JSONL of the rows to explain; empty = the test pairs", "path", common=True)
    contest_set: Literal["", "A", "B"] = setting("", "contest set to explain, looked for below data_dir", common=True)
    demo_pairs: int = setting(
        8000, "size of the built-in training split (corpus: demo)", "pairs", common=True, ge=100, le=1_000_000
    )
    demo_seed: int = setting(2022, "seed of the built-in pairs (corpus: demo)", ge=0)
    dev_share: float = setting(
        0.0, "fraction of the training pairs held out as dev; 0 = use the dev file", "fraction", ge=0, le=0.5
    )
    test_share: float = setting(
        0.0, "fraction of the training pairs held out as test; 0 = use the test file", "fraction", ge=0, le=0.5
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
    augment: bool = setting(False, "add the training pairs that others imply, at the same label ratio", common=True)

    def conflicts(self) -> Iterator[str]:
        if 0 < self.near_duplicates < 0.5:
            yield f"near_duplicates: {self.near_duplicates} is too low a similarity; use 0 (off) or at least 0.5"
        if self.dev_share + self.test_share > 0.5:
            yield f"dev_share: {self.dev_share} and test_share: {self.test_share} leave less than half of the pairs"
