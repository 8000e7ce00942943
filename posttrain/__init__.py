"""Stage 1: masked-LM training of the encoder on in-domain text."""
