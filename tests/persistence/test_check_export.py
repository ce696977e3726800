"""Checks of exports: right ones pass, and every planted fault is found."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedClassifier
from sklearn_prune.persistence import check_export, to_onnx
from tests.estimators import sk

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
numpy_helper = pytest.importorskip("onnx.numpy_helper")
X, y = load_iris(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=0.01, size=X.shape)
MISSING = X.copy()
MISSING[::5, 2] = np.nan
OLD = {"": 17, "ai.onnx.ml": 3}


def trees():
    """Name, model, rows, for trees of every library."""
    forest = sk.RandomForestClassifier(5, random_state=0)
    yield "tree", sk.DecisionTreeClassifier(random_state=0), X
    yield "forest", forest, X
    yield "forest with missing values", forest, MISSING
    yield "pruned forest", PrunedClassifier(forest, keep=0.4, random_state=0), X
    yield "extra trees", sk.ExtraTreesClassifier(5, random_state=0), X
    yield "bagged trees", sk.BaggingClassifier(max_features=0.5, random_state=0), X
    yield "behind a scaler", make_pipeline(sk.StandardScaler(), forest), X
    vote = sk.VotingClassifier([("a", forest), ("b", sk.GaussianNB())], voting="soft")
    yield "vote", vote, X
    yield "boosting", sk.GradientBoostingClassifier(n_estimators=4), X
    hist = sk.HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5)
    yield "boosting by histograms", hist, MISSING
    yield "regression", sk.RandomForestRegressor(5, random_state=0), X


def others():
    """The same for boosting of other libraries."""
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    light = {"n_estimators": 4, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    light = lightgbm.LGBMClassifier(**light)
    yield "lightgbm", light, MISSING
    yield "pruned lightgbm", PrunedClassifier(light, keep=0.6, random_state=0), MISSING
    yield "xgboost", xgboost.XGBClassifier(n_estimators=4, n_jobs=1), MISSING


def fitted(name):
    found = {each: (model, rows) for each, model, rows in (*trees(), *others())}
    model, rows = found[name]
    return model.fit(rows, y), rows


NAMES = [name for name, *_ in trees()] + ["lightgbm", "pruned lightgbm", "xgboost"]


@pytest.mark.parametrize("target_opset", [None, OLD], ids=["new", "old"])
@pytest.mark.parametrize("name", NAMES)
def test_graphs_of_trees_at_below_and_above_every_threshold(name, target_opset):
    model, rows = fitted(name)
    for dtype in (np.float64, np.float32):
        graph = to_onnx(model, rows[:1].astype(dtype), target_opset=target_opset)
        report = check_export(model, graph, rows.astype(dtype))
        assert report.equal
        assert report.n_rows >= 64 + len(rows) + 3 * report.n_nodes


def changed(graph, name, of):
    """A copy of a graph with another attribute of its trees."""
    from onnx import numpy_helper

    other = type(graph)()
    other.CopyFrom(graph)
    node = next(n for n in other.graph.node if n.op_type == "TreeEnsemble")
    part = next(each for each in node.attribute if each.name == name)
    if part.ints:
        part.ints[:] = of(np.array(part.ints)).tolist()
    else:
        part.t.CopyFrom(numpy_helper.from_array(of(numpy_helper.to_array(part.t)), name))
    return other


@pytest.mark.parametrize("to", [-np.inf, np.inf])
@pytest.mark.parametrize("name", ["tree", "behind a scaler", "boosting", "lightgbm"])
def test_a_threshold_that_is_one_unit_off_is_found(name, to):
    model, rows = fitted(name)
    graph = to_onnx(model, rows[:1])
    node = next(n for n in graph.graph.node if n.op_type == "TreeEnsemble")
    roots = next(each.ints for each in node.attribute if each.name == "tree_roots")
    for place in roots[:4]:

        def moved(values, place=place):
            values = values.copy()
            values[place] = np.nextafter(values[place], values.dtype.type(to))
            return values

        wrong = changed(graph, "nodes_splits", moved)
        report = check_export(model, wrong, on_fail="ignore")
        assert "thresholds" in report.reasons[-1]


def test_a_wrong_way_of_missing_values_and_a_swapped_label_are_found():
    model, rows = fitted("boosting by histograms")
    graph = to_onnx(model, rows[:1])
    wrong = changed(graph, "nodes_missing_value_tracks_true", lambda values: 1 - values)
    with pytest.raises(ValueError, match="answers differ"):
        check_export(model, wrong)
    other = sk.RandomForestClassifier(5, random_state=0).fit(X, np.array(list("abc"))[y])
    graph = to_onnx(other, X[:1])
    for tensor in graph.graph.initializer:
        if tensor.string_data:
            tensor.string_data[:] = tensor.string_data[::-1]
    with pytest.warns(UserWarning, match="artefact must answer"):
        assert not check_export(other, graph, on_fail="warn").equal


def test_artefacts_in_files_and_wrong_arguments(tmp_path):
    model, _ = fitted("tree")
    graph = to_onnx(model, X[:1])
    path = tmp_path / "tree.onnx"
    path.write_bytes(graph.SerializeToString())
    for artefact in (path, str(path), path.read_bytes()):
        assert check_export(model, artefact).equal
    with pytest.raises(ValueError, match="artefact must be a path"):
        check_export(model, 5)
    with pytest.raises(FileNotFoundError):
        check_export(model, tmp_path / "absent.onnx")
    with pytest.raises(ValueError, match="on_fail must be"):
        check_export(model, graph, on_fail="stop")
    graph.graph.node[0].op_type = "Unknown"
    with pytest.raises(ValueError, match="does not run in onnxruntime"):
        check_export(model, graph)


def test_other_models_other_rows_and_other_files(tmp_path):
    model = sk.LogisticRegression(max_iter=500).fit(X, y)
    graph = to_onnx(model, X[:1])
    n_rows = check_export(model, graph).n_rows
    assert check_export(model, graph, csr_matrix(X)).n_rows == n_rows + len(X)
    assert check_export(model, graph, X[:0]).n_rows == n_rows
    with pytest.raises(ValueError, match="'probabilities', but Ridge has no predict_"):
        check_export(sk.Ridge().fit(X, y), graph)
    for rows in (X[0], X[:, :3]):
        with pytest.raises(ValueError, match="X must be rows of 4 columns"):
            check_export(model, graph, rows)
    (tmp_path / "text.onnx").write_text("no graph")
    for artefact in (b"abc", tmp_path / "text.onnx"):
        with pytest.raises(ValueError, match="artefact must be a C source"):
            check_export(model, artefact)


def test_edges_of_bins_that_are_moved_are_found():
    bins = sk.KBinsDiscretizer(4, encode="onehot-dense", quantile_method="linear")
    model = make_pipeline(bins, sk.LogisticRegression()).fit(X, y)
    graph, moved = to_onnx(model, X[:1]), 0
    for tensor in graph.graph.initializer:
        edges = numpy_helper.to_array(tensor)
        if edges.shape == (1, 3) and edges.dtype == np.float64:
            tensor.CopyFrom(numpy_helper.from_array(edges * [1, 1.01, 1], tensor.name))
            assert not check_export(model, graph, on_fail="ignore").equal
            tensor.CopyFrom(numpy_helper.from_array(edges, tensor.name))
            moved += 1
    assert moved == 4


@pytest.mark.parametrize("whole", [False, True], ids=["doubles", "with integers"])
def test_columns_of_frames(whole):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    if whole:
        frame = frame.assign(b=np.arange(150) % 9)
    model = sk.RandomForestClassifier(3, random_state=0).fit(frame, y)
    report = check_export(model, to_onnx(model, frame[:1]), frame)
    assert report.equal
    assert report.n_nodes > 20


def test_sets_of_categories():
    rows = X.copy()
    rows[:, 0], rows[:, 1] = np.arange(150) % 11, np.arange(150) % 4
    target = np.isin(rows[:, 0], [2, 3, 7]) + (rows[:, 1] == 2) + 0.1 * rows[:, 2]
    model = sk.HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=5, categorical_features=[0, 1]
    ).fit(rows, target)
    graph = to_onnx(model, rows[:1])
    assert check_export(model, graph, rows).equal


def test_single_precision_and_neighbours_with_ties():
    for model in (sk.SVC(), sk.KNeighborsClassifier(), sk.MLPClassifier(max_iter=5)):
        model.fit(X.round(1), y)
        for precision in ("single", "double"):
            graph = to_onnx(model, X[:1], precision=precision)
            assert check_export(model, graph, X).equal
