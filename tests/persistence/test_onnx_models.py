import warnings

import numpy as np
import pytest
from scipy.sparse import issparse

from tests.matrix import matrix

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# skl2onnx knows neither, and neither has a form of its own here.
UNKNOWN = {"features": "NearestCentroid", "columns": "SplineTransformer"}
NAMES = [name for name, _, rows, _ in matrix() if not issparse(rows)]


def run(graph, rows):
    """All outputs of a graph for some rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: rows})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_graphs_answer_as_models(name, dtype, models):
    from sklearn_prune.persistence import to_onnx

    model, rows = models[name]
    rows = np.asarray(rows, dtype=dtype)
    if name in UNKNOWN:
        with pytest.raises(TypeError, match=UNKNOWN[name]) as caught:
            to_onnx(model, rows[:1])
        assert "\n" not in str(caught.value)
        return
    graph = to_onnx(model, rows[:1])
    assert not any("prune" in node.domain.lower() for node in graph.graph.node)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(model.predict(rows))
        labels, *rest = run(graph, rows)
        labels = np.asarray(labels).reshape(expected.shape)
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(labels, expected)
        else:
            relative = 2e-5 if dtype == np.float32 else 1e-7
            np.testing.assert_allclose(labels, expected, rtol=relative, atol=relative)
        if rest and hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(rows)
            if not isinstance(probabilities, list):
                np.testing.assert_allclose(rest[0], probabilities, atol=1e-5)
