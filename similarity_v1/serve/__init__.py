"""The local page: `python -m similarity_v1 serve` explains what people type into it, and answers programs in JSON."""
