"""Calibration: a map from P(1) to the share of pairs that are 1, fitted on dev.

temperature  one number T, P = sigmoid(logit(p) / T), at the lowest negative log-likelihood (Guo et al. 2017)
platt        slope and intercept on logit(p), fitted to Platt's (1999) smoothed targets (N1 + 1)/(N1 + 2), 1/(N0 + 2)
isotonic     the rising step function of least squares (Zadrozny and Elkan 2002; scikit-learn), kept off 0 and 1 by
             1/(B + 2), since no dev set shows certainty
Shapes: B pairs.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from final_project.data.quality.groups import stratified_folds
from final_project.model.calibration import Calibration, logit

FOLDS = 5  # of cross-fitting
SLOPES = (1e-3, 1e3)  # a calibration never turns the order of pairs around, nor makes probabilities of 0 and 1


def fit_calibration(method: str, probabilities_B: np.ndarray, labels_B: np.ndarray) -> Calibration:
    """The map of a method, fitted on P(1) and labels of which both occur."""
    labels = np.asarray(labels_B, dtype=np.float64)
    if method == "isotonic":
        margin = 1 / (len(labels) + 2)
        fitted = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip").fit(probabilities_B, labels)
        knots = zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True)
        return Calibration(method, knots=tuple(knots))
    logits_B = logit(probabilities_B)
    if method == "temperature":
        slope, _ = _fitted_line(logits_B, labels, with_intercept=False)
        return Calibration(method, slope)
    n_positive = labels.sum()
    targets = np.where(labels == 1, (n_positive + 1) / (n_positive + 2), 1 / (len(labels) - n_positive + 2))
    return Calibration(method, *_fitted_line(logits_B, targets, with_intercept=True))


def _fitted_line(logits_B: np.ndarray, targets_B: np.ndarray, with_intercept: bool) -> tuple[float, float]:
    """(slope, intercept) of the lowest mean negative log-likelihood, which is convex in both."""

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = line[0] * logits_B + line[1]
        wrong = np.exp(-np.logaddexp(0, -z)) - targets_B
        return np.mean(np.logaddexp(0, z) - targets_B * z), np.array([np.mean(wrong * logits_B), np.mean(wrong)])

    bounds = [SLOPES, (None, None) if with_intercept else (0.0, 0.0)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    slope, intercept = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return float(slope), float(intercept)


def cross_fitted(method: str, probabilities_B: np.ndarray, labels_B: np.ndarray, seed: int) -> np.ndarray:
    """Calibrated P(1) of every pair by a map that was fitted without it: FOLDS folds, stratified by label."""
    fold_B = stratified_folds(labels_B, FOLDS, seed)
    calibrated_B = np.empty(len(labels_B))
    for fold in range(FOLDS):
        out = fold_B == fold
        calibrated_B[out] = fit_calibration(method, probabilities_B[~out], labels_B[~out])(probabilities_B[out])
    return calibrated_B
