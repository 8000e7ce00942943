"""Plain text for post-training: the one requirement for a file is that it holds sentences.

Read     text files, each line a document, and JSON (`.json`: one value, or one a line; `.jsonl`), each string in it a
         document, whatever its key.
Sentences end behind 。！？； and at tabs and line breaks, long ones at commas as well. What has fewer than two Chinese
characters (numbers, keys, links) is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.files.lines import json_fault, read_lines
from final_project.data.records import Pair
from final_project.data.texts import why_unreadable
from final_project.errors import DataError

SUFFIXES = (".txt", ".json", ".jsonl")
LONGEST = 40  # characters; two such sentences fill a row of 64 tokens, and longer ones are cut at commas
AT_ENDS = re.compile(r"(?<=[。！？!?；;])|[\t\r\n]+")
AT_COMMAS = re.compile(r"(?<=[，,：:])")
TWO_CHINESE_CHARACTERS = re.compile(r"[\u4e00-\u9fff].*[\u4e00-\u9fff]")


def text_pairs(path: Path) -> Iterator[Pair]:
    """The sentences of a file, two neighbours of a document a row; the odd ones that documents leave make rows with
    each other. Raises DataError with file and line."""
    alone: str | None = None
    for document in documents(path):
        sentences = list(split_sentences(document))
        if len(sentences) % 2:
            odd = sentences.pop()
            if alone is None:
                alone = odd
            else:
                yield Pair(alone, odd)
                alone = None
        yield from map(Pair, sentences[::2], sentences[1::2])


def documents(path: Path) -> Iterator[str]:
    if path.suffix.lower() not in (".json", ".jsonl"):
        yield from (text for _, text in read_lines(path))
        return
    lines = dict(read_lines(path))
    first, last = min(lines), max(lines)
    if len(lines) > 1 and not _is_json(lines[first]):  # one value that goes over all of them, blank ones too
        lines = {first: "\n".join(lines.get(number, "") for number in range(first, last + 1))}
    for number, text in lines.items():
        for string in strings(_value(path, number, text)):
            if fault := why_unreadable(string):
                raise DataError(path, f"a string here {fault}", number)
            yield string


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _value(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(path, json_fault(error), line + getattr(error, "lineno", 1) - 1) from error


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, in order, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def split_sentences(document: str) -> Iterator[str]:
    for sentence in AT_ENDS.split(document):
        for piece in AT_COMMAS.split(sentence) if len(sentence) > LONGEST else (sentence,):
            if TWO_CHINESE_CHARACTERS.search(piece):
                yield piece.strip()
