"""Compiled loops of the joint refit of the leaves of boosted trees."""

from numba import njit


@njit(cache=True, nogil=True)
def add_leaves(leaves, home, output, value, raw):
    """Add to the raw scores, by (output, row), what the leaves of the rows hold."""
    for t in range(leaves.shape[0]):
        scores = raw[output[t]]
        for i in range(leaves.shape[1]):
            scores[i] += value[home[leaves[t, i]]]


@njit(cache=True, nogil=True)
def refit_leaves(
    leaves,
    home,
    ends,
    output,
    weights,
    residual,
    value,
    anchor,
    ridge,
    lasso,
    moves,
    curvature,
):
    """One exact step of least squares for the leaves of each tree, in turn.

    Added to the squares is ``ridge / 2 * (value - anchor)**2 + lasso * abs(value)``.

    The leaves of a tree part the rows, so that its normal matrix is diagonal; its
    `curvature` is set in any case, `value` and `residual` only if it `moves`. Nodes of
    tree t are those from ``ends[t]`` to ``ends[t + 1]``; weights and residuals are by
    (output, row).
    """
    move = value * 0.0
    for t in range(leaves.shape[0]):
        first, last, place = ends[t], ends[t + 1], leaves[t]
        left, weight = residual[output[t]], weights[output[t]]
        move[first:last] = 0.0
        curvature[first:last] = 0.0
        for i in range(len(place)):
            leaf = home[place[i]]
            move[leaf] += weight[i] * left[i]
            curvature[leaf] += weight[i]
        if not moves:
            continue
        for leaf in range(first, last):
            if curvature[leaf] > 0.0:
                slope = move[leaf] + curvature[leaf] * value[leaf] + ridge * anchor[leaf]
                size = max(abs(slope) - lasso, 0.0) / (curvature[leaf] + ridge)
                move[leaf] = (size if slope > 0.0 else -size) - value[leaf]
                value[leaf] += move[leaf]
        for i in range(len(place)):
            left[i] -= move[home[place[i]]]
