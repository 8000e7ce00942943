"""The one reliability diagram of a report. Its figures are those of final_project/model/reliability.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from similarity_v1.pages.wording import Text
from similarity_v1.report.curves import BinCounts, Chart, draw

FIFTHS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def reliability_chart(title: Text, curves: Sequence[tuple[Text, Mapping[str, Any]]]) -> Chart | None:
    """Share of label 1 over mean P(1), one point per bin of equal mass; on the diagonal if P(1) is calibrated.

    curves: (name, figures of `reliability`). A table lists the rows of each bin. None without a curve.
    """
    if not curves:
        return None
    bins = [(name, figures["bins_equal_mass"]) for name, figures in curves]
    points = [(name, [(one["mean_probability"], one["share_positive"]) for one in of]) for name, of in bins]
    x_name = Text("mean P(1) of the bin; upright: share of label 1", "分箱的平均 P(1)；纵轴：标签 1 的比例")
    drawn = draw(title, x_name, points, x_ticks=FIFTHS, y_ticks=FIFTHS, diagonal=True)
    sizes = tuple((name, tuple(one["n"] for one in of if "n" in one)) for name, of in bins)
    heads = tuple(f"#{number}" for number in range(1, max(len(of) for _, of in sizes) + 1))  # bounds differ by curve
    return replace(drawn, counts=BinCounts(heads, sizes))
