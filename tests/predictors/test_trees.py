"""Flat trees against plain walks over the same arrays."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_prune.predictors.trees import flat as _trees
from sklearn_prune.predictors.trees.arrays import TreeArrays
from sklearn_prune.predictors.trees.columns import CategorySet
from sklearn_prune.predictors.trees.flat import FlatTrees
from sklearn_prune.predictors.trees.leaves import (
    ShareLeaves,
    SparseLeaves,
    ValueLeaves,
    leaf_table,
)
from sklearn_prune.weight_pruning import Quantizer

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


@pytest.mark.parametrize("n_rows", [30, 300])
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


def test_output_columns_and_baseline():
    rng = np.random.default_rng(2)
    forest = [random_tree(rng, 12) for _ in range(9)]
    X = rows(rng, 300, np.float32)
    start = np.array([0.1, -2.0, 3.0])
    flat = FlatTrees.build(forest, N_FEATURES, n_outputs=3, output_column=range(3))
    expected = summed(X, forest, 3, columns=range(3), start=start)
    assert_array_equal(flat.sum(X, baseline=start), expected)
    assert_array_equal(flat.sum(X[:2], baseline=start), expected[:2])


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
