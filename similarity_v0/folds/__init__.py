"""Several models of one training set: folds, their ensemble, averages of predictions and of weights."""
