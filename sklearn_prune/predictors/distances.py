"""Distances of rows and points, and the nearest points, by numpy."""

import sys
from math import isqrt

import numpy as np

from .frames import as_csr, row_of_entry
from .quantized import is_sparse

_BLOCK = 1 << 21  # numbers that are held at once
_MORE = 8  # candidates besides the neighbours themselves
_ROUNDING = 4 * np.finfo(np.float64).eps  # of a product, for each of its terms


def _sum(values):
    """Sums along the last axis, one after the other as compiled loops do."""
    return np.add.accumulate(values, axis=-1)[..., -1]


def _ratio(top, bottom):
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def _minkowski(x, p, *, p_=2, w=None):
    powers = np.abs(x - p) ** p_
    return _sum(powers if w is None else powers * w) ** (1 / p_)


def _mahalanobis(x, p, *, V=None, VI=None):
    inverse = np.linalg.inv(V) if VI is None else VI
    apart = x - p
    return np.sqrt(np.einsum("...i,ij,...j->...", apart, inverse, apart))


def _haversine(x, p):
    half = np.sin((x - p) / 2) ** 2
    squared = half[..., 0] + np.cos(x[..., 0]) * np.cos(p[..., 0]) * half[..., 1]
    return 2 * np.arcsin(np.sqrt(squared))


def _nan_euclidean(x, p):
    squared = (x - p) ** 2
    present = ~np.isnan(squared)
    count = present.sum(axis=-1)
    total = _sum(np.where(present, squared, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(total / count * x.shape[-1])


def _euclidean(x, p):
    return np.sqrt(_sum((x - p) ** 2))


def _manhattan(x, p):
    return _sum(np.abs(x - p))


# Distances along the last axis of two arrays that broadcast.
PAIRS = {
    "braycurtis": lambda x, p: _ratio(_sum(np.abs(x - p)), _sum(np.abs(x + p))),
    "braycurtis of trees": lambda x, p: _ratio(
        _sum(np.abs(x - p)), _sum(np.abs(x) + np.abs(p))
    ),
    "canberra": lambda x, p: _sum(_ratio(np.abs(x - p), np.abs(x) + np.abs(p))),
    "chebyshev": lambda x, p: np.abs(x - p).max(axis=-1),
    "euclidean": _euclidean,
    "hamming": lambda x, p: (x != p).mean(axis=-1),
    "haversine": _haversine,
    "mahalanobis": _mahalanobis,
    "manhattan": _manhattan,
    "minkowski": _minkowski,
    "nan_euclidean": _nan_euclidean,
    "seuclidean": lambda x, p, *, V: np.sqrt(_sum((x - p) ** 2 / V)),
    "sqeuclidean": lambda x, p: _sum((x - p) ** 2),
}
_OTHER_NAMES = {
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "l1": "manhattan",
    "l2": "euclidean",
    "p": "minkowski",
    "pyfunc": None,
}


def _cosine(X, P):
    found = 1 - _of_length_1(X) @ _of_length_1(P).T
    return np.clip(found, 0, 2)


def _of_length_1(X):
    length = np.sqrt(np.einsum("ij,ij->i", X, X))
    return X / np.where(length == 0, 1, length)[:, None]


def _centred(X):
    return X - X.mean(axis=1, keepdims=True)


def _counted(measure):
    """A distance of rows of bits: what both have, what one or the other has, how many."""

    def distances(X, P):
        X, P = (X != 0).astype(np.float64), (P != 0).astype(np.float64)
        both = X @ P.T
        first, second = X.sum(axis=1)[:, None] - both, P.sum(axis=1) - both
        return measure(both, first, second, X.shape[1])

    return distances


def _yule(both, first, second, n):
    half = first * second
    return _ratio(2 * half, both * (n - both - first - second) + half)


# Matrices of distances.
MATRICES = {
    "correlation": lambda X, P: _cosine(_centred(X), _centred(P)),
    "cosine": _cosine,
    "dice": _counted(lambda tt, tf, ft, n: _ratio(tf + ft, 2 * tt + tf + ft)),
    "jaccard": _counted(lambda tt, tf, ft, n: _ratio(tf + ft, tt + tf + ft)),
    "rogerstanimoto": _counted(lambda tt, tf, ft, n: 2 * (tf + ft) / (n + tf + ft)),
    "russellrao": _counted(lambda tt, tf, ft, n: (n - tt) / n),
    "sokalmichener": _counted(lambda tt, tf, ft, n: 2 * (tf + ft) / (n + tf + ft)),
    "sokalsneath": _counted(lambda tt, tf, ft, n: _ratio(tf + ft, tf + ft + 0.5 * tt)),
    "yule": _counted(_yule),
}
METRICS = {*PAIRS, *MATRICES, *_OTHER_NAMES} - {"braycurtis of trees", "pyfunc"}


class Search:
    """The nearest of some points: of equal distances the first.

    Parameters
    ----------
    points : ndarray or CSR of shape (n_points, n_features)
        Where to look.
    metric : str or callable
        One of `PAIRS` and `MATRICES`, by any of its names in scikit-learn; others are
        computed by scikit-learn. A function takes two rows.
    params : dict
        Of the metric.
    """

    def __init__(self, points, metric, params):
        self.metric = (
            _OTHER_NAMES.get(metric, metric) if isinstance(metric, str) else metric
        )
        self.named = self.metric, dict(params)
        params = dict(params)
        if self.metric == "minkowski":
            params = {"p_": params.get("p", 2), "w": params.get("w")}
        elif self.metric != "mahalanobis":
            params.pop("p", None)
        self.params = params
        self.points = points if is_sparse(points) else np.asarray(points, dtype=np.float64)
        self._tree = None
        if self.metric not in ("euclidean", "sqeuclidean"):
            if is_sparse(self.points):
                self.points = self.points.toarray().astype(np.float64)
            return
        if is_sparse(self.points):
            self.points = as_csr(self.points).astype(np.float64)
            self.center = 0.0
            data = self.points.data
            self.norms = np.bincount(
                row_of_entry(self.points), data * data, self.points.shape[0]
            )
        else:
            self.center = self.points.mean(axis=0)
            self.centred = self.points - self.center
            self.norms = np.einsum("ij,ij->i", self.centred, self.centred)

    def tree(self, kind, leaf_size):
        """A search tree of scikit-learn, where that is imported; None else."""
        module = sys.modules.get("sklearn.neighbors")
        if module is None or is_sparse(self.points):
            return None
        if self._tree is None:
            metric, params = self.named
            metric = metric.removesuffix(" of trees")
            make = {"kd_tree": module.KDTree, "ball_tree": module.BallTree}[kind]
            self._tree = make(self.points, leaf_size, metric=metric, **params)
        return self._tree

    def nearest(self, X, k, tree=None):
        """Positions and distances of the k nearest points of each row, nearest first."""
        n_points, n_features = self.points.shape
        per_row = n_points + (k + _MORE) * n_features
        if self.metric in PAIRS and self.metric not in ("euclidean", "sqeuclidean"):
            per_row = n_points * n_features
        n_rows = X.shape[0]
        size = n_rows if tree is not None else max(1, _BLOCK // per_row)
        parts = [self._of(X[i : i + size], k, tree) for i in range(0, n_rows, size)]
        positions, distances = zip(*parts, strict=True)
        return np.concatenate(positions), np.concatenate(distances)

    def _of(self, X, k, tree):
        X = X.toarray() if is_sparse(X) else X
        if tree is None and self.metric not in ("euclidean", "sqeuclidean"):
            return smallest(self._matrix(X), k)
        n_points = self.points.shape[0]
        n_taken = min(n_points, k + _MORE)
        if tree is not None:
            beyond, taken = tree.query(X, n_taken)
            beyond = beyond[:, -1] * (1 - 1e-9)
        else:
            near = X - self.center
            norms = np.einsum("ij,ij->i", near, near)
            if is_sparse(self.points):
                squared = np.ascontiguousarray((self.points @ (-2 * near).T).T)
            else:
                squared = (-2 * near) @ self.centred.T
            squared += self.norms
            taken = _lowest(squared, n_taken)
            rounding = _ROUNDING * X.shape[1] * (norms + self.norms.max())
            beyond = np.take_along_axis(squared, taken, axis=1).max(axis=1) + norms
            beyond = np.sqrt(np.maximum(beyond - rounding, 0))
            if self.metric == "sqeuclidean":
                beyond **= 2
        taken = np.sort(taken, axis=1)
        found = self._pairs(X[:, None], self._taken(taken))
        positions, distances = smallest(found, k)
        positions = np.take_along_axis(taken, positions, axis=1)
        if n_taken < n_points:
            for row in np.flatnonzero(~(distances[:, -1] < beyond)):
                positions[row], distances[row] = self._of_all(X[row], k)
        return positions, distances

    def _taken(self, positions):
        if not is_sparse(self.points):
            return self.points[positions]
        rows = self.points[positions.ravel()].toarray()
        return rows.reshape(*positions.shape, -1)

    def _of_all(self, x, k):
        n_points, n_features = self.points.shape
        size = max(1, _BLOCK // n_features)
        parts = [
            self._pairs(x, self._taken(np.arange(start, min(start + size, n_points))))
            for start in range(0, n_points, size)
        ]
        positions, distances = smallest(np.concatenate(parts)[None], k)
        return positions[0], distances[0]

    def _pairs(self, x, p):
        return PAIRS[self.metric](x, p, **self.params)

    def _matrix(self, X):
        if self.metric in MATRICES:
            return MATRICES[self.metric](X, self.points)
        if self.metric in PAIRS:
            return self._pairs(X[:, None], self.points)
        from sklearn.metrics import pairwise_distances

        metric, params = self.named
        return pairwise_distances(X, self.points, metric=metric, **params)


def _lowest(values, k):
    """Positions of the k lowest values of each row, in any order.

    Columns far apart make groups. The k lowest are in the k groups of the lowest minima, so
    that only these are searched.
    """
    n = values.shape[1]
    size = isqrt(n // k)  # of a group: about as many minima as values are then searched
    if size < 2:
        return np.argpartition(values, k - 1)[:, :k]
    step = n // size
    low = values[:, :step].copy()
    for start in range(step, step * size, step):
        np.minimum(low, values[:, start : start + step], out=low)
    groups = np.argpartition(low, k - 1)[:, :k]
    taken = (groups[:, None] + step * np.arange(size)[:, None]).reshape(len(values), -1)
    rest = np.arange(step * size, n)
    taken = np.hstack([taken, np.broadcast_to(rest, (len(values), len(rest)))])
    found = np.argpartition(np.take_along_axis(values, taken, axis=1), k - 1)[:, :k]
    return np.take_along_axis(taken, found, axis=1)


def smallest(distances, k):
    """Positions and values of the k smallest of each row, of equal ones the first."""
    n = distances.shape[1]
    if k + 1 < n:
        taken = np.argpartition(distances, (k - 1, k))
        taken, next_ = taken[:, :k], taken[:, k]
        values = np.take_along_axis(distances, taken, axis=1)
        at = np.take_along_axis(distances, next_[:, None], axis=1)[:, 0]
        unsure = np.flatnonzero(~(values.max(axis=1) < at))
        taken[unsure] = np.argsort(distances[unsure], axis=1, kind="stable")[:, :k]
        taken.sort(axis=1)
    else:
        taken = np.broadcast_to(np.arange(n), distances.shape)
    values = np.take_along_axis(distances, taken, axis=1)
    order = np.argsort(values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(taken, order, axis=1), np.take_along_axis(
        values, order, axis=1
    )
