"""Public corpora of Chinese sentence pairs: registry.py lists them, a file each says how one is read."""
