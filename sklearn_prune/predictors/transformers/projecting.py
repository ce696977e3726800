"""Projections on components, and products of columns."""

from itertools import combinations, combinations_with_replacement
from math import comb

import numpy as np

from ..frames import FLOATS, REALS, as_csr, is_sparse
from ..quantized import is_count, need
from .base import CompactTransformer


class _Projection(CompactTransformer):
    """Products of rows with components.

    The last bits of products follow from the order of arrays in memory. `steps` tells how
    far the next row and the next column of the components were, in entries.
    """

    _sparse = True

    @classmethod
    def of(cls, fitted):
        """The form of a fitted projection."""
        made = super().of(fitted)
        values = fitted.components_
        made.steps = [step // values.itemsize for step in values.strides]
        made.components_ = np.array(values, order="C")
        return made

    def check_attributes(self):
        """Raise ValueError unless the places in memory are integers."""
        whole = all(isinstance(step, int) for step in self.steps)
        need(whole and len(self.steps) == 2, "steps")

    def laid_out(self):
        """The components, in memory as they were."""
        return _laid_out(self.components_, self.steps)

    def _make(self):
        return self.laid_out().T

    def get_feature_names_out(self, input_features=None):
        """Names such as pca0."""
        return self._numbered(len(self.components_))


def _laid_out(values, steps):
    """A copy of an array whose next rows and columns are some entries away."""
    ends = [step * (size - 1) for step, size in zip(steps, values.shape, strict=True)]
    first, last = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
    if not values.size or last - first > 64 * values.size or 0 in steps:
        return values
    memory = np.zeros(last - first + 1, values.dtype)
    apart = [step * values.itemsize for step in steps]
    found = np.lib.stride_tricks.as_strided(memory[-first:], values.shape, apart)
    found[:] = values
    return found if np.array_equal(found, values, equal_nan=True) else values


class CompactPCA(_Projection):
    """PCA: projections on the directions of largest variance."""

    _attributes = ("mean_", "whiten")

    @classmethod
    def of(cls, fitted):
        """The form of a fitted PCA."""
        made = super().of(fitted)
        made.explained_variance_ = None
        if fitted.whiten:
            made.explained_variance_ = fitted.explained_variance_.copy()
        return made

    def _make(self):
        right, scale = super()._make(), None
        if self.whiten:
            scale = np.sqrt(self.explained_variance_)
            scale = np.maximum(scale, np.finfo(scale.dtype).eps)
        return right, np.reshape(self.mean_, (1, -1)) @ right, scale

    def _apply(self, X):
        right, shift, scale = self._made()
        found = self._ready(X, REALS) @ right
        found -= shift
        if scale is not None:
            found /= scale
        return found


class CompactTruncatedSVD(_Projection):
    """TruncatedSVD: projections on singular vectors."""

    def _apply(self, X):
        return self._ready(X, "numeric") @ self._made()


class CompactPolynomialFeatures(CompactTransformer):
    """PolynomialFeatures: all products of columns up to a degree."""

    _sparse = True
    _attributes = ("interaction_only", "include_bias", "order", "n_output_features_")

    @classmethod
    def of(cls, fitted):
        """The form of a fitted PolynomialFeatures."""
        made = super().of(fitted)
        made.degrees = [int(fitted._min_degree), int(fitted._max_degree)]
        return made

    def check_attributes(self):
        """Raise ValueError unless the number of products is what it has to be."""
        n, (least, most) = self.n_features_in_, self.degrees
        need(is_count(least) and is_count(most) and least <= most <= 64, "degrees")
        total = int(self.include_bias)
        for degree in range(max(least, 1), most + 1):
            total += comb(n if self.interaction_only else n + degree - 1, degree)
        need(total == self.n_output_features_ and total < 1 << 24, "n_output_features_")

    def _make(self):
        """Of each degree above 0, the columns of all products."""
        choose = combinations if self.interaction_only else combinations_with_replacement
        least, most = self.degrees
        return [
            np.array(list(choose(range(self.n_features_in_), degree)), np.intp).reshape(
                -1, degree
            )
            for degree in range(max(least, 1), most + 1)
        ]

    def _apply(self, X):
        X = self._ready(X, FLOATS)
        if is_sparse(X):
            return as_csr(self._products(X.toarray(), 1))
        return self._products(X, -1)

    def _products(self, X, step):
        """All products, whose factors are multiplied from the first or from the last."""
        parts = [np.ones((len(X), 1), X.dtype)] if self.include_bias else []
        for columns in self._made():
            first, *others = columns.T[::step]
            product = X[:, first]
            for own in others:
                product *= X[:, own]
            parts.append(product)
        if not parts:
            return np.empty((len(X), 0), X.dtype)
        return np.asarray(np.concatenate(parts, axis=1), order=self.order)

    def get_feature_names_out(self, input_features=None):
        """Names such as x0^2 x1."""
        names = self._names_in(input_features)
        found = ["1"] if self.include_bias else []
        for columns in (own for degree in self._made() for own in degree.tolist()):
            counts = {at: columns.count(at) for at in columns}
            terms = [
                names[at] if count == 1 else f"{names[at]}^{count}"
                for at, count in counts.items()
            ]
            found.append(" ".join(terms))
        return np.array(found, dtype=object)
