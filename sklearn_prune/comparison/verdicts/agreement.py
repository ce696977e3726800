"""How far folds agree: in the units that they kept and in what they predict."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import stats

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Stability:
    """Nogueira's index of stability with its approximate interval.

    It is 1 for equal sets, and 0 on average for random sets of the same sizes.
    """

    value: float
    low: float
    high: float


def feature_stability(masks, level=0.95):
    """How far the sets of units agree that several fits have kept.

    One minus the mean variance over units of being kept, divided by the variance of
    random sets of the same mean size. The interval is the asymptotic one over
    independent fits; its upper end is cut at 1, the largest possible index. Folds share
    training rows, and so the interval is too narrow for them [1]_.

    `masks` has shape (n_fits, n_units). All is NaN for fewer than two fits or without
    units. Equal masks have the index 1, also where they keep all units or none.

    References
    ----------
    .. [1] Nogueira, Sechidis, Brown (2018). On the stability of feature selection
       algorithms. JMLR 18.

    Examples
    --------
    >>> masks = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]]
    >>> round(feature_stability(masks).value, 3)
    0.333
    """
    masks = np.asarray(masks, dtype=bool)
    if masks.ndim != 2 or len(masks) < 2 or not masks.shape[1]:
        return Stability(nan, nan, nan)
    if (masks == masks[0]).all():
        return Stability(1.0, 1.0, 1.0)
    n_fits = len(masks)
    frequency, share = masks.mean(axis=0), masks.mean(axis=1)
    mean_share = share.mean()
    chance = mean_share * (1 - mean_share)
    spread = np.mean(frequency * (1 - frequency)) * n_fits / (n_fits - 1)
    value = 1 - spread / chance
    influence = masks @ frequency / masks.shape[1] - mean_share * share
    influence = (influence + value * share * (mean_share - 0.5)) / chance
    deviation = 2 / sqrt(n_fits) * influence.std()
    half_width = stats.norm.isf((1 - level) / 2) * deviation
    return Stability(
        float(value), float(value - half_width), float(min(1.0, value + half_width))
    )


def row_stability(kept, trained):
    """How far folds agree in the training rows that they kept.

    Two folds are compared on the training rows that both of them have, by Nogueira's index
    (see `feature_stability`); its mean over all pairs of folds is given. `kept` and
    `trained` hold sorted positions of rows for each fold. Pairs without a shared row are
    left out; NaN if no pair is left. Pairs that keep all their shared rows, or none of
    them, count as 1. O(n_folds² n_samples) in one product of matrices, by blocks of rows.

    Examples
    --------
    >>> trained = [[0, 1, 2, 3], [1, 2, 3, 4]]
    >>> round(row_stability([[0, 1], [1, 2]], trained), 3)
    0.333
    """
    kept = [np.asarray(rows, dtype=np.intp) for rows in kept]
    trained = [np.asarray(rows, dtype=np.intp) for rows in trained]
    shape = (len(kept), len(kept))
    shared, ours, both = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    stop = max((rows[-1] + 1 for rows in trained if len(rows)), default=0)
    for start in range(0, stop, _ROWS_AT_ONCE):
        block = start, min(stop, start + _ROWS_AT_ONCE)
        of_training, of_kept = _members(trained, *block), _members(kept, *block)
        shared += of_training @ of_training.T
        ours += of_kept @ of_training.T
        both += of_kept @ of_kept.T
    pairs = np.triu_indices(len(kept), 1)
    n_rows, sizes, both = shared[pairs], (ours + ours.T)[pairs], both[pairs]
    known = n_rows > 0
    if not known.any():
        return nan
    n_rows, sizes, both = n_rows[known], sizes[known], both[known]
    chance = sizes * (2 * n_rows - sizes)
    apart = 2 * n_rows * (sizes - 2 * both)
    return float(np.mean(1 - apart / np.where(chance > 0, chance, 1)))


def _members(positions, start, stop):
    """Of each fold, which rows of a block it holds, as ones and zeros."""
    matrix = np.zeros((len(positions), stop - start), dtype=np.float32)
    for row, own in zip(matrix, positions, strict=True):
        low, high = np.searchsorted(own, (start, stop))
        row[own[low:high] - start] = 1
    return matrix


def churn(predictions, reference, kind=None):
    """How far predictions for the same rows differ.

    Of a "classifier" the share of rows with another label, in any of several outputs. Of a
    "regressor" the mean absolute difference. With None, floats count as those of a
    regressor. NaN for no rows.

    Examples
    --------
    >>> churn(["cat", "dog", "dog", "cow"], ["cat", "dog", "cow", "cow"])
    0.25
    """
    predictions, reference = np.asarray(predictions), np.asarray(reference)
    if predictions.shape != reference.shape:
        raise ValueError(
            "predictions must have one entry for each in reference. Got shapes "
            f"{predictions.shape} and {reference.shape}. Predict the same rows."
        )
    if not predictions.size:
        return nan
    has_floats = "f" in (predictions.dtype.kind, reference.dtype.kind)
    if kind == "regressor" or (kind is None and has_floats):
        return float(np.mean(np.abs(predictions - reference.astype(np.float64))))
    return float(
        np.mean((predictions != reference).reshape(len(reference), -1).any(axis=1))
    )
