"""Texts as features: hashed n-grams for searches, words by script."""
