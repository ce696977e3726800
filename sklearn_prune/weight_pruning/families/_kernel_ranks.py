"""What the points of a kernel machine are worth, in the space of the kernel."""

import numpy as np
from scipy.linalg import cho_solve

from sklearn_prune.weight_pruning.families._kernel_losses import between_points
from sklearn_prune.weight_pruning.families._kernel_refit import root_of

_SHRINKAGE = (0.3, 0.1, 0.03, 0.01)  # of the penalty at which all points are gone
_STEPS = 60
_RIDGE = 1.0


def removal_losses(work):
    """Squared distance that the function moves when a point goes and the others make up.

    It is the sum of w**2 / [K^-1]_ww over the coefficients w of the point, for the kernel
    matrix K of the points of its class. O(n_points**3) for each class.
    """
    losses = np.empty(len(work.ids))
    for own, matrix, coefficients in _by_class(work):
        root = root_of(matrix + 1e-6 * np.trace(matrix) / len(matrix) * np.eye(len(matrix)))
        inverse = cho_solve((root, True), np.eye(len(matrix)), overwrite_b=True)
        losses[own] = (coefficients**2).sum(axis=1) / np.diag(inverse)
    return losses


def penalised_strengths(work, penalty):
    """Size of the coefficients of each point under a penalty [1]_.

    The function of each class is approached in the space of the kernel by fewer (l1,
    all coefficients of a point together) or smaller (l2) coefficients. l1: the mean over
    four strengths, so that a point that stays longest comes first.

    References
    ----------
    .. [1] Scholkopf, Mika, Burges, et al. (1999). Input space versus feature space in
       kernel-based methods. IEEE Transactions on Neural Networks 10.
    """
    strengths = np.empty(len(work.ids))
    for own, matrix, coefficients in _by_class(work):
        wanted = matrix @ coefficients
        if penalty == "l2":
            ridge = _RIDGE * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
            found = cho_solve((root_of(matrix + ridge), True), wanted)
            strengths[own] = np.linalg.norm(found, axis=1)
        else:
            strengths[own] = _lasso_path(matrix, wanted)
    return strengths


def _lasso_path(matrix, wanted):
    """Mean size of each row along the path of the group lasso; accelerated gradients."""
    limit = _largest_eigenvalue(matrix)
    largest = np.linalg.norm(wanted, axis=1).max()
    found = np.zeros_like(wanted)
    total = np.zeros(len(matrix))
    for share in _SHRINKAGE:
        threshold = share * largest / limit
        ahead, pace = found, 1.0
        for _ in range(_STEPS):
            moved = ahead - (matrix @ ahead - wanted) / limit
            size = np.linalg.norm(moved, axis=1, keepdims=True)
            new = moved * np.maximum(0, 1 - threshold / np.maximum(size, 1e-300))
            faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
            ahead = new + (pace - 1) / faster * (new - found)
            found, pace = new, faster
        size = np.linalg.norm(found, axis=1)
        total += size / max(size.max(), 1e-300)
    return total / len(_SHRINKAGE)


def _largest_eigenvalue(matrix, n_steps=20):
    vector = np.ones(len(matrix))
    for _ in range(n_steps):
        vector = matrix @ (vector / np.linalg.norm(vector))
    return 1.1 * np.linalg.norm(vector) + 1e-300


def _by_class(work):
    """For each class: its points, their kernel matrix, their coefficients."""
    codes = np.zeros(len(work.ids), dtype=np.int64) if work.codes is None else work.codes
    coefficients = work.coefficients
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        kernel = getattr(work, "kernel", None)
        if kernel is None:  # several latent functions: the first one's
            kernel = work.members[0].kernel
            points = work.points[own]
            yield own, kernel(points, points.copy()), coefficients[own]
        else:
            yield own, between_points(kernel, work.points[own]), coefficients[own]
