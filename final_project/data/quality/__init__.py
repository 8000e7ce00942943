"""What is asked of pairs before anything rests on them: repeats, leaks, groups, statistics, cleaning."""
