"""Linear predictors as ONNX operators."""

import numpy as np

from sklearn_prune.persistence.export.onnx.graph import scattered
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import QuantizedArray


def normalised(graph, found):
    """Rows divided by their sums; the same for all where nothing is positive."""
    total = found.sum(1, keepdims=True)
    nowhere = total.equals(0.0)
    one = graph.value(1.0, like=found)
    found = graph.where(nowhere, one, found)
    return found / found.sum(1, keepdims=True)


def two_columns(graph, positive):
    """Probabilities of both classes from those of the second."""
    return graph.stack([1.0 - positive, positive])


class _Linear(Writer):
    def _scores(self, rows):
        compact, graph = self.compact, self.graph
        X = rows.array()
        if not isinstance(compact.weights_, QuantizedArray):
            X = X.cast(graph.float)
        if compact.columns_ is not None:
            X = X.take(compact.columns_, axis=1)
        return X @ self._weights(X.dtype) + self._intercept()

    def _intercept(self):
        return np.asarray(self.compact.intercept_, dtype=np.float64)

    def _weights(self, dtype):
        compact = self.compact
        if compact.mask_ is None:
            return self.rounded(compact.weights_, dtype)
        n_read = (
            compact.n_features_in_ if compact.columns_ is None else len(compact.columns_)
        )
        several = compact._n_outputs is not None
        shape = (n_read, compact._n_outputs) if several else (n_read,)
        mask = np.unpackbits(compact.mask_, count=int(np.prod(shape)))
        return scattered(self.graph, compact.weights_, np.flatnonzero(mask), shape, dtype)


class _Regressor(_Linear):
    def predict(self, rows):
        scores = self._scores(rows)
        return scores.exp() if self.compact.logarithmic_ else scores


class _Classifier(_Linear):
    def decision_function(self, rows):
        scores = self._scores(rows)
        return scores.ravel() if self.compact._n_outputs == 1 else scores

    def codes(self, rows):
        scores = self.ask(self.compact, "decision_function", rows)
        return scores > 0.0 if scores.ndim == 1 else scores.argmax()

    def predict_proba(self, rows):
        scores = self.ask(self.compact, "decision_function", rows)
        kind = self.compact.probability_
        if scores.ndim > 1 and kind == "softmax":
            return scores.softmax()
        if kind == "clip":
            positive = (scores.clip(-1.0, 1.0) + 1.0) / 2.0
        else:
            positive = scores.expit()
        if positive.ndim == 1:
            return two_columns(self.graph, positive)
        return normalised(self.graph, positive)


class _Multilabel(_Classifier):
    def predict(self, rows):
        scores = self._scores(rows)
        return (scores > 0.0).cast(np.int64)


WRITERS = {
    "CompactLinearRegressor": _Regressor,
    "CompactLinearClassifier": _Classifier,
    "CompactMultilabelClassifier": _Multilabel,
}
