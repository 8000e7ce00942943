"""DeepLIFT by Captum, with the rescale rule where a transformer has element-wise functions.

The rule replaces the slope of each element-wise function (GELU, ReLU, tanh, sigmoid) by (f(x) - f(x')) / (x - x').
What a transformer multiplies or divides by its own input (attention's products and softmax, layer normalisation) and
the softmax of the answer keep the plain slope at x: for these the result is an approximation, and so the completeness
error, which is reported, is not small.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError, ProjectError, first_line
from final_project.method_options import DeepLiftOptions
from similarity_v1.explain.embedding_calls import a_model
from similarity_v1.explain.methods.method import Scores, completeness_error, reduce_hidden
from similarity_v1.explain.probe import Probe

_TABLE = threading.RLock()  # Captum has one table for the process: models explained in two threads would share it


@dataclass(frozen=True)
class DeepLift(DeepLiftOptions):
    needs_gradient: ClassVar[bool] = False
    looks_inside: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        from captum.attr import DeepLift as CaptumDeepLift

        baseline_BTH = probe.baseline(self.baseline)
        rows_B = torch.arange(len(probe.rows), device=baseline_BTH.device)
        contribution_BTH = torch.zeros_like(baseline_BTH)
        half = max(len(rows_B) // 2, 1)  # input and baseline go through the model together, so half the rows at a time
        with _TABLE, warnings.catch_warnings(), activations_known_to_captum(probe.model):
            warnings.simplefilter("ignore", UserWarning)  # captum warns that it sets hooks and needs gradients
            require_rows_in_order(probe)
            for some_N in rows_B.split(half):
                try:
                    with activations_see_rows(probe.model, 2 * len(some_N), probe.mask_BT.shape[1]):
                        found_NTH = CaptumDeepLift(_OfEmbeddings(probe)).attribute(
                            probe.embedded_BTH[some_N], baseline_BTH[some_N], additional_forward_args=(some_N,)
                        )
                except (ProjectError, torch.OutOfMemoryError):
                    raise
                except Exception as error:  # Captum asserts what it needs, and a model may break on its hooks
                    raise ArtifactError(
                        f"{a_model(probe.model)} cannot be explained by deep_lift: {first_line(error)}"
                    ) from error
                contribution_BTH[some_N] = found_NTH.detach()
        error_B = completeness_error(contribution_BTH, baseline_BTH, probe)
        return Scores(reduce_hidden(contribution_BTH, self.reduce, probe), error_B)


class _OfEmbeddings(nn.Module):
    """The probe's F as the module that Captum asks for; the model is a child, so that Captum finds its activations."""

    def __init__(self, probe: Probe):
        super().__init__()
        self.model = probe.model
        self._probe = probe

    def forward(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        return self._probe.forward(embedded_NTH, rows_N)


def require_rows_in_order(probe: Probe) -> None:
    """Raises ArtifactError where an activation does not see the tokens in their order: the same row twice must then be
    two equal halves. Experts may see all tokens, but sorted by expert."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    def check(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        halves: Sequence[Tensor] = arguments[0].chunk(2) if arguments else ()
        if len(halves) == 2 and not (halves[0].shape == halves[1].shape and _are_close(halves[0], halves[1])):
            raise ArtifactError(
                f"{a_model(probe.model)} cannot be explained by deep_lift: "
                f"it gives its {type(module).__name__} the tokens in another order"
            )

    watched = [module for module in probe.model.modules() if type(module) in SUPPORTED_NON_LINEAR]
    handles = [module.register_forward_pre_hook(check) for module in watched]
    try:
        twice_N = torch.zeros(2, dtype=torch.long, device=probe.mask_BT.device)
        probe.values(probe.embedded_BTH[twice_N], twice_N)
    finally:
        for handle in handles:
            handle.remove()


def _are_close(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal but for rounding."""
    return torch.allclose(first, second, rtol=1e-3, atol=1e-3, equal_nan=True)


@contextlib.contextmanager
def activations_see_rows(model: nn.Module, n_rows: int, n_tokens: int) -> Iterator[None]:
    """While open, an activation that the rule cannot be applied to raises ArtifactError: one that is called in several
    places, or one that sees something else than the rows followed by their baselines, as that of an expert does."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    seen: set[nn.Module] = set()

    def check(module: nn.Module, arguments: tuple) -> None:
        fault = f"calls one {type(module).__name__} in several places" if module in seen else None
        if arguments and len(arguments[0]) not in (n_rows, n_rows * n_tokens):  # OPT's sees all tokens end to end
            fault = f"gives its {type(module).__name__} only some of the tokens"
        if fault:
            raise ArtifactError(f"{a_model(model)} cannot be explained by deep_lift: it {fault}")
        seen.add(module)

    watched = [module for module in model.modules() if type(module) in SUPPORTED_NON_LINEAR]
    handles = [module.register_forward_pre_hook(check) for module in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def activations_known_to_captum(model: nn.Module) -> Iterator[None]:
    """While open, Captum's table of element-wise functions also has those that transformers brings along, and no
    softmax: Captum's rule for it sums over the whole batch, right for an answer but not for attention."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR, nonlinear

    elementwise = {nn.GELU, nn.SiLU, nn.Mish}
    elementwise |= {type(module) for module in model.modules() if type(module).__module__ == "transformers.activations"}
    added = {kind for kind in elementwise if kind not in SUPPORTED_NON_LINEAR}
    before = dict(SUPPORTED_NON_LINEAR)
    SUPPORTED_NON_LINEAR.update(dict.fromkeys(added, nonlinear))
    SUPPORTED_NON_LINEAR.pop(nn.Softmax, None)
    try:
        yield
    finally:
        SUPPORTED_NON_LINEAR.clear()
        SUPPORTED_NON_LINEAR.update(before)
