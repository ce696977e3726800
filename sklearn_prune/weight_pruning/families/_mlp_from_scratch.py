"""Narrow perceptrons that are trained from scratch."""

from bisect import bisect_left

import numpy as np
from sklearn.base import clone


def perceptron_from_scratch(estimator, size):
    """The perceptron with narrower hidden layers, all by about the same factor."""
    hidden = np.atleast_1d(estimator.hidden_layer_sizes).astype(int)
    if not len(hidden):
        return None
    outputs = size.predictor.full_values()[f"intercepts_{len(hidden)}"].size
    # Units are added to the layer that is the narrowest for what it was.
    layers = np.repeat(np.arange(len(hidden)), hidden)
    fullness = np.concatenate([np.arange(1, width + 1) / width for width in hidden])
    layers = layers[np.argsort(fullness, kind="stable")]

    def widths(n_units):
        return np.maximum(1, np.bincount(layers[:n_units], minlength=len(hidden)))

    def excess(n_units):
        sizes = np.array([size.n_features, *widths(n_units), outputs])
        return np.sum((sizes[:-1] + 1) * sizes[1:]) - size.after

    first_over = bisect_left(range(len(layers)), 0, key=excess)
    best = min((max(0, first_over - 1), first_over), key=lambda n: abs(excess(n)))
    return clone(estimator).set_params(hidden_layer_sizes=tuple(widths(best).tolist()))
