"""How a file of pairs was read: said in the log of every command that a user gives a file to, and by `inspect`."""

from __future__ import annotations

from typing import Any

from final_project.data.files.column_names import listed
from final_project.data.files.pair_file import PairFile
from final_project.data.texts import SHOWN

MOST_VALUES = 12  # labels that are counted one by one


def how_it_was_read(file: PairFile) -> list[str]:
    """Lines for people, about a file that was gone through to its end: form, encoding, columns and what they are read
    as, labels with their counts, and the first rows."""
    facts = facts_of_file(file)
    kind = ", ".join(filter(None, (facts["form"], facts["separator"], facts["encoding"])))
    columns = ", ".join(f"{role}: {_shown(name)}" for role, name in facts["columns"].items() if name is not None)
    ignored = f"; passed over: {listed(facts['ignored'])}" if facts["ignored"] else ""
    lines = [f"{file.path}: {facts['rows']:,} rows; {kind}; {columns}{ignored}", f"{file.path}: {_labels(facts)}"]
    return lines + [f"{file.path}:{sample['line']}: {_sample(sample)}" for sample in facts["samples"]]


def facts_of_file(file: PairFile) -> dict[str, Any]:
    """The same as JSON values."""
    places = file.names_of()
    columns = dict(places._asdict()) if places else {}
    read = {str(name) for name in columns.values()}
    return {
        "form": "contest JSONL" if file.is_contest else file.file.form,
        "separator": file.file.kind,
        "encoding": file.file.encoding,
        "rows": file.n_rows,
        "columns": columns,
        "ignored": [name or "(no name)" for name in file.file.names or () if name not in read],
        "left_out": file.labels.n_left_out,
        "labels": [
            {"label": text, "means": means, "rows": count} for text, means, count in file.labels.meanings()
        ],
        "samples": [
            {"line": line, "sentence1": pair.sentence1, "sentence2": pair.sentence2, "label": pair.label, "as": raw}
            for line, pair, raw in file.samples
        ],
    }  # fmt: skip


def _labels(facts: dict[str, Any]) -> str:
    """One line on the labels."""
    found = facts["labels"]
    if not found:
        return "no labels"
    said = ", ".join(_meaning(one) for one in found[:MOST_VALUES])
    for means in (1, 0) if len(found) > MOST_VALUES else ():
        said += f"; in all {sum(one['rows'] for one in found if one['means'] == means):,} rows mean {means}"
    left_out = f"; {facts['left_out']:,} rows passed over" if facts["left_out"] else ""
    return f"labels: {said}{left_out}"


def _meaning(one: dict[str, Any]) -> str:
    means = "no label" if one["means"] is None else one["means"]
    return f"{one['label'] or '(empty)'} = {means} ({one['rows']:,} rows)"


def _sample(sample: dict[str, Any]) -> str:
    texts = " | ".join(_short(sample[side]) for side in ("sentence1", "sentence2"))
    return texts if sample["label"] is None else f"{texts} | {sample['label']}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def _shown(name: Any) -> str:
    return f"column {name}" if isinstance(name, int) else repr(name)
