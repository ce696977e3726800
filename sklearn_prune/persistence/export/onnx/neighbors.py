"""Nearest neighbours as ONNX operators."""

import numpy as np

from sklearn_prune.persistence.export.onnx.rows import distances
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import is_sparse


class _Neighbors(Writer):
    def _nearest(self, rows):
        """Positions of the nearest points; weights, unless all count the same."""
        compact, graph = self.compact, self.graph
        if compact.weights_ not in ("uniform", "distance"):
            self.refuse("weights that are a function", 'Write weights="distance".')
        X = rows.array().cast(graph.float)
        stored = compact.points_
        stored = stored.toarray() if is_sparse(stored) else stored
        points = self.rounded(stored, X.dtype)
        exact = compact.search_ in ("kd_tree", "ball_tree")
        found = distances(
            graph,
            X,
            points,
            compact.n_features_in_,
            compact.metric_,
            compact.metric_params_,
            exact=exact or compact.weights_ == "distance",
        )
        many = graph.constant(np.array([compact.n_neighbors_], dtype=np.int64))
        nearest, positions = graph.nodes_of(
            "TopK", [found, many], dtypes=[X.dtype, np.int64], axis=1, largest=0, sorted=1
        )
        if compact.weights_ == "uniform":
            return positions, None
        same = nearest.equals(0.0)
        any_same = same.cast(np.int64).max(1, keepdims=True) > np.int64(0)
        one = graph.value(1.0, like=nearest)
        inverse = 1.0 / graph.where(same, one, nearest)
        return positions, graph.where(any_same, same.cast(X.dtype), inverse)


class _Classifier(_Neighbors):
    def _votes(self, rows, number=None):
        """Votes for each class of an output."""
        compact = self.compact
        positions, weights = self.ask(compact, "_nearest", rows)
        codes, classes = compact.codes_, compact.classes_
        if number is not None:
            codes, classes = codes[:, number], classes[number]
        codes = self.graph.constant(codes.astype(np.int64)).take(positions)
        votes = codes.reshape(0, 0, 1).equals(np.arange(len(classes))[None, None, :])
        votes = votes.cast(self.graph.float)
        if weights is not None:
            votes = votes * weights.reshape(0, 0, 1)
        return votes.sum(1)

    def _outputs(self):
        return (
            None if self.compact.codes_.ndim == 1 else range(self.compact.codes_.shape[1])
        )

    def predict(self, rows):
        if self._outputs() is None:
            return self.labels(self._votes(rows).argmax())
        columns = [
            self.labels(self._votes(rows, number).argmax(), self.compact.classes_[number])
            for number in self._outputs()
        ]
        return self.graph.stack(columns)

    def predict_proba(self, rows):
        if self._outputs() is None:
            return _shares(self._votes(rows))
        return [_shares(self._votes(rows, number)) for number in self._outputs()]


def _shares(votes):
    return votes / votes.sum(1, keepdims=True)


class _Regressor(_Neighbors):
    def predict(self, rows):
        targets = self.compact.targets_
        positions, weights = self.ask(self.compact, "_nearest", rows)
        flat = targets.reshape(len(targets), -1).astype(np.float64)
        found = self.rounded(flat).take(positions)
        if weights is None:
            means = found.reduce("Mean", 1)
        else:
            means = (found * weights.reshape(0, 0, 1)).sum(1)
            means = means / weights.sum(1, keepdims=True)
        return means.ravel() if targets.ndim == 1 else means


WRITERS = {
    "CompactNeighborsClassifier": _Classifier,
    "CompactNeighborsRegressor": _Regressor,
}
