"""Rows as inputs of a graph, and distances between them and points."""

import numpy as np


class Rows:
    """What a predictor reads: one array, or one column for each of several named inputs."""

    def __init__(self, values, names=None):
        self.values = list(values)
        self.names = names

    first = property(lambda self: self.values[0])

    @property
    def key(self):
        """Says whether two are the same."""
        return tuple(value.name for value in self.values)

    def array(self, dtype=None):
        """All in one array of floats; as they are, or in a type."""
        graph = self.first.graph
        for value in self.values:
            if value.dtype.kind in "OU":
                raise TypeError(
                    "A predictor reads numbers, and texts by a transformer. Got strings in "
                    f"{value.name!r}. Encode them in a Pipeline."
                )
        values = [value.as_float() for value in self.values]
        joined = graph.concat(values)
        return joined if dtype is None else joined.cast(dtype)

    def take(self, columns):
        """Some of the columns."""
        columns = np.asarray(columns, dtype=np.int64)
        if len(self.values) > 1:
            names = self.names and [self.names[column] for column in columns]
            return Rows([self.values[column] for column in columns], names)
        return Rows([self.first.take(columns, axis=1)])


ONE_BY_ONE = 64  # columns up to which squares are added column by column


def squared_norms(X):
    """Squared length of each row, as a column."""
    return (X * X).sum(1, keepdims=True)


def squared_distances(graph, X, points, n_features, *, exact=True):
    """Squared Euclidean distances, of shape (n_samples, n_points).

    Exact ones add the squares of differences; the others are made of products, which is
    faster, and loses digits of distances that are small beside the rows.
    """
    if not exact:
        squares = squared_norms(X) + squared_norms(points).reshape(1, -1)
        squares = squares - (X * 2.0) @ points.transpose(1, 0)
        return squares.maximum(0.0)
    return _summed(graph, X, points, n_features, lambda part: part * part)


def _summed(graph, X, points, n_features, of_difference):
    """Sums over the columns of what is made of differences."""
    if n_features > ONE_BY_ONE:
        return of_difference(X.reshape(0, 1, -1) - points).sum(2)
    columns = points.transpose(1, 0)
    total = None
    for number in range(n_features):
        own = X.take(np.array([number]), axis=1) - columns.take(np.array([number]))
        own = of_difference(own)
        total = own if total is None else total + own
    return total


def distances(graph, X, points, n_features, metric, params, *, exact):
    """Distances of a metric in scikit-learn's spelling, of shape (n_samples, n_points)."""
    p = params.get("p", 2)
    if metric in ("manhattan", "l1", "cityblock") or (metric == "minkowski" and p == 1):
        return _summed(graph, X, points, n_features, lambda part: part.abs())
    if metric in ("euclidean", "l2", "sqeuclidean") or (metric == "minkowski" and p == 2):
        if params.get("w") is not None:
            return _refused(metric)
        found = squared_distances(graph, X, points, n_features, exact=exact)
        return found if metric == "sqeuclidean" else found.sqrt()
    if metric == "chebyshev" or (metric == "minkowski" and np.isinf(p)):
        return (X.reshape(0, 1, -1) - points).abs().max(2)
    if metric == "minkowski" and params.get("w") is None:
        power = _summed(graph, X, points, n_features, lambda part: part.abs() ** float(p))
        return power ** (1.0 / float(p))
    if metric == "cosine":
        lengths = squared_norms(X).sqrt()
        own = squared_norms(points).sqrt().reshape(1, -1)
        lengths = graph.where(lengths.equals(0.0), 1.0, lengths)
        own = graph.where(own.equals(0.0), 1.0, own)
        products = X / lengths
        return 1.0 - (products @ points.transpose(1, 0)) / own
    return _refused(metric)


def _refused(metric):
    raise TypeError(
        "to_onnx writes nearest neighbours by Euclidean, Manhattan, Minkowski, Chebyshev "
        f"or cosine distance. Got metric={metric!r}. Use save() and load() instead."
    )
