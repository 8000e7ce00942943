"""The subcommands of `python -m similarity_v1`, a module each: `add_arguments(parser)` and `run(arguments)`.

What a command needs beyond its options is imported inside `run`: only what computes pays for torch.
"""
