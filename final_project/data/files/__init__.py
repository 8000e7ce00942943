"""File formats of pairs, contest rows, texts and predictions, read and written."""
