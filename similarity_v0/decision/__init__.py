"""From probabilities to decisions: scores, threshold, calibration, results, review."""
