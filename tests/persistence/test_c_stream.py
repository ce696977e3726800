"""Trees of C as a stream of bytes, compared with the predictor that rounds as they do."""

import shutil
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from sklearn_prune import PrunedClassifier, compact
from sklearn_prune._lazy import has
from sklearn_prune.persistence import to_c
from sklearn_prune.persistence.export.c import stream as stream_module
from sklearn_prune.persistence.export.c.stream import DoesNotFit, StreamTrees
from sklearn_prune.predictors import CategorySet, CompactBoosting, FlatTrees, TreeArrays
from tests.persistence.c_program import FLAGS, CProgram

CPP = ("-O2", "-std=c++17", "-x", "c++", *(flag for flag in FLAGS if flag[1] == "W"))


def random_tree(rng, n_leaves, n_features, *, width=1, sets=0, chain=False, edges=None):
    """A tree that grew at random leaves, or at one of the two last ones."""
    left, right = [-1], [-1]
    leaves = [0]
    while len(leaves) < n_leaves:
        nearest = min(2, len(leaves)) if chain else len(leaves)
        node = leaves.pop(-1 - int(rng.integers(nearest)))
        left[node], right[node] = len(left), len(left) + 1
        leaves += [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
    n_nodes = len(left)
    threshold = rng.normal(size=n_nodes) if edges is None else rng.choice(edges, n_nodes)
    category = np.full(n_nodes, -1)
    feature = rng.integers(n_features, size=n_nodes)
    if sets:
        asks = rng.random(n_nodes) < 0.3
        category[asks] = rng.integers(sets, size=asks.sum())
        feature[asks] = category[asks] % n_features  # one feature for each set
    return TreeArrays(
        np.array(left),
        np.array(right),
        feature,
        threshold,
        rng.normal(size=(n_nodes, width)),
        missing=rng.integers(0, 3, n_nodes),
        category=category,
    )


def boosting(trees, n_features, *, n_outputs=1, sets=(), start=0.3):
    """A predictor of trees, with the conventions of HistGradientBoosting."""
    found = CompactBoosting()
    found.library_, found.link_ = "hist", "softmax" if n_outputs > 1 else "expit"
    found.methods_ = ("predict_proba", "decision_function")
    found.classes_ = np.arange(max(2, n_outputs))
    found.n_features_in_ = n_features
    found.start_ = np.linspace(start, 1.0, n_outputs)
    found.trees_ = FlatTrees.build(
        trees,
        n_features,
        exact_float64_thresholds=True,
        n_outputs=n_outputs,
        output_column=range(n_outputs),
        category_sets=sets,
    )
    return found


def rows_around(predictor, rng, n_rows=300, missing=0.1):
    """Rows of values below, at and above thresholds, missing and infinite values."""
    arrays = predictor.trees_.to_arrays()
    rows = rng.normal(size=(n_rows, predictor.n_features_in_)).astype(np.float32)
    splits = np.flatnonzero((arrays.left >= 0) & (arrays.category < 0))
    for feature in range(rows.shape[1]):
        edges = arrays.threshold[splits[arrays.feature[splits] == feature]]
        if not len(edges):
            continue
        near = rng.choice(edges, n_rows).astype(np.float32)
        side = rng.integers(-1, 2, n_rows)
        with np.errstate(invalid="ignore"):
            near = np.nextafter(
                near, np.where(side, side * np.inf, near).astype(np.float32)
            )
        taken = rng.random(n_rows) < 0.7
        rows[taken, feature] = near[taken]
    for value, share in ((np.nan, missing), (np.inf, 0.03), (-np.inf, 0.03)):
        rows[rng.random(rows.shape) < share] = value
    return rows


def agree(predictor, tmp_path, rows, **options):
    """Assert that C answers as the rounded predictor; return the stream and the source."""
    program = CProgram(predictor, tmp_path, layout="stream", **options)
    rounded = StreamTrees(predictor, options.get("leaf_bits", 5))
    twin = rounded.predictor()
    wanted = twin.decision_function(rows).reshape(len(rows), -1)
    np.testing.assert_array_equal(program.ask("decision_function", rows), wanted)
    np.testing.assert_array_equal(program.ask("predict", rows)[:, 0], twin.predict(rows))
    return rounded, program.source


@pytest.mark.parametrize("seed", range(6))
def test_random_trees_give_the_sums_of_the_rounded_predictor(seed, tmp_path, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(stream_module, "MOST_LEAVES", 0 if seed > 2 else 99)
    n_outputs, n_features = (1, 1, 3)[seed % 3], (4, 200, 5)[seed % 3]
    sets = [
        CategorySet(rng.random(size) < 0.5, *(rng.random(2) < 0.5))
        for size in rng.integers(1, 40, 4 * (seed % 2))
    ]
    sizes = [1, 1, 2, 3, 8, 8, 20, 30, 60][: 9 if seed < 4 else 4]
    trees = [
        random_tree(rng, size, n_features, sets=len(sets), chain=bool(seed % 2))
        for size in rng.permutation(np.repeat(sizes, n_outputs))
    ]
    predictor = boosting(trees, n_features, n_outputs=n_outputs, sets=sets)
    rows = rows_around(predictor, rng)
    if sets:
        rows[:, : len(sets)] = rng.choice(
            [0, 1, 2, 7.5, 33, 99, -0.5, -3, np.nan], (300, 4)
        )
    found, _ = agree(predictor, tmp_path, rows)
    assert (found.length_bytes > 0) == (seed > 2)


@pytest.mark.parametrize(
    ("n_thresholds", "n_pages"), [(252, 0), (253, 1), (507, 1), (508, 2), (900, 3)]
)
def test_thresholds_beyond_one_byte_take_two(n_thresholds, n_pages, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(stream_module, "MOST_LEAVES", 0 if n_thresholds % 2 else 99)
    edges = np.arange(n_thresholds) / 8
    trees = [random_tree(rng, 13, 1) for _ in range(-(-n_thresholds // 12))]
    at = iter(rng.permutation(edges))
    for tree in trees:
        tree.missing[:] = 1
        tree.threshold[:] = [next(at, 0) if left >= 0 else 0 for left in tree.left]
        tree.value[:] = rng.choice([-2.0, -1.0, 1.0, 2.0], tree.value.shape)
    predictor = boosting(trees, 1)
    found, source = agree(predictor, tmp_path, rows_around(predictor, rng))
    assert (len(found.thresholds), len(found.values)) == (n_thresholds, 4)
    assert found.n_pages == n_pages
    assert (found.length_bytes > 0) == n_thresholds % 2
    assert ("<< 8 |" in source) == (n_pages > 0)


@pytest.mark.parametrize(("n_leaves", "n_bytes"), [(128, 1), (129, 2), (2000, 2)])
def test_trees_of_256_bytes_have_lengths_of_two(n_leaves, n_bytes, tmp_path):
    rng = np.random.default_rng(0)
    tree = random_tree(rng, n_leaves, 3, edges=np.arange(9.0))
    inner = np.flatnonzero(tree.left >= 0)
    tree.left[inner], tree.right[inner] = -1, -1  # a chain with all leaves on the left
    n_splits = n_leaves - 1
    tree.left[: 2 * n_splits : 2] = np.arange(n_splits) * 2 + 1
    tree.right[: 2 * n_splits : 2] = np.arange(n_splits) * 2 + 2
    predictor = boosting([tree], 3)
    found, _ = agree(predictor, tmp_path, rows_around(predictor, rng, missing=0.01))
    assert found.length_bytes == n_bytes
    assert len(found.stream) == 2 * n_leaves - 1 + n_bytes  # no split needs a length


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_trees_of_one_leaf_are_part_of_the_start(n_outputs, tmp_path):
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 1, 2) for _ in range(2 * n_outputs)]
    predictor = boosting(trees, 2, n_outputs=n_outputs)
    found, _ = agree(predictor, tmp_path, rng.normal(size=(3, 2)))
    assert not len(found.stream)
    scores = found.predictor().decision_function(np.zeros((1, 2)))
    wanted = predictor.decision_function(np.zeros((1, 2)))
    np.testing.assert_allclose(scores, wanted, rtol=1e-6, atol=1e-8)


def models():
    X, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(0)
    holes = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    digits = load_digits(return_X_y=True)
    shallow = {"max_iter": 12, "max_leaf_nodes": 8, "random_state": 0}
    yield "hist", HistGradientBoostingClassifier(**shallow), holes, y
    gradient = GradientBoostingClassifier(n_estimators=20, random_state=0)
    yield "gradient", gradient, X, y
    forest = RandomForestClassifier(6, max_leaf_nodes=20, random_state=0)
    yield "forest", forest, *digits
    trees = ExtraTreesRegressor(4, max_leaf_nodes=12, random_state=0)
    yield "regressor", trees, X[:, :20], X[:, 20:]
    lightgbm = pytest.importorskip("lightgbm")
    small = {"num_leaves": 8, "max_bin": 16, "n_jobs": 1, "verbose": -1}
    classifier = lightgbm.LGBMClassifier(n_estimators=20, **small)
    yield "lightgbm", classifier, X - X.mean(axis=0), y
    codes = X.copy()
    codes[:, 0] = rng.integers(0, 20, len(X))
    categories = {"categorical_feature": [0], "min_data_per_group": 5}
    with_sets = lightgbm.LGBMClassifier(n_estimators=20, **small, **categories)
    yield "categories", with_sets, codes, (codes[:, 0] % 3 == 0) ^ y
    many = lightgbm.LGBMClassifier(n_estimators=4, **small)
    yield "classes", many, *digits
    xgboost = pytest.importorskip("xgboost")
    yield "xgboost", xgboost.XGBClassifier(n_estimators=10, n_jobs=1), holes, y


@pytest.mark.parametrize("name", [name for name, *_ in models()])
def test_models_answer_as_their_rounded_predictors(name, tmp_path):
    _, model, X, y = next(found for found in models() if found[0] == name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = compact(model.fit(X, y))
    rng = np.random.default_rng(0)
    rows = (X + 0.1 * rng.normal(size=X.shape) * np.nanstd(X, axis=0)).astype(np.float32)
    twin = StreamTrees(predictor).predictor()
    program = CProgram(model, tmp_path, layout="stream")
    got = program.ask("predict", rows)
    if hasattr(model, "classes_"):
        labels = model.classes_[got[:, 0]]
        np.testing.assert_array_equal(labels, twin.predict(rows))
        share = np.mean(model.predict(rows.astype(X.dtype)) == labels)
        assert share > (0.9 if len(model.classes_) > 2 else 0.99)
        got, wanted = program.ask("predict_proba", rows), twin.predict_proba(rows)
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, twin.predict(rows))
    assert program.selftest() == 0
    assert program.sections[".data"] == program.sections[".bss"] == 0
    if name in ("hist", "classes", "categories") and shutil.which("g++"):
        program.compiler, program.flags = "g++", CPP
        program.compile("-c", "model.c", "-o", "model.o")


def test_a_stream_of_equal_bits_replaces_larger_arrays(tmp_path):
    X, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    shallow = HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=4)
    shallow.fit(X[:, :9], (y > 4).astype(int))
    for name, model, rows in (("forest", forest, X), ("hist", shallow, X[:, :9])):
        program = CProgram(model, tmp_path, name, flags=("-O3", *FLAGS[1:]))
        assert "trees.stream" in program.source
        got = program.ask("predict_proba", rows)
        np.testing.assert_array_equal(got, model.predict_proba(rows))


def test_sizes_are_those_of_the_alphabet():
    lightgbm = pytest.importorskip("lightgbm")
    X, y = load_breast_cancer(return_X_y=True)
    for n_leaves in (4, 8, 16):
        model = lightgbm.LGBMClassifier(
            n_estimators=40, num_leaves=n_leaves, max_bin=16, n_jobs=1, verbose=-1
        )
        found = StreamTrees(compact(model.fit(X, y)), lengths=False)
        n_splits = found.trees.n_splits
        assert n_splits >= 39 * (n_leaves - 1)
        tables = sum(table.nbytes for table in found.tables.values())
        assert len(found.values) == 32
        assert len(found.stream) == 2 * n_splits + found.trees.n_trees
        rest = 5 * len(found.features) + 2 * len(found.values)
        assert tables == len(found.stream) + rest


@pytest.mark.parametrize("leaf_bits", [1, 3, 7])
def test_leaf_bits_bound_the_number_of_values(leaf_bits):
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 6, 3) for _ in range(9)]
    predictor = boosting(trees, 3)
    found = StreamTrees(predictor, leaf_bits)
    assert len(found.values) == min(1 << leaf_bits, 54)
    rows = rows_around(predictor, rng)
    gap = found.predictor().decision_function(rows) - predictor.decision_function(rows)
    if leaf_bits == 7:  # each leaf has its own value, in steps
        assert np.abs(gap).max() <= 10 * found.scale
    else:
        assert np.abs(gap).max() > 10 * found.scale


def test_sums_fit_into_32_bits():
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 4, 2) for _ in range(20)]
    for start in (1e9, -1e30, 0.0):
        found = StreamTrees(boosting(trees, 2, start=start))
        largest = np.abs(found.values.astype(np.int64)).max() * 20
        assert abs(int(found.start[0])) + largest < 1 << 31
        score = found.predictor().decision_function(np.zeros((1, 2)))
        np.testing.assert_allclose(score, start, rtol=1e-6, atol=80)


def test_what_does_not_fit_is_written_as_arrays(tmp_path):
    rng = np.random.default_rng(0)
    infinite = random_tree(rng, 4, 2)
    infinite.value[:] = np.inf
    predictor, path = boosting([infinite], 2), tmp_path / "model.c"
    to_c(predictor, path, layout="stream")
    header = path.with_suffix(".h").read_text()
    assert "trees.stream" not in path.read_text()
    assert "The trees are arrays, since its leaf values are not finite." in header
    assert "typedef double model_input" in header
    with pytest.raises(DoesNotFit, match="single precision"):
        StreamTrees(boosting([random_tree(rng, 4, 2)], 2, start=1e60))
    large = boosting([random_tree(rng, 24_000, 2, edges=np.arange(9.0))], 2)
    with pytest.raises(DoesNotFit, match=r"65,535 bytes"):
        StreamTrees(large)
    assert len(StreamTrees(large, lengths=False).stream) == 47_999
    with pytest.raises(DoesNotFit, match="leaf values are too many"):
        StreamTrees(large, leaf_bits=None)


def test_columns_of_pruned_models(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    X = np.where(np.median(X, axis=0) > X, 0, X).astype(np.float32)
    models = [HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=5)]
    if has("xgboost"):
        from xgboost import XGBClassifier

        models.append(XGBClassifier(n_estimators=5, n_jobs=1, missing=0.0))
    for number, model in enumerate(models):
        pruned = PrunedClassifier(model, unit="feature", keep=0.4, random_state=0).fit(X, y)
        program = CProgram(pruned, tmp_path, f"model{number}", layout="stream")
        inner = StreamTrees(pruned.compact_.inner_).predictor()
        wanted = inner.predict(X[:, pruned.compact_.columns_])
        np.testing.assert_array_equal(program.ask("predict", X)[:, 0], wanted)
        assert program.selftest() == 0


def test_pruned_models_are_written_as_a_stream(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, random_state=0)
    pruned = PrunedClassifier(model, keep=0.3, random_state=0).fit(X, y)
    to_c(pruned, tmp_path / "model.c", layout="stream", leaf_bits=4)
    found = StreamTrees(pruned.compact_, 4)
    text = (tmp_path / "model.c").read_text()
    assert f"uint8_t stream[{len(found.stream)}];" in text
    assert f"int16_t value[{len(found.values)}];" in text
    assert "rounded to 16 values" in (tmp_path / "model.h").read_text()
