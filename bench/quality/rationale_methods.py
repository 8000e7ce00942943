"""Every attribution method under every refinement chain: consistency, plausibility, faithfulness, agreement, time.

    python bench/quality/rationale_methods.py --model DIR --pairs FILE [--pair-map FILE] [--gold FILE]
        [--originals TSV] [--rows 400] [--methods NAME ...] [--ratio 0.705] [--minutes M] [--output FILE.json]

With --output the file is written anew after each method, with FILE.methods.jsonl beside it, from which the same command
goes on after a kill or an end by --minutes; methods that are there are not run again, those that failed are. Without a
pair map each row that allows one gets a perturbed row (`similarity_v1.evaluate.perturb`): any pairs have a MAP.
Chains: raw, original (with --originals), clean, and clean with the model's own order of the shared words.

map               consistency; that of the method `random` is what a chain gives by rule, whatever the model says
token_f1          against gold, where it is given
sufficiency       lower is better
comprehensiveness higher is better
own_words         how much of the rationale is among the model's own most important words, as many as it has; by chance
                  it would be the share chosen
time              processor seconds of the attribution, of gradient x input = 1
overlap           of two methods: how many of the first TOP_SHARE of one sentence's words they share, as a mean; the
                  line of `random` is chance
completeness      median and largest completeness error of a method that has one
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show
from final_project.artifacts import digest_of, file_digest, write_text
from final_project.cli import run_main
from final_project.data.files.contest import read_json_lines, read_segmented
from final_project.data.records import GoldRow, Rationale, SegmentedPair
from final_project.errors import ArtifactError, ProjectError
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.evaluate.figures import References, measure, to_numbers
from similarity_v1.evaluate.gold import read_gold, read_pair_map
from similarity_v1.evaluate.perturb import KEEPS_LABEL, perturb_pair
from similarity_v1.explain.explainer import Explainer
from similarity_v1.rationales.clean_chain import refine_clean
from similarity_v1.rationales.published_chain import SourceRows, read_source_rows, refine_f2, refine_f3
from similarity_v1.rationales.selection import n_chosen, select

REFERENCE = "gradient_x_input"
OPTIONS: dict[str, dict[str, Any]] = {  # cheap ones first, so that an early end leaves most of the table
    REFERENCE: {},
    "random": {},
    "attention": {},
    "attention_rollout": {},
    "deep_lift": {},
    "smooth_grad": {"samples": 20},
    "grad_shap": {"samples": 20},
    "leave_one_out": {},
    "integrated_gradients": {"steps": 50},
    "lime": {"samples": 200},
    "kernel_shap": {"samples": 200},
}
SEED = 2022
TOP_SHARE = 0.3
AT_ONCE = 40  # rows between two lines of progress
LINE_EVERY_S = 10.0
SHORT_S, ROUNDS = 10.0, 3  # what takes less is timed again, and the shortest time counts


def rows_to_explain(arguments: argparse.Namespace) -> tuple[list[SegmentedPair], References]:
    """Some rows, each with its source row or perturbed row, and what is known of them."""
    pairs = read_segmented(arguments.pairs)
    by_id = {pair.id: pair for pair in pairs}
    if arguments.pair_map:
        couples = read_pair_map(arguments.pair_map)[: arguments.rows // 2]
        chosen = [by_id[id_] for id_ in dict.fromkeys(id_ for couple in couples for id_ in couple)]
    else:
        first_id = max(by_id) + 1
        some = pairs[: arguments.rows // 2]
        made = [perturb_pair(pair, first_id + k, KEEPS_LABEL, 2, SEED) for k, pair in enumerate(some)]
        perturbed = [(pair, row.pair) for pair, row in zip(some, made, strict=True) if row is not None]
        chosen = [*some, *(row for _, row in perturbed)]
        couples = [(pair.id, row.id) for pair, row in perturbed]
    ids = {pair.id for pair in chosen}
    gold = [row for row in read_marked(arguments.gold) if row.id in ids] if arguments.gold else []
    return chosen, References.of(chosen, gold, couples)


def read_marked(path: Path) -> list[GoldRow]:
    """Gold as `evaluate` reads it, or rows of e-SNLI that carry several people's sets themselves."""
    records = [record for _, record in read_json_lines(path)]
    if "rationale_q_sets" not in records[0]:
        return read_gold(path)
    return [
        GoldRow(
            record["id"],
            record["sent_label"],
            *(tuple(map(tuple, record[f"rationale_{side}_sets"])) for side in "qt"),
            *(tuple(record[f"text_{side}_seg"]) for side in "qt"),
        )
        for record in records
    ]


@dataclass(frozen=True)
class Explained:
    """What one method said. chosen: the raw words of each row's two sentences, most important first."""

    method: str
    seconds: float
    chains: list[dict[str, Any]]
    chosen: list[tuple[tuple[int, ...], tuple[int, ...]]]
    completeness: dict[str, float] | None


class Bench:
    """The rows, what is known of them, and the model that is asked."""

    def __init__(self, arguments: argparse.Namespace):
        self.model, self.ratio = arguments.model, arguments.ratio
        self.pairs, self.known = rows_to_explain(arguments)
        self.source_rows: SourceRows | None = read_source_rows(arguments.originals) if arguments.originals else None
        self.judge = Judge.from_folder(arguments.model)
        self.key = digest_of([self.ratio, arguments.rows, SEED, *map(file_digest, _inputs(arguments))])

    def measure(self, method: str) -> Explained:
        explainer = Explainer.from_folder(self.model, method, **OPTIONS[method])
        found, seconds = self._explain(explainer, method)
        raw = [
            Rationale(pair.id, row.label, *(select(side, self.ratio) for side in row.scores))
            for pair, row in zip(self.pairs, found, strict=True)
        ]
        scores = [row.scores for row in found]
        chains = [self._chain(name, refined, scores) for name, refined in self._refined(raw).items()]
        chosen = [(row.words_q, row.words_t) for row in raw]
        return Explained(method, seconds, chains, chosen, self._completeness(explainer, found))

    def _explain(self, explainer: Explainer, method: str) -> tuple[list, float]:
        """(explanations, the shortest processor time of a few rounds)."""
        rows = [(pair.query, pair.title) for pair in self.pairs]
        words = [(pair.words_q, pair.words_t) for pair in self.pairs]
        explainer.explain(rows[:8], words[:8])
        times: list[float] = []
        while not times or (len(times) < ROUNDS and sum(times) < SHORT_S):
            found, began, told = [], time.process_time(), time.monotonic()
            for begin in range(0, len(rows), AT_ONCE):
                found += explainer.explain(rows[begin : begin + AT_ONCE], words[begin : begin + AT_ONCE])
                if time.monotonic() - told >= LINE_EVERY_S:
                    told = time.monotonic()
                    say(f"{method}: {len(found)} of {len(rows)} rows")
            times.append(time.process_time() - began)
        return found, min(times)

    def _refined(self, raw: list[Rationale]) -> dict[str, list[Rationale]]:
        chains = {"raw": raw}
        if self.source_rows is not None:
            chains["original"] = refine_f3(self.pairs, refine_f2(self.pairs, raw), self.source_rows)[0]
        clean = {"clean": refine_clean(self.pairs, raw)}
        return chains | clean | {"clean_importance": refine_clean(self.pairs, raw, "importance")}

    def _chain(self, name: str, refined: list[Rationale], scores: list) -> dict[str, Any]:
        figures = to_numbers(measure(refined, self.known) | self.judge.figures(self.pairs, refined))
        figures["own_words"] = own_words(refined, scores)
        return {"chain": name, **{key: round(value, 4) for key, value in figures.items()}}

    def _completeness(self, explainer: Explainer, found: list) -> dict[str, float] | None:
        if found[0].completeness_error is None:
            return None
        errors = [row.completeness_error for row in found]
        return {"median": float(f"{statistics.median(errors):.2g}"), "largest": float(f"{max(errors):.2g}")}


def own_words(rows: Sequence[Rationale], scores: Sequence[Sequence[Sequence[float]]]) -> float:
    shares = []
    for row, its_scores in zip(rows, scores, strict=True):
        for chosen, of_side in zip((row.words_q, row.words_t), its_scores, strict=True):
            best = set(select(of_side, 1.0)[: len(set(chosen))])
            shares.append(len(best & set(chosen)) / len(best))
    return sum(shares) / len(shares)


class Journal:
    """The methods that are finished, in order; kept beside the output where there is one. Raises ArtifactError where
    what is there was measured on something else."""

    def __init__(self, output: Path | None, key: str):
        self._path = output.with_suffix(".methods.jsonl") if output else None
        self._key, self.done = key, {}
        if self._path and self._path.is_file():
            first, *rest = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
            if first != {"key": key}:
                raise ArtifactError(f"{self._path} belongs to another model, other rows or another ratio: move it away")
            self.done = {record["method"]: Explained(**record) for record in rest}

    def add(self, found: Explained) -> None:
        self.done[found.method] = found
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps(record) for record in ({"key": self._key}, *map(asdict, self.done.values()))]
            write_text(self._path, "\n".join(lines) + "\n")


def summary(
    arguments: argparse.Namespace, words: Sequence[tuple[int, int]], done: dict[str, Explained], failed: dict[str, str]
) -> dict[str, Any]:
    """What is printed and written. words: how many each row's sentences have."""
    methods = [name for name in OPTIONS if name in done]
    reference = done[REFERENCE].seconds if REFERENCE in done else None
    return {
        "rows": len(words),
        "options": {name: OPTIONS[name] for name in methods if OPTIONS[name]},
        "failed": failed,
        "not_run": [name for name in arguments.methods if name not in done and name not in failed],
        "time": {name: round(done[name].seconds / reference, 2) for name in methods} if reference else {},
        "completeness": {name: done[name].completeness for name in methods if done[name].completeness},
        "overlap": {
            name: {other: overlap(done[name], done[other], words) for other in methods if other != name}
            for name in methods
        },
        "table": [{"method": name, **chain} for name in methods for chain in done[name].chains],
    }


def overlap(one: Explained, other: Explained, words: Sequence[tuple[int, int]]) -> float:
    """Mean share of the first TOP_SHARE of a sentence's words that both methods have among their first ones."""
    shares = []
    for ours, theirs, lengths in zip(one.chosen, other.chosen, words, strict=True):
        for mine, yours, n_words in zip(ours, theirs, lengths, strict=True):
            n_top = n_chosen(n_words, TOP_SHARE)
            shares.append(len(set(mine[:n_top]) & set(yours[:n_top])) / n_top)
    return round(sum(shares) / len(shares), 4)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _inputs(arguments: argparse.Namespace) -> list[Path]:
    given = (arguments.pairs, arguments.pair_map, arguments.gold, arguments.originals)
    return [*(path for path in given if path), *sorted(path for path in arguments.model.iterdir() if path.is_file())]


def run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    bench = Bench(arguments)
    journal = Journal(arguments.output, bench.key)
    words = [(len(pair.words_q), len(pair.words_t)) for pair in bench.pairs]
    failed: dict[str, str] = {}
    for number, method in enumerate(arguments.methods, start=1):
        if method in journal.done:
            say(f"{method} is there from an earlier call")
            continue
        if arguments.minutes is not None and time.monotonic() - began > 60 * arguments.minutes:
            say(f"{arguments.minutes:g} minutes are over: {method} and what follows are left to the next call")
            break
        say(f"{method}, {number} of {len(arguments.methods)}, {len(words)} rows")
        try:
            journal.add(bench.measure(method))
        except (ProjectError, RuntimeError) as error:  # what one method cannot do costs the others nothing
            failed[method] = str(error)
            say(f"{method} failed: {error}")
            continue
        say(f"{method}: {journal.done[method].seconds:.1f} s for its scores")
        if arguments.output:
            write_text(arguments.output, json.dumps(summary(arguments, words, journal.done, failed), indent=1) + "\n")
    show(summary(arguments, words, journal.done, failed), arguments.output)
    return 1 if failed else 0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    for name in ("--pair-map", "--gold", "--originals", "--output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--ratio", type=float, default=0.705)
    parser.add_argument("--minutes", type=float, help="begin no further method after so many")
    parser.add_argument("--methods", nargs="+", choices=list(OPTIONS), default=list(OPTIONS))
    arguments = parser.parse_args(argv)
    arguments.methods = [name for name in OPTIONS if name in {REFERENCE, *arguments.methods}]
    return run(arguments)


if __name__ == "__main__":
    sys.exit(run_main(main))
