"""One order of units, best first, and the prefix of it that is kept."""

from dataclasses import dataclass
from difflib import get_close_matches
from math import floor
from numbers import Integral, Real

import numpy as np

from sklearn_prune._sklearn_compat import InvalidParameterError

_KEEP_RULE = (
    "keep must be a fraction in (0, 1], a number of {units} that is an int of at least 2, "
    'or "auto"'
)


@dataclass(frozen=True, eq=False)
class Ranking:
    """An order of n units, rows or parameters, from most to least worth keeping.

    What a selector or a criterion returns. For each size the kept units are a prefix of
    the order, so that smaller selections lie inside larger ones.

    Parameters
    ----------
    order : ndarray of shape (n,), int
        A permutation of ``range(n)``, best first.
    scores : ndarray of shape (n,), float, default=None
        Larger is more worth keeping.
    natural_size : int, default=None
        The size that the method itself would keep.
    keys : ndarray of shape (n,), float, default=None
        Where given, the number kept is random: a unit stays if and only if its key
        is below the fraction to keep.
    importances : ndarray of shape (n,), float, default=None
        Where given, the order is a draw without replacement in which a unit comes the
        earlier the larger this positive number is.
    draws : ndarray of shape (n,), float, default=None
        Beside `importances`: a uniform number divided by the importance of the unit;
        the order ascends in it.

    See Also
    --------
    sklearn_prune.sample_selection.SampleSelector : Ranks rows.
    sklearn_prune.weight_pruning.Criterion : Ranks parameters.

    Examples
    --------
    >>> from sklearn_prune.sample_selection import Ranking
    >>> Ranking.from_scores([0.1, 0.7, 0.4]).order
    array([1, 2, 0])
    """

    order: np.ndarray
    scores: np.ndarray | None = None
    natural_size: int | None = None
    keys: np.ndarray | None = None
    importances: np.ndarray | None = None
    draws: np.ndarray | None = None

    @classmethod
    def from_importances(cls, importances, keys):
        """Draw without replacement, in proportion to importances: priority sampling.

        Parameters
        ----------
        importances : array-like of shape (n,)
            Positive.
        keys : ndarray of shape (n,)
            Uniform numbers in [0, 1).

        Returns
        -------
        Ranking
            Its order is one draw; its scores are the importances.

        References
        ----------
        .. [1] Duffield, Lund, Thorup (2007). Priority sampling for estimation of
           arbitrary subset sums. Journal of the ACM 54.
        """
        importances = np.asarray(importances, dtype=np.float64)
        draws = keys / importances
        return cls(
            np.argsort(draws, kind="stable"),
            importances,
            importances=importances,
            draws=draws,
        )

    @classmethod
    def from_scores(cls, scores, *, first=None):
        """Order by descending score, ties by position.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Finite; larger is more worth keeping. Compared at 12 significant digits, so
            that rounding errors do not decide.
        first : array-like of shape (n,), bool, or None
            Units that come before all others whatever their score: the method's own
            choice, whose number becomes the natural size.

        Returns
        -------
        Ranking
            The order with its scores.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if not np.isfinite(scores).all():
            raise ValueError(
                "The scores of a ranking must be finite. Got NaN or infinity. Scale the "
                "columns of X, and y."
            )
        descending = -round_significant(scores)
        if first is None:
            return cls(np.argsort(descending, kind="stable"), scores)
        first = np.asarray(first, dtype=bool)
        return cls(np.lexsort((descending, ~first)), scores, int(np.count_nonzero(first)))


def round_significant(values, digits=12):
    """Round each value to `digits` significant decimal digits."""
    magnitude = np.abs(values)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(magnitude)))
        rounded = np.rint(values * scale) / scale
    return np.where(np.isfinite(rounded), rounded, values)


def check_keep(keep, *, units="rows"):
    """Raise if `keep` has no meaning, whatever the number of units."""
    rule = _KEEP_RULE.format(units=units)
    if isinstance(keep, str):
        if keep == "auto":
            return
        meant = get_close_matches(keep.lower(), ["auto"])
        hint = 'Did you mean "auto"?' if meant else "Write keep=0.5 for one half."
        raise InvalidParameterError(f"{rule}. Got {keep!r} instead. {hint}")
    if isinstance(keep, bool | np.bool_) or not isinstance(keep, Real):
        raise InvalidParameterError(
            f"{rule}. Got {keep!r} of type {type(keep).__name__} instead. "
            "Write keep=0.5 for one half, keep=1.0 for all."
        )
    if isinstance(keep, Integral):
        if keep == 1:
            raise InvalidParameterError(
                f"{rule}. Got the int 1 instead, which could mean one or all. "
                f"Write keep=1.0 for all {units}."
            )
        if keep < 2:
            raise InvalidParameterError(
                f"{rule}. Got {keep} instead. Write keep=1.0 for all {units}."
            )
    elif not 0 < keep <= 1:  # NaN too
        raise InvalidParameterError(
            f"{rule}. Got {keep} instead. Write keep=0.5 for one half, an int such as "
            f"keep=100 for a number of {units}."
        )


def is_keep(value):
    """Whether a value given for something else is one of `keep`."""
    try:
        check_keep(value)
    except InvalidParameterError:
        return False
    return True


def keeps_all(keep):
    """Whether `keep` is the unpruned baseline: the float 1.0, not the int."""
    return isinstance(keep, Real) and not isinstance(keep, Integral) and keep == 1.0


def budget_size(keep, n, *, units="rows"):
    """Number of units that `keep`, a fraction or a count, means among n.

    ``max(1, floor(keep * n + 0.5 + 1e-9))`` for a fraction, `keep` for a count. Raises
    ValueError if `keep` is out of range, or a count above n.
    """
    check_keep(keep, units=units)
    if not isinstance(keep, Integral):
        return max(1, floor(float(keep) * n + 0.5 + 1e-9))
    if keep > n:
        raise InvalidParameterError(
            f"keep must not exceed the number of {units}. Got keep={keep} with {n} "
            f"{units}. Write a number up to {n}, or keep=1.0 for all."
        )
    return int(keep)


def parameter_budget(keep, n):
    """Number of parameters that are at most the share `keep` of n, but at least 1."""
    return max(1, floor(float(keep) * n + 1e-9))


def keep_prefix(ranking, keep, *, classes=None, strata=None, balanced=False):
    """Sorted positions of the units to keep, nested over `keep` for one ranking.

    "auto" is the ranking's natural size and knows no strata. Each class (codes from 0)
    keeps its best unit. Each prefix keeps the proportions of the strata to within one unit,
    as far as the classes allow, or equal numbers if `balanced`. Where both are given they
    are the same.
    """
    order, n = ranking.order, len(ranking.order)
    if keep == "auto":
        return _with_floor(order[: ranking.natural_size], order, classes)
    size = budget_size(keep, n)
    if ranking.keys is not None:
        share = keep / n if isinstance(keep, Integral) else keep
        return _with_floor(np.flatnonzero(ranking.keys < share), order, classes)
    if classes is not None:
        size = max(size, classes.max() + 1)
    merged = merge_strata(order, classes=classes, strata=strata, balanced=balanced)
    return np.sort(merged[:size])


def keep_groups(ranking, keep, groups, *, classes=None, drawn=False):
    """Sorted positions of the units to keep as whole groups.

    Groups are ordered by the mean place of their units in the order, or, if the order is a
    draw, by the place of their first unit, so that their size does not matter. The first of
    them are kept whose total size comes nearest to the budget: nested over `keep`, at least
    one. Where `keep` is "auto", a group stays if more than half of its units would. The
    best group of a class that is missing is added.
    """
    n = len(groups)
    sizes = np.bincount(groups)
    place = np.empty(n)
    place[ranking.order] = np.arange(n)
    if drawn:
        means = place[np.unique(groups, return_index=True)[1]]
    else:
        means = np.bincount(groups, place) / sizes
    order = np.lexsort((np.arange(len(sizes)), round_significant(means)))
    kept = np.zeros(len(sizes), dtype=bool)
    if keep == "auto":
        natural = np.bincount(
            groups[ranking.order[: ranking.natural_size]], minlength=len(sizes)
        )
        kept = natural > sizes / 2
    else:
        totals = np.concatenate([[0], np.cumsum(sizes[order])])
        nearest = int(np.argmin(np.abs(totals - budget_size(keep, n))))
        kept[order[: max(1, nearest)]] = True
    if not kept.any():
        kept[order[0]] = True
    if classes is not None:
        rank = np.empty(len(sizes), dtype=np.int64)
        rank[order] = np.arange(len(sizes))
        for code in np.setdiff1d(classes, classes[kept[groups]]):
            if not np.any(kept[groups] & (classes == code)):
                kept[order[rank[groups[classes == code]].min()]] = True
    return np.flatnonzero(kept[groups])


def merge_strata(order, *, classes=None, strata=None, balanced=False):
    """Merge an order with its strata into one order, best first.

    The best unit of each class comes first of all. Every further place goes to the stratum
    with the largest n_s / (a_s + 1) among those below their quota, by the house-monotone
    quota method [1]_: prefixes are nested and proportional to within one unit. O(n * number
    of strata). If `balanced`, quotas are equal: the place goes to the stratum with the
    fewest units so far that has some left, the lowest code first.

    References
    ----------
    .. [1] Balinski, Young (1975). The quota method of apportionment. American
       Mathematical Monthly 82.
    """
    if balanced:
        by_stratum = order[np.argsort(strata[order], kind="stable")]
        sizes = np.bincount(strata)
        rounds = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return by_stratum[np.argsort(rounds, kind="stable")]
    if strata is not None:
        from sklearn_prune._ranking_kernels import quota_sequence

        sizes = np.bincount(strata).astype(np.int64)
        given = np.full(len(sizes), 0 if classes is None else 1, dtype=np.int64)
        sequence = quota_sequence(sizes, given)
        if classes is not None:
            sequence = np.concatenate([np.arange(len(sizes)), sequence])
        merged = np.empty_like(order)
        merged[np.argsort(sequence, kind="stable")] = order[
            np.argsort(strata[order], kind="stable")
        ]
        return merged
    if classes is not None:
        best = np.sort(_best_positions(order, classes))
        return np.concatenate([order[best], np.delete(order, best)])
    return order


def _best_positions(order, classes):
    """Positions in `order` of the best unit of each class."""
    first = np.full(classes.max(initial=-1) + 1, -1)
    positions = np.arange(len(order) - 1, -1, -1)
    first[classes[order[::-1]]] = positions  # of several, the last one written stays
    return first[first >= 0]


def _with_floor(kept, order, classes):
    """Add to the kept units the best of each class, or the best of all to none."""
    best = order[:1] if classes is None else order[_best_positions(order, classes)]
    if classes is None and len(kept):
        return np.sort(kept)
    return np.union1d(kept, best)
