"""A classifier as model.onnx, head included, in float32 or with 8-bit weights; and a session that answers from it.

Inputs input_ids, attention_mask, token_type_ids, each (batch, length), both free; output logits, (batch, C).
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from final_project.errors import ArtifactError, first_line
from final_project.model.decision import probabilities_of
from final_project.model.heads.classifier import PooledClassifier
from similarity_v0.export.check import Scorer
from similarity_v0.model import PairModel

FILE_NAME = "model.onnx"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def write_onnx(classifier: PreTrainedModel | PooledClassifier, folder: Path, longest: int) -> None:
    """model.onnx and the encoder's config.json. longest: tokens that the model's positions allow."""
    model = PairModel(classifier).eval()
    example = {name: torch.ones(2, 8, dtype=torch.int64) for name in INPUTS}
    example["token_type_ids"] = torch.zeros_like(example["token_type_ids"])
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest)}
    try:
        with quiet():
            program = torch.onnx.export(
                model, (), kwargs=example, dynamo=True, dynamic_shapes={name: free for name in INPUTS},
                input_names=list(INPUTS), output_names=["logits"], verbose=False,
            )  # fmt: skip
            assert program is not None, "dynamo=True returns a program"
            program.save(folder / FILE_NAME)
    except torch.onnx.OnnxExporterError as error:
        kind = classifier.config.model_type
        raise ArtifactError(f"a {kind} classifier cannot be written as ONNX: {first_line(error)}") from error
    classifier.config.save_pretrained(folder)


def write_int8(classifier: PreTrainedModel | PooledClassifier, folder: Path, longest: int) -> None:
    """The same with the weights of its matrix products in 8 bits, a scale for each column; activations are cut to 8
    bits as they come (dynamic quantization). Weights use 7 of the bits, since older processors would overflow."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    write_onnx(classifier, folder, longest)
    path = folder / FILE_NAME
    whole = onnx.load(path)
    del whole.graph.value_info[:]  # shapes noted before the exporter transposed weights; they are found again
    with quiet():
        quantize_dynamic(whole, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    for name in path.parent.glob(f"{FILE_NAME}.data"):  # weights that belonged to the float32 graph
        name.unlink()


def onnx_scorer(folder: Path) -> Scorer:
    """Probabilities of both classes from model.onnx, on as many threads as torch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(folder / FILE_NAME, options, providers=["CPUExecutionProvider"])

    def score(inputs: dict[str, torch.Tensor]) -> np.ndarray:
        wanted = {entry.name: inputs[entry.name].numpy() for entry in session.get_inputs()}
        (logits_BC,) = session.run(["logits"], wanted)
        return probabilities_of(torch.from_numpy(logits_BC))

    return score


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter and the quantizer log much that users cannot act upon."""
    loggers = [logging.getLogger(name) for name in (None, "torch.onnx")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
