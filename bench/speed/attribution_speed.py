"""How fast are word scores, and how do they compare with the published way and with Captum?

    python bench/speed/attribution_speed.py [--model DIR] [--pairs FILE.jsonl] [--n-pairs 400] [--rounds 5]
        [--output FILE.json]

Systems, each over the same model and pairs, from texts to one score per token:
    published      one pair at a time, padded to 64: a forward pass that decides the label, then S forward and backward
                   passes down to the embeddings (docs/NUMERICS.md#attribution)
    captum         InputXGradient, IntegratedGradients on the embeddings; batches of 32 in the order of the file, padded
                   to 64, after a forward pass that decides the labels
    captum_longest the same, padded to the longest of each batch
    ours           the Explainer as it is by default, fp32
    ours_bf16      the same under bf16 autocast
S is 1 (gradient x input) and 8 (integrated gradients; right Riemann sums all). KernelShap and Lime, which Captum
answers one row at a time, are compared with as many samples. Runs are interleaved; medians of pairs a second and their
ratios are shown. The first round only warms up. Without --model a random BERT (4 layers x 256, vocabulary 21,128) is
explained, without --pairs built-in ones.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch  # noqa: E402
from captum.attr import InputXGradient, IntegratedGradients, KernelShap, Lime  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from bench.figures import show  # noqa: E402
from final_project.data.demo.pairs import build_demo  # noqa: E402
from final_project.data.files.contest import read_segmented  # noqa: E402
from final_project.model.folder import load_classifier  # noqa: E402
from final_project.tokens.tokenizer import build_tokenizer  # noqa: E402
from similarity_v1.explain.embedding_calls import embedding_block  # noqa: E402
from similarity_v1.explain.encoding import encode, pad  # noqa: E402
from similarity_v1.explain.explainer import Explainer  # noqa: E402
from similarity_v1.explain.probe import probing  # noqa: E402
from similarity_v1.explain.segmentation import split_words  # noqa: E402

PADDED_TO, CAPTUM_ROWS, VOCAB, STEPS, SAMPLES = 64, 32, 21_128, 8, 200
SLOW_PAIRS = 5  # what leaves words out one row at a time takes seconds a pair
SYSTEMS = ("published", "captum", "captum_longest", "ours", "ours_bf16")
Texts = list[tuple[str, str]]


class Bench:
    """The model, and one method a system; each explains the pairs it is given."""

    def __init__(self, folder: Path | None, pairs: Texts):
        self.pairs = pairs
        self.model, self.tokenizer = load_classifier(folder) if folder else random_model(pairs)
        self.model.eval()

    def published(self, pairs: Texts, steps: int) -> None:
        """Read from the formula: one pair, its label, then a forward and a backward pass for each step."""
        for pair in pairs:
            inputs = self.tokenizer(
                *pair, padding="max_length", max_length=PADDED_TO, truncation=True, return_tensors="pt"
            )
            with torch.no_grad():
                label = int(self.model(**inputs).logits.argmax())
            total_1TH = torch.zeros(1)
            with GoingOnFrom(self.model) as embeddings:
                for step in range(1, steps + 1):
                    point_1TH = (embeddings.of(inputs) * (step / steps)).requires_grad_()
                    log_probability = embeddings.logits(point_1TH, inputs).log_softmax(-1)[0, label]
                    total_1TH = total_1TH + torch.autograd.grad(log_probability, point_1TH)[0]
            (total_1TH / steps * point_1TH).detach().norm(dim=-1).tolist()

    def captum_longest(self, pairs: Texts, steps: int) -> None:
        self.captum(pairs, steps, padding="longest")

    def captum(self, pairs: Texts, steps: int, padding: str = "max_length") -> None:
        told = {"padding": padding, "max_length": PADDED_TO, "truncation": True, "return_tensors": "pt"}
        for begin in range(0, len(pairs), CAPTUM_ROWS):
            some = pairs[begin : begin + CAPTUM_ROWS]
            inputs = self.tokenizer(*map(list, zip(*some, strict=True)), **told)
            with torch.no_grad():
                labels_B = self.model(**inputs).logits.argmax(-1)
            with GoingOnFrom(self.model) as embeddings:

                def forward(point_NTH: Tensor, *values: Tensor, names=tuple(inputs), embeddings=embeddings) -> Tensor:
                    return embeddings.logits(point_NTH, dict(zip(names, values, strict=True))).log_softmax(-1)

                asked = {"target": labels_B, "additional_forward_args": tuple(inputs.values())}
                point_BTH = embeddings.of(inputs)
                if steps == 1:
                    found_BTH = InputXGradient(forward).attribute(point_BTH, **asked)
                else:
                    peer = IntegratedGradients(forward)
                    found_BTH = peer.attribute(point_BTH, n_steps=steps, method="riemann_right", **asked)
            found_BTH.detach().norm(dim=-1).tolist()

    def ours(self, pairs: Texts, steps: int, precision: str = "fp32") -> None:
        options = {"steps": steps, "rule": "right"} if steps > 1 else {}
        method = "integrated_gradients" if steps > 1 else "gradient_x_input"
        Explainer(self.model, self.tokenizer, method, precision=precision, **options).explain(pairs)

    def ours_bf16(self, pairs: Texts, steps: int) -> None:
        self.ours(pairs, steps, "bf16")

    def left_out(self, pairs: Texts, method: str) -> None:
        Explainer(self.model, self.tokenizer, method, samples=SAMPLES).explain(pairs)

    def captum_left_out(self, pairs: Texts, method: str) -> None:
        """One row at a time, as Captum has it, but with as many choices of words in a pass as ours."""
        explainer = Explainer(self.model, self.tokenizer)
        for pair in pairs:
            words = [tuple(split_words(text, "characters") for text in pair)]
            rows = encode(self.tokenizer, explainer.limit, [pair], words, explainer.keys)
            inputs = pad(rows, self.tokenizer.pad_token_id, explainer.device)
            with probing(self.model, inputs, rows, explainer.reading, False) as probe:
                units = torch.tensor([[unit + 1 for unit in rows[0].units_T]]).unsqueeze(-1)

                def forward(points: Tensor, probe=probe) -> Tensor:
                    return probe.values(points, torch.zeros(len(points), dtype=torch.long))

                peer = {"kernel_shap": KernelShap, "lime": Lime}[method](forward)
                peer.attribute(
                    probe.embedded_BTH, baselines=probe.baseline("mask"), n_samples=SAMPLES,
                    feature_mask=units.expand_as(probe.embedded_BTH), perturbations_per_eval=probe.at_once,
                )  # fmt: skip


class GoingOnFrom:
    """While open, the model can be asked to go on from given embeddings instead of those of its input."""

    def __init__(self, model: PreTrainedModel):
        self.model, self.point_NTH = model, None

    def __enter__(self) -> GoingOnFrom:
        def replace(module, arguments, output_NTH: Tensor) -> Tensor:
            self.own_NTH = output_NTH
            return output_NTH if self.point_NTH is None else self.point_NTH

        self.handle = embedding_block(self.model).register_forward_hook(replace)
        return self

    def __exit__(self, *error: object) -> None:
        self.handle.remove()

    @torch.no_grad()
    def of(self, inputs: Mapping[str, Tensor]) -> Tensor:
        given = {name: inputs[name] for name in ("input_ids", "token_type_ids") if name in inputs}
        point_NTH, self.point_NTH = self.point_NTH, None
        embedding_block(self.model)(**given)
        self.point_NTH = point_NTH
        return self.own_NTH.detach()

    def logits(self, point_NTH: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        self.point_NTH = point_NTH
        try:
            return self.model(**inputs).logits
        finally:
            self.point_NTH = None


def random_model(pairs: Texts) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A BERT of the size that the small recipes train, with the published vocabulary's size."""
    tokenizer = build_tokenizer((text for pair in pairs for text in pair), VOCAB, "the bench's text")
    torch.manual_seed(1)
    sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    return BertForSequenceClassification(BertConfig(vocab_size=VOCAB, **sizes)), tokenizer


def read_pairs(path: Path | None, n_pairs: int) -> Texts:
    """Pairs drawn evenly from a contest JSONL, or built in."""
    if path is None:
        pairs = [(pair.sentence1, pair.sentence2) for pair in build_demo(n_pairs, 1).train]
    else:
        pairs = [(pair.query, pair.title) for pair in read_segmented(path)]
    return [pairs[k * len(pairs) // n_pairs] for k in range(n_pairs)]


def measure(bench: Bench, rounds: int) -> dict[str, dict[str, float]]:
    """Median pairs a second: what is asked -> system -> figure. Systems take turns within a round."""
    asked: dict[str, dict[str, tuple[Callable[[Texts, int | str], None], int | str, Texts]]] = {}
    for name, steps in (("gradient_x_input", 1), (f"integrated_gradients_{STEPS}", STEPS)):
        systems = {system: getattr(bench, system) for system in SYSTEMS}
        asked[name] = {system: (explain, steps, bench.pairs) for system, explain in systems.items()}
    for name in ("kernel_shap", "lime"):
        systems = {"captum": bench.captum_left_out, "ours": bench.left_out}
        asked[name] = {system: (explain, name, bench.pairs[:SLOW_PAIRS]) for system, explain in systems.items()}
    speeds = {name: {system: [] for system in systems} for name, systems in asked.items()}
    for round_ in range(rounds + 1):
        for name, systems in asked.items():
            for system, (explain, how, pairs) in systems.items():
                began = time.perf_counter()
                explain(pairs, how)
                speed = len(pairs) / (time.perf_counter() - began)
                if round_:
                    speeds[name][system].append(speed)
                    print(f"round {round_} {name} {system}: {speed:,.1f} pairs/s", file=sys.stderr)
    return {
        name: {system: round(statistics.median(found), 1) for system, found in systems.items()}
        for name, systems in speeds.items()
    }


def ratios(speeds: dict[str, dict[str, float]]) -> dict[str, float]:
    return {
        f"{name}: {ours} to {peer}": round(systems[ours] / systems[peer], 2)
        for name, systems in speeds.items()
        for ours in ("ours", "ours_bf16")
        for peer in ("published", "captum", "captum_longest")
        if ours in systems and peer in systems
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--n-pairs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    bench = Bench(arguments.model, read_pairs(arguments.pairs, arguments.n_pairs))
    lengths = [len(ids) for ids in bench.tokenizer(*map(list, zip(*bench.pairs, strict=True)))["input_ids"]]
    speeds = measure(bench, arguments.rounds)
    found = {
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__,
        "rounds": arguments.rounds, "pairs": len(bench.pairs),
        "mean_tokens_of_a_pair": round(statistics.mean(lengths), 1),
        "pairs_per_second": speeds, "ratios": ratios(speeds),
    }  # fmt: skip
    show(found, arguments.output)


if __name__ == "__main__":
    main()
