"""Pretrained weights from wherever they can be had: cut to a corpus's vocabulary, as a standard folder."""
