"""Checks of pairs before anything is trained or scored on them: repeats, leaks, groups, statistics, cleaning."""
