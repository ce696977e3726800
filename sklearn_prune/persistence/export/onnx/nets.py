"""Nets as ONNX operators."""

import warnings
from io import BytesIO
from itertools import product

import numpy as np

from sklearn_prune.persistence.export.onnx.inline import put
from sklearn_prune.persistence.export.onnx.kernel import erf
from sklearn_prune.persistence.export.onnx.linear import two_columns
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import (
    SELU_ALPHA,
    SELU_SCALE,
    Add,
    Convolution,
    Dense,
    Flatten,
    Pool,
    Reshape,
    Scale,
    places_out,
)

_NEWEST_OF_TORCH = 20  # version of the operators that its exporter by tracing knows


def activated(z, name, settings, slopes):
    """The activation of a value; units are along axis 1."""
    if slopes is not None:
        shape = (-1, *(1,) * (z.ndim - 2))
        slopes = z.graph.parameter(slopes, z.dtype).reshape(*shape)
        return z.maximum(0.0) + z.minimum(0.0) * slopes
    return _ACTIVATIONS[name](z, **settings)


def _elu(z, alpha=1.0):
    return z.maximum(0.0) + _expm1(z.minimum(0.0)) * float(alpha)


def _celu(z, alpha=1.0):
    return z.maximum(0.0) + _expm1(z.minimum(0.0) / float(alpha)) * float(alpha)


def _expm1(z):
    """exp(z) - 1 by the hyperbolic tangent, which loses no digits near zero."""
    half = (z * 0.5).tanh()
    return half * 2.0 / (1.0 - half)


def _gelu(z, approximate="none"):
    if approximate == "tanh":
        inner = (z + z * z * z * 0.044715) * float(np.sqrt(2 / np.pi))
        return z * 0.5 * (inner.tanh() + 1.0)
    scaled = z * float(np.sqrt(0.5))
    if z.dtype == np.float32:
        return z * 0.5 * (scaled.unary("Erf") + 1.0)
    return z * 0.5 * (erf(z.graph, scaled) + 1.0)


def _softplus(z, beta=1.0, threshold=20.0):
    """log(1 + exp(z)); beyond the threshold the difference from z is less than rounding."""
    scaled = z * float(beta)
    found = (_log1p_exp(scaled)) / float(beta)
    return z.graph.where(scaled > float(threshold), z, found)


def _log1p_exp(z):
    return z.maximum(0.0) + ((-z.abs()).exp() + 1.0).log()


def _hardsigmoid(z):
    return (z + 3.0).clip(0.0, 6.0) / 6.0


_ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: z.unary("Relu"),
    "relu6": lambda z: z.clip(0.0, 6.0),
    "leaky_relu": lambda z, negative_slope=0.01: (
        z.maximum(0.0) + z.minimum(0.0) * float(negative_slope)
    ),
    "elu": _elu,
    "selu": lambda z: _elu(z, SELU_ALPHA) * SELU_SCALE,
    "celu": _celu,
    "gelu": _gelu,
    "silu": lambda z: z * z.expit(),
    "mish": lambda z: z * _log1p_exp(z).tanh(),
    "tanh": lambda z: z.tanh(),
    "sigmoid": lambda z: z.expit(),
    "logistic": lambda z: z.expit(),
    "softplus": _softplus,
    "softsign": lambda z: z / (z.abs() + 1.0),
    "hardtanh": lambda z, min_val=-1.0, max_val=1.0: z.clip(float(min_val), float(max_val)),
    "hardsigmoid": _hardsigmoid,
    "hardswish": lambda z: z * _hardsigmoid(z),
    "logsigmoid": lambda z: -_log1p_exp(-z),
    "softmax": lambda z: z.unary("Softmax", axis=1),
    "log_softmax": lambda z: z.unary("LogSoftmax", axis=1),
}


def pooled(graph, maps, settings, shape):
    """Maps put together as the settings of a layer say, and their shape."""
    settings = dict(settings)
    kind = settings.pop("kind")
    if kind == "mean":
        places = list(range(2, maps.ndim))
        return maps.reduce("Mean", places), shape[:1]
    if kind.startswith("adaptive"):
        return _adaptive(graph, maps, kind, settings["output_size"], shape)
    return _windowed(graph, maps, kind, settings, shape)


def _windowed(graph, maps, kind, settings, shape):
    n_places = len(shape) - 1

    def each(name, default):
        value = settings.get(name)
        value = default if value is None else value
        return [int(v) for v in np.broadcast_to(value, n_places)]

    kernel = each("kernel_size", 1)
    strides, padding = each("stride", kernel), each("padding", 0)
    dilation = each("dilation", 1)
    ceil_mode = bool(settings.get("ceil_mode", False))
    n_out = places_out(shape[1:], kernel, strides, padding, dilation, ceil_mode)
    pads = padding * 2
    attributes = {"kernel_shape": kernel, "strides": strides}
    counts_border = settings.get("count_include_pad", True)
    if ceil_mode:
        extra = [
            max(0, (m - 1) * s + d * (k - 1) + 1 - n - 2 * p)
            for m, s, d, k, n, p in zip(
                n_out, strides, dilation, kernel, shape[1:], padding, strict=True
            )
        ]
        pads = padding + [p + e for p, e in zip(padding, extra, strict=True)]
        if kind == "avg_pool" and counts_border and any(extra):
            return _averaged_by_counts(
                graph, maps, attributes, padding, pads, extra, shape, n_out
            )
    attributes["pads"] = pads
    if kind == "max_pool":
        found = graph.node("MaxPool", [maps], dilations=dilation, **attributes)
    else:
        found = graph.node(
            "AveragePool", [maps], count_include_pad=int(counts_border), **attributes
        )
    return found, (shape[0], *n_out)


def _averaged_by_counts(graph, maps, attributes, padding, pads, extra, shape, n_out):
    """Means over windows that count the border, but not what rounding up has added."""
    found = graph.node("AveragePool", [maps], count_include_pad=1, pads=pads, **attributes)
    n_window = np.prod(attributes["kernel_shape"])
    factor = np.ones(n_out, dtype=np.float32)
    sizes = zip(shape[1:], padding, strict=True)
    limits = [n + 2 * p for n, p in sizes]
    for place in product(*map(range, n_out)):
        inside = [
            min(i * s + k, limit) - i * s
            for i, s, k, limit in zip(
                place,
                attributes["strides"],
                attributes["kernel_shape"],
                limits,
                strict=True,
            )
        ]
        factor[place] = n_window / np.prod(inside)
    return found * factor, (shape[0], *n_out)


def _adaptive(graph, maps, kind, output_size, shape):
    """Each result is over the places from floor(i n / m) to ceil((i + 1) n / m)."""
    sizes = shape[1:]
    wanted = np.broadcast_to(np.array(output_size, dtype=object), len(sizes))
    n_out = [n if m is None else int(m) for m, n in zip(wanted, sizes, strict=True)]
    largest = kind == "adaptive_max_pool"
    if all(n % m == 0 for n, m in zip(sizes, n_out, strict=True)):
        kernel = [n // m for n, m in zip(sizes, n_out, strict=True)]
        op = "MaxPool" if largest else "AveragePool"
        found = graph.node(op, [maps], kernel_shape=kernel, strides=kernel)
        return found, (shape[0], *n_out)
    found = maps
    for axis, (n, m) in enumerate(zip(sizes, n_out, strict=True), start=2):
        parts = []
        for i in range(m):
            window = found.take(np.arange(i * n // m, -(-(i + 1) * n // m)), axis=axis)
            op = "Max" if largest else "Mean"
            parts.append(window.reduce(op, axis, keepdims=True))
        found = graph.concat(parts, axis=axis)
    return found, (shape[0], *n_out)


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
    """A module that has no form of this package, by the exporter of torch."""

    def forward(self, rows):
        """Scores, or the first of several outputs."""
        import onnx
        import torch

        net, file = self.compact._net(), BytesIO()
        name = type(net.module_).__name__
        values, examples = {}, {}
        for label, value in zip(rows.names or ["X"], rows.values, strict=True):
            if value.shape is None or None in value.shape[1:]:
                self.refuse(
                    f"the net {name} for rows of no fixed shape",
                    "Export the module by torch.onnx.export, or use save() and load().",
                )
            dtype = torch.int64
            if value.dtype.kind == "f":
                value, dtype = value.cast(np.float32), torch.float32
            values[label] = value
            examples[label] = torch.zeros((2, *value.shape[1:]), dtype=dtype)
        given = (examples,) if rows.names else tuple(examples.values())
        axes = {label: {0: "n"} for label in (*values, "scores")}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the exporter by tracing is deprecated
                torch.onnx.export(
                    net.module_.eval(),
                    given,
                    file,
                    dynamo=False,
                    opset_version=min(self.graph.opset, _NEWEST_OF_TORCH),
                    input_names=[*values],
                    output_names=["scores"],
                    dynamic_axes=axes,
                )
        except Exception as error:  # torch raises whatever it likes
            raise TypeError(
                f"to_onnx writes what torch.onnx.export can write. Got the net {name}: "
                f"{str(error).strip().splitlines()[0]} Use save() and load() instead."
            ) from error
        found = onnx.load_from_string(file.getvalue())
        return put(self.graph, found, values, name)[0]

    def predict(self, rows):
        scores = self.ask(self.compact, "forward", rows)
        if not hasattr(self.compact, "classes_"):
            return scores
        if hasattr(self.compact.net_, "threshold"):
            threshold = float(self.compact.net_.threshold)
            found = self.ask(self.compact, "predict_proba", rows)
            return (found.column(1).ravel() > threshold).cast(np.int64)
        return self.ask(self.compact, "predict_proba", rows).argmax().cast(np.int64)

    def predict_proba(self, rows):
        scores = self.ask(self.compact, "forward", rows)
        applied = self.compact.net_.predict_nonlinearity
        name = getattr(getattr(applied, "func", applied), "__name__", repr(applied))
        if name == "softmax":
            return activated(scores, "softmax", {}, None)
        if name in ("_sigmoid_then_2d", "_make_2d_probs"):
            scores = scores.ravel()
            positive = scores.expit() if name == "_sigmoid_then_2d" else scores
            return self.graph.stack([1.0 - positive, positive])
        if name == "_identity":
            return scores
        return self.refuse(
            f"predict_nonlinearity={name}", "Put it into the module, or use save()."
        )


WRITERS = {
    "CompactNetClassifier": _Classifier,
    "CompactNetRegressor": _Regressor,
    "CompactModule": _Module,
}
