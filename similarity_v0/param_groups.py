"""Which weight learns at which rate ("grouped lr").

    flat       all at lr
    thirds     lower third of the layers lr/2.6, middle lr, upper lr*2.6, at any depth
    published  the same for layers 0-11 alone, four each; layers above at lr, as in the published solution
    decay      lr * d^(L-l): the top layer (l = L) at lr, each below it at d times that; l = 0 are the embeddings
Outside the layers: embeddings (except in decay) and pooler at lr, the head's last layer at lr*alpha, LoRA's matrices at
their own factor under every rule. Other weights of an encoder (relative positions, its own LayerNorm) feed all layers:
they are grouped with the embeddings. Patterns of the recipe take weights out of these groups, each with its factor.
Each group is split in two, with decay and without; the head may have its own decay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn

from final_project.errors import RecipeError
from final_project.model.adapters.lora import is_adapter
from final_project.settings import SimilarityV0, Training
from final_project.training.optim import ParameterGroup, split_by_decay
from similarity_v0.model import PairModel

log = logging.getLogger(__name__)

STEP = 2.6
THIRDS = (("lower third", 1 / STEP), ("middle third", 1.0), ("upper third", STEP))
PUBLISHED_LAYERS = 12

Rate = tuple[str, float]
"""A group's name, and its rate over lr."""
OF_HEAD = ("head", "pooler")
"""The parts that head_weight_decay is for."""


def pair_groups(model: nn.Module, settings: Training) -> list[ParameterGroup]:
    """The groups of all weights that are trained; their table is logged. Raises RecipeError where a pattern takes none
    of them, two patterns the same one, or `published` needs more layers than there are."""
    assert isinstance(model, PairModel) and isinstance(settings, SimilarityV0)
    rates = dict(assign_rates(model, settings))
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    rates |= match_patterns(trained, settings.lr_patterns)
    parts = dict(locate_parts(model))
    of_head = settings.weight_decay if settings.head_weight_decay is None else settings.head_weight_decay
    members: dict[tuple[Rate, float], list[str]] = {}
    for name in trained:
        decay = of_head if parts[name] in OF_HEAD else settings.weight_decay
        members.setdefault((rates[name], decay), []).append(name)
    groups = [
        group
        for ((name, factor), decay), names in members.items()
        for group in split_by_decay(model, name, names, settings.lr * factor, decay)
    ]
    log.info("similarity_v0: rates\n%s", format_rates(model, groups))
    return groups


def assign_rates(model: PairModel, settings: SimilarityV0) -> Iterator[tuple[str, Rate]]:
    """(weight's name, its rate) of every weight, as lr_groups has it."""
    n_layers = len(model.layers)
    if settings.lr_groups == "published" and n_layers < PUBLISHED_LAYERS:
        raise RecipeError(
            [f"similarity_v0.lr_groups: published names layers 0 to 11, this encoder has {n_layers}: use thirds"]
        )
    for name, part in locate_parts(model):
        if part == "lora":
            yield name, ("lora", settings.lora_lr_factor)
        elif settings.lr_groups == "flat":
            yield name, ("all", 1.0)
        elif part == "head":
            yield name, ("head", settings.head_lr_factor)
        elif isinstance(part, int):
            yield name, layer_rate(part, n_layers, settings)
        elif part in ("embeddings", "encoder") and settings.lr_groups == "decay":
            yield name, ("embeddings", settings.lr_decay**n_layers)
        else:
            yield name, (part, 1.0)


def layer_rate(layer: int, n_layers: int, settings: SimilarityV0) -> Rate:
    """The rate of one layer, counted from 0."""
    if settings.lr_groups == "decay":
        return f"layer {layer}", settings.lr_decay ** (n_layers - 1 - layer)
    if settings.lr_groups == "published":
        return THIRDS[3 * layer // PUBLISHED_LAYERS] if layer < PUBLISHED_LAYERS else ("layers above 11", 1.0)
    return THIRDS[3 * (2 * layer + 1) // (2 * n_layers)]  # by the layer's middle, so that few layers fall symmetrically


def locate_parts(model: PairModel) -> Iterator[tuple[str, str | int]]:
    """(weight's name, its part): embeddings, the number of a layer, pooler, head, lora, or encoder for what else it
    has. An own pool counts as the pooler."""
    owners: dict[int, str | int] = {id(weight): "head" for weight in model.output_layer.parameters()}
    owners |= {id(weight): "embeddings" for weight in model.embeddings.parameters()}
    for number, layer in enumerate(model.layers):
        owners |= {id(weight): number for weight in layer.parameters()}
    encoder = {id(weight) for weight in model.classifier.base_model.parameters()}
    pooler = getattr(model.classifier.base_model, "pooler", None)
    if pooler is not None:
        encoder -= {id(weight) for weight in pooler.parameters()}
    for name, weight in model.named_parameters():
        if is_adapter(name):
            yield name, "lora"
        else:
            yield name, owners.get(id(weight), "encoder" if id(weight) in encoder else "pooler")


def match_patterns(names: list[str], patterns: list[str]) -> dict[str, Rate]:
    """The rates of the weights that the recipe's `pattern=factor` entries take; a pattern is a glob over names."""
    taken: dict[str, Rate] = {}
    for entry in patterns:
        pattern, _, factor = entry.rpartition("=")
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            raise RecipeError(
                [f"similarity_v0.lr_patterns: {pattern!r} takes no trained weight; they have names like {names[-1]}"]
            )
        for name in matching:
            if name in taken:
                raise RecipeError([f"similarity_v0.lr_patterns: {pattern!r} and {taken[name][0]!r} both take {name}"])
            taken[name] = (pattern, float(factor))
    return taken


def format_rates(model: PairModel, groups: list[ParameterGroup]) -> str:
    weights = dict(model.named_parameters())
    lines = [f"  {'group':<28} {'tensors':>7} {'numbers':>12} {'peak lr':>10} {'decay':>7}"]
    for group in groups:
        n_numbers = sum(weights[name].numel() for name in group.weights)
        lines.append(
            f"  {group.name:<28} {len(group.weights):>7} {n_numbers:>12,} {group.lr:>10.3g} {group.weight_decay:>7g}"
        )
    return "\n".join(lines)
