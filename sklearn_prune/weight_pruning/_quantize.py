"""Store parameters in fewer bytes: half floats, scaled integers, shared values."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.predictors import QuantizedArray

SCHEMES = ("float16", "int8", "codebook")


class Quantizer(BaseEstimator):
    """Round the parameters of a model to fewer bytes.

    Parameters
    ----------
    scheme : {"float16", "int8", "codebook"}, default="int8"
        Half floats (2 bytes), integers from -127 to 127 with a scale and a centre for
        each column, or each row of a matrix with fewer rows than columns (1 byte), or the
        positions of shared values found by k-means in one dimension [1]_ (1 byte, or half
        a byte for at most 16 values).
    n_values : int, default=256
        Number of shared values, from 2 to 256; for "codebook" only.

    See Also
    --------
    sklearn_prune.PrunedClassifier : Takes one, or the name of a scheme, as `quantize`.

    Notes
    -----
    Cost: O(size) for the first two, O(size log(size)) for the codebook. Thresholds of
    trees stay exact: a threshold that moves sends rows to other leaves.

    References
    ----------
    .. [1] Han, Mao, Dally (2016). Deep Compression: compressing deep neural networks with
       pruning, trained quantization and Huffman coding. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_prune.weight_pruning import Quantizer
    >>> small = Quantizer("int8").quantize(np.array([[0.5, 10.0], [-0.5, 30.0]]))
    >>> small.dense()
    array([[ 0.5, 10. ],
           [-0.5, 30. ]], dtype=float32)
    """

    def __init__(self, scheme="int8", *, n_values=256):
        self.scheme = scheme
        self.n_values = n_values

    def quantize(self, array, *, axis=None):
        """Round one array.

        Parameters
        ----------
        array : ndarray of float, of any shape
            Parameters.
        axis : int or None, default=None
            Integers have a scale, and no centre, for each place along this axis; None is
            as described above.

        Returns
        -------
        QuantizedArray
            The stored form; ``dense()`` gives the rounded values in float32.

        Raises
        ------
        ValueError
            If a parameter is not valid, or a value does not fit half floats.
        """
        check_quantize(self)
        array = np.asarray(array, dtype=np.float64)
        if self.scheme == "float16":
            with np.errstate(over="ignore"):
                codes = array.astype(np.float16)
            if np.isinf(codes).any():
                raise ValueError(
                    'quantize="float16" holds values up to 65,504. Got '
                    f'{np.abs(array).max():.3g}. Write quantize="int8", or scale the data.'
                )
            return QuantizedArray(codes)
        if self.scheme == "int8":
            return _scaled_integers(array) if axis is None else _by_line(array, axis)
        return _codebook(array, self.n_values)


def check_quantize(quantize):
    """The quantizer that the argument of a meta-estimator means, or None."""
    rule = 'quantize must be None, "float16", "int8", "codebook" or a Quantizer'
    if quantize is None:
        return None
    if isinstance(quantize, str):
        quantize = Quantizer(quantize)
    if not isinstance(quantize, Quantizer):
        raise InvalidParameterError(
            f'{rule}. Got {quantize!r} instead. Write quantize="int8".'
        )
    if quantize.scheme not in SCHEMES:
        raise InvalidParameterError(f"{rule}. Got {quantize.scheme!r} instead.")
    n_values = quantize.n_values
    if (
        isinstance(n_values, bool)
        or not isinstance(n_values, Integral)
        or not 2 <= n_values <= 256
    ):
        raise InvalidParameterError(
            f"n_values must be an int from 2 to 256. Got {n_values!r} instead."
        )
    return quantize


def _scaled_integers(array):
    """Integers of one byte; each line along the longer side of a matrix has its range."""
    if not array.size:
        return QuantizedArray(array.astype(np.int8))
    axis = None if array.ndim < 2 else int(array.shape[0] < array.shape[1])
    low = array.min(axis=axis, keepdims=array.ndim > 1)
    high = array.max(axis=axis, keepdims=array.ndim > 1)
    offset = np.where((low < 0) & (high > 0), 0.0, (low + high) / 2)
    reach = np.maximum(np.abs(high - offset), np.abs(low - offset))
    scale = np.where(reach > 0, reach / 127, 1.0)
    codes = np.rint((array - offset) / scale).astype(np.int8)
    stored_offset = offset.astype(np.float32) if np.any(offset) else None
    return QuantizedArray(codes, scale.astype(np.float32), stored_offset)


def _by_line(array, axis):
    """Integers of one byte around zero, with a scale for each place along an axis."""
    others = tuple(other for other in range(array.ndim) if other != axis % array.ndim)
    reach = np.abs(array).max(axis=others, keepdims=True, initial=0.0)
    scale = np.where(reach > 0, reach / 127, 1.0)
    codes = np.rint(array / scale).astype(np.int8)
    return QuantizedArray(codes, scale.astype(np.float32))


def _codebook(array, n_values):
    """Positions of shared values: k-means in one dimension on the sorted entries."""
    flat = array.ravel()
    distinct = np.unique(flat)
    values = distinct if len(distinct) <= n_values else _shared_values(flat, n_values)
    edges = (values[1:] + values[:-1]) / 2
    codes = np.searchsorted(edges, flat).astype(np.uint8)
    values = values.astype(np.float32)
    if len(values) > 16:
        return QuantizedArray(codes.reshape(array.shape), values=values)
    padded = np.append(codes, np.zeros(len(codes) % 2, dtype=np.uint8))
    packed = padded[::2] | padded[1::2] << 4
    return QuantizedArray(packed, values=values, shape=array.shape)


def _shared_values(flat, n_values, n_rounds=30):
    """Centres of k-means in one dimension, started evenly over the range.

    Zero is among them if it is among the entries, so that pruned weights stay zero.
    """
    ordered = np.sort(flat)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = np.linspace(ordered[0], ordered[-1], n_values)
    for _ in range(n_rounds):
        edges = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(ordered)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, centres)
        if np.array_equal(moved, centres):
            break
        centres = np.sort(moved)
    if np.any(flat == 0):
        centres[np.argmin(np.abs(centres))] = 0.0
    return centres
