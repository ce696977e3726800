"""Move prototypes so that the nearest one predicts well."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from sklearn_prune._seeds import derive_seed
from sklearn_prune.predictors import inverse_distances, nearest_by_products

N_EPOCHS = 30
N_LLOYD = 5
RATE = 0.3  # first step, in units of the mean squared distance to the nearest prototype
STEEPNESS = 10.0


def class_means(points, codes, rows, row_codes):
    """Lloyd's iterations within each class, from the given prototypes on.

    A prototype without rows stays. O(n_samples * n_prototypes * n_features / n_classes) for
    each iteration. The means are float64.
    """
    moved = points.astype(np.float64)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        part = rows[row_codes == code]
        for _ in range(N_LLOYD if len(part) else 0):
            nearest = nearest_by_products(part, moved[own])[:, 0]
            counts = np.bincount(nearest, minlength=len(own))
            membership = csr_array(
                (np.ones(len(part)), (nearest, np.arange(len(part)))),
                shape=(len(own), len(part)),
            )
            served = counts > 0
            moved[own[served]] = (membership @ part)[served] / counts[served, None]
    return moved


def glvq(points, codes, rows, row_codes, *, seed):
    """Move prototypes by generalised learning vector quantization [1]_.

    For each row the nearest prototype of its class is drawn nearer and the nearest of any
    other is pushed away, by the gradient of the sigmoid of ``(own - other) / (own +
    other)``, squared Euclidean distances. The seed orders the rows. O(n_samples *
    n_prototypes * n_features) for each of 30 passes.

    References
    ----------
    .. [1] Sato, Yamada (1996). Generalized learning vector quantization. NeurIPS.
    """
    from sklearn_prune.models.neighbors.glvq_kernels import glvq_epoch

    scale = _typical_distance(rows, points)
    if not scale > 0 or len(np.unique(codes)) < 2:
        return points
    by_class = np.argsort(codes, kind="stable")
    n_classes = int(max(codes.max(), row_codes.max())) + 1
    starts = np.searchsorted(codes[by_class], np.arange(n_classes + 1)).astype(np.int64)
    center = points.mean(axis=0)
    columns = np.ascontiguousarray(
        ((points[by_class] - center) / scale).T, dtype=np.float32
    )
    rows = np.ascontiguousarray((rows - center) / scale, dtype=np.float32)
    row_codes = row_codes.astype(np.int64)
    generator = np.random.default_rng(derive_seed(seed, "glvq"))
    decay = RATE / (N_EPOCHS * len(rows))
    for epoch in range(N_EPOCHS):
        order = generator.permutation(len(rows))
        rate = RATE * (1 - epoch / N_EPOCHS)
        glvq_epoch(rows, row_codes, order, columns, starts, STEEPNESS, rate, decay)
    moved = np.empty_like(points)
    moved[by_class] = columns.T * scale + center
    return moved


def _typical_distance(rows, points):
    """Root mean square of the distance to the nearest prototype."""
    nearest = nearest_by_products(rows, points)[:, 0]
    return np.sqrt(np.mean(np.sum((rows - points[nearest]) ** 2, axis=1)))


def joint_means(points, targets, rows, row_targets):
    """Means of rows and targets over the clusters that both form together.

    Prototypes start at `points` and `targets`. Targets count as much as all columns of the
    rows together.
    """
    spread = row_targets.std(axis=0)
    factor = np.sqrt(rows.var(axis=0).sum() / row_targets.shape[1])
    factor = np.where(spread > 0, factor / np.where(spread > 0, spread, 1.0), 0.0)
    start = np.hstack([points, targets * factor])
    joint = np.hstack([rows, row_targets * factor])
    same = np.zeros(len(joint), dtype=np.int64)
    moved = class_means(start, same[: len(start)], joint, same)
    n_features = points.shape[1]
    means = moved[:, n_features:] / np.where(factor > 0, factor, 1.0)
    return moved[:, :n_features], np.where(factor > 0, means, targets)


def refitted_targets(points, targets, rows, row_targets, n_neighbors, weights):
    """Targets of prototypes that minimise the squared error of their weighted means.

    A ridge of strength 1 around the given targets, solved by LSQR: prototypes that no row
    is near to keep theirs.
    """
    positions = nearest_by_products(rows, points, n_neighbors)
    shares = np.full(positions.shape, 1.0 / n_neighbors)
    if weights == "distance":
        offsets = points[positions] - rows[:, None]
        shares = inverse_distances(np.sqrt(np.einsum("ijk,ijk->ij", offsets, offsets)))
        shares /= shares.sum(axis=1, keepdims=True)
    starts = np.arange(0, positions.size + 1, n_neighbors)
    design = csr_array(
        (shares.ravel(), positions.ravel(), starts), shape=(len(rows), len(points))
    )
    residuals = row_targets - design @ targets
    steps = [lsqr(design, residual, damp=1.0, iter_lim=100)[0] for residual in residuals.T]
    return targets + np.column_stack(steps)
