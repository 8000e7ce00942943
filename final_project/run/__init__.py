"""How any stage runs: its folder and key, its processes, progress and trackers."""
