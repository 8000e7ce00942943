"""Every attribution method under every refinement chain: consistency, plausibility, faithfulness, time.

    python bench/methods.py --model DIR --pairs FILE [--pair-map FILE] [--gold FILE] [--originals TSV] [--rows 400]
                            [--methods NAME ...] [--ratio 0.705] [--output FILE.json]

Without a pair map each row gets a perturbed twin (`similarity_v1.twins`), so that MAP can be measured on any pairs.
Chains: raw, original (with --originals), clean, and clean with the model's own order of the shared words.

map               consistency; that of the method `random` is what a chain gives by rule, whatever the model says
token_f1          against gold, where it is given
sufficiency       lower is better
comprehensiveness higher is better
own_words         how much of the rationale is among the model's own most important words, as many as it has; by chance
                  it would be the share chosen
time              of gradient x input = 1
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from figures import show

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from final_project.data.contest import read_json_lines, read_segmented
from final_project.data.pairs import GoldRow, Rationale, SegmentedPair
from similarity_v1.clean import refine_clean
from similarity_v1.explainer import Explainer
from similarity_v1.faithfulness import Judge
from similarity_v1.figures import References, figures_of, measure
from similarity_v1.gold import read_gold, read_pair_map
from similarity_v1.methods import METHODS
from similarity_v1.refine import read_originals, refine_f2, refine_f3
from similarity_v1.selection import select
from similarity_v1.twins import KEEPS_LABEL, make_twin

OPTIONS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 20},
    "smooth_grad": {"samples": 20},
    "grad_shap": {"samples": 20},
    "lime": {"samples": 200},
    "kernel_shap": {"samples": 200},
}
SEED = 2022


def rows_to_explain(arguments: argparse.Namespace) -> tuple[list[SegmentedPair], References]:
    """Some rows, each with its original or twin, and what is known of them."""
    pairs = read_segmented(arguments.pairs)
    by_id = {pair.id: pair for pair in pairs}
    if arguments.pair_map:
        couples = read_pair_map(arguments.pair_map)[: arguments.rows // 2]
        chosen = [by_id[id_] for id_ in dict.fromkeys(id_ for couple in couples for id_ in couple)]
    else:
        first_id = max(by_id) + 1
        some = pairs[: arguments.rows // 2]
        made = [make_twin(pair, first_id + k, KEEPS_LABEL, 2, SEED) for k, pair in enumerate(some)]
        twins = [(pair, twin.pair) for pair, twin in zip(some, made, strict=True) if twin is not None]
        chosen = [row for couple in twins for row in couple]
        couples = [(pair.id, twin.id) for pair, twin in twins]
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


def explain(arguments: argparse.Namespace, method: str, pairs: list[SegmentedPair]) -> tuple[list, float]:
    """(label and scores of each row, seconds)."""
    explainer = Explainer.from_folder(arguments.model, method, **OPTIONS.get(method, {}))
    rows, words = [(pair.query, pair.title) for pair in pairs], [(pair.words_q, pair.words_t) for pair in pairs]
    explainer.explain(rows[:8], words[:8])
    began = time.process_time()
    found = explainer.explain(rows, words)
    return [(row.label, row.scores) for row in found], time.process_time() - began


def own_words(rows: list[Rationale], scored: list) -> float:
    shares = []
    for row, (_, scores) in zip(rows, scored, strict=True):
        for chosen, of_side in zip((row.words_q, row.words_t), scores, strict=True):
            best = set(select(of_side, 1.0)[: len(set(chosen))])
            shares.append(len(best & set(chosen)) / len(best))
    return sum(shares) / len(shares)


def table(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    pairs, known = rows_to_explain(arguments)
    originals = read_originals(arguments.originals) if arguments.originals else None
    judge = Judge.from_folder(arguments.model)
    rows, reference_time = [], None
    for method in ("gradient_x_input", *(name for name in arguments.methods if name != "gradient_x_input")):
        scored, seconds = explain(arguments, method, pairs)
        reference_time = reference_time or seconds
        raw = [
            Rationale(pair.id, label, *(select(side, arguments.ratio) for side in scores))
            for pair, (label, scores) in zip(pairs, scored, strict=True)
        ]
        chains = {"raw": raw}
        if originals is not None:
            chains["original"] = refine_f3(pairs, refine_f2(pairs, raw), originals)[0]
        chains |= {"clean": refine_clean(pairs, raw), "clean_importance": refine_clean(pairs, raw, "importance")}
        for chain, refined in chains.items():
            figures = figures_of(measure(refined, known) | judge.figures(pairs, refined))
            figures |= {"own_words": own_words(refined, scored), "time": seconds / reference_time}
            rows.append({"method": method, "chain": chain, **{name: round(x, 4) for name, x in figures.items()}})
        print(f"{method} done", file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    for name in ("--pair-map", "--gold", "--originals", "--output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--ratio", type=float, default=0.705)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    arguments = parser.parse_args()
    show({"rows": arguments.rows, "options": OPTIONS, "table": table(arguments)}, arguments.output)


if __name__ == "__main__":
    main()
