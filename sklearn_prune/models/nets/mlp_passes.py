"""Forward and backward passes of a multi-layer perceptron on one vector of parameters."""

from itertools import pairwise

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, xlogy


class Layers:
    """Coefficients and intercepts as views of one vector, the coefficients first.

    Parameters
    ----------
    sizes : sequence of int
        Number of features, of units of each hidden layer, of outputs.
    dtype : dtype
        Of the vector.

    Attributes
    ----------
    flat : ndarray of shape (n_parameters,)
        All numbers.
    coefs : list of ndarray of shape (n_in, n_out)
        Views of it, one for each layer.
    intercepts : list of ndarray of shape (n_out,)
        Views of it.
    """

    def __init__(self, sizes, dtype):
        self.sizes = tuple(sizes)
        shapes = [*pairwise(self.sizes), *((size,) for size in self.sizes[1:])]
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
        self.flat = np.zeros(ends[-1], dtype=dtype)
        parts = np.split(self.flat, ends[:-1])
        views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        n_layers = len(self.sizes) - 1
        self.coefs, self.intercepts = views[:n_layers], views[n_layers:]
        self.weights = self.flat[: ends[n_layers - 1]]

    @classmethod
    def of(cls, values, dtype=None):
        """Copy them from arrays by name, where coefficients are (n_out, n_in)."""
        n_layers = sum(name.startswith("coefs_") for name in values)
        weights = [values[f"coefs_{layer}"] for layer in range(n_layers)]
        sizes = [weights[0].shape[1], *(len(weight) for weight in weights)]
        layers = cls(sizes, np.result_type(*weights) if dtype is None else dtype)
        layers.load(values)
        return layers

    def load(self, values):
        """Overwrite them with arrays by name; a name that is missing stays."""
        for name, view in self.named():
            if name in values:
                view[...] = values[name]

    def named(self):
        """Pairs of a name and a view, of coefficients as (n_out, n_in)."""
        for layer, coefs in enumerate(self.coefs):
            yield f"coefs_{layer}", coefs.T
        for layer, intercepts in enumerate(self.intercepts):
            yield f"intercepts_{layer}", intercepts

    def values(self):
        """Copies by name, of coefficients as (n_out, n_in)."""
        return {name: np.array(view, order="C") for name, view in self.named()}


class MlpPasses:
    """A multi-layer perceptron and the gradient of its loss.

    Parameters
    ----------
    layers : Layers
        The parameters; whoever trains changes them in place.
    activation : {"identity", "logistic", "tanh", "relu"}
        Of the hidden layers.
    loss : {"log_loss", "binary_log_loss", "squared_error", "poisson"}
        It says the output activation too: softmax, logistic, none, exponential.
    n_rows : int
        The most rows of a call of `loss_and_gradient`, for which room is made.
    dropout : float, default=0.0
        Probability that a hidden unit is dropped in a row.
    rng : numpy.random.Generator or None
        Draws which.

    Attributes
    ----------
    gradient : Layers
        Of the last call of `loss_and_gradient`.
    """

    def __init__(self, layers, activation, loss, n_rows, dropout=0.0, rng=None):
        self.layers = layers
        self.activation, self.loss = activation, loss
        dtype = layers.flat.dtype
        self.gradient = Layers(layers.sizes, dtype)
        self._hidden = [np.empty((n_rows, n), dtype) for n in layers.sizes[1:]]
        self._deltas = [np.empty((n_rows, n), dtype) for n in layers.sizes[1:]]
        self._scratch = np.empty_like(layers.weights)
        self._dropout, self._rng = dropout, rng
        self._factors = self._dropped = None
        if dropout > 0:
            self._factors = [np.empty_like(hidden) for hidden in self._hidden[:-1]]
            self._dropped = [np.empty_like(hidden) for hidden in self._hidden[:-1]]
            self.draw_dropout()

    def draw_dropout(self):
        """Draw anew which hidden units are dropped in which row."""
        if self._factors is None:
            return
        for factors in self._factors:
            kept = self._rng.random(factors.shape, dtype=np.float32) >= self._dropout
            np.multiply(kept, 1 / (1 - self._dropout), out=factors, casting="same_kind")

    def loss_and_gradient(self, X, targets, weights, alpha):
        """Mean loss of the rows with the L2 penalty; its gradient goes to `gradient`.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_rows, n_features)
            Rows.
        targets : ndarray of shape (n_rows, n_outputs)
            Probabilities of classes or labels, or numbers.
        weights : ndarray of shape (n_rows,) or None
            Of the rows.
        alpha : float
            Strength of the penalty, before it is divided by the weight of the rows.

        Returns
        -------
        float
            The loss as scikit-learn defines it: squared errors are averaged over outputs
            and divided by two, other losses summed over outputs.
        """
        n_rows = X.shape[0]
        total = n_rows if weights is None else float(weights.sum())
        inputs = self._forward_rows(X)
        outputs = self._hidden[-1][:n_rows]
        loss = float(mean_loss(self.loss, targets, outputs, weights))
        delta = np.subtract(outputs, targets, out=self._deltas[-1][:n_rows])
        if weights is not None:
            delta *= weights[:, None]
        delta /= total
        self._backward(inputs, n_rows)
        if alpha:
            penalised = self.layers.weights
            loss += 0.5 * alpha * float(penalised @ penalised) / total
            self.gradient.weights += np.multiply(
                penalised, alpha / total, out=self._scratch
            )
        return loss

    def _forward_rows(self, X):
        """What each layer reads; its results stay in the buffers."""
        layers, n_rows = self.layers, X.shape[0]
        inputs = [X]
        for layer, (coefs, intercepts) in enumerate(
            zip(layers.coefs, layers.intercepts, strict=True)
        ):
            result = self._hidden[layer][:n_rows]
            _product(inputs[-1], coefs, result)
            result += intercepts
            if layer == len(layers.coefs) - 1:
                activate_output(self.loss, result)
                break
            activate(self.activation, result)
            if self._factors is not None:
                dropped = self._dropped[layer][:n_rows]
                np.multiply(result, self._factors[layer][:n_rows], out=dropped)
                result = dropped
            inputs.append(result)
        return inputs

    def _backward(self, inputs, n_rows):
        """Gradients of all layers from the one with respect to the scores."""
        for layer in reversed(range(len(inputs))):
            delta = self._deltas[layer][:n_rows]
            _product(inputs[layer].T, delta, self.gradient.coefs[layer])
            np.sum(delta, axis=0, out=self.gradient.intercepts[layer])
            if layer:
                before = self._deltas[layer - 1][:n_rows]
                np.matmul(delta, self.layers.coefs[layer].T, out=before)
                if self._factors is not None:
                    before *= self._factors[layer - 1][:n_rows]
                _differentiate(self.activation, self._hidden[layer - 1][:n_rows], before)


def activations_of(layers, activation, X):
    """Results of the hidden layers and the scores, as a list of new arrays."""
    results, inputs = [], X
    for layer, (coefs, intercepts) in enumerate(
        zip(layers.coefs, layers.intercepts, strict=True)
    ):
        inputs = np.asarray(inputs @ coefs) + intercepts
        if layer < len(layers.coefs) - 1:
            activate(activation, inputs)
        results.append(inputs)
    return results


def outputs_of(layers, activation, loss, X):
    """Probabilities or predictions of the rows, of shape (n_rows, n_outputs)."""
    outputs = activations_of(layers, activation, X)[-1]
    activate_output(loss, outputs)
    return outputs


def row_gradients(layers, activation, loss, X, targets, n_numbers=2**21):
    """Yield the gradients of the losses of single rows by parameter name, in chunks.

    Each has the shape (n_rows, *shape), without penalty and sample weights; coefficients
    are (n_out, n_in). A chunk has at most `n_numbers` numbers.
    """
    n_rows = max(1, n_numbers // layers.flat.size)
    for start in range(0, X.shape[0], n_rows):
        rows = X[start : start + n_rows]
        results = activations_of(layers, activation, rows)
        activate_output(loss, results[-1])
        delta = results.pop() - targets[start : start + n_rows]
        inputs = [rows.toarray() if issparse(rows) else rows, *results]
        found = {}
        for layer in reversed(range(len(inputs))):
            found[f"coefs_{layer}"] = delta[:, :, None] * inputs[layer][:, None, :]
            found[f"intercepts_{layer}"] = delta
            if layer:
                delta = delta @ layers.coefs[layer].T
                _differentiate(activation, inputs[layer], delta)
        yield found


def activate(name, array):
    """Apply the activation of the hidden layers in place."""
    if name == "relu":
        np.maximum(array, 0, out=array)
    elif name == "tanh":
        np.tanh(array, out=array)
    elif name == "logistic":
        expit(array, out=array)


def activate_output(loss, scores):
    """Turn scores into probabilities or predictions in place."""
    if loss == "log_loss":
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
    elif loss == "binary_log_loss":
        expit(scores, out=scores)
    elif loss == "poisson":
        np.exp(scores, out=scores)


def mean_loss(loss, targets, outputs, weights):
    """Weighted mean loss of the rows, as scikit-learn defines it."""
    if loss == "squared_error":
        losses = 0.5 * np.square(targets - outputs).mean(axis=1)
    elif loss == "poisson":
        losses = (xlogy(targets, targets / outputs) - targets + outputs).sum(axis=1)
    else:
        tiny = np.finfo(outputs.dtype).eps
        clipped = np.clip(outputs, tiny, 1 - tiny)
        losses = targets * np.log(clipped)
        if loss == "binary_log_loss":
            losses += (1 - targets) * np.log(1 - clipped)
        losses = -losses.sum(axis=1)
    return losses.mean() if weights is None else np.average(losses, weights=weights)


def _differentiate(name, result, delta):
    """Multiply by the derivative of an activation, given its result, in place."""
    if name == "relu":
        delta *= result > 0
    elif name == "tanh":
        delta *= 1 - np.square(result)
    elif name == "logistic":
        delta *= result * (1 - result)


def _product(left, right, out):
    if issparse(left):
        out[...] = left @ right
    else:
        np.matmul(left, right, out=out)
