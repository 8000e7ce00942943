"""What the readers of the sixteen corpora share: rows, columns, labels, JSON, question groups."""
