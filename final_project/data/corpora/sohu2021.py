"""SOHU_2021: 69,578 pairs of news texts, short or long, of the same topic (A) or the same event (B) (2021)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

# our name, the release's folder, the name in a copy that holds train and valid in one file
KINDS = (
    ("ssA", "短短匹配A类", "dda"),
    ("ssB", "短短匹配B类", "ddb"),
    ("slA", "短长匹配A类", "dca"),
    ("slB", "短长匹配B类", "dcb"),
    ("llA", "长长匹配A类", "cca"),
    ("llB", "长长匹配B类", "ccb"),
)


def _parts(kind: str, folder: str, together: str) -> tuple[Part, ...]:
    return (
        Part(kind, "train", (f"{together}.jsonl",)),
        Part(f"{kind}_train", "train", (f"{folder}/train.txt",), inside=kind),
        Part(f"{kind}_valid", "dev", (f"{folder}/valid.txt",), inside=kind),
        Part(f"{kind}_test", "test", (f"{folder}/test_with_id.txt",), merged=False),
        Part(f"{kind}_round2", "train", (f"round2/{folder}.txt", f"{folder}/train_r2.txt"), merged=False),
        Part(f"{kind}_round3", "train", (f"round3/{folder}.txt", f"{folder}/train_r3.txt"), merged=False),
        Part(f"{kind}_rematch", "train", (f"{folder}/train_rematch.txt",), merged=False),
    )


SOHU_2021 = Corpus(
    name="SOHU_2021",
    folders=("sohu2021", "sohu2021_open_data_clean", "sohu2021_open_data"),
    parts=(
        *(part for kind in KINDS for part in _parts(*kind)),
        Part("ssA_sample", "train", ("samples_ssA.txt",), (352, 621), inside="ssA_train"),
    ),
    read=Rows(),
    counts=(18_714, 50_864),
    raw_format='JSON lines: source, target, labelA or labelB "0" or "1"; test: id, no label; six kinds in six folders',
    label_rule="labelA and labelB both become the label, so that a pair may be 1 as A and 0 as B",
    licence="terms of the contest on biendata: take it as for research only; the copy says CC BY 4.0 (not verified)",
    source="https://www.biendata.xyz/competition/sohu_2021/; "
    "copy: https://huggingface.co/datasets/shibing624/sts-sohu2021",
    citation="Sohu campus text matching contest 2021, biendata",
)
