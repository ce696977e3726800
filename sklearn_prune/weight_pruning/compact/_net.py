"""Nets that predict without the library that trained them."""

from copy import copy

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.extmath import softmax
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array

from sklearn_prune.weight_pruning.compact._base import Compact
from sklearn_prune.weight_pruning.compact._net_layers import FRESH, Dense, layer_of
from sklearn_prune.weight_pruning.compact._net_shrink import expand, shrink
from sklearn_prune.weight_pruning.compact._net_weights import (
    SparseWeights,
    in_full,
    quantized,
    stored,
    values_of,
)

_COST_OF_TAKING = 8  # products that take as long as taking a column of a row apart
_BLOCK = 1024  # rows of images that go through the net at a time


class CompactNet(Compact):
    """The layers of a net, dense or sparse, without the units that do not matter.

    Attributes
    ----------
    layers_ : list of Layer
        In the order in which they run; the first reads the rows.
    columns_ : ndarray of int, or None
        The columns of the rows that are read; None is all.
    """

    @classmethod
    def of(cls, graph, values, n_features, *, names=None, **facts):
        """Shrink a graph with its values and store what is left.

        Parameters
        ----------
        graph : Graph
            The full net.
        values : dict of str -> ndarray
            Its parameters, zero where they are pruned.
        n_features : int or None
            Number of columns; None for rows of more dimensions.
        names : ndarray of str, or None
            Names of the columns.
        **facts
            Attributes of the predictor.

        Returns
        -------
        CompactNet
            Its results differ from the full net's by rounding only.
        """
        compact = cls()
        small = shrink(graph, values)
        sites = graph.sites
        compact._sites = [
            (site.unit, site.makers, site.readers, np.packbits(kept), site.size)
            for site, kept in zip(sites, small.kept, strict=True)
        ]
        compact._folded = small.folded
        compact.columns_ = None
        for site, kept in zip(sites, small.kept, strict=True):
            if site.unit == "input" and not kept.all():
                compact.columns_ = _smallest(np.flatnonzero(kept))
        dtype = next(
            (value.dtype for value in small.values.values() if value.ndim > 1),
            np.dtype(np.float32),
        )
        compact._dtype = dtype
        compact.layers_ = _layers(small)
        compact.n_features_in_ = n_features
        if names is not None:
            compact.feature_names_in_ = names
        for name, value in facts.items():
            setattr(compact, name, value)
        compact._settle()
        return compact

    def _settle(self):
        """Spread the weights of the first layer over all columns where that is faster."""
        self._takes = False
        if self.columns_ is None:
            return
        first = [layer for layer in self.layers_ if layer.inputs == (0,)]
        dense = all(type(layer) is Dense for layer in first)
        if self.n_features_in_ is None or not dense:
            self._takes = True
            return
        n_read, n_features = len(self.columns_), self.n_features_in_
        n_out = sum(
            layer.weights.shape[0]
            for layer in first
            if not isinstance(layer.weights, SparseWeights)
        )
        self._takes = n_read * (_COST_OF_TAKING + n_out) < n_out * n_features
        if self._takes:
            return
        for layer in first:
            full = np.zeros((layer.weights.shape[0], n_features), self._dtype)
            full[:, self.columns_] = in_full(layer.weights)
            sparse = isinstance(layer.weights, SparseWeights)
            layer.weights = SparseWeights.of(full) if sparse else full

    def __sklearn_is_fitted__(self):
        return hasattr(self, "layers_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.n_features_in_ is not None
        tags.input_tags.three_d_array = self.n_features_in_ is None
        return tags

    def forward(self, X):
        """The scores of rows: the result of the last layer.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows, ...)
            As the net gives them.
        """
        X = self._rows(X)
        if X.ndim == 2 or len(X) <= _BLOCK:
            return self._run(X)
        blocks = range(0, len(X), _BLOCK)
        return np.concatenate([self._run(X[start : start + _BLOCK]) for start in blocks])

    def _rows(self, X):
        """Rows as an array of the net's own precision."""
        if self.n_features_in_ is not None and hasattr(self, "_checks_width"):
            X = self._check(X)
            return X.toarray() if hasattr(X, "toarray") else X
        if type(X) is np.ndarray and X.dtype == self._dtype and np.isfinite(np.sum(X)):
            return X
        X = check_array(np.asarray(X), dtype=self._dtype, ensure_2d=False, allow_nd=True)
        return X

    def _run(self, X):
        if self._takes:
            X = X.take(self.columns_, axis=1)
        results = [X]
        for layer in self.layers_:
            results.append(layer(*[results[number] for number in layer.inputs]))
        return results[-1]

    def full_values(self):
        """Parameters by name at the width of the full net, zeros for what is gone."""
        from sklearn_prune.weight_pruning.families._net_graph import Site

        sites = [
            Site(unit, size, 0, makers, readers)
            for unit, makers, readers, _, size in self._sites
        ]
        kept = [
            np.unpackbits(bits, count=size).astype(bool)
            for _, _, _, bits, size in self._sites
        ]
        taken = [
            None
            if site.unit == "input" and not self._takes and self.columns_ is not None
            else mask
            for site, mask in zip(sites, kept, strict=True)
        ]
        found = {}
        for layer in self.layers_:
            masks = taken if layer.inputs == (0,) else kept
            arrays = (layer.weights, layer.bias, layer.slopes)
            for name, array in zip(layer.names, arrays, strict=True):
                if name is not None and array is not None:
                    found[name] = expand(in_full(array), name, sites, masks)
        for name, value in self._folded.items():
            if name not in found:
                size = next(size for _, makers, _, _, size in self._folded_sites(name))
                found[name] = np.full(size, value, dtype=self._dtype)
        return found

    def _folded_sites(self, name):
        for site in self._sites:
            if any(maker == name for maker, _ in site[1]):
                yield site

    def quantized(self, quantizer):
        """A copy whose weights are rounded and stored small."""
        small = copy(self)
        small.layers_ = [copy(layer) for layer in self.layers_]
        for layer in small.layers_:
            if layer.weights is not None and np.ndim(layer.weights) != 1:
                layer.weights = quantized(layer.weights, quantizer)
        return small

    def _stored(self):
        for layer in self.layers_:
            for array in (layer.weights, layer.bias, layer.slopes):
                if array is not None:
                    yield values_of(array)


def _smallest(positions):
    return positions.astype(np.min_scalar_type(int(positions.max(initial=0))))


def _layers(small):
    """Layers of a shrunk net; an activation becomes part of the layer that it follows."""
    operations = small.graph.operations
    n_readers = np.bincount(
        [source for operation in operations for source in operation.inputs],
        minlength=len(operations),
    )
    layers, place = [], {0: 0}
    for position, operation in enumerate(operations):
        if operation.kind == "input":
            continue
        layer = layer_of(operation)
        weight, bias, slopes = layer.names
        layer.weights = None if weight is None else small.values[weight]
        if operation.kind in ("dense", "conv"):
            layer.weights = stored(layer.weights)
        layer.bias = None if bias is None else small.values[bias]
        layer.slopes = None if slopes is None else small.values[slopes]
        source = operation.inputs[0]
        follows = operation.kind == "activation" and n_readers[source] == 1
        if follows and operations[source].kind in FRESH:
            before = layers[place[source] - 1]
            if before.activation == "identity":
                before.activation, before.facts = layer.activation, layer.facts
                before.slopes = layer.slopes
                before.names = (*before.names[:2], slopes)
                place[position] = place[source]
                continue
        layer.inputs = tuple(place[number] for number in operation.inputs)
        layers.append(layer)
        place[position] = len(layers)
    return layers


def _gives_probabilities(compact):
    return compact.output_ is not None


class CompactNetClassifier(ClassifierMixin, CompactNet):
    """A net for classes.

    `output_` says what makes probabilities of its scores: "softmax", "sigmoid" (one score
    for the second of two classes, or one for each label), or "identity".
    """

    _checks_width = True
    output_ = "softmax"
    multilabel_ = False
    threshold_ = 0.5

    def predict(self, X):
        """Predict classes, or which labels a row has."""
        scores = self.forward(X)
        if self.multilabel_:
            return (scores > 0).astype(np.int64)
        if self._is_single(scores):
            scores = scores.ravel()
            if self.output_ == "sigmoid" and self.threshold_ == 0.5:
                codes = scores > 0
            else:
                positive = expit(scores) if self.output_ == "sigmoid" else scores
                codes = positive > self.threshold_
        else:
            codes = scores.argmax(axis=1)
        return self.classes_.take(codes.astype(np.intp))

    @staticmethod
    def _is_single(scores):
        return scores.ndim == 1 or scores.shape[1] == 1

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Class probabilities, of shape (n_rows, n_classes)."""
        scores = self.forward(X)
        if self.output_ == "softmax":
            return softmax(scores)
        positive = expit(scores) if self.output_ == "sigmoid" else scores
        if self.multilabel_ or not self._is_single(scores):
            return positive
        positive = positive.ravel()
        return np.stack([1 - positive, positive], axis=1)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class CompactNetRegressor(RegressorMixin, CompactNet):
    """A net for numbers; `output_` "exp" gives the exponential of its scores."""

    _checks_width = True
    output_ = "identity"
    flat_ = True

    def predict(self, X):
        """Predict targets."""
        scores = self.forward(X)
        if self.output_ == "exp":
            scores = np.exp(scores)
        if self.flat_ and scores.ndim == 2 and scores.shape[1] == 1:
            return scores.ravel()
        return scores
