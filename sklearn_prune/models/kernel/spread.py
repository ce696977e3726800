"""The spread of a Gaussian process on few points."""

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from sklearn_prune.models.kernel.refit import root_of


def spread_of(kernel, squares, rows, basis):
    """A factor of the posterior and an exponent, from which variances are made.

    With few points the variance of the variational posterior [1]_ is too large. A power of
    its ratio to the prior variance is fitted to the leave-one-out variances of the full
    process. Far from the data the ratio is 1, and any power of it. O(n_rows**3).

    Parameters
    ----------
    kernel : KernelFunction
        Of a process.
    squares : Squares
        Rows, with one over the variance of their noise as costs.
    rows : KernelRows
        Their kernel values with the points.
    basis : ndarray of shape (n_points, n_points)
        Kernel matrix of the points.

    Returns
    -------
    factor : ndarray of shape (n_points * (n_points + 1) / 2,)
        Lower Cholesky factor of the precision matrix of the coefficients, row by row.
    exponent : float
        What the ratio is raised to.

    References
    ----------
    .. [1] Titsias (2009). Variational learning of inducing variables in sparse Gaussian
       processes. AISTATS.
    """
    gram, _ = rows.normal_equations(squares.targets, squares.costs)
    factor = root_of(gram + basis)
    cross = np.concatenate([part for _, part in rows.blocks()]).astype(np.float64)
    known = solve_triangular(root_of(basis), cross.T, lower=True)
    left = solve_triangular(factor, cross.T, lower=True)
    noise = 1.0 / squares.costs
    full = kernel(squares.X, squares.X.copy())
    prior = full.diagonal().copy()
    full[np.diag_indices_from(full)] += noise
    packed = factor[np.tril_indices_from(factor)]
    try:
        inverse = solve_triangular(
            cholesky(full, lower=True), np.eye(len(full)), lower=True
        )
    except LinAlgError:
        return packed, 1.0
    wanted = 1.0 / (inverse**2).sum(axis=0) - noise
    own = (left**2).sum(axis=0)
    found = prior - (known**2).sum(axis=0)
    found += own / (1.0 - np.minimum(own * squares.costs, 0.999))
    x, y = (
        np.log(np.clip(part / np.maximum(prior, 1e-300), 1e-6, 1 - 1e-9))
        for part in (found, wanted)
    )
    return packed, float((x @ y) / (x @ x))
