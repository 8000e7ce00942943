"""Shared core of the pipeline: recipes, artefacts, data, model and training. It knows no stage."""

__version__ = "0.1.0"
