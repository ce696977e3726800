"""Check what methods of a subclass return: a mistake is named where it is made."""

import numpy as np

from sklearn_prune._ranking import Ranking


def check_returned(valid, owner, method, wanted, found, what=None):
    """Raise TypeError unless what a method returned is valid; `what` describes it."""
    if valid:
        return
    what = what or type(found).__name__
    if isinstance(found, np.ndarray):
        what = f"an array of shape {found.shape} and dtype {found.dtype}"
    raise TypeError(f"{type(owner).__name__}.{method} must return {wanted}. Got {what}.")


def check_ranking(ranking, n, owner, method="_rank", units="rows"):
    """Return the Ranking that a method returned; raise unless it orders n units."""
    wanted = f"a Ranking, such as Ranking.from_scores(scores) of the {n} {units}"
    check_returned(isinstance(ranking, Ranking), owner, method, wanted, ranking)
    order = ranking.order
    wanted = f"a Ranking whose order is an int array, a permutation of range({n})"
    whole = (
        isinstance(order, np.ndarray)
        and order.dtype.kind in "iu"
        and order.shape == (n,)
        and np.array_equal(np.bincount(order[(order >= 0) & (order < n)]), np.ones(n))
    )
    check_returned(whole, owner, method, wanted, order)
    scores = ranking.scores
    wanted = f"a Ranking whose scores are None or an array of shape ({n},)"
    fits = scores is None or np.shape(scores) == (n,)
    check_returned(fits, owner, method, wanted, scores)
    return ranking


def check_scores(scores, n, owner, method="_scores"):
    """Return the scores that a method returned; raise unless they are n finite floats."""
    wanted = f"a float array of shape ({n},) without NaN, one score for each unit"
    valid = (
        isinstance(scores, np.ndarray)
        and scores.dtype.kind in "fiub"
        and scores.shape == (n,)
        and not np.isnan(scores).any()
    )
    check_returned(valid, owner, method, wanted, scores)
    return scores
