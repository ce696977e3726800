"""The front: what nothing else is both cheaper and better than."""

from itertools import pairwise

import numpy as np


def pareto_front(cost, score):
    """Return positions of the points that no other beats, cheapest first.

    A point is beaten by one that costs no more and scores no less, and is better in one
    of the two; of equal points the first stays.

    Parameters
    ----------
    cost, score : array-like of shape (n,)
        Less cost and more score are better.

    Returns
    -------
    ndarray of int
        Positions.
    """
    cost, score = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    front, best = [], -np.inf
    for i in np.lexsort((-score, cost)):
        if score[i] > best:
            front.append(i)
            best = score[i]
    return np.array(front, dtype=int)


def corners_of_steps(corners):
    """Corners of the line that "steps-post" draws through points."""
    if len(corners) < 2:
        return np.empty((0, 2))
    turned = [corners[0]]
    for last, point in pairwise(corners):
        turned += [np.array([point[0], last[1]]), point]
    return np.array(turned)
