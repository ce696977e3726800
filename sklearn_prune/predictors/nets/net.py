"""Nets as sliced layers, which predict without the library that trained them."""

from copy import copy

import numpy as np

from ..base import Compact
from ..frames import as_numbers, check_finite
from ..links import expit
from ..quantized import is_sparse
from .activations import activate
from .graph import Site
from .layers import Dense, layers_of
from .shrink import expand, shrink
from .weights import SparseWeights, in_full, stored, values_of, wide

# Rows that go through the net together: what lies between layers stays small.
_ROWS_AT_ONCE, _MAPS_AT_ONCE = 4096, 256
# Taking a column of X apart costs about as much as this many products with it.
_COST_OF_TAKING = 8
# Spreading a weight over all columns, as many as for one row.
_COST_OF_WIDENING = 20


class CompactNet(Compact):
    """A net without the units that do not matter, its weights stored small.

    Attributes
    ----------
    layers_ : tuple of Layer
        In the order in which they run; the last gives the scores.
    sites_ : tuple of (int, tuple, tuple, ndarray of uint8 or None)
        Size, makers and readers of units that could go, and packed bits of those that
        are left; None is all.
    columns_ : ndarray of uint8 or None
        Packed bits of the inputs, along axis 1, that the layers read; None is all.
    folded_ : dict of str -> (float, int)
        Names of factors and offsets that other parameters contain, what each entry is
        and how many are left.
    input_shape_ : tuple of int or None
        Shape of a row, where X has more than two dimensions.
    training_ : dict or None
        What training on needs and predictions do not: "entries" of parameters that were
        not cut, factors and offsets of "norms". Files do not hold it.
    """

    input_shape_ = columns_ = None
    training_ = None
    _file_packs = ("columns_", "folded_", "layers_", "sites_")

    def _file_state(self, mapped=False):
        state = super()._file_state(mapped)
        state.pop("training_", None)
        return state

    @classmethod
    def of(cls, graph, values, n_features, *, names=None, order="C", **facts):
        """Store a net in its smallest form that computes the same.

        Parameters
        ----------
        graph : Graph
            Its operations.
        values : dict of str -> ndarray
            Their parameters; what the graph does not name is left out.
        n_features : int or None
            Number of columns of X; None where X has more than two dimensions.
        names : ndarray of str or None
            Their names.
        order : {"C", "F"}, default="C"
            Order of dense weights in memory. Products round as in the library that fitted
            the net where it is the same.
        **facts
            Attributes that say how predictions are made of scores.

        Returns
        -------
        CompactNet
            Its scores differ from the full net's by rounding only.
        """
        compact = cls()
        small = shrink(graph, values)
        parameters = {
            name: stored(value, order) if value.ndim > 1 else np.array(value)
            for name, value in small.values.items()
        }
        compact.columns_, sites = None, []
        for site, mask in zip(graph.sites, small.kept, strict=True):
            bits = None if mask.all() else np.packbits(mask)
            if site.unit == "input" and bits is not None:
                if _widened(site, parameters, mask):
                    bits = None
                else:
                    compact.columns_ = bits
            sites.append((site.size, site.makers, site.readers, bits))
        compact.sites_ = tuple(sites)
        compact.folded_ = small.folded
        compact.layers_ = layers_of(small.graph.operations, parameters)
        compact._dtype = _float_type(small.values)
        compact.n_features_in_ = n_features
        if names is not None:
            compact.feature_names_in_ = names
        for name, value in facts.items():
            setattr(compact, name, value)
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "layers_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.n_features_in_ is not None
        tags.input_tags.three_d_array = self.n_features_in_ is None
        return tags

    def _check(self, X):
        if self.n_features_in_ is not None:
            return super()._check(X)
        shape = self.input_shape_
        if not (type(X) is np.ndarray and X.dtype == self._dtype and np.isfinite(X.sum())):
            X = as_numbers(np.asarray(X), self._dtype)
            if X.ndim < 1 or not len(X):
                raise ValueError(
                    f"X must have at least one row. Got the shape {X.shape}. Pass the rows "
                    "to predict."
                )
            check_finite(self, X)
        if shape is not None and X.shape[1:] != tuple(shape):
            raise ValueError(
                f"X must have rows of the shape {tuple(shape)}. Got {X.shape[1:]}. Write "
                f"X.reshape(-1, {', '.join(map(str, shape))})."
            )
        return X

    def _is_plain(self, X):
        """Whether X is a float array without anything to refuse; one row has a fast way."""
        if type(X) is np.ndarray and X.ndim == 2 and X.shape[0] == 1:
            return (
                X.dtype.char in "fd"
                and X.shape[1] == self.n_features_in_
                and not hasattr(self, "feature_names_in_")
                and bool(np.isfinite(np.dot(X[0], X[0])))
            )
        return super()._is_plain(X)

    def forward(self, X):
        """Scores of rows: what the last operation gives.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows; CSR passes where they are plain columns.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            In the precision of the net.
        """
        X = self._check(X)
        if X.shape[0] <= _MAPS_AT_ONCE:
            return self._run(X)
        size = _ROWS_AT_ONCE if self._only_dense() else _MAPS_AT_ONCE
        starts = range(0, X.shape[0], size)
        return np.concatenate([self._run(X[start : start + size]) for start in starts])

    def _compile(self):
        if self._only_dense() and self.n_features_in_ is not None:
            for n_rows in (1, _MAPS_AT_ONCE):
                self._run(np.zeros((n_rows, self.n_features_in_), dtype=self._dtype))

    def _only_dense(self):
        return all(isinstance(layer, Dense) for layer in self.layers_)

    def _run(self, X):
        layers = self.layers_
        if self.columns_ is not None:
            X, layers = self._at_columns(X)
        results = [X]
        for layer in layers:
            inputs = [results[position] for position in layer.inputs]
            results.append(layer(*inputs, compiled=self._compiled))
        return results[-1]

    def _at_columns(self, X):
        """The columns that are read, or all and layers of that width, if that is faster."""
        mask = np.unpackbits(self.columns_, count=X.shape[1]).view(bool)
        first = [layer for layer in self.layers_ if 0 in layer.inputs]
        n_products = sum(layer.n_products() for layer in first)
        n_read = np.count_nonzero(mask)
        if X.shape[0] * n_read * (_COST_OF_TAKING + n_products) > mask.size * n_products * (
            X.shape[0] + _COST_OF_WIDENING
        ):
            layers = [
                layer.widened(mask) if 0 in layer.inputs else layer
                for layer in self.layers_
            ]
            return X, layers
        columns = np.flatnonzero(mask)
        X = X[:, columns] if is_sparse(X) else X.take(columns, axis=1)
        return X, self.layers_

    def full_values(self):
        """Parameters at the width of the full net, zeros for what is gone, by name.

        Returns
        -------
        dict of str -> ndarray
            They compute the same. A factor that other parameters contain is 1, an offset
            0.
        """
        sites, kept = [], []
        for size, makers, readers, bits in self.sites_:
            sites.append(Site("", size, 0, makers, readers))
            mask = None if bits is None else np.unpackbits(bits, count=size).view(bool)
            kept.append(mask)
        found = {}
        for layer in self.layers_:
            arrays = (layer.weights, layer.bias, layer.slopes)
            for name, array in zip(layer.names, arrays, strict=True):
                if name is not None:
                    full = in_full(array).astype(self._dtype, copy=False)
                    found[name] = expand(full, name, sites, kept)
        for name, (value, size) in self.folded_.items():
            found[name] = expand(np.full(size, value, self._dtype), name, sites, kept)
        return found

    def quantized(self, quantizer):
        """A copy with rounded weights, which computes in float32.

        Biases stay floats: half floats where that moves them by less than integers of one
        byte would move a weight.
        """
        small = copy(self)
        small.layers_ = tuple(layer.quantized(quantizer) for layer in self.layers_)
        small._dtype = np.float32
        return small

    def n_parameters(self):
        """Number of weights that are not zero, and of biases, slopes and factors.

        A zero that a dense layer stores is no parameter that was kept; bytes count it.
        """
        total = 0
        for layer in self.layers_:
            for array in (layer.weights, layer.bias, layer.slopes):
                if array is not None:
                    values = values_of(array)
                    count = np.count_nonzero if values.ndim > 1 else np.size
                    total += int(count(values))
        return total

    def _stored(self):
        for layer in self.layers_:
            for array in (layer.weights, layer.bias, layer.slopes):
                if array is not None:
                    yield values_of(array)


def _float_type(values):
    """Double precision if any parameter has it."""
    wide = any(value.dtype == np.float64 for value in values.values())
    return np.float64 if wide else np.float32


def _widened(site, parameters, mask):
    """Count the columns of sparse weights from those of X; False if any is not sparse.

    False too where a factor for each column, which has none for the others, comes first.
    """
    names = [name for name, _, _ in site.readers]
    if site.makers or any(
        not isinstance(parameters[name], SparseWeights) or len(parameters[name].shape) > 2
        for name in names
    ):
        return False
    for name in names:
        parameters[name] = SparseWeights.of(wide(parameters[name], mask))
    return True


class CompactNetClassifier(CompactNet):
    """A net that classifies.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    output_ : {"softmax", "sigmoid", "identity"}
        What makes probabilities of scores.
    multilabel_ : bool
        Whether each output is a label by itself.
    threshold_ : float
        Probability above which a row has the second of two classes, or a label.
    """

    output_ = "softmax"
    multilabel_ = False
    threshold_ = 0.5

    def predict(self, X):
        """Predict the class of largest score, or for each label whether a row has it."""
        scores = self.forward(X)
        if self.multilabel_:
            return (scores > self._least_score()).astype(np.int64)
        if scores.ndim == 1 or scores.shape[1] == 1:
            codes = (scores.ravel() > self._least_score()).astype(np.intp)
            codes = np.minimum(codes, len(self.classes_) - 1)  # a fold may have one class
        else:
            codes = scores.argmax(axis=1)
        return self.classes_.take(codes)

    def _least_score(self):
        """The score that has the probability `threshold_`."""
        if self.output_ != "sigmoid":
            return self.threshold_
        if self.threshold_ == 0.5:
            return 0.0
        with np.errstate(divide="ignore"):
            return np.log(self.threshold_) - np.log1p(-self.threshold_)

    def predict_proba(self, X):
        """Class probabilities; of several labels, one column each."""
        scores = self.forward(X)
        if self.output_ == "softmax":
            return activate(scores, "softmax")
        if self.output_ == "sigmoid":
            scores = expit(scores)
        if self.multilabel_ or (scores.ndim > 1 and scores.shape[1] > 1):
            return scores
        positive = scores.ravel()
        return np.stack([1 - positive, positive], axis=1)

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        if self.output_ == "softmax":
            return activate(self.forward(X), "log_softmax")
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class CompactNetRegressor(CompactNet):
    """A net that predicts numbers.

    Attributes
    ----------
    output_ : {"identity", "exp"}
        What makes predictions of scores.
    flat_ : bool
        Whether one output is one dimension.
    """

    output_ = "identity"
    flat_ = True

    def predict(self, X):
        """Predict targets, of shape (n_samples,) or (n_samples, n_outputs)."""
        scores = self.forward(X)
        if self.output_ == "exp":
            scores = np.exp(scores)
        if self.flat_ and scores.ndim == 2 and scores.shape[1] == 1:
            return scores.ravel()
        return scores
