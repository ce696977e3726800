"""L-BFGS over what a mask leaves; the other solvers are tested by whole trainings."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from sklearn_prune.models.nets.mlp_passes import Layers, Network
from sklearn_prune.models.nets.mlp_training import minimise_kept


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_lbfgs_solves_ridge_over_the_kept_columns(share):
    """A net without hidden layers under squared loss is a ridge regression."""
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(50, 6)), generator.normal(size=(50, 1))
    layers = Layers([6, 1], np.float64)
    kept = np.ones(7, dtype=bool)
    kept[: int(6 * (1 - share))] = False
    network = Network(layers, "identity", "squared_error", 50)
    model = MLPRegressor(alpha=2.0, tol=1e-10)
    minimise_kept(network, kept, (X, y, None), model, 500, 1000)
    design = np.hstack([X, np.ones((50, 1))])[:, kept]
    penalty = 2.0 * np.eye(kept.sum())
    penalty[-1, -1] = 0
    expected = np.linalg.solve(design.T @ design + penalty, design.T @ y).ravel()
    np.testing.assert_allclose(layers.flat[kept], expected, atol=1e-5)
    assert not layers.flat[~kept].any()


def test_limits_are_counted():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(50, 6)), generator.normal(size=(50, 1))
    layers = Layers([6, 5, 1], np.float64)
    layers.flat[:] = generator.normal(size=layers.flat.size)
    network = Network(layers, "tanh", "squared_error", 50)
    kept = np.ones(layers.flat.size, dtype=bool)
    model = MLPRegressor(alpha=0.0, tol=1e-10)
    n_iter, n_fun, ended = minimise_kept(network, kept, (X, y, None), model, 3, 1000)
    assert (n_iter, ended) == (3, False)
    assert n_fun >= 3
