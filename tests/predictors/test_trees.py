"""Flat trees against plain walks over the same arrays."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.datasets import make_classification, make_friedman1

from sklearn_prune.models.trees.work import compact_forest, is_forest_of_trees
from sklearn_prune.predictors.quantized import arrays_in
from sklearn_prune.predictors.trees import flat as _trees
from sklearn_prune.predictors.trees import walk as _walk
from sklearn_prune.predictors.trees.arrays import TreeArrays
from sklearn_prune.predictors.trees.columns import CategorySet
from sklearn_prune.predictors.trees.flat import FlatTrees
from sklearn_prune.predictors.trees.forest import compact_score_forest
from sklearn_prune.predictors.trees.leaves import (
    ShareLeaves,
    SparseLeaves,
    ValueLeaves,
    leaf_table,
)
from sklearn_prune.weight_pruning import Quantizer
from tests.estimators import sk

N_FEATURES = 5
SETS = [
    CategorySet(np.array([True, False, True, False]), other_left=True),
    CategorySet(np.array([False, True] * 20), missing_left=True),
    CategorySet(np.array([True, False, True, False]), other_left=True),
]


def random_tree(rng, n_splits, width=1, *, categories=False):
    """A tree grown by splitting random leaves; few distinct thresholds and values."""
    left, right = [-1], [-1]
    leaves = [0]
    for _ in range(n_splits):
        node = leaves.pop(rng.integers(len(leaves)))
        left[node], right[node] = len(left), len(left) + 1
        leaves += [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
    n = len(left)
    feature = rng.integers(N_FEATURES, size=n)
    category = np.full(n, -1)
    if categories:
        category = np.where(feature == 0, rng.integers(3, size=n), -1)
    threshold = np.round(rng.normal(size=n), rng.integers(1, 3)) / 3
    value = rng.integers(-3, 4, size=(n, width)) / 7
    missing = rng.integers(3, size=n)
    return TreeArrays(
        np.array(left), np.array(right), feature, threshold, value, missing, category
    )


def goes_left(x, tree, node, sets=SETS):
    if tree.category[node] >= 0:
        chosen = sets[tree.category[node]]
        if np.isnan(x):
            return chosen.missing_left
        inside = 0 <= int(x) < len(chosen.left)
        return chosen.left[int(x)] if inside else chosen.other_left
    if np.isnan(x):
        if tree.missing[node] < 2:
            return tree.missing[node] == 1
        x = 0.0
    return x <= tree.threshold[node]


def walk(X, tree):
    """Leaf of each row, one node after the other."""
    at = np.zeros(len(X), dtype=int)
    for i, row in enumerate(X):
        while tree.left[at[i]] >= 0:
            node = at[i]
            x = float(row[tree.feature[node]])
            side = tree.left if goes_left(x, tree, node) else tree.right
            at[i] = side[node]
    return at


def summed(X, trees, n_outputs, columns=(0,), start=0.0):
    out = np.zeros((len(X), n_outputs)) + start
    for t, tree in enumerate(trees):
        first = columns[t % len(columns)]
        width = tree.value.shape[1]
        out[:, first : first + width] += tree.value[walk(X, tree)]
    return out


def rows(rng, n, dtype, *, categories=False, thresholds=None):
    """Rows with missing values, zeros of both signs, infinities, and exact ties."""
    X = rng.normal(size=(n, N_FEATURES))
    if categories:
        X[:, 0] = rng.integers(-1, 45, size=n)
    if thresholds is not None:
        X[: n // 2, 1:] = rng.choice(thresholds, size=(n // 2, N_FEATURES - 1))
    places = rng.random(X.shape)
    X[places < 0.1] = np.nan
    X[(places > 0.1) & (places < 0.12)] = -0.0
    X[(places > 0.12) & (places < 0.14) & (np.arange(N_FEATURES) > 0)] = np.inf
    X[(places > 0.14) & (places < 0.16) & (np.arange(N_FEATURES) > 0)] = -np.inf
    return X.astype(dtype)


@pytest.fixture(scope="module")
def forest():
    rng = np.random.default_rng(0)
    return [random_tree(rng, n) for n in (0, 1, 2, 40, 3, 90, 17)]


@pytest.fixture(params=["compiled", "numpy", "numpy, in parts", "numpy, packed"])
def kernels(request, monkeypatch):
    """What walks: all give the same bits."""
    if request.param != "compiled":
        monkeypatch.setattr(_trees, "kernels_for", lambda *_: None)
    if "packed" in request.param:
        monkeypatch.setattr(_trees, "LARGEST_KEPT", 0)
        monkeypatch.setattr(_trees, "PAIRS", 500)
    if "parts" in request.param:
        monkeypatch.setattr(_trees, "LARGEST_TABLE", 0)
        monkeypatch.setattr(_trees, "_FEW_SUMS", 0)
        monkeypatch.setattr(_walk, "_FEW", 20)
        monkeypatch.setattr(_walk, "PAIRS", 500)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("n_rows", [1, 60, 261, 300])
def test_sums_are_those_of_plain_walks(forest, exact, n_rows):
    dtype = np.float64 if exact else np.float32
    thresholds = np.concatenate([tree.threshold for tree in forest]).astype(dtype)
    X = rows(np.random.default_rng(n_rows), n_rows, dtype, thresholds=thresholds)
    flat = FlatTrees.build(forest, N_FEATURES, exact_float64_thresholds=exact)
    expected = summed(X, forest, 1)
    assert flat.dtype == dtype
    assert_array_equal(flat.sum(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(flat)).sum(X), expected)
    again = FlatTrees.build(
        flat.to_arrays(), N_FEATURES, exact_float64_thresholds=exact
    )  # thresholds as stored are at most, not below
    assert_array_equal(again.sum(X), expected)


def test_rows_without_missing_values_share_columns(forest):
    X = np.random.default_rng(3).normal(size=(400, N_FEATURES)).astype(np.float32)
    flat = FlatTrees.build(forest, N_FEATURES)
    needed, place = flat.columns.needed_for(X)
    assert len(needed) == N_FEATURES < len(flat.columns) == len(place) - 1
    assert_array_equal(flat.sum(X), summed(X, forest, 1))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("n_rows", [1, 30, 300])
def test_sets_of_categories(n_rows):
    rng = np.random.default_rng(1)
    forest = [random_tree(rng, 40, categories=True) for _ in range(5)]
    X = rows(rng, n_rows, np.float64, categories=True)
    options = {"exact_float64_thresholds": True}
    flat = FlatTrees.build(forest, N_FEATURES, category_sets=SETS, **options)
    expected = summed(X, forest, 1)
    assert np.count_nonzero(flat.columns.kind == 3) == 2  # equal sets are one
    assert_array_equal(flat.sum(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(flat)).sum(X), expected)
    sets = flat.columns.category_sets()
    again = FlatTrees.build(flat.to_arrays(), N_FEATURES, category_sets=sets, **options)
    assert_array_equal(again.sum(X), expected)
    with pytest.raises(ValueError, match="Write exact_float64_thresholds=True"):
        FlatTrees.build(forest, N_FEATURES, category_sets=SETS)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("exact", [False, True])
def test_nodes_that_do_not_fit_store_their_columns_apart(forest, exact, monkeypatch):
    X = rows(np.random.default_rng(0), 300, np.float64 if exact else np.float32)
    narrow = FlatTrees.build(forest, N_FEATURES, exact_float64_thresholds=exact)
    assert narrow.column_bits > 0 == len(narrow.wide_column)
    monkeypatch.setattr(_trees, "ADDRESS_BITS", 8)
    wide = FlatTrees.build(forest, N_FEATURES, exact_float64_thresholds=exact)
    assert wide.column_bits == 0 < len(wide.wide_column)
    for few in (X, X[:3]):
        assert_array_equal(wide.sum(few), narrow.sum(few))
    assert_array_equal(pickle.loads(pickle.dumps(wide)).sum(X), narrow.sum(X))
    assert_array_equal(wide.apply_leaves(X), narrow.apply_leaves(X))
    again = FlatTrees.build(wide.to_arrays(), N_FEATURES, exact_float64_thresholds=exact)
    assert_array_equal(again.sum(X), narrow.sum(X))


def test_many_features():
    rng = np.random.default_rng(0)
    tree = random_tree(rng, 60_000)
    tree.feature = rng.integers(100_000, size=len(tree.feature))
    flat = FlatTrees.build([tree] * 2, 100_000)
    X = sp.random(40, 100_000, density=0.05, format="csr", random_state=0)
    X = X.astype(np.float32)
    assert_array_equal(flat.sum(X), summed(X.toarray(), [tree] * 2, 1))
    assert flat.column_bits == 0
    assert pickle.loads(pickle.dumps(flat)).columns.feature.dtype == np.uint32


def test_threads_and_blocks_do_not_change_sums(forest, monkeypatch):
    X = rows(np.random.default_rng(5), 2000, np.float32)
    flat = FlatTrees.build(forest, N_FEATURES)
    whole = flat.sum(X)
    monkeypatch.setattr(_trees, "BLOCK", 300)
    assert_array_equal(flat.sum(X), whole)
    assert_array_equal(flat.sum(X, n_jobs=2), whole)


@pytest.mark.usefixtures("kernels")
def test_leaves_are_numbered_as_in_the_arrays(forest):
    X = rows(np.random.default_rng(7), 40, np.float32)
    flat = FlatTrees.build(forest, N_FEATURES)
    found = flat.apply_leaves(X)
    for t, tree in enumerate(flat.to_arrays().one_by_one()):
        leaves = np.flatnonzero(tree.left < 0)
        assert_array_equal(leaves[found[:, t]], walk(X, tree))
        inner = np.flatnonzero(tree.left >= 0)
        assert (tree.left[inner] > inner).all()
    assert_array_equal(
        flat.id_values()[flat.leaf_ids_of(X)].sum(axis=(1, 2)).round(9),
        flat.sum(X)[:, 0].round(9),
    )


@pytest.mark.usefixtures("kernels")
def test_output_columns_and_baseline():
    rng = np.random.default_rng(2)
    forest = [random_tree(rng, 12) for _ in range(9)]
    X = rows(rng, 300, np.float32)
    start = np.array([0.1, -2.0, 3.0])
    flat = FlatTrees.build(forest, N_FEATURES, n_outputs=3, output_column=range(3))
    expected = summed(X, forest, 3, columns=range(3), start=start)
    assert_array_equal(flat.sum(X, baseline=start), expected)
    assert_array_equal(flat.sum(X[:2], baseline=start), expected[:2])


@pytest.mark.usefixtures("kernels")
def test_one_hot_leaves_take_no_room():
    rng = np.random.default_rng(4)
    forest = [random_tree(rng, 30, width=3) for _ in range(4)]
    for tree in forest:
        tree.value = np.eye(3)[rng.integers(3, size=len(tree.left))]
        tree.value[:5] = [0.25, 0.5, 0.25]
    X = rows(rng, 300, np.float32)
    flat = FlatTrees.build(forest, N_FEATURES, one_hot_classes=3)
    assert len(flat.table) <= 1
    assert_array_equal(flat.sum(X), summed(X, forest, 3))
    assert flat.n_parameters() == 2 * 120 + 3 * 124
    nonzero = sum(np.count_nonzero(tree.value[tree.left < 0]) for tree in forest)
    assert flat.n_nonzero() == 2 * 120 + nonzero


@pytest.mark.usefixtures("kernels")
def test_parameters_of_single_leaves_are_counted_once():
    leaf = random_tree(np.random.default_rng(0), 0)
    flat = FlatTrees.build([leaf, leaf], N_FEATURES)
    assert (flat.n_splits, flat.n_leaves, flat.n_parameters()) == (0, 2, 2)
    assert flat.n_nonzero() == 2 * np.count_nonzero(leaf.value)
    assert_array_equal(
        flat.sum(np.full((3, 5), np.nan, np.float32)), 2 * leaf.value[[0] * 3]
    )


@pytest.mark.parametrize(("n_distinct", "n_bytes"), [(3, 1), (300, 2), (70_000, 3)])
def test_ids_take_as_many_bytes_as_they_need(n_distinct, n_bytes):
    rng = np.random.default_rng(0)
    tree = random_tree(rng, 999)
    n_trees = 3 * -(-n_distinct // 1000)
    numbers = (np.cumsum(tree.left < 0) + 1000 * np.arange(n_trees)[:, None]) % n_distinct
    trees = [replace(tree, value=of_tree[:, None] / 3) for of_tree in numbers]
    X = rows(rng, 300, np.float32)
    flat = FlatTrees.build(trees, N_FEATURES)
    assert flat.id_bytes == n_bytes
    at = walk(X, tree)
    expected = np.zeros((300, 1))
    for each in trees:
        expected += each.value[at]
    assert_array_equal(flat.sum(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(flat)).leaf_ids, flat.leaf_ids)


@pytest.mark.usefixtures("kernels")
def test_leaves_that_all_differ_have_no_ids():
    rng = np.random.default_rng(0)
    tree = random_tree(rng, 99)
    tree.value = rng.normal(size=(len(tree.left), 1))
    X = rows(rng, 300, np.float32)
    flat = FlatTrees.build([tree], N_FEATURES)
    assert flat.id_bytes == 0 == flat.leaf_ids.size
    assert_array_equal(flat.sum(X), summed(X, [tree], 1))
    assert_array_equal(pickle.loads(pickle.dumps(flat)).sum(X), summed(X, [tree], 1))


def shares(rng, n, width, n_used):
    """Counts of few classes, at most 40 in all, and their shares."""
    counts = np.zeros((n, width))
    for row in counts:
        row[rng.choice(width, n_used, replace=False)] = rng.integers(
            1, 40 // n_used, n_used
        )
    totals = counts.sum(axis=1)
    return counts / totals[:, None], totals


def test_table_is_the_smallest_exact_one():
    rng = np.random.default_rng(0)
    dense_rows, totals = shares(rng, 200, 2, 2)
    table = leaf_table(dense_rows, totals, np.array([0, 2]))
    assert isinstance(table, ShareLeaves)
    assert table.counts.dtype == np.uint8
    assert_array_equal(table.rows(2), dense_rows)
    sparse_rows, totals = shares(rng, 200, 26, 2)
    table = leaf_table(sparse_rows, totals, np.array([0, 26]))
    assert isinstance(table, SparseLeaves)
    assert table.shares
    assert_array_equal(table.rows(26), sparse_rows)
    table = leaf_table(dense_rows, totals + 0.5, np.array([0, 2]))
    assert isinstance(table, ValueLeaves)
    assert table.values.dtype == np.float64
    table = leaf_table(np.round(4 * dense_rows) / 4)
    assert table.values.dtype == np.float32
    several = np.hstack([dense_rows, dense_rows[:, ::-1]])
    _, totals = shares(np.random.default_rng(0), 200, 2, 2)
    table = leaf_table(several, totals, np.array([0, 2, 4]))
    assert isinstance(table, ShareLeaves)
    assert_array_equal(table.rows(4), several)


@pytest.mark.parametrize(("n_used", "width"), [(2, 2), (3, 26)])
@pytest.mark.parametrize("as_counts", [True, False])
def test_every_table_adds_its_rows(n_used, width, as_counts):
    rng = np.random.default_rng(1)
    values, totals = shares(rng, 100, width, n_used)
    bounds = np.array([0, width]) if as_counts else None
    table = leaf_table(values, totals, bounds)
    leaves = rng.integers(100 + width, size=(7, 50)).astype(np.uint32)
    everything = np.vstack([np.eye(width), values])
    expected = np.zeros((50, width))
    for of_tree in leaves:
        expected += everything[of_tree]
    for stored in (table, pickle.loads(pickle.dumps(table))):
        out = np.zeros((50, width))
        stored.add(leaves, width, np.zeros(1, dtype=np.int64), out)
        assert_array_equal(out, expected)


def test_sparse_scores_in_bytes():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, 10)) * (rng.random((50, 10)) < 0.2)
    table = SparseLeaves.of(scores, dtype=np.int8)
    assert table.values.dtype == np.int8
    assert_allclose(table.rows(10), scores, atol=np.abs(scores).max() / 127)
    leaves = np.arange(50, dtype=np.uint32)[None]
    out = np.zeros((50, 10))
    table.add(leaves, 0, np.zeros(1, dtype=np.int64), out)
    assert_allclose(out, table.rows(10), rtol=1e-12)
    exact = SparseLeaves.of(scores)
    exact.values = Quantizer("int8").quantize(exact.values)
    out = np.zeros((50, 10))
    exact.add(leaves, 0, np.zeros(1, dtype=np.int64), out)
    assert_allclose(out, exact.rows(10), rtol=1e-5)


@pytest.mark.parametrize("n_pure", [0, 2])
def test_rounded_tables_are_the_same_for_few_and_many_leaves(n_pure):
    rng = np.random.default_rng(0)
    table = ValueLeaves(Quantizer("int8").quantize(rng.normal(size=(9000, 2))))
    expected = np.vstack([np.eye(2)[:n_pure], table.rows(2)])
    for n_trees in (5, 400):
        of_trees = rng.integers(len(expected), size=(n_trees, 30))
        of_trees[::2, :9] = 0
        out = np.zeros((30, 2))
        table.add(of_trees.astype(np.uint32), n_pure, np.zeros(1, dtype=np.int64), out)
        assert_allclose(out, expected[of_trees].sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("scheme", ["int8", "float16", "codebook"])
def test_pure_leaves_stay_when_the_others_are_rounded(scheme):
    rng = np.random.default_rng(4)
    forest = [random_tree(rng, 300, width=3) for _ in range(4)]
    for tree in forest:
        tree.value = rng.random((len(tree.left), 3))
        tree.value[rng.random(len(tree.left)) < 0.6] = [0.0, 1.0, 0.0]
    X = rows(rng, 300, np.float32)
    flat = FlatTrees.build(forest, N_FEATURES, one_hot_classes=3)
    small = flat.with_leaf_values(Quantizer(scheme).quantize(flat.table.values))
    leaves, rounded = flat.leaf_values(), small.leaf_values()
    pure = leaves[:, 1] == 1
    assert pure.any()
    assert_array_equal(rounded[pure], leaves[pure])
    assert_allclose(rounded, leaves, atol=0.01)
    assert_allclose(small.sum(X), flat.sum(X), atol=0.03)


@pytest.mark.parametrize("scheme", ["int8", "float16", "codebook"])
def test_quantized_values_predict_alike_from_few_and_many_rows(forest, scheme):
    X = rows(np.random.default_rng(0), 300, np.float32)
    flat = FlatTrees.build(forest, N_FEATURES)
    before = flat.sum(X)
    values = flat.table.values
    small = flat.with_leaf_values(Quantizer(scheme).quantize(values))
    many = small.sum(X)
    assert_allclose(many, before, atol=0.03)
    assert np.abs(many - before).max() > 0
    assert_allclose(small.sum(X[:5]), many[:5], rtol=1e-12)
    assert_array_equal(pickle.loads(pickle.dumps(small)).sum(X), many)
    assert_array_equal(flat.sum(X), before)


MANY = {"n_estimators": 9, "random_state": 0}


@pytest.fixture(scope="module")
def classes():
    return make_classification(
        700, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0
    )


@pytest.fixture(scope="module")
def numbers():
    return make_friedman1(700, n_features=8, noise=1.0, random_state=0)


def assert_same(expected, got):
    """Equal to the bit, of one shape and dtype, array by array."""
    if isinstance(expected, list):
        assert isinstance(got, list)
        assert len(got) == len(expected)
        for one, other in zip(expected, got, strict=True):
            assert_same(one, other)
        return
    assert got.dtype == expected.dtype
    assert_array_equal(got, expected, strict=True)


def with_missing(X):
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.15] = np.nan
    return X


def assert_lossless(model, X, methods=("predict",)):
    """The compact form, and the form loaded from its pickle, give what the model does."""
    compact = compact_forest(model)
    loaded = pickle.loads(pickle.dumps(compact))
    several = [X, X[:1], X[:90], X.astype(np.float32), np.asfortranarray(X)]
    if compact._allow_nan:
        several += [with_missing(X), with_missing(X)[:50]]
    for rows in several:
        for name in methods:
            with np.errstate(divide="ignore"):
                expected = getattr(model, name)(rows)
            assert_same(expected, getattr(compact, name)(rows))
            assert_same(expected, getattr(loaded, name)(rows))
    return compact


def test_constant_targets_make_trees_without_splits(numbers):
    X, _ = numbers
    model = sk.RandomForestRegressor(**MANY).fit(X, np.full(len(X), 2.5))
    compact = assert_lossless(model, X)
    assert compact.n_parameters() == 9


def test_sparse_rows(numbers):
    X, y = numbers
    X = np.where(X < 0.4, 0, X)
    model = sk.RandomForestRegressor(**MANY).fit(X, y)
    compact = compact_forest(model)
    for container in (sp.csr_matrix, sp.csc_array):
        for rows in (X, X[:3]):
            assert_same(model.predict(rows), compact.predict(container(rows)))
    bad = sp.csr_matrix(np.full((1, 8), np.nan))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        compact.predict(bad)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_what_does_not_fit_float32_is_refused(numbers, value):
    compact = compact_forest(sk.DecisionTreeRegressor().fit(*numbers))
    with pytest.raises(ValueError, match="infinity or a value too large for dtype"):
        compact.predict(np.full((2, 8), value))


def test_missing_values_are_refused_where_the_model_refuses_them(numbers):
    compact = compact_forest(sk.ExtraTreeRegressor(splitter="best").fit(*numbers))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        compact.predict(np.full((2, 8), np.nan))


def test_threads_do_not_change_results(X, y):
    model = sk.RandomForestClassifier(**MANY).fit(X, y)
    compact = compact_forest(model)
    many = np.vstack([X] * 14)
    one = compact.predict_proba(many)
    compact.n_jobs = 2
    assert_array_equal(compact.predict_proba(many), one)
    assert_array_equal(model.predict_proba(many), one)


def test_bytes_of_a_forest(classes, numbers):
    for model, data, least in [
        (sk.RandomForestClassifier(30, random_state=0), classes, 15),
        (sk.RandomForestRegressor(30, random_state=0), numbers, 11),
        (sk.RandomForestRegressor(30, random_state=0, min_samples_leaf=5), numbers, 7),
    ]:
        compact = compact_forest(model.fit(*data))
        live = sum(array.nbytes for array in arrays_in(compact))
        assert len(pickle.dumps(model)) > least * live


def test_parameters_are_two_a_split_and_the_outputs_of_a_leaf(classes):
    model = sk.RandomForestClassifier(**MANY).fit(*classes)
    trees = [tree.tree_ for tree in model.estimators_]
    n_splits = sum(tree.node_count - tree.n_leaves for tree in trees)
    values = [tree.value[tree.children_left < 0] for tree in trees]
    compact = compact_forest(model)
    n_values = sum(value.size for value in values)
    assert compact.n_parameters() == 2 * n_splits + n_values
    nonzero = sum(np.count_nonzero(value) for value in values)
    assert compact.n_nonzero() == 2 * n_splits + nonzero


def test_apply_tells_the_leaves_apart(numbers):
    X, y = numbers
    model = sk.RandomForestRegressor(**MANY).fit(X, y)
    found = compact_forest(model).apply(X)
    for ours, theirs in zip(found.T, model.apply(X).T, strict=True):
        pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
        assert len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))


@pytest.mark.parametrize("scheme", ["int8", "float16", "codebook"])
def test_quantized_regressors_are_smaller_and_close(numbers, scheme):
    X, y = numbers
    compact = compact_forest(sk.RandomForestRegressor(**MANY).fit(X, y))
    small = compact.quantized(Quantizer(scheme))
    bytes_of = [sum(array.nbytes for array in arrays_in(each)) for each in (compact, small)]
    assert bytes_of[1] < bytes_of[0]
    assert_allclose(small.predict(X), compact.predict(X), atol=0.2)
    assert_allclose(small.predict(X[:2]), small.predict(X)[:2], rtol=1e-12)


def test_other_models_are_refused(X, y):
    model = sk.IsolationForest(n_estimators=5).fit(X)
    assert not is_forest_of_trees(model)
    assert not is_forest_of_trees(sk.BaggingClassifier(sk.LogisticRegression()).fit(X, y))
    with pytest.raises(TypeError, match="Got IsolationForest"):
        compact_forest(model)


def score_trees(n_outputs, seed=0):
    rng = np.random.default_rng(seed)
    split = np.array([1, -1, -1]), np.array([2, -1, -1])
    return [
        TreeArrays(
            *split, np.array([t % 3, -2, -2]), np.zeros(3), rng.normal(size=(3, n_outputs))
        )
        for t in range(6)
    ]


@pytest.mark.parametrize("n_classes", [1, 2, 4])
def test_score_classifiers(n_classes):
    X = np.random.default_rng(1).normal(size=(300, 3))
    n_outputs = n_classes if n_classes > 2 else 1
    trees = score_trees(n_outputs)
    intercept = np.linspace(-1, 0.5, n_outputs)
    scores = np.zeros((300, n_outputs)) + intercept
    for t, tree in enumerate(trees):
        scores += tree.value[np.where(X[:, t % 3] <= 0, 1, 2)]
    labels = np.array(["d", "b", "c", "a"])[:n_classes]
    compact = compact_score_forest(FlatTrees.build(trees, 3), intercept, labels)
    if n_classes > 2:
        expected = softmax(scores, axis=1)
    else:
        expected = np.hstack([expit(-scores), expit(scores)])
    if n_classes == 1:
        expected = np.ones((300, 1))
    assert_allclose(compact.predict_proba(X), expected, rtol=1e-12)
    assert_allclose(compact.predict_log_proba(X), np.log(expected), rtol=1e-9, atol=1e-12)
    assert_array_equal(compact.predict(X), labels[expected.argmax(axis=1)])
    assert_array_equal(
        pickle.loads(pickle.dumps(compact)).predict_proba(X), compact.predict_proba(X)
    )


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_score_regressors(n_outputs):
    X = np.random.default_rng(1).normal(size=(300, 3))
    trees = score_trees(n_outputs)
    expected = np.zeros((300, n_outputs)) + 0.25
    for t, tree in enumerate(trees):
        expected += tree.value[np.where(X[:, t % 3] <= 0, 1, 2)]
    compact = compact_score_forest(FlatTrees.build(trees, 3), 0.25)
    got = compact.predict(X)
    assert got.shape == ((300,) if n_outputs == 1 else (300, 2))
    assert_array_equal(got.reshape(300, -1), expected)
