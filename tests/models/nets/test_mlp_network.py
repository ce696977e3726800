"""Forward and backward passes of a perceptron: against differences and loops."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sklearn_prune.models.nets.mlp_passes import (
    Layers,
    Network,
    mean_loss,
    outputs_of,
    row_gradients,
)

LOSSES = ["log_loss", "binary_log_loss", "squared_error", "poisson"]
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
ALPHA = 0.3


def problem(loss, n_outputs=3, n_rows=9):
    generator = np.random.default_rng(0)
    layers = Layers([5, 4, 6, n_outputs], np.float64)
    layers.flat[:] = generator.normal(size=layers.flat.size) / 2
    X = generator.normal(size=(n_rows, 5))
    targets = generator.uniform(0.1, 0.9, size=(n_rows, n_outputs))
    if loss == "log_loss":
        targets /= targets.sum(axis=1, keepdims=True)
    return layers, X, targets, generator.uniform(0.5, 2, size=n_rows)


def differences(function, flat, step=1e-6):
    """Central differences of a function of the vector."""
    slopes = np.empty_like(flat)
    for number, value in enumerate(flat.copy()):
        flat[number] = value + step
        above = function()
        flat[number] = value - step
        slopes[number] = (above - function()) / (2 * step)
        flat[number] = value
    return slopes


def test_layers_are_views_of_one_vector():
    layers, *_ = problem("log_loss")
    again = Layers.of(layers.values())
    np.testing.assert_array_equal(again.flat, layers.flat)
    assert again.coefs[1].shape == (4, 6)
    assert layers.values()["coefs_1"].shape == (6, 4)
    again.intercepts[0][:] = 7
    assert np.count_nonzero(again.flat == 7) == 4
    assert again.weights.size == 5 * 4 + 4 * 6 + 6 * 3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_the_slope_of_the_loss(loss, activation, weighted):
    n_outputs = 1 if loss == "squared_error" else 3  # its loss is a mean over outputs
    layers, X, targets, weights = problem(loss, n_outputs)
    weights = weights if weighted else None
    network = Network(layers, activation, loss, n_rows=20)

    def value():
        return network.loss_and_gradient(X, targets, weights, ALPHA)

    found = value()
    gradient = network.gradient.flat.copy()
    np.testing.assert_allclose(gradient, differences(value, layers.flat), atol=1e-7)
    outputs = outputs_of(layers, activation, loss, X)
    total = len(X) if weights is None else weights.sum()
    penalty = ALPHA / 2 * (layers.weights**2).sum() / total
    assert found == pytest.approx(mean_loss(loss, targets, outputs, weights) + penalty)


def test_gradient_under_dropout_is_the_slope_of_the_same_draw():
    layers, X, targets, _ = problem("log_loss")
    generator = np.random.default_rng(3)
    network = Network(layers, "tanh", "log_loss", len(X), 0.5, generator)

    def value():
        return network.loss_and_gradient(X, targets, None, ALPHA)

    first = value()
    gradient = network.gradient.flat.copy()
    np.testing.assert_allclose(gradient, differences(value, layers.flat), atol=1e-7)
    network.draw_dropout()
    assert value() != first


def test_dropout_keeps_the_mean():
    """The mean over many draws of a linear net is the net without dropout."""
    layers, X, targets, _ = problem("squared_error")
    network = Network(layers, "identity", "squared_error", 9, 0.4, np.random.default_rng(0))
    plain = Network(layers, "identity", "squared_error", 9)
    plain.loss_and_gradient(X, targets, None, 0.0)
    total = 0.0
    for _ in range(4000):
        network.draw_dropout()
        network.loss_and_gradient(X, targets, None, 0.0)
        total = total + network.gradient.intercepts[-1]
    np.testing.assert_allclose(total / 4000, plain.gradient.intercepts[-1], atol=0.05)


def test_sparse_rows_and_fewer_rows_than_there_is_room_for():
    layers, X, targets, weights = problem("log_loss")
    network = Network(layers, "relu", "log_loss", n_rows=50)
    dense = network.loss_and_gradient(X[:4], targets[:4], weights[:4], ALPHA)
    gradient = network.gradient.flat.copy()
    exact = Network(layers, "relu", "log_loss", n_rows=4)
    sparse = exact.loss_and_gradient(csr_matrix(X[:4]), targets[:4], weights[:4], ALPHA)
    assert sparse == pytest.approx(dense)
    np.testing.assert_allclose(exact.gradient.flat, gradient, atol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("convert", [np.asarray, csr_matrix])
def test_row_gradients_are_those_of_single_rows(loss, activation, convert):
    layers, X, targets, _ = problem(loss)
    network = Network(layers, activation, loss, n_rows=1)
    chunks = list(row_gradients(layers, activation, loss, convert(X), targets, 300))
    assert [len(chunk["coefs_0"]) for chunk in chunks] == [4, 4, 1]
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    for row in range(len(X)):
        network.loss_and_gradient(X[row : row + 1], targets[row : row + 1], None, 0.0)
        for name, gradient in network.gradient.values().items():
            np.testing.assert_allclose(found[name][row], gradient, atol=1e-13)
