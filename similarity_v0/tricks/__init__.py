"""Tricks of fine-tuning: each a small object with one verb, usable alone."""
