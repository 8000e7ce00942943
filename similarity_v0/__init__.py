"""Stage 2: fine-tuning of the pair classifier, and the classifier as a Python object:

from similarity_v0 import PairClassifier
model = PairClassifier.load("runs/demo/similarity_v0/result/model")
probabilities, labels = model.predict([("怎么退货", "如何退掉商品")])
"""

from typing import Any

__all__ = ["PairClassifier", "Predictions"]


def __getattr__(name: str) -> Any:
    """The classes of api.py, which brings torch along: only where somebody asks for them."""
    if name in __all__:
        from similarity_v0 import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
