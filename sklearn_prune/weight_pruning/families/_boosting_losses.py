"""Derivatives of the losses that boosting minimises, by the raw score."""

import numpy as np
from scipy.special import expit
from sklearn.utils.extmath import softmax


def derivatives(loss, raw, y):
    """First and second derivatives of the loss of each row.

    Parameters
    ----------
    loss : str or None
        Of a `BoostedModel`; None is one without second derivatives.
    raw : ndarray of shape (n_outputs, n_samples)
        Raw scores.
    y : ndarray of shape (n_samples,)
        Targets or class codes.

    Returns
    -------
    gradient, hessian : ndarray of shape (n_outputs, n_samples)
        Zeros and ones without a loss.
    """
    if loss is None:
        return np.zeros_like(raw), np.ones_like(raw)
    if loss == "squared":
        return raw - y, np.ones_like(raw)
    if loss == "softmax":
        share = softmax(raw.T).T
        return share - (y == np.arange(len(raw))[:, None]), share * (1 - share)
    if loss == "logistic":
        share = expit(raw)
        return share - y, share * (1 - share)
    if loss == "exponential":
        size = np.exp(np.where(y > 0, -raw, raw))
        return np.where(y > 0, -size, size), size
    if loss == "poisson":
        mean = np.exp(raw)
        return mean - y, mean
    ratio = y * np.exp(-raw)
    return 1 - ratio, ratio
