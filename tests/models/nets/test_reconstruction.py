"""Weights of pruned nets by least squares, and shared values."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from sklearn_prune import PrunedClassifier
from sklearn_prune.models.nets.mlp import graph_of
from sklearn_prune.models.nets.reconstruction import fit_shared_values, reconstruct
from sklearn_prune.predictors import CompactNet, Graph, Operation, layer_of
from sklearn_prune.weight_pruning import (
    IterativeSchedule,
    MagnitudeCriterion,
    Quantizer,
    RandomCriterion,
)

RANDOM = np.random.default_rng(0)
SIZES = (12, 20, 9, 3)
GRAPH = graph_of(SIZES, "relu")
ROWS = RANDOM.normal(size=(300, 12)) @ RANDOM.normal(size=(12, 12))
FULL = {}
for layer, (n_in, n_out) in enumerate(pairwise(SIZES)):
    FULL[f"coefs_{layer}"] = RANDOM.normal(size=(n_out, n_in))
    FULL[f"intercepts_{layer}"] = RANDOM.normal(size=n_out)
CONVOLVING = Graph(
    (
        Operation("input"),
        Operation(
            "conv",
            (0,),
            "first",
            "bias",
            {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 1), "groups": 2},
        ),
        Operation("activation", (1,), settings={"name": "relu"}),
        Operation("flatten", (2,)),
        Operation("dense", (3,), "second", None),
    ),
    (),
)
MAPS = RANDOM.normal(size=(60, 4, 6, 6)).astype(np.float32)
FULL_OF_MAPS = {
    "first": RANDOM.normal(size=(6, 2, 3, 3)).astype(np.float32),
    "bias": RANDOM.normal(size=6).astype(np.float32),
    "second": RANDOM.normal(size=(3, 72)).astype(np.float32),
}
NETS = {"dense": (GRAPH, FULL, ROWS), "convolving": (CONVOLVING, FULL_OF_MAPS, MAPS)}


def cut(values, share, seed=0):
    """Random masks of the weights, and the values under them."""
    random = np.random.default_rng(seed)
    masks = {
        name: random.random(value.shape) < share
        for name, value in values.items()
        if value.ndim > 1
    }
    return masks, {name: value * masks.get(name, 1) for name, value in values.items()}


def scores(graph, values, rows):
    results = [rows]
    for operation in graph.operations[1:]:
        layer = layer_of(operation)
        layer.weights, layer.bias, layer.slopes = map(values.get, layer.names)
        results.append(layer(*(results[source] for source in operation.inputs)))
    return results[-1]


def error(graph, full, values, rows):
    return np.square(scores(graph, full, rows) - scores(graph, values, rows)).mean()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("moves", [False, True])
def test_outputs_are_closer_and_zeros_stay(name, moves):
    graph, full, rows = NETS[name]
    masks, small = cut(full, 0.4)
    fitted, left = reconstruct(graph, full, small, masks, rows, moves=moves)
    assert left.keys() == masks.keys()
    for weight, mask in left.items():
        assert mask.sum() <= masks[weight].sum()
        assert moves or (mask == masks[weight]).all()
        assert not fitted[weight][~mask].any()
        assert fitted[weight].dtype == full[weight].dtype
    closer = error(graph, full, small | fitted, rows)
    assert closer < 0.5 * error(graph, full, small, rows)
    if moves:  # its own places are better ones
        kept, _ = reconstruct(graph, full, small, masks, rows)
        assert closer < error(graph, full, small | kept, rows)


def test_each_output_is_a_ridge_regression_on_what_it_keeps():
    """Against numpy's least squares on rows that stand for the ridge."""
    graph = graph_of((12, 5), "relu")
    full = {"coefs_0": FULL["coefs_0"][:5], "intercepts_0": FULL["intercepts_0"][:5]}
    masks, small = cut(full, 0.5)
    fitted, _ = reconstruct(graph, full, small, masks, ROWS)
    centred = ROWS - ROWS.mean(axis=0)
    ridge = np.sqrt(0.01 * np.square(centred).sum(axis=0).mean()) * np.eye(12)
    rows = np.vstack([centred, ridge])
    for output, mask in enumerate(masks["coefs_0"]):
        weight = full["coefs_0"][output]
        expected = np.linalg.lstsq(rows[:, mask], rows @ weight, rcond=None)[0]
        np.testing.assert_allclose(fitted["coefs_0"][output, mask], expected)
    means = [scores(graph, values, ROWS).mean(axis=0) for values in (full, small | fitted)]
    np.testing.assert_allclose(*means)


def test_a_twin_takes_over():
    """An input that another one equals can go without a loss."""
    rows = np.c_[ROWS, ROWS[:, :4]]
    graph = graph_of((16, 5), "relu")
    full = {"coefs_0": RANDOM.normal(size=(5, 16)), "intercepts_0": np.ones(5)}
    masks = {"coefs_0": np.arange(16) < np.full((5, 1), 12)}
    small = full | {"coefs_0": full["coefs_0"] * masks["coefs_0"]}
    fitted, _ = reconstruct(graph, full, small, masks, rows)
    assert error(graph, full, fitted, rows) < 1e-3 * error(graph, full, small, rows)


def test_inputs_that_do_not_vary():
    """Weights that read them are kept if they must be, and the bias makes up for them."""
    rows = ROWS.copy()
    rows[:, :3] = [0.0, 5.0, -2.0]
    masks, small = cut(FULL, 0.6)
    fitted, left = reconstruct(GRAPH, FULL, small, masks, rows)
    np.testing.assert_array_equal(fitted["coefs_0"][:, :3], small["coefs_0"][:, :3])
    first = graph_of(SIZES[:2], "relu")
    means = [scores(first, v, rows).mean(axis=0) for v in (FULL, small | fitted)]
    np.testing.assert_allclose(*means)
    _, moved = reconstruct(GRAPH, FULL, small, masks, rows, moves=True)
    assert not moved["coefs_0"][:, :3].any()
    assert left["coefs_0"][:, :3].any()
    still = np.ones((20, 12))
    unchanged, same = reconstruct(GRAPH, FULL, small, masks, still, moves=True)
    np.testing.assert_array_equal(unchanged["coefs_0"], small["coefs_0"])
    np.testing.assert_array_equal(same["coefs_0"], masks["coefs_0"])


def test_sparse_rows_and_row_weights():
    rows = np.maximum(ROWS, 0)
    rows[:, 5] = 0
    masks, small = cut(FULL, 0.4)
    plain, _ = reconstruct(GRAPH, FULL, small, masks, rows)
    sparse, _ = reconstruct(GRAPH, FULL, small, masks, csr_matrix(rows))
    for name, value in plain.items():
        np.testing.assert_allclose(sparse[name], value, atol=1e-9)
    weights = np.repeat([1.0, 0.0, 2.0], 100)
    fewer = np.r_[rows[:100], np.repeat(rows[200:], 2, axis=0)]
    weighted, _ = reconstruct(GRAPH, FULL, small, masks, rows, row_weights=weights)
    expected, _ = reconstruct(GRAPH, FULL, small, masks, fewer)
    for name, value in expected.items():
        np.testing.assert_allclose(weighted[name], value, atol=1e-8)


def test_layers_without_zeros_stay():
    masks, small = cut(FULL, 0.4)
    masks["coefs_1"][:] = True
    small["coefs_1"] = FULL["coefs_1"]
    fitted, left = reconstruct(GRAPH, FULL, small, masks, ROWS)
    assert left.keys() == {"coefs_0", "coefs_2"}
    assert fitted.keys() == {"coefs_0", "coefs_2", "intercepts_0", "intercepts_2"}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_shared_values_are_fitted(name, share):
    graph, full, rows = NETS[name]
    _, small = cut(full, share)
    width = rows.shape[1] if rows.ndim == 2 else None
    exact = CompactNet.of(graph, small, width)
    rounded = exact.quantized(Quantizer("codebook", n_values=6))
    fitted = fit_shared_values(exact, rounded, rows)
    wanted = exact.forward(rows)
    errors = [np.square(net.forward(rows) - wanted).mean() for net in (rounded, fitted)]
    assert errors[1] < errors[0]
    for before, after in zip(
        rounded.full_values().items(), fitted.full_values().items(), strict=True
    ):
        np.testing.assert_array_equal(before[1] == 0, after[1] == 0, err_msg=before[0])
        assert len(np.unique(after[1])) <= 7 or after[1].ndim == 1
    same = fit_shared_values(exact, exact, rows)
    np.testing.assert_array_equal(same.forward(rows), wanted)


def test_shared_values_are_a_ridge_regression_on_their_members():
    graph = graph_of((12, 5), "relu")
    full = {"coefs_0": FULL["coefs_0"][:5], "intercepts_0": FULL["intercepts_0"][:5]}
    exact = CompactNet.of(graph, full, 12)
    rounded = exact.quantized(Quantizer("codebook", n_values=4))
    fitted = fit_shared_values(exact, rounded, ROWS).layers_[0].weights
    before, weights = rounded.layers_[0].weights.dense(), fitted.dense()
    centred = ROWS - ROWS.mean(axis=0)
    ridge = np.sqrt(0.01 * np.square(centred).sum(axis=0).mean()) * np.eye(12)
    members = [(before == value).astype(float) for value in np.unique(before)]
    inputs = np.stack([np.r_[centred @ m.T, ridge @ m.T].ravel() for m in members], axis=1)
    wanted = np.r_[centred @ full["coefs_0"].T, ridge @ before.T].ravel()
    expected = np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    found = [weights[member > 0][0] for member in members]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    net = MLPClassifier((48,), max_iter=40, random_state=0).fit(X[:1000], y[:1000])
    return net, X, y


def accuracy(digits, criterion=None, **how):
    net, X, y = digits
    how = {"unit": "weight", "keep": 0.1, "refit": False, "random_state": 0} | how
    model = PrunedClassifier(FrozenEstimator(net), criterion, **how)
    model.fit(X[:1000], y[:1000])
    n_weights = sum(np.count_nonzero(part) for part in model.estimator_.coefs_)
    assert n_weights <= round(how["keep"] * sum(part.size for part in net.coefs_))
    assert n_weights <= len(model.kept_)
    return model.score(X[1000:], y[1000:])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_shot_weights_need_no_training(digits):
    net, X, y = digits
    dense = net.score(X[1000:], y[1000:])
    own = accuracy(digits)
    assert own > dense - 0.06
    assert own > accuracy(digits, MagnitudeCriterion(scope="adaptive")) + 0.01
    assert own > accuracy(digits, RandomCriterion()) + 0.1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("schedule", [None, IterativeSchedule(2)])
def test_a_refit_starts_from_them(digits, schedule):
    """After one epoch it is where it was before."""
    found = accuracy(digits, refit={"max_iter": 1}, schedule=schedule)
    assert found > accuracy(digits) - 0.03


def test_the_criterion_of_the_user_says_which_weights_stay(digits):
    net, X, y = digits
    models = [
        PrunedClassifier(
            FrozenEstimator(net),
            RandomCriterion(),
            unit="weight",
            keep=0.2,
            refit=refit,
            random_state=0,
        ).fit(X[:1000], y[:1000])
        for refit in (False, {"max_iter": 1})
    ]
    for one, two in zip(*(model.estimator_.coefs_ for model in models), strict=True):
        np.testing.assert_array_equal(one != 0, two != 0)
