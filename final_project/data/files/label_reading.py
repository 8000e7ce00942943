"""What the labels of a file mean: 1 the same, 0 not, None not known. Decided once for a whole file, never row by row.

0 and 1, also as 0.0 and 1.0   as they are
-1 and 1, no 0                 -1 is 0
-1 beside 0, or alone          -1 is no label, as public test sets have it
是/否, yes/no, true/false, ... by the words of WORDS, all of one line
anything else                  by the rules that are given (prepare.labels, --label-rules), or refused; rules may
                               also name labels whose rows are passed over
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from final_project.data.files.column_names import normal_name
from final_project.data.files.how_to_read import in_yaml
from final_project.errors import DataError
from final_project.settings.reading import Labels

INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,8})(?:\.0+)?")
WORDS: tuple[tuple[str, dict[str, int]], ...] = tuple(
    (expected, {normal_name(word): label for label, words in ((1, positive), (0, negative)) for word in words.split()})
    for expected, positive, negative in (
        (
            "words such as 是 or 否",
            "是 对 真 相似 相同 相等 一致 匹配 同义 等价 重复 正 正例 正样本",
            "否 不是 非 错 假 不相似 不相同 不同 不相等 不一致 不匹配 不同义 不等价 不重复 负 负例 负样本",
        ),
        (
            "words such as yes or no",
            "yes y true same similar match matched duplicate paraphrase equivalent positive pos",
            "no n false different dissimilar not_same not_similar mismatch no_match not_match unmatched "
            "not_duplicate non_duplicate not_paraphrase non_paraphrase not_equivalent non_equivalent negative neg",
        ),
        (
            "entailment, neutral or contradiction",
            "entailment entails entailed",
            "neutral contradiction contradicts not_entailment non_entailment",
        ),
        ("蕴含, 中立 or 矛盾", "蕴含 蕴涵", "中立 中性 无关 矛盾 不蕴含"),
    )
)
MOST_LISTED = 40  # characters of other labels in a message


@dataclass(frozen=True)
class LabelReading:
    """How one file's labels are read.

    expected: what a message says should stand there. values: label as `label_text` has it -> 1, 0 or None.
    others: what all that `values` lacks mean, where the rules say so. cut: from this number on a label means 1.
    """

    expected: str
    values: Mapping[str, int | None]
    others: int | None = None
    cut: float | None = None

    def knows(self, text: str) -> bool:
        return text in self.values or self.others is not None or (self.cut is not None and _number(text) is not None)

    def label_of(self, text: str) -> int | None:
        """Of a text that it knows."""
        if text in self.values:
            return self.values[text]
        number = _number(text) if self.cut is not None else None
        return int(number >= self.cut) if number is not None and self.cut is not None else self.others


ZERO_ONE = LabelReading("0 or 1", {"": None, "0": 0, "1": 1})


def label_text(value: Any) -> str | None:
    """A label as labels are compared: whole numbers without .0, words without case, width, blanks, `_` and `-`. Empty
    where nothing is given (None, NaN, blank); None where it is no label at all, such as a list."""
    if isinstance(value, str):
        text = value.strip()
        if whole := INTEGER.fullmatch(text):
            return whole[1]
        return text if _number(text) is not None else _word(text)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return repr(value) if isinstance(value, float) else None


def _word(text: str) -> str:
    return normal_name(text) or unicodedata.normalize("NFKC", text)


def _number(text: str) -> float | None:
    """A finite number in ASCII; Python reads 0_5 as 5."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and text.isascii() and "_" not in text else None


def first_lines(values: Iterable[tuple[int, Any]]) -> dict[str, int]:
    """Each label of (line, value) of a whole file, as `label_text` has it -> the line where it first stands."""
    firsts: dict[str, int] = {}
    for line, value in values:
        if (text := label_text(value)) is not None:
            firsts.setdefault(text, line)
    return firsts


def decide(firsts: Mapping[str, int], rules: Labels) -> LabelReading:
    """How a file is read. firsts: each of its labels, as `label_text` has it -> the line where it first stands.

    Where nothing fits all of them, the reading of the first one: the reader then stops at the label that is wrong.
    """
    found = set(firsts) - {""}
    if rules.are_given and (reading := _by_rules(found, rules)) is not None:
        return reading
    if "-1" in found and found <= {"-1", "0", "1"}:
        is_negative = found == {"-1", "1"}
        return LabelReading(
            "-1 or 1" if is_negative else "0 or 1", {**ZERO_ONE.values, "-1": 0 if is_negative else None}
        )
    readings = [ZERO_ONE, *(LabelReading(expected, {"": None, **values}) for expected, values in WORDS)]
    first = min(found, key=firsts.__getitem__, default="")
    known_first = [reading for reading in readings if reading.knows(first)] or [ZERO_ONE]
    return max(known_first, key=lambda reading: sum(map(reading.knows, found)))


def _by_rules(found: set[str], rules: Labels) -> LabelReading | None:
    """None where the rules name words of which none is here, and 0 and 1 are all there is: another file's rules."""
    if rules.cut is not None:
        return LabelReading("a number", {"": None}, cut=rules.cut)
    named = {
        label_text(name) or "": label for label, names in ((1, rules.positive), (0, rules.negative)) for name in names
    }
    if found <= {"0", "1"} and not found & set(named):
        return None
    others = None if rules.positive and rules.negative else 0 if rules.positive else 1
    return LabelReading(" or ".join([*rules.positive, *rules.negative]), {"": None, **named}, others)


class LabelFault(DataError):
    """A label that does not fit. what: that alone, without file, line and advice."""

    def __init__(self, path: Path, what: str, line: int, advice: str = ""):
        super().__init__(path, f"{what}{advice}", line)
        self.what = what


@dataclass
class LabelReader:
    """Reads the labels of one file, a row at a time, and counts them.

    survey: label -> line where it first stands, of the whole file; asked only where a label is neither 0 nor 1, so
    that an ordinary file is gone through once. No decision takes back what was read before it: 0 and 1 mean 0 and 1 in
    each that is made without rules.
    """

    path: Path
    rules: Labels
    survey: Callable[[], Mapping[str, int]]
    counts: Counter[str] = field(default_factory=Counter)
    reading: LabelReading | None = None
    what: str = "label"  # what messages call it
    n_left_out: int = 0  # rows

    def __post_init__(self) -> None:
        self.left_out = frozenset(label_text(name) for name in self.rules.left_out)

    def passes_over(self, value: Any) -> bool:
        """Whether the rules leave out the row of this label; those are counted."""
        is_out = bool(self.left_out) and label_text(value) in self.left_out
        self.n_left_out += is_out
        return is_out

    def read(self, line: int, value: Any) -> int | None:
        """Raises DataError with file and line where the label does not fit the others."""
        text = value if value in ("0", "1") else label_text(value)
        if text is None:
            raise LabelFault(self.path, f"{self.what} must be 0 or 1, found {repr(value)[:40]}", line)
        if self.reading is None and (self.rules.are_given or text not in ZERO_ONE.values):
            found = {label: at for label, at in self.survey().items() if label not in self.left_out}
            self.reading = decide(found, self.rules)
        reading = self.reading or ZERO_ONE
        if not reading.knows(text):
            what = f"{self.what} must be {reading.expected}, found {repr(value)[:40]}"
            raise LabelFault(self.path, what, line, self._advice(text))
        self.counts[text] += 1
        return reading.label_of(text)

    def _advice(self, text: str) -> str:
        if self.rules.are_given:
            return ""
        found = " ".join(", ".join(label for label in self.survey() if label).split())
        if len(found) > MOST_LISTED:
            found = f"{found[:MOST_LISTED]} ..."
        shown = in_yaml(" ".join(text[:12].split()))
        rule = f"{{positive: [{shown}], negative: [...]}}, {{left_out: [{shown}]}}"
        cut = ", {cut: 0.5}" if _number(text) is not None else ""
        return f" (labels here: {found}); if they are labels, write prepare.labels: {rule}{cut} or --label-rules"

    @property
    def expected(self) -> str:
        return (self.reading or ZERO_ONE).expected

    def why_unknown(self) -> str:
        """Why a label that stands there is none, for a message; empty where nothing stands there."""
        if self.reading is not None and "-1" in self.reading.values and self.reading.values["-1"] is None:
            return "; -1 beside 0 means that there is none, unless prepare.labels or --label-rules say negative: [-1]"
        return ""

    def meanings(self) -> Iterator[tuple[str, int | None, int]]:
        """The labels that were found: as label_text has it, what it means, how many rows; the most frequent first."""
        reading = self.reading or ZERO_ONE
        for text, count in self.counts.most_common():
            yield text, reading.label_of(text), count
