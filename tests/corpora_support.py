"""Small made-up files of every corpus in the forms that it comes in, and the real ones where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.corpora.registry import CORPORA
from final_project.data.records import Pair

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SAMPLES = SHARED / "samples"
ARCHIVE = SHARED / "corpora.tar.xz"

NAMES = [
    *("DIAC2019", "CCKS2018_Task3", "LCQMC", "AFQMC", "GAIIC2021_Task3", "THS2021", "CHIP2019", "SOHU_2021", "COVID19"),
    *("PAWSX", "XF2021", "Chinese-MNLI", "Chinese-SNLI", "Chinese-STS-B", "OCNLI", "PKU_Paraphrase_Bank"),
]


def one_of_each_reader() -> list[str]:
    """The first corpus of each reader: most corpora share one, and what holds for a reader is tested once."""
    firsts = {str(CORPORA[name].read): name for name in reversed(NAMES)}
    return [name for name in NAMES if name in firsts.values()]


READERS = one_of_each_reader()

YES = Pair("怎么办理银行卡", "银行卡如何办理", 1)
NO = Pair("怎么办理银行卡", "怎么注销银行卡", 0)
PLAIN = "".join(f"{pair.sentence1}\t{pair.sentence2}\t{pair.label}\n" for pair in (YES, NO))
OPEN = [Pair(YES.sentence1, YES.sentence2), Pair(NO.sentence1, NO.sentence2)]


class Form(NamedTuple):
    """A file as the corpus has it, and the pairs that are in it."""

    corpus: str
    name: str
    text: str
    pairs: list[Pair]


def lines(*rows: str, end: str = "\n") -> str:
    return "".join(row + end for row in rows)


def json_lines(*rows: dict) -> str:
    return lines(*(json.dumps(row, ensure_ascii=False) for row in rows))


def json_pairs(key1: str, key2: str, label: str | None, *values: object, **more: object) -> list[dict]:
    """A row for YES, NO and, with other labels, NO again."""
    pairs = [YES, *[NO] * (len(values) - 1)] if values else [YES, NO]
    rows = [{key1: pair.sentence1, key2: pair.sentence2, **more} for pair in pairs]
    if label:
        for row, value in zip(rows, values, strict=True):
            row[label] = value
    return rows


GROUPS = """<?xml version="1.0" encoding="utf8"?>
\t<TrainCorpus>
\t\t<Questions number="0">
\t\t\t<EquivalenceQuestions>
\t\t\t\t<question> 甲一？</question>
\t\t\t\t<question>甲二 &amp; 乙</question>
\t\t\t\t<question> </question>
\t\t\t\t<question>甲一？</question>
\t\t\t</EquivalenceQuestions>

\t\t\t<NotEquivalenceQuestions>
\t\t\t\t<question>丙</question>
\t\t\t\t<question/>
\t\t\t</NotEquivalenceQuestions>
\t\t</Questions>
\t\t<Questions number="1">
\t\t\t<EquivalenceQuestions><question>丁</question></EquivalenceQuestions>
\t\t\t<NotEquivalenceQuestions><question>丁</question></NotEquivalenceQuestions>
\t\t</Questions>
</TrainCorpus>
"""
GROUP_PAIRS = [
    Pair("甲一？", "甲二 & 乙", 1),
    Pair("甲二 & 乙", "甲一？", 1),
    Pair("甲二 & 乙", "甲一？", 1),
    Pair("甲一？", "甲二 & 乙", 1),
    Pair("甲一？", "丙", 0),
    Pair("甲二 & 乙", "丙", 0),
    Pair("甲一？", "丙", 0),
    Pair("丁", "丁", 0),
]

NLI = ("entailment", "neutral", "contradiction", "-")
NLI_TSV = lines(
    *(f"{pair.sentence1}\t{pair.sentence2}\t{label}" for pair, label in zip([YES, NO, NO, NO], NLI, strict=True))
)
SCORED = [(YES, 5), (NO, 4), (NO, 3), (NO, 2), (NO, 1), (NO, 0)]
QUOTED = Pair('怎么办理"银行卡",急', "银行卡\n如何办理", 1)
QUOTED_CSV = '"怎么办理""银行卡"",急","银行卡\n如何办理"'

FORMS = [
    Form("DIAC2019", "train_set.xml", GROUPS, GROUP_PAIRS),
    Form(
        "DIAC2019",
        "dev_set.csv",
        lines(
            "qid\tquestion1\tquestion2", f"0\t{YES.sentence1}\t{YES.sentence2}", f"1\t{NO.sentence1}\t{NO.sentence2}"
        ),
        OPEN,
    ),
    Form("CCKS2018_Task3", "task3_train.txt", PLAIN, [YES, NO]),
    Form(
        "CCKS2018_Task3",
        "task3_dev.txt",
        lines(f"0\t{YES.sentence1}\t{YES.sentence2}", f"1\t{NO.sentence1}\t{NO.sentence2}", end="\r\n"),
        OPEN,
    ),
    Form(
        "CCKS2018_Task3",
        "BQ_dev.csv",
        "\ufeff" + lines("sentence1,sentence2,label", f"{NO.sentence1},{NO.sentence2},0", f"{QUOTED_CSV},1"),
        [NO, QUOTED],
    ),
    Form("LCQMC", "train.tsv", "text_a\ttext_b\tlabel\n" + PLAIN, [YES, NO]),
    Form("LCQMC", "test.tsv", lines(*(f"{pair.sentence1}\t{pair.sentence2}" for pair in OPEN)), OPEN),
    Form("AFQMC", "train.json", json_lines(*json_pairs("sentence1", "sentence2", "label", "1", "0")), [YES, NO]),
    Form("AFQMC", "test.json", json_lines(*json_pairs("sentence1", "sentence2", None, id=3)), OPEN),
    Form("GAIIC2021_Task3", "train.txt", PLAIN, [YES, NO]),
    Form("GAIIC2021_Task3", "train.json", json_lines(*json_pairs("q1", "q2", "label", "1", 0)), [YES, NO]),
    Form(
        "GAIIC2021_Task3",
        "round1.tsv",
        "1 22 3\t3 22\t1\n4\t5 6\t0\n",
        [Pair("1 22 3", "3 22", 1), Pair("4", "5 6", 0)],
    ),
    Form("THS2021", "train.tsv", f"1\t{YES.sentence1}\t{YES.sentence2}\n0\t{NO.sentence1}\t{NO.sentence2}", [YES, NO]),
    Form("THS2021", "test.tsv", lines(*(f"{pair.sentence1}\t{pair.sentence2}" for pair in OPEN)), OPEN),
    Form(
        "CHIP2019",
        "train.csv",
        f"question1,question2,label,category\r\n{QUOTED_CSV},1,aids\r\n{NO.sentence1},{NO.sentence2},0,diabetes\r\n",
        [QUOTED, NO],
    ),
    Form(
        "CHIP2019",
        "dev_id.csv",
        f"id,question1,question2,category\r\n0,{YES.sentence1},{YES.sentence2},aids\r\n",
        OPEN[:1],
    ),
    Form(
        "CHIP2019",
        "CHIP-STS_train.json",
        json.dumps(json_pairs("text1", "text2", "label", "1", "0", category='a}{b"[,'), ensure_ascii=False, indent=2),
        [YES, NO],
    ),
    Form(
        "SOHU_2021", "短短匹配A类/train.txt", json_lines(*json_pairs("source", "target", "labelA", "1", "0")), [YES, NO]
    ),
    Form(
        "SOHU_2021", "短短匹配B类/train.txt", json_lines(*json_pairs("source", "target", "labelB", "1", "0")), [YES, NO]
    ),
    Form(
        "SOHU_2021", "短短匹配B类/test_with_id.txt", json_lines(*json_pairs("source", "target", None, id="ss0_b")), OPEN
    ),
    Form(
        "COVID19",
        "train.csv",
        f"id,category,query1,query2,label\r\n0,咳血,{QUOTED_CSV},1\r\n1,咳血,{NO.sentence1},{NO.sentence2},0\r\n",
        [QUOTED, NO],
    ),
    Form(
        "COVID19",
        "test.example.csv",
        f"id,category,query1,query2,label\r\n0,咳血,{YES.sentence1},{YES.sentence2},-1\r\n",
        OPEN[:1],
    ),
    Form(
        "PAWSX",
        "dev_2k.tsv",
        lines("id\tsentence1\tsentence2\tlabel", '4\t他说"好\t他说好"\t1', "6\tNS\tNS\t0"),
        [Pair('他说"好', '他说好"', 1), Pair("NS", "NS", 0)],
    ),
    Form(
        "PAWSX",
        "dev_2k.tsv",
        lines("4\t甲乙\t乙甲\t1", "6\t甲丙\t丙甲\t0"),
        [Pair("甲乙", "乙甲", 1), Pair("甲丙", "丙甲", 0)],
    ),
    Form("XF2021", "train.csv", PLAIN, [YES, NO]),
    Form("XF2021", "test.csv", lines(*(f"{pair.sentence1}\t{pair.sentence2}" for pair in OPEN)), OPEN),
    Form("Chinese-MNLI", "train.json", json_lines(*json_pairs("sentence1", "sentence2", "label", *NLI)), [YES, NO, NO]),
    Form("Chinese-MNLI", "dev.txt", NLI_TSV, [YES, NO, NO]),
    Form(
        "Chinese-SNLI",
        "cnsd_snli_v1.0.train.jsonl",
        json_lines(*json_pairs("sentence1", "sentence2", "gold_label", *NLI, "", None)),
        [YES, NO, NO],
    ),
    Form(
        "Chinese-STS-B",
        "cnsd-sts-train.txt",
        lines(
            *(f"2012test-{i}||{pair.sentence1}||{pair.sentence2}||{score}" for i, (pair, score) in enumerate(SCORED))
        ),
        [YES, NO, NO, NO],
    ),
    Form(
        "Chinese-STS-B",
        "STS-B.train.data",
        lines(*(f"{pair.sentence1}\t{pair.sentence2}\t{score}" for pair, score in reversed(SCORED))),
        [NO, NO, NO, YES],
    ),
    Form(
        "OCNLI",
        "train.10k.json",
        json_lines(*json_pairs("sentence1", "sentence2", "label", *NLI, label0="neutral", label1=None, genre="phone")),
        [YES, NO, NO],
    ),
    Form("OCNLI", "test.json", json_lines(*json_pairs("sentence1", "sentence2", None, id=0)), OPEN),
    Form(
        "PKU_Paraphrase_Bank",
        "paraphrase_unorder",
        lines(*(f"{pair.sentence1}\t{pair.sentence2}" for pair in OPEN)),
        [YES, Pair(NO.sentence1, NO.sentence2, 1)],
    ),
]


def raw_form(corpus: str) -> Form:
    """The first made-up form of a corpus: its training file as released."""
    return next(form for form in FORMS if form.corpus == corpus)


def write(folder: Path, form: Form) -> Path:
    path = folder / form.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(form.text.encode())
    return path


def read(corpus, path):
    return list(CORPORA[corpus].read(path))


def read_text(folder, corpus, text, name="train.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(corpus, path)


def convert(capsys, corpus, inputs, output):
    """Exit status, the JSON answer or None, and what was said on standard error."""
    arguments = [piece for path in inputs for piece in ("--input", str(path))]
    status = run_main(main, ["convert", "--corpus", corpus, *arguments, "--output", str(output)])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err
