"""Rows to refine, made for benchmarks: originals, a perturbed twin of each, raw rationales, and the file of originals.

    python bench/made/made_rationales.py FOLDER ROWS

Sentences have the lengths of the contest's and its common openings and question words, so that frequent n-grams are in
the index too. Writes pairs.jsonl, raw.txt, originals.tsv, map.jsonl and gold.jsonl.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

CHARACTERS = [chr(0x4E00 + 7 * k) for k in range(2500)]
N_NAMES = 8000
OPENINGS = ("", "", "", "", "请问一下，", "我想知道", "有谁知道", "急，", "求助，")
QUESTIONS = ("怎么", "如何", "怎样", "为什么", "什么时候", "在哪里", "什么意思", "哪个好", "多少钱", "是什么")
ENDINGS = ("", "", "？", "吗", "呢", "啊，在线等", "，谢谢")
RATIO = 0.705


def make_sentence(chance: random.Random, names: list[str]) -> str:
    parts = (OPENINGS, names, QUESTIONS, names, ENDINGS)
    return "".join(chance.choice(part) for part in parts)


def perturb(sentence: str, chance: random.Random) -> str:
    """One to three characters come, go or change; now and then the halves change places."""
    characters = list(sentence)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(characters))
        kind = chance.random()
        if kind < 0.4:
            characters.insert(place, chance.choice(CHARACTERS))
        elif kind < 0.7:
            characters[place] = chance.choice(CHARACTERS)
        elif len(characters) > 3:
            del characters[place]
    if chance.random() < 0.3:
        place = chance.randrange(len(characters))
        characters = characters[place:] + characters[:place]
    return "".join(characters)


def chosen(sentence: str, chance: random.Random) -> list[int]:
    return chance.sample(range(len(sentence)), max(1, int(RATIO * len(sentence))))


def write(folder: Path, n_rows: int) -> None:
    chance = random.Random(n_rows)
    names = ["".join(chance.choices(CHARACTERS, k=chance.choice((2, 2, 2, 3, 3, 4)))) for _ in range(N_NAMES)]
    originals = [(make_sentence(chance, names), make_sentence(chance, names)) for _ in range(n_rows // 2)]
    rows = originals + [(perturb(first, chance), perturb(second, chance)) for first, second in originals]
    files = {name: (folder / name).open("w", encoding="utf-8") for name in ("pairs.jsonl", "raw.txt", "gold.jsonl")}
    for id_, (first, second) in enumerate(rows):
        words = {"text_q_seg": list(first), "text_t_seg": list(second)}
        pair = {"id": id_, "query": first, "title": second, **words}
        files["pairs.jsonl"].write(json.dumps(pair, ensure_ascii=False) + "\n")
        sides = [chosen(first, chance), chosen(second, chance)]
        columns = [str(id_), str(chance.randint(0, 1)), *(",".join(map(str, side)) for side in sides)]
        files["raw.txt"].write("\t".join(columns) + "\n")
        marked = {"rationale_q_idx": chosen(first, chance), "rationale_t_idx": chosen(second, chance)}
        gold = {"sent_id": id_, "sent_label": chance.randint(0, 1), **words, **marked}
        files["gold.jsonl"].write(json.dumps(gold, ensure_ascii=False) + "\n")
    for file in files.values():
        file.close()
    (folder / "originals.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in originals), encoding="utf-8")
    couples = (json.dumps({"ori": id_, "disturb": id_ + len(originals)}) for id_ in range(len(originals)))
    (folder / "map.jsonl").write_text("".join(f"{couple}\n" for couple in couples), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
