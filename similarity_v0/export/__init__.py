"""A classifier in other formats, and the check that it answers alike."""
