"""The same job as `prepare` in plain pandas, as in a notebook: the peer of bench/speed/prepare_scale.py.

python bench/speed/prepare_in_pandas.py TRAIN.tsv DEV.tsv TEST.tsv OUTPUT_FOLDER
"""

import json
import sys
from pathlib import Path

import pandas as pd

COLUMNS = ["sentence1", "sentence2", "label"]


def read(path: str) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", names=COLUMNS, quoting=3, encoding="utf-8", keep_default_na=False)


def normal(column: pd.Series) -> pd.Series:
    return column.str.normalize("NFKC").str.lower().str.replace(r"\s+", "", regex=True)


def with_keys(frame: pd.DataFrame) -> pd.DataFrame:
    frame["n1"], frame["n2"] = normal(frame["sentence1"]), normal(frame["sentence2"])
    is_turned = frame["n1"] > frame["n2"]
    frame["key"] = frame["n1"].where(~is_turned, frame["n2"]) + "\t" + frame["n2"].where(~is_turned, frame["n1"])
    return frame


def main(train_path: str, dev_path: str, test_path: str, output: str) -> None:
    train, dev, test = (with_keys(read(path)) for path in (train_path, dev_path, test_path))
    scored_pairs = set(dev["key"]) | set(test["key"])
    scored_sentences = set(dev["n1"]) | set(dev["n2"]) | set(test["n1"]) | set(test["n2"])

    labels_of_key = train.groupby("key")["label"].nunique()
    contradicting = train["key"].isin(labels_of_key.index[labels_of_key > 1])
    leaks = train["key"].isin(scored_pairs)
    kept = train[~leaks & ~contradicting].drop_duplicates(["key", "label"])
    shares = train["n1"].isin(scored_sentences) | train["n2"].isin(scored_sentences)
    text = train[~shares].drop_duplicates("key")

    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    kept[COLUMNS].to_csv(folder / "train.csv", index=False, lineterminator="\n")
    text[COLUMNS[:2]].to_csv(folder / "text.tsv", sep="\t", index=False, header=False, quoting=3, lineterminator="\n")
    for name, frame in (("dev", dev), ("test", test)):
        frame[COLUMNS].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    lengths = pd.concat([kept["sentence1"].str.len(), kept["sentence2"].str.len()])
    facts = {
        "train": len(kept),
        "text": len(text),
        "positive": int(kept["label"].sum()),
        "sentences": pd.concat([kept["sentence1"], kept["sentence2"]]).nunique(),
        "length": lengths.quantile([0, 0.5, 0.9, 0.99, 1], interpolation="lower").tolist(),
        "pairs in dev": int(kept["key"].isin(set(dev["key"])).sum()),
    }
    (folder / "statistics.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
