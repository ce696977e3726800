"""Nearest-neighbour predictors: stored points with their labels or targets."""

from copy import copy

import numpy as np

from .base import Compact
from .distances import Search
from .frames import CSR, as_scipy
from .quantized import QuantizedArray, dense, is_sparse

_BLOCK = 2_000_000  # distances that are held at once
_MANY = 1_000_000  # pairs of a row and a point from which a tree is worth its making
_FEW = 8  # neighbours that are found one after the other
_OWN_DTYPES = (np.uint8, np.int8, np.uint16, np.int16, np.float32)


class CompactNeighbors(Compact):
    """Stored points, what each stands for, and how the nearest are found and weighed.

    Parameters are the points and their codes or targets. `search_` is "kd_tree",
    "ball_tree" or "brute" as the fitted model searched, or "products" for Euclidean
    distances by matrix products in float32. Of points at the same distance the first
    ones are taken, whatever the search. What a search stands on is built by the first call
    and kept for the next, but not pickled. Search trees are scikit-learn's. They are used
    for many rows and points where scikit-learn is imported.
    """

    _made_here = ("_compiled", "_index")
    _quantizable = ("points_",)
    _outputs = None

    def searching_by_products(self):
        """A copy that finds Euclidean neighbours by matrix products."""
        other = copy(self)
        if self.metric_ == "euclidean" and not is_sparse(self.points_):
            other.search_ = "products"
        return other

    def quantized(self, quantizer):
        """A copy whose points are rounded; sparse points are refused."""
        if is_sparse(self.points_):
            raise ValueError(
                "quantize rounds dense rows of nearest neighbours. Got a sparse X. Write "
                "quantize=None, or X.toarray()."
            )
        small = super().quantized(quantizer)
        return small.searching_by_products() if small.search_ == "brute" else small

    def n_parameters(self):
        """Number of features plus outputs, times the number of points."""
        n_points, n_features = self.points_.shape
        return n_points * n_features + np.size(getattr(self, self._outputs))

    def n_nonzero(self):
        """Number of those that are not zero."""
        points = self.points_ if is_sparse(self.points_) else dense(self.points_)
        stored = points.nnz if is_sparse(points) else np.count_nonzero(points)
        return int(stored) + np.size(getattr(self, self._outputs))

    def _check(self, X):
        if X is None:
            raise ValueError(
                "The compact form of nearest neighbours predicts rows of X. Got X=None. "
                "Pass the rows, or ask the model that it was made of."
            )
        X = X if self._is_plain(X) else self._read(X)
        if is_sparse(X) and self.search_ != "products":
            return X
        X = X.toarray() if is_sparse(X) else X
        return np.ascontiguousarray(X, dtype=np.float64)

    def _points(self):
        """The points in the dtype in which the model was fitted."""
        if isinstance(self.points_, QuantizedArray) or is_sparse(self.points_):
            return as_scipy(dense(self.points_))
        return self.points_.astype(self.dtype_, copy=False)

    def _nearest(self, X):
        """Positions of the nearest points of each row; their distances, if they count."""
        k, wanted = self.n_neighbors_, self.weights_ == "distance"
        if self.search_ == "products":
            points = self._points()
            positions = nearest_by_products(X, points, k)
            if not wanted:
                return positions, None
            offsets = points[positions].astype(np.float64) - X[:, None]
            return positions, np.sqrt(np.einsum("ijk,ijk->ij", offsets, offsets))
        search = self.__dict__.get("_index")
        if search is None:
            metric = self.metric_
            if metric == "braycurtis" and self.search_ != "brute":
                metric = "braycurtis of trees"  # scikit-learn has two
            search = Search(dense(self.points_), metric, self.metric_params_)
            if not isinstance(self.points_, QuantizedArray):
                self._index = search
        finder = None
        if self.search_ != "brute" and X.shape[0] * self.points_.shape[0] > _MANY:
            finder = search.tree(self.search_, self.leaf_size_)
        positions, distances = search.nearest(X, k, finder)
        return positions, distances if wanted else None


class CompactNeighborsClassifier(CompactNeighbors):
    """Votes of the nearest points."""

    _parameters = ("points_", "codes_")
    _outputs = "codes_"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = True
        return tags

    def predict(self, X):
        """The class with the most votes, the first of equals."""
        positions, distances = self._nearest(self._check(X))
        if self.codes_.ndim == 1:
            return self.classes_[
                _majority(self.codes_[positions], distances, len(self.classes_))
            ]
        return np.column_stack(
            [
                classes[_majority(codes[positions], distances, len(classes))]
                for classes, codes in zip(self.classes_, self.codes_.T, strict=True)
            ]
        )

    def predict_proba(self, X):
        """Shares of the votes, a list of them for several outputs."""
        positions, distances = self._nearest(self._check(X))
        if self.codes_.ndim == 1:
            return _shares(self.codes_[positions], distances, len(self.classes_))
        return [
            _shares(codes[positions], distances, len(classes))
            for classes, codes in zip(self.classes_, self.codes_.T, strict=True)
        ]


class CompactNeighborsRegressor(CompactNeighbors):
    """Means over the nearest points."""

    _parameters = ("points_", "targets_")
    _outputs = "targets_"

    def predict(self, X):
        """Means of the targets of the nearest points, weighted as the model does."""
        positions, distances = self._nearest(self._check(X))
        targets = self.targets_.reshape(len(self.targets_), -1)
        if distances is None:
            predicted = np.mean(targets[positions], axis=1)
        else:
            weights = inverse_distances(distances)
            total = np.sum(weights, axis=1)
            predicted = np.column_stack(
                [
                    np.sum(column[positions] * weights, axis=1) / total
                    for column in targets.T
                ]
            )
        return predicted.ravel() if self.targets_.ndim == 1 else predicted


def nearest_by_products(rows, points, n_neighbors=1):
    """Positions of the Euclidean neighbours of each row, nearest first, ties by position.

    Distances are compared in float32, after the points are centred. O(n_rows * n_points *
    (n_features + n_neighbors)) for few neighbours.
    """
    center = points.mean(axis=0, dtype=np.float64)
    points = (points - center).astype(np.float32)
    norms = np.einsum("ij,ij->i", points, points)
    minus_twice = -2 * points.T
    positions = np.empty((len(rows), n_neighbors), dtype=np.intp)
    size = max(1, _BLOCK // len(points))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        squared = (rows[part] - center).astype(np.float32) @ minus_twice
        squared += norms
        if n_neighbors > _FEW:
            few = np.sort(np.argpartition(squared, n_neighbors - 1)[:, :n_neighbors])
            order = np.argsort(np.take_along_axis(squared, few, axis=1), kind="stable")
            positions[part] = np.take_along_axis(few, order, axis=1)
            continue
        each = np.arange(len(squared))
        for number in range(n_neighbors):
            positions[part, number] = nearest = np.argmin(squared, axis=1)
            if number + 1 < n_neighbors:
                squared[each, nearest] = np.inf
    return positions


def smallest_exact(points):
    """The points in the smallest dtype that holds them exactly."""
    if is_sparse(points):
        return CSR.of(points)
    if points.dtype.kind not in "iuf" or np.isnan(points).any():
        return points
    for dtype in _OWN_DTYPES:
        limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
        fits = points.size and points.min() >= limits.min and points.max() <= limits.max
        if np.dtype(dtype).itemsize < points.itemsize and fits:
            narrow = points.astype(dtype)
            if np.array_equal(narrow, points):
                return narrow
    return points


def inverse_distances(distances):
    """Weights 1 / distance; where some are 0, those points alone count."""
    with np.errstate(divide="ignore"):
        weights = 1.0 / distances
    same = np.isinf(weights)
    found = same.any(axis=1)
    weights[found] = same[found]
    return weights


def _majority(codes, distances, n_classes):
    """The code with the most votes in each row, the smallest of equals."""
    if codes.shape[1] == 1:
        return codes[:, 0]
    if distances is not None:
        weights, known = inverse_distances(distances), np.unique(codes)
        votes = [np.sum(np.where(codes == code, weights, 0.0), axis=1) for code in known]
        return known[np.argmax(votes, axis=0)].astype(np.intp)
    return np.argmax(_counts(codes, n_classes), axis=1)


def _counts(codes, n_classes):
    each = np.arange(len(codes))[:, None] * n_classes + codes
    counts = np.bincount(each.ravel(), minlength=len(codes) * n_classes)
    return counts.reshape(len(codes), n_classes)


def _shares(codes, distances, n_classes):
    """Votes for each class as shares of all."""
    if distances is None:
        votes = _counts(codes, n_classes).astype(np.float64)
    else:
        weights = inverse_distances(distances)
        votes = np.zeros((len(codes), n_classes))
        each = np.arange(len(codes))
        for column, weight in zip(codes.T, weights.T, strict=True):
            votes[each, column] += weight
    return votes / votes.sum(axis=1)[:, None]
