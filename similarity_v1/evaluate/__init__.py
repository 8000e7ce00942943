"""Measures of rationales: against gold, under perturbation, by removing words; and baselines."""
