"""Fits of kernel expansions with a given basis."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular
from scipy.sparse import issparse

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
    single : bool, default=False
        Whether a small one is made in float32, too.
    """

    def __init__(self, kernel, X, basis, *, single=False):
        self.shape = (X.shape[0], basis.shape[0])
        small = self.shape[0] * self.shape[1] <= _DOUBLE and not single
        small |= kernel.name == "object"
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

    def normal_equations(self, targets, costs):
        """Weighted products of the columns, and with targets, in float64."""
        m = self.shape[1]
        gram, products = np.zeros((m, m)), np.zeros((m, targets.shape[1]))
        for rows, part in self.blocks():
            root = np.sqrt(costs[rows])[:, None]
            weighted = part * root.astype(self.dtype)
            gram += weighted.T @ weighted
            products += weighted.T @ (targets[rows] * root).astype(self.dtype)
        return gram, products

    def moments(self, curvature, slope):
        """Weighted products of the columns, and with `slope`; the last column is constant.

        The first are of shape (n_basis + 1, n_basis + 1), the others (n_basis + 1,).
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


def fit_expansion(rows, basis_kernel, targets, costs, loss, width, *, n_steps=12, tol=1e-3):
    """Minimise half the squared norm of the function plus the costs of the rows.

    Newton's method with a line search, as for support vector machines in the primal [1]_.
    `targets` are signs of classes or targets, `costs` C times the weight of each row.
    `loss` gives for values and targets the loss, its slope, where it is curved, and where
    it is not 0; `width` is the inverse of its curvature. Returns coefficients and an
    offset.

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

    `costs` are weights of the rows, `penalty` is the weight of the squared norm, or one for
    each output. Returns coefficients of shape (n_basis, n_outputs): the subset of
    regressors [1]_. O(n_rows * n_basis**2).

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


def between_points(kernel, points):
    """Kernel matrix of the points in float64, without the noise of a white kernel.

    The sigmoid kernel is no inner product: the negative part of its matrix is dropped.
    """
    if not issparse(points):
        points = np.asarray(points, dtype=np.float64)
    matrix = kernel(points, points.copy())
    if kernel.name == "sigmoid":
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(values, 0)) @ vectors.T
    return matrix


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


def solved(matrix, products, jitter):
    """Solve a positive semi-definite system, with a jitter that may have to grow."""
    matrix = matrix.copy()
    diagonal = np.diag_indices_from(matrix)
    for _ in range(8):
        matrix[diagonal] += jitter
        try:
            return cho_solve(cho_factor(matrix, lower=True), products)
        except LinAlgError:
            jitter *= 10
    raise LinAlgError("the kernel matrix is not positive definite")


def sigmoid(values, first, weights):
    """Platt's slope and shift, such that 1 / (1 + exp(slope * value + shift)) is first."""
    from scipy.optimize import minimize

    n_first, n_second = weights[first].sum(), weights[~first].sum()
    wanted = np.where(first, (n_first + 1) / (n_first + 2), 1 / (n_second + 2))

    def loss(pair):
        z = pair[0] * values + pair[1]
        slope = weights * (wanted - 1 / (1 + np.exp(np.clip(z, -500, 500))))
        value = weights @ (wanted * z + np.logaddexp(0, -z))
        return value, np.array([slope @ values, slope.sum()])

    start = np.array([0.0, np.log((n_second + 1) / (n_first + 1))])
    return minimize(loss, start, jac=True, method="BFGS").x
