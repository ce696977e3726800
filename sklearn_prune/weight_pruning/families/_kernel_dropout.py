"""Refit kernel machines with vectors of the basis silenced at random."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from sklearn_prune._seeds import derive_seed
from sklearn_prune.weight_pruning.families._kernel_refit import KernelRows
from sklearn_prune.weight_pruning.families._linear_dropout import silenced

MOST_COPIES = 10
_ENTRIES = 2**24  # of all copies of the kernel matrix together


class SilencedRows(KernelRows):
    """Copies of a kernel matrix, of which each has entries silenced independently.

    An entry is 0 with the probability `share`, else divided by 1 - share. The copies of a
    block of rows follow each other, and the same numbers are drawn at each use.

    Parameters
    ----------
    kernel, X, basis
        As in KernelRows.
    share : float in [0, 1)
        Probability of silence.
    seed : int
        Fixes the copies.

    Attributes
    ----------
    n_copies : int
        Ten, fewer where the matrix is large, and at least two.
    source : ndarray of shape (n_rows * n_copies,), int
        The row of X behind each row of the copies.
    """

    def __init__(self, kernel, X, basis, share, seed):
        self.share, self.seed = share, seed
        size = max(1, X.shape[0] * basis.shape[0])
        self.n_copies = int(np.clip(_ENTRIES // size, 2, MOST_COPIES))
        super().__init__(kernel, X, basis)
        self.source = np.concatenate(
            [
                np.tile(np.arange(rows.start, rows.stop), self.n_copies)
                for rows in self.slices()
            ]
        )

    def _make(self):
        start, left = 0, self.dtype(1 - self.share)
        for rows, part in super()._make():
            for copy in range(self.n_copies):
                seed = derive_seed(self.seed, f"{rows.start}-{copy}")
                rng = np.random.default_rng(seed)
                kept = rng.random(part.shape, dtype=np.float32) >= self.share
                stop = start + len(part)
                yield slice(start, stop), np.where(kept, part / left, self.dtype(0))
                start = stop


def kernel_rows(kernel, X, basis, context, role):
    """The matrix between rows and basis, silenced where there is dropout.

    Returns
    -------
    rows : KernelRows
        The matrix, or copies of it.
    source : ndarray of int, or slice
        The row of X behind each of its rows.
    n_copies : int
        How many there are of each.
    """
    if not context.dropout:
        return KernelRows(kernel, X, basis), slice(None), 1
    seed = context.role_seed(f"dropout-{role}")
    rows = SilencedRows(kernel, X, basis, context.dropout, seed)
    return rows, rows.source, rows.n_copies


def silenced_mode(matrix, positive, share, seed):
    """Coefficients of a latent function, logistic loss on copies of the kernel matrix.

    Each lies between 0 and its label, -1 or 1, as at a mode without dropout, so that the
    curvature of the likelihood can still be read off them.

    Parameters
    ----------
    matrix : ndarray of shape (n_points, n_points)
        Kernel matrix of the points, noise included.
    positive : ndarray of shape (n_points,), bool
        Labels.
    share : float in (0, 1)
        Probability of silence.
    seed : int
        Fixes the copies.

    Returns
    -------
    ndarray of shape (n_points,)
        The coefficients.
    """
    n_copies = int(np.clip(_ENTRIES // matrix.size, 2, MOST_COPIES))
    rng = np.random.default_rng(seed)
    copies = [silenced(matrix, share, rng) for _ in range(n_copies)]
    labels = np.where(positive, 1.0, -1.0)

    def loss(sizes):
        coefficients = labels * sizes
        pull = matrix @ coefficients
        value, slope = coefficients @ pull / 2, pull
        for copy in copies:
            margins = labels * (copy @ coefficients)
            value += np.logaddexp(0, -margins).sum() / n_copies
            slope = slope - copy.T @ (labels * expit(-margins)) / n_copies
        return value, labels * slope

    start = np.full(len(labels), 0.5)
    bounds = [(1e-9, 1 - 1e-9)] * len(start)
    options = {"maxiter": 1000, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return labels * found.x
