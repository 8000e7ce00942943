"""Stage 3: explain each decision by the words that carried it, refine, score, and write the submission."""
