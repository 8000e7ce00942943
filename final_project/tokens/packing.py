"""Several rows in one line: no position is lost to padding, and every row is computed as if it were alone.

A row is what a tokenizer makes of a text or a pair, [CLS] a [SEP] b [SEP]. Rows that share a line keep token types of
their own, positions that start again, and attention that ends at the row (a block-diagonal mask). So loss and gradients
are those of separate rows. Shapes: B rows, N tokens of all of them, P lines of T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedConfig

from final_project.errors import ArtifactError
from final_project.tokens.token_table import TokenRows

NEVER = -1e4  # added to a score it makes the weight exactly 0, and every float type can hold it

# The models whose positions are absolute and given from outside, which packing needs: the position of a
# row's first token, less pad_token_id where positions are counted from it.
FIRST_POSITION = {"bert": 0, "ernie": 0}
FIRST_POSITION_AFTER_PAD = {"roberta": 1, "xlm-roberta": 1, "camembert": 1}


@dataclass(frozen=True)
class PackedRows:
    """inputs: (P, T) tensors input_ids, token_type_ids, position_ids, and attention_mask with the number of each
    token's row in its line, from 1; 0 = empty (`block_mask` makes a standard mask of it).
    slots_N: the place of each token in P*T. cls_positions_B: those of the rows' first tokens."""

    inputs: dict[str, torch.Tensor]
    slots_N: np.ndarray
    cls_positions_B: torch.Tensor


def fill_lines(lengths_B: np.ndarray, line_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """First fit, longest first: (line of each row, its start there), both (B,).

    Taking all rows of some of the lines and filling again gives the same lines. Raises ValueError where a row is
    longer than a line.
    """
    if len(lengths_B) and lengths_B.max() > line_tokens:
        raise ValueError(f"a row of {lengths_B.max()} tokens does not fit into a line of {line_tokens}")
    lines_B, starts_B = np.empty(len(lengths_B), np.int64), np.empty(len(lengths_B), np.int64)
    room = np.full(len(lengths_B), line_tokens)  # as many lines as rows at most
    for row in np.argsort(-lengths_B, kind="stable"):
        line = int(np.argmax(room >= lengths_B[row]))
        lines_B[row], starts_B[row] = line, line_tokens - room[line]
        room[line] -= lengths_B[row]
    return lines_B, starts_B


def pack_rows(rows: TokenRows, line_tokens: int, pad_id: int, first_position: int = 0) -> PackedRows:
    """Lay rows into lines. first_position: what the model calls a row's first place (`first_position_of`)."""
    lines_B, starts_B = fill_lines(rows.lengths_B, line_tokens)
    n_lines = int(lines_B.max()) + 1
    begins_B = lines_B * line_tokens + starts_B
    slots_N = begins_B[rows.row_N] + rows.place_N
    in_line = np.argsort(begins_B)
    numbers_B = np.empty(len(lines_B), np.int64)
    numbers_B[in_line] = 1 + np.arange(len(lines_B)) - np.searchsorted(lines_B[in_line], lines_B[in_line])

    def laid_out(values_N: np.ndarray, empty: int) -> torch.Tensor:
        grid = np.full(n_lines * line_tokens, empty, dtype=np.int64)
        grid[slots_N] = values_N
        return torch.from_numpy(grid.reshape(n_lines, line_tokens))

    inputs = {
        "input_ids": laid_out(rows.ids_N, pad_id),
        "token_type_ids": laid_out(rows.types_N, 0),
        "position_ids": laid_out(rows.place_N + first_position, max(0, first_position - 1)),
        "attention_mask": laid_out(numbers_B[rows.row_N], 0),
    }
    return PackedRows(inputs, slots_N, torch.from_numpy(begins_B))


def block_mask(rows_PT: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Row numbers within lines -> the additive mask (P, 1, T, T): 0 within a row, NEVER between rows.

    Empty positions see each other, so that no softmax is over an empty set.
    """
    is_foreign = rows_PT[:, :, None] != rows_PT[:, None, :]
    return torch.zeros(is_foreign.shape, dtype=dtype, device=rows_PT.device).masked_fill_(is_foreign, NEVER)[:, None]


def score_dtype(device: str, dtype: torch.dtype) -> torch.dtype:
    """The type of attention scores in a forward that starts now: the mask is made in it once, not cast in every layer.
    dtype: the model's."""
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else dtype


def first_position_of(config: PreTrainedConfig) -> int:
    """The position of a row's first token; raises ArtifactError where rows of such a model cannot share a line."""
    kind = config.model_type
    if getattr(config, "position_embedding_type", "absolute") != "absolute" or (
        kind not in FIRST_POSITION and kind not in FIRST_POSITION_AFTER_PAD
    ):
        known = ", ".join([*FIRST_POSITION, *FIRST_POSITION_AFTER_PAD])
        raise ArtifactError(
            f"rows of a {kind} model cannot be packed: its positions are not known to start again in every row "
            f"(known: {known}); set batch_form=rows"
        )
    if kind in FIRST_POSITION:
        return FIRST_POSITION[kind]
    return config.pad_token_id + FIRST_POSITION_AFTER_PAD[kind]
