"""f3 read directly: every perturbed row compared with every original. For bench/speed/refine_scale.py.

    python bench/speed/refine_directly.py FOLDER

Reads the folder's pairs.jsonl and originals.tsv; writes nearest.json: for each perturbed row the place of its original.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path

TINY = 1e-10


def n_grams(words: list[str], n: int) -> Counter:
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def bleu(hypothesis: list[str], reference: list[str]) -> float:
    log_sum = 0.0
    for n in (1, 2, 3, 4):
        ours, theirs = n_grams(hypothesis, n), n_grams(reference, n)
        clipped = sum(min(count, theirs[gram]) for gram, count in ours.items())
        log_sum += math.log(clipped / (max(len(hypothesis) - n + 1, 0) + TINY) + TINY) / 4
    c, r = len(hypothesis), len(reference)
    return (1.0 if c > r else math.exp(1 - r / (c + TINY))) * math.exp(log_sum)


def nearest(folder: Path) -> list[int]:
    columns = [line.split("\t") for line in (folder / "originals.tsv").read_text(encoding="utf-8").splitlines()]
    first, second = {row[0] for row in columns}, {row[1] for row in columns}
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    known = [row["query"] in first and row["title"] in second for row in rows]
    words = [row["text_q_seg"] + row["text_t_seg"] for row in rows]
    originals = [text for text, is_original in zip(words, known, strict=True) if is_original]
    found = []
    for reference, is_original in zip(words, known, strict=True):
        if not is_original:
            scores = [bleu(hypothesis, reference) for hypothesis in originals]
            found.append(scores.index(max(scores)))
    return found


if __name__ == "__main__":
    (Path(sys.argv[1]) / "nearest.json").write_text(json.dumps(nearest(Path(sys.argv[1]))))
