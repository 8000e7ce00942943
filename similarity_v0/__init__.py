"""Stage 2: fine-tuning of the pair classifier, and the classifier as a Python object:

from similarity_v0 import PairClassifier
model = PairClassifier.load("runs/demo/similarity_v0/result/model")
probabilities, labels = model.predict([("怎么退货", "如何退掉商品")])
"""

from importlib import import_module
from typing import Any

HOMES = {"PairClassifier": "api", "Predictions": "api", "TextScorer": "text_api", "TextScores": "text_api"}
__all__ = ["PairClassifier", "Predictions", "TextScorer", "TextScores"]


def __getattr__(name: str) -> Any:
    """The classes of api.py and text_api.py, which bring torch along: only where somebody asks for them."""
    if name in HOMES:
        return getattr(import_module(f"similarity_v0.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
