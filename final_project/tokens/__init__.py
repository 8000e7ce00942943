"""From text to tokens: tokenizers, vocabularies, words, cut rows, token tables, packing."""
