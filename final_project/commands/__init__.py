"""The command lines of what needs no training, and the one door to all of them: `explained-pairs`."""
