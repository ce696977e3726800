"""Run a model as an ONNX graph and hold what it gives against what the model predicts."""

import numpy as np
import pytest


def run(graph, inputs):
    """Results of a graph in onnxruntime, by name."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    if not isinstance(inputs, dict):
        inputs = {"X": inputs}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def expected(model, X, names):
    """What the model says for each result of the graph."""
    found = {}
    for name in names:
        if name in ("label", "variable"):
            found[name] = model.predict(X)
        elif name == "scores":
            found[name] = model.decision_function(X)
        elif name == "probabilities":
            found[name] = model.predict_proba(X)
        else:
            found[name] = model.predict_proba(X)[int(name.partition("_")[2])]
    return found


def assert_same(model, X, *, tolerance=1e-5, inputs=None, rows=None, **options):
    """Check labels, which must be equal, and scores, in shape, type and value."""
    pytest.importorskip("skl2onnx")
    from sklearn_prune.persistence import to_onnx

    graph = to_onnx(model, X[:2] if rows is None else rows, **options)
    results = run(graph, X if inputs is None else inputs)
    for name, wanted in expected(model, X, results).items():
        got = results[name]
        assert got.shape == np.shape(wanted)
        if name == "label":
            np.testing.assert_array_equal(got, wanted)
        else:
            assert got.dtype == (X.dtype if inputs is None else got.dtype)
            scale = np.maximum(1.0, np.abs(wanted))
            assert np.max(np.abs(got - wanted) / scale) <= tolerance
    return graph
