"""Round points and coefficients so that the sum of kernels moves little."""

from itertools import pairwise

import numpy as np

from sklearn_prune.weight_pruning.compact._quantized import QuantizedArray

_RIDGE = 1e-3  # of the mean diagonal of the kernel matrix
_LARGEST = 2000  # of a group; a larger one is rounded in parts


def round_expansion(kernel, points, coefficients, ends, quantizer):
    """Rounded points and the rounded coefficients that fit them.

    The function is projected on the rounded points in the space of the kernel; then one
    coefficient after another is rounded, and those that follow make up for its error, as
    the optimal brain surgeon would for its removal [1]_. O(n_points**3) for each group, of
    which at most 2,000 points are taken at a time. Under a kernel that is not positive
    definite, such as the sigmoid, each coefficient is rounded for itself.

    Parameters
    ----------
    kernel : KernelFunction
        The kernel.
    points : ndarray of shape (n_points, n_features)
        Points.
    coefficients : ndarray of shape (n_points, n_columns)
        Coefficients.
    ends : ndarray of shape (n_groups + 1,), int
        Where the groups of points start that belong to one sum.
    quantizer : Quantizer
        Rounds.

    Returns
    -------
    points, coefficients : QuantizedArray

    References
    ----------
    .. [1] Frantar, Alistarh (2022). Optimal brain compression: a framework for accurate
       post-training quantization and pruning. NeurIPS.
    """
    from scipy.linalg import LinAlgError, cholesky, solve

    groups = [
        slice(first, min(first + _LARGEST, end))
        for start, end in pairwise(ends)
        for first in range(start, end, _LARGEST)
    ]
    small = quantizer.quantize(points)
    rounded = small.dense().astype(np.float64)
    points = np.asarray(points, dtype=np.float64)
    fitted = np.array(coefficients, dtype=np.float64)
    inverses = []
    for own in groups:
        matrix = kernel(rounded[own], rounded[own].copy())
        matrix[np.diag_indices_from(matrix)] += _RIDGE * np.trace(matrix) / len(matrix)
        try:
            cholesky(matrix)
        except LinAlgError:  # the kernel is no inner product: nothing to project in
            inverses.append(np.eye(len(matrix)))
            continue
        inverses.append(solve(matrix, np.eye(len(matrix)), assume_a="sym"))
        fitted[own] = inverses[-1] @ (
            kernel(rounded[own], points[own]) @ fitted[own] + _RIDGE * fitted[own]
        )
    coarse = quantizer.quantize(fitted)
    if coarse.codes.dtype != np.int8 or coarse.scale is None:
        return small, coarse
    codes = np.empty(fitted.shape, dtype=np.int8)
    offset = 0.0 if coarse.offset is None else coarse.offset.astype(np.float64)
    scale = coarse.scale.astype(np.float64)
    for own, inverse in zip(groups, inverses, strict=True):
        upper = cholesky((inverse + inverse.T) / 2)
        values = fitted[own]
        for i in range(len(values)):
            code = np.clip(np.rint((values[i] - offset) / scale), -127, 127)
            codes[own.start + i] = code
            error = (values[i] - (code * scale + offset)) / upper[i, i]
            values[i + 1 :] -= np.outer(upper[i, i + 1 :], error)
    return small, QuantizedArray(codes, coarse.scale, coarse.offset)
