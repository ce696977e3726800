"""Nets as ONNX operators, layer by layer."""

import numpy as np

from sklearn_prune.persistence._onnx_activations import activated
from sklearn_prune.persistence._onnx_linear import two_columns
from sklearn_prune.persistence._onnx_pools import pooled
from sklearn_prune.persistence._onnx_writer import Writer
from sklearn_prune.weight_pruning.compact._net_layers import (
    Add,
    Convolution,
    Dense,
    Flatten,
    Pool,
    Reshape,
    Scale,
)


class _Net(Writer):
    def _shape_of(self, rows):
        """The shape of a row, which earlier steps of a Pipeline do not tell."""
        if rows.first.shape is not None:
            return rows.first.shape[1:]
        first = self.compact.layers_[0]
        if not isinstance(first, Dense):
            return (None,)
        if self.compact.columns_ is not None:
            return (8 * len(self.compact.columns_),)
        return (first.weights.shape[1],)

    def forward(self, rows):
        """What the last operation gives, in the precision of the net."""
        compact = self.compact
        X = rows.array().cast(self._float())
        shape = (compact.n_features_in_,)
        if compact.n_features_in_ is None:
            shape = tuple(compact.input_shape_ or self._shape_of(rows))
            if not all(isinstance(size, int) for size in shape):
                self.refuse("rows of an unknown shape", "Pass X=X[:1].")
        if compact.columns_ is not None:
            mask = np.unpackbits(compact.columns_, count=shape[0]).view(bool)
            X = X.take(np.flatnonzero(mask), axis=1)
            shape = (int(mask.sum()), *shape[1:])
        results, shapes = [X], [shape]
        for layer in compact.layers_:
            inputs = [results[position] for position in layer.inputs]
            found, shape = self._layer(layer, inputs, shapes[layer.inputs[0]])
            if layer.activation != "identity":
                slopes = layer.slopes
                found = activated(found, layer.activation, layer.facts or {}, slopes)
            results.append(found)
            shapes.append(shape)
        return results[-1]

    def _float(self):
        """The precision of the net; convolutions of double precision are no operators."""
        places = any(
            isinstance(layer, Convolution | Pool) for layer in self.compact.layers_
        )
        return np.dtype(np.float32) if places else np.dtype(self.compact._dtype)

    def _layer(self, layer, inputs, shape):
        for kind, write in _LAYERS.items():
            if isinstance(layer, kind):
                return write(self, layer, inputs, shape)
        return inputs[0], shape

    def _dense(self, layer, inputs, shape):
        dtype = inputs[0].dtype
        weights = self.rounded(layer.weights, dtype)
        found = inputs[0] @ weights.transpose(1, 0)
        if layer.bias is not None:
            found = found + self.rounded(layer.bias, dtype)
        return found, (layer.weights.shape[0],)

    def _convolution(self, layer, inputs, shape):
        settings = layer.settings or {}
        n_places = len(shape) - 1
        given = [inputs[0], self.rounded(layer.weights, inputs[0].dtype)]
        if layer.bias is not None:
            given.append(self.rounded(layer.bias, inputs[0].dtype))

        def each(name, default):
            return np.broadcast_to(settings.get(name, default), n_places).tolist()

        kernel = list(layer.weights.shape[2:])
        strides, padding = each("stride", 1), each("padding", 0)
        dilations = each("dilation", 1)
        found = self.graph.node(
            "Conv",
            given,
            kernel_shape=kernel,
            strides=strides,
            pads=padding * 2,
            dilations=dilations,
            group=int(settings.get("groups", 1)),
        )
        places = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                shape[1:], kernel, strides, padding, dilations, strict=True
            )
        ]
        return found, (layer.weights.shape[0], *places)

    def _scale(self, layer, inputs, shape):
        found = inputs[0]
        target = (-1, *(1,) * (found.ndim - 2))
        if layer.weights is not None:
            found = found * self.rounded(layer.weights, found.dtype).reshape(*target)
        if layer.bias is not None:
            found = found + self.rounded(layer.bias, found.dtype).reshape(*target)
        return found, shape

    def _pool(self, layer, inputs, shape):
        return pooled(self.graph, inputs[0], layer.settings, shape)

    def _flatten(self, layer, inputs, shape):
        width = int(np.prod(shape))
        return inputs[0].reshape(-1, width), (width,)

    def _reshape(self, layer, inputs, shape):
        shape = tuple(int(n) for n in layer.settings["shape"])
        return inputs[0].reshape(-1, *shape), shape

    def _add(self, layer, inputs, shape):
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total, shape


_LAYERS = {
    Dense: _Net._dense,
    Convolution: _Net._convolution,
    Scale: _Net._scale,
    Pool: _Net._pool,
    Flatten: _Net._flatten,
    Reshape: _Net._reshape,
    Add: _Net._add,
}


class _Classifier(_Net):
    def _one_score(self, scores):
        return scores.ndim == 1 or self._n_scores() == 1

    def _n_scores(self):
        compact = self.compact
        for layer in reversed(compact.layers_):
            if layer.weights is not None:
                return layer.weights.shape[0]
        return len(compact.classes_)

    def predict(self, rows):
        scores = self.ask(self.compact, "forward", rows)
        least = float(self.compact._least_score())
        if self.compact.multilabel_:
            return (scores > least).cast(np.int64)
        if self._one_score(scores):
            return self.labels(scores.ravel() > least)
        return self.labels(scores.argmax())

    def predict_proba(self, rows):
        compact = self.compact
        scores = self.ask(compact, "forward", rows)
        if compact.output_ == "softmax":
            return activated(scores, "softmax", {}, None)
        if compact.output_ == "sigmoid":
            scores = scores.expit()
        if compact.multilabel_ or not self._one_score(scores):
            return scores
        return two_columns(self.graph, scores.ravel())

    def predict_log_proba(self, rows):
        if self.compact.output_ == "softmax":
            scores = self.ask(self.compact, "forward", rows)
            return activated(scores, "log_softmax", {}, None)
        return super().predict_log_proba(rows)


class _Regressor(_Net):
    def predict(self, rows):
        scores = self.ask(self.compact, "forward", rows)
        if self.compact.output_ == "exp":
            scores = scores.exp()
        last = [layer for layer in self.compact.layers_ if layer.weights is not None]
        one = bool(last) and last[-1].weights.shape[0] == 1
        return scores.ravel() if self.compact.flat_ and scores.ndim == 2 and one else scores


class _Module(Writer):
    def predict(self, rows):
        name = type(self.compact.net_.module_).__name__
        self.refuse(
            f"the net {name}, whose layers cannot be followed",
            "Export the module by torch.onnx.export.",
        )


WRITERS = {
    "CompactNetClassifier": _Classifier,
    "CompactNetRegressor": _Regressor,
    "CompactModule": _Module,
}
