"""Estimate the coefficients of a kernel expansion again, on all rows given."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular

_STORED = 2**24  # entries of a kernel matrix that are kept instead of made again
_DOUBLE = 2**22  # entries up to which it is made in float64
_ROWS = 2048
WIDTH = 0.5  # over which the corner of a hinge is rounded, in units of the margin


class KernelRows:
    """The kernel matrix between rows and a basis, made in blocks of rows.

    A large one is made in float32, and again at each use.

    Parameters
    ----------
    kernel : KernelFunction
        The kernel.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Rows.
    basis : ndarray or CSR matrix of shape (n_basis, n_features)
        Points.
    """

    def __init__(self, kernel, X, basis):
        self.shape = (X.shape[0], basis.shape[0])
        small = self.shape[0] * self.shape[1] <= _DOUBLE or kernel.name == "object"
        self.dtype = np.float64 if small else np.float32
        self.kernel = kernel
        self.X, self.basis = X.astype(self.dtype), basis.astype(self.dtype)
        self._blocks = None
        if self.shape[0] * self.shape[1] <= _STORED:
            self._blocks = list(self._make())

    def _make(self):
        for start in range(0, self.shape[0], _ROWS):
            rows = slice(start, min(start + _ROWS, self.shape[0]))
            yield rows, self.kernel(self.X[rows], self.basis).astype(self.dtype, copy=False)

    def blocks(self):
        """Pairs of a slice of rows and its part of the matrix."""
        return self._make() if self._blocks is None else self._blocks

    def times(self, coefficients):
        """The matrix times coefficients, in float64."""
        coefficients = coefficients.astype(self.dtype, copy=False)
        parts = [part @ coefficients for _, part in self.blocks()]
        return np.concatenate(parts).astype(np.float64, copy=False)

    def moments(self, curvature, slope):
        """Weighted products of the columns, and with vectors of the rows.

        Returns
        -------
        gram : ndarray of shape (n_basis + 1, n_basis + 1)
            With the weights `curvature`; the last column is the constant.
        gradient : ndarray of shape (n_basis + 1,)
            Products with `slope`.
        """
        m = self.shape[1]
        gram, gradient = np.zeros((m + 1, m + 1)), np.zeros(m + 1)
        root = np.sqrt(curvature).astype(self.dtype)
        for rows, part in self.blocks():
            gradient[:m] += part.T @ slope[rows].astype(self.dtype)
            active = np.flatnonzero(root[rows])
            if len(active):
                own = root[rows][active]
                scaled = np.empty((len(active), m + 1), dtype=self.dtype)
                np.multiply(part[active], own[:, None], out=scaled[:, :m])
                scaled[:, m] = own
                gram += scaled.T @ scaled
        gradient[m] = slope.sum()
        return gram, gradient


def hinge(width):
    """Hinge loss of margins, its corner rounded: quadratic over `width`, then linear."""

    def loss(values, targets):
        excess = 1 - targets * values
        inside = np.clip(excess, 0, width)
        value = inside * (excess - inside / 2) / width
        return value, -targets * inside / width, (inside > 0) & (excess < width), excess > 0

    return loss


def tube(epsilon, width):
    """Loss of residuals beyond `epsilon`, its corner rounded in the same way."""

    def loss(values, targets):
        residual = values - targets
        excess = np.abs(residual) - epsilon
        inside = np.clip(excess, 0, width)
        value = np.where(excess > 0, inside * (excess - inside / 2) / width, 0.0)
        slope = np.sign(residual) * inside / width
        return value, slope, (inside > 0) & (excess < width), excess > 0

    return loss


def fit_expansion(rows, basis_kernel, targets, costs, loss, width, *, n_steps=12, tol=1e-3):
    """Minimise half the squared norm of the function plus the costs of the rows.

    Newton's method with a line search, as for support vector machines in the primal [1]_.

    Parameters
    ----------
    rows : KernelRows
        Kernel matrix between the rows and the basis.
    basis_kernel : ndarray of shape (n_basis, n_basis)
        Kernel matrix of the basis.
    targets, costs : ndarray of shape (n_rows,)
        Signs of the classes or targets; C times the weight of each row.
    loss : callable
        Of values and targets: the loss, its slope, where it is curved, where it is not 0.
    width : float
        Inverse of the curvature.

    Returns
    -------
    coefficients : ndarray of shape (n_basis,)
    offset : float

    References
    ----------
    .. [1] Chapelle (2007). Training a support vector machine in the primal. Neural
       Computation 19.
    """
    m = len(basis_kernel)
    found = np.zeros(m + 1)
    values = np.zeros(len(targets))
    penalty = np.zeros(m)  # the basis kernel times the coefficients
    for step in range(n_steps):
        value, slope, curved, active = loss(values, targets)
        now = costs @ value + found[:m] @ penalty / 2
        bending = curved / width
        if step == 0:  # as if quadratic: at zero the loss may be linear on all rows
            bending = active / max(width, 1)
        gram, gradient = rows.moments(costs * bending, costs * slope)
        gradient[:m] += penalty
        gram[:m, :m] += basis_kernel
        direction = -solve_damped(gram, gradient)
        moved = rows.times(direction[:m]) + direction[m]
        bent = basis_kernel @ direction[:m]
        expected = gradient @ direction
        for size in 0.5 ** np.arange(12):
            value = loss(values + size * moved, targets)[0]
            part = found[:m] @ penalty + size * (2 * found[:m] @ bent)
            new = costs @ value + (part + size**2 * (direction[:m] @ bent)) / 2
            if new <= now + 1e-4 * size * expected:
                break
        else:
            break
        found += size * direction
        values += size * moved
        penalty += size * bent
        if now - new <= tol * now and step:
            break
    return found[:m], found[m]


def fit_ridge(rows, basis_kernel, targets, costs, penalty):
    """Minimise the weighted squared errors plus the squared norm of the function.

    Parameters
    ----------
    rows : KernelRows
        Kernel matrix between the rows and the basis.
    basis_kernel : ndarray of shape (n_basis, n_basis)
        Kernel matrix of the basis.
    targets : ndarray of shape (n_rows, n_outputs)
        Targets.
    costs : ndarray of shape (n_rows,)
        Weights of the rows.
    penalty : float or ndarray of shape (n_outputs,)
        Weight of the squared norm.

    Returns
    -------
    ndarray of shape (n_basis, n_outputs)
        Coefficients: the subset of regressors [1]_. O(n_rows * n_basis**2).

    References
    ----------
    .. [1] Quinonero-Candela, Rasmussen (2005). A unifying view of sparse approximate
       Gaussian process regression. JMLR 6.
    """
    root = root_of(basis_kernel)
    m = len(basis_kernel)
    gram, products = np.zeros((m, m)), np.zeros((m, targets.shape[1]))
    for part, kernel in rows.blocks():
        white = solve_triangular(root, kernel.T.astype(np.float64), lower=True)
        white *= np.sqrt(costs[part])
        gram += white @ white.T
        products += white @ (targets[part] * np.sqrt(costs[part])[:, None])
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ products
    shrunk = turned / (
        np.maximum(values, 0)[:, None] + np.broadcast_to(penalty, turned.shape)
    )
    return solve_triangular(root, vectors @ shrunk, lower=True, trans="T")


def root_of(matrix):
    """Lower Cholesky factor of a positive semi-definite matrix, damped until it exists."""
    damping = 1e-12 * np.trace(matrix) / len(matrix) + 1e-300
    diagonal = np.diag_indices_from(matrix)
    matrix = matrix.copy()
    while True:
        matrix[diagonal] += damping
        try:
            return cholesky(matrix, lower=True, check_finite=False)
        except LinAlgError:
            damping *= 10


def solve_damped(matrix, vector):
    """Solve a positive semi-definite system, damped until its factor exists."""
    damping = 1e-7 * np.trace(matrix) / len(matrix) + 1e-12
    diagonal = np.diag_indices_from(matrix)
    for _ in range(12):
        matrix[diagonal] += damping
        try:
            return cho_solve(cho_factor(matrix, lower=True, check_finite=False), vector)
        except LinAlgError:
            damping *= 10
    return np.linalg.lstsq(matrix, vector)[0]
