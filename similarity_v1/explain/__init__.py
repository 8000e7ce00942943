"""One row explained: a classifier as a function of its embeddings, methods, alignment to words."""
