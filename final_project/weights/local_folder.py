"""A transformers folder as others leave it: names of weights that begin otherwise are mended, then it is loaded whole.

Trainers and wrappers put something before a weight's name (`module.`, `model.`, `bert.`, `roberta.`, `auto_model.`,
several of them). What stands before the encoder's own names is found out from the names, not from a list. Only
safetensors are read.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from final_project.errors import ArtifactError, first_line
from final_project.model.encoder import trained_pooler
from final_project.model.loading import load_weights
from final_project.tokens.tokenizer import load_plain_tokenizer

log = logging.getLogger(__name__)

OLD_ENDS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # of TensorFlow's BERT


@dataclass(frozen=True)
class Pretrained:
    """An encoder, with its masked-LM head where it has one, and its tokenizer. weights: what is to be written; not
    those parts of the model that its source lacks."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    left_out: frozenset[str] = frozenset()
    pooler: Mapping[str, Tensor] | None = None

    @property
    def weights(self) -> dict[str, Tensor]:
        own = {name: value for name, value in self.model.state_dict().items() if name not in self.left_out}
        return {**own, **(self.pooler or {})}


def load_folder(place: Path) -> Pretrained:
    """Load a folder, or a .safetensors file that has config.json and a tokenizer beside it. Raises ArtifactError that
    says what is missing or does not fit."""
    folder = place.parent if place.suffix == ".safetensors" else place
    if not (folder / "config.json").is_file():
        raise ArtifactError(f"{folder}: config.json is missing, so this is no transformers model folder")
    files = _weight_files(place)
    tokenizer = load_plain_tokenizer(str(folder), allow_download=False)
    expected, own = _encoder_names(folder)
    names = {name: file for file in files for name in _names_in(file)}
    new_names = standard_names(names, expected, own)
    if all(name == new for name, new in new_names.items()) and place == folder:
        return _loaded(folder, tokenizer)
    if changed := [(name, new) for name, new in new_names.items() if name != new]:
        log.info("%s: %d weights get other names, such as %s: %s", place, len(changed), *min(changed))
    with tempfile.TemporaryDirectory() as temporary:
        renamed = Path(temporary)
        shutil.copy(folder / "config.json", renamed)
        weights: dict[str, Tensor] = {}
        for file in files:
            with safe_open(file, "pt") as opened:
                weights |= {new_names[name]: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        save_file(weights, renamed / "model.safetensors", {"format": "pt"})
        return _loaded(renamed, tokenizer)


def stated_licence(place: Path) -> str:
    """What the model card beside the weights says in its head (`license: ...`), else that nothing is said."""
    card = (place if place.is_dir() else place.parent) / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    head = text.split("\n---")[0] if text.startswith("---") else ""
    found = re.search(r"^license:\s*(\S.*)$", head, re.MULTILINE)
    return found[1].strip() if found else "not stated in the folder"


def standard_names(names: Collection[str], expected: Collection[str], own: str) -> dict[str, str]:
    """Each name -> as transformers has it. expected: the encoder's names, bare. own: its prefix below a head."""
    modern = {name: _modern(name) for name in names}
    begins = Counter(new.removesuffix(bare) for new in modern.values() for bare in _tails(new) if bare in expected)
    begin = max(begins, key=lambda text: (begins[text], -len(text)), default="")
    if not begin:  # a bare encoder, as AutoModel saves it
        return {name: new for name, new in modern.items()} if len(set(modern.values())) == len(names) else {}
    outer = ".".join([*begin.split(".")[:-2], ""]) if begin.count(".") > 1 else ""
    answer = {}
    for name, new in modern.items():
        bare = new.removeprefix(begin)
        if new.startswith(begin) and bare in expected:
            answer[name] = f"{own}.{bare}"
        else:
            answer[name] = bare if begin != f"{own}." and new.startswith(begin) else new.removeprefix(outer)
    return answer if len(set(answer.values())) == len(answer) else {name: name for name in names}


def _modern(name: str) -> str:
    end = next((end for end in OLD_ENDS if name.endswith(end)), "")
    return name.removesuffix(end) + OLD_ENDS[end] if end else name


def _tails(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[at:]) for at in range(len(parts))]


def _encoder_names(folder: Path) -> tuple[set[str], str]:
    """The encoder's weights by config.json, bare, and its prefix below a head."""
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        with torch.device("meta"):
            encoder = AutoModel.from_config(config)
    except Exception as error:  # whatever an unknown or damaged config makes the library raise
        raise ArtifactError(f"{folder}: transformers cannot build this model: {first_line(error)}") from error
    return set(encoder.state_dict()), encoder.base_model_prefix


def _weight_files(place: Path) -> list[Path]:
    files = [place] if place.suffix == ".safetensors" else sorted(place.glob("*.safetensors"))
    if (place / "model.safetensors").is_file():  # others are copies for other libraries
        files = [place / "model.safetensors"]
    if files:
        return files
    pickled = [path.name for path in place.glob("*.bin")]
    raise ArtifactError(
        f"{place}: no .safetensors file is here"
        + (f", and pickled weights such as {min(pickled)} are not loaded: a pickle can run code" if pickled else "")
    )


def _names_in(file: Path) -> list[str]:
    try:
        with safe_open(file, "pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{file}: the weights cannot be read: {first_line(error)}") from error


def _loaded(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Pretrained:
    """With the masked-LM head where the folder has all of it, else the encoder alone."""
    try:
        model, missing = load_weights(AutoModelForMaskedLM, folder, use_safetensors=True)
        if not missing:
            return Pretrained(model.float(), tokenizer, pooler=trained_pooler(str(folder), allow_download=False))
    except ArtifactError as error:  # a kind without such a head; what else may be wrong shows below
        log.debug("%s", error)
    model, missing = load_weights(AutoModel, folder, use_safetensors=True)
    return Pretrained(model.float(), tokenizer, frozenset(missing))
