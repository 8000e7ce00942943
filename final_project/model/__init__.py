"""Tokenizers, encoders and the pair classifier."""
