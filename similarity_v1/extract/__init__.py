"""Rationales of whole files, in shards, on one process, several, or a Ray cluster."""
