"""Stage 2: fine-tuning of the pair classifier."""
