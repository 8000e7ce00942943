"""Settings of what a row's label is: two labels of a pair, several numbers of a text, or one of many named labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting

Kind = Literal["pairs", "scores", "labels"]
BUILT_IN_SCORES = ("cohesion", "grammar", "conventions")  # those of the built-in essays
MOST_SCORES, MOST_LABELS, MOST_STEPS = 64, 1000, 100
TAKEN = ("id", "text", "row", "group")  # columns of the files that hold the targets


class Targets(Section):
    """One text a row, with several scores or one named label; without names rows are pairs with label 0 or 1."""

    kind: Literal["scores", "labels"] = setting(
        "scores", "scores: a number for each name. labels: each text has one of the names", common=True
    )
    names: list[str] = setting(
        [], "names of the scores, or of the labels (empty: those of the training rows); no scores = pairs", "names",
        common=True,
    )  # fmt: skip
    low: float = setting(1.0, "lowest score of the scale (kind: scores)", common=True)
    high: float = setting(5.0, "highest score of the scale (kind: scores)", common=True)
    step: float = setting(
        0.5, "distance between neighbouring scores that people give; 0 = any number (kind: scores)", common=True, ge=0
    )
    weights: list[float] = setting(
        [], "what an error of each score costs in the loss; empty = alike (kind: scores)", "factors"
    )

    @property
    def rows(self) -> Kind:
        """What the rows are: pairs, texts with scores, or texts with one label each."""
        return self.kind if self.names or self.kind == "labels" else "pairs"

    def conflicts(self) -> Iterator[str]:
        if len(set(self.names)) < len(self.names):
            yield f"names: {self.names} has a name twice"
        if bad := [name for name in self.names if not name.strip() or name != name.strip()]:
            yield f"names: {bad} are empty, or begin or end with a blank"
        if self.kind == "labels":
            yield from self._label_conflicts()
        else:
            yield from self._score_conflicts()

    def _label_conflicts(self) -> Iterator[str]:
        if self.names and not 2 <= len(self.names) <= MOST_LABELS:
            yield f"names: {len(self.names)} of them; kind: labels takes 2 to {MOST_LABELS:,} names, or none"
        for name in ("low", "high", "step", "weights"):
            if getattr(self, name) != type(self).model_fields[name].default:
                yield f"{name}: {getattr(self, name)} needs kind: scores, found kind: labels"

    def _score_conflicts(self) -> Iterator[str]:
        if taken := [name for name in self.names if name in TAKEN]:
            yield f"names: {taken[0]} is the name of another column; take another one"
        if len(self.names) > MOST_SCORES:
            yield f"names: {len(self.names)} of them; at most {MOST_SCORES} scores are possible"
        if self.low >= self.high:
            yield f"low: {self.low:g} is not below high: {self.high:g}"
        elif self.step:
            n_steps = (self.high - self.low) / self.step
            if abs(n_steps - round(n_steps)) > 1e-9:
                yield f"step: {self.step:g} does not divide the scale from low: {self.low:g} to high: {self.high:g}"
            elif n_steps > MOST_STEPS:
                yield f"step: {self.step:g} gives {n_steps:.0f} steps, at most {MOST_STEPS} are possible; use 0"
        if self.weights and len(self.weights) != len(self.names):
            yield f"weights: {len(self.weights)} of them for {len(self.names)} names: give one for each name, or none"
        if any(weight <= 0 for weight in self.weights):
            yield f"weights: {self.weights} must all be above 0"
