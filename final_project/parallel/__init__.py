"""Processes that work together: ranks and their collectives, the launcher, signals, threads."""
