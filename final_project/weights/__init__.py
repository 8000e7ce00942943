"""Pretrained weights from wherever they can be had: read, cut to a corpus's vocabulary, written as a standard folder."""
