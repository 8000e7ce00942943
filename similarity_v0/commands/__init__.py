"""The subcommands of `python -m similarity_v0`, one module each."""
