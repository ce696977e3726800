"""Coverage-centric selection: rows of every difficulty but the hardest."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np

from sklearn_prune._meta import in_one_line, last_step
from sklearn_prune._ranking import Ranking, budget_size, round_significant
from sklearn_prune._seeds import derive_seed, row_keys
from sklearn_prune._sklearn_compat import Interval, InvalidParameterError, count_rows
from sklearn_prune.sample_selection._base import KEEP_OPTIONS
from sklearn_prune.sample_selection._chain import NestedSelector


class CoverageCentricSelector(NestedSelector):
    """Keep rows of every difficulty but the hardest: coverage-centric selection (CCS).

    Another selector scores the rows. The share `cutoff` of hardest rows, which contain the
    wrong labels, is cut. The range of the other scores is divided into bins of equal width.
    The budget is allotted from the smallest bin to the largest: each gets its equal part of
    what is left, or all its rows if these are fewer. Inside a bin rows are drawn at random
    [1]_. So easy rows with close scores are thinned out, and rare ones are kept.

    Parameters
    ----------
    selector : selector with scores or Pipeline that ends in one, default=None
        Scores the rows: the smaller, the harder. None is ``MarginSelector()``: margins
        under a model that has not seen the row.
    keep : float in (0, 1] or int >= 2, default=0.5
        Fraction or number of rows, where no meta-estimator says it.
    cutoff : float in [0, 1), default=0.1
        Share of hardest rows to cut, rounded down: the paper's beta. It should exceed
        the share of wrong labels.
    n_bins : int, default=50
        Number of bins: the paper's strata.
    random_state : int, RandomState instance or None, default=None
        Seeds the draws, and `selector` where that has no seed. None takes the seed of
        the meta-estimator.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those drawn, at random; the others that are not cut, at
        random; those cut, hardest last. Subsets of other sizes are no prefixes of it.
    scores_ : ndarray of shape (n_samples,), float
        The scores of `selector`; the order is not sorted by them.
    selector_ : selector or Pipeline
        The fitted `selector`.

    See Also
    --------
    MarginSelector : Its scores.
    AutoSelector : Decides itself how many rows come last.

    Notes
    -----
    The cost is that of `selector`, which `memory` in the meta-estimator caches for all
    budgets. If more rows are to be kept than `cutoff` leaves, the least hard of the cut
    rows are added. Rows of weight 0 are not drawn and come last.

    The draw ignores classes. A meta-estimator with ``stratify="auto"`` restores their
    proportions by dropping and adding rows at random. ``stratify=None`` takes the set as
    drawn.

    On clean data the cut drops rows that matter; ``cutoff=0.0`` cuts none. Above half of
    the rows little is gained over random rows.

    References
    ----------
    .. [1] Zheng, Liu, Lai, Prakash (2023). Coverage-centric coreset selection for high
       pruning rates. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import CoverageCentricSelector
    >>> from sklearn_prune.sample_selection import L2PenaltySelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = CoverageCentricSelector(L2PenaltySelector(), random_state=0)
    >>> int(selector.fit(X, y).order_[-1])
    7
    """

    budget_dependent = True
    order_dependent = True

    _parameter_constraints = {
        "selector": "no_validation",
        "keep": KEEP_OPTIONS,
        "cutoff": [Interval(Real, 0, 1, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        selector=None,
        keep=0.5,
        *,
        cutoff=0.1,
        n_bins=50,
        random_state=None,
    ):
        self.selector = selector
        self.keep = keep
        self.cutoff = cutoff
        self.n_bins = n_bins
        self.random_state = random_state

    def _parts(self):
        if self.selector is not None:
            return [self.selector]
        from sklearn_prune.sample_selection._loss import MarginSelector

        return [MarginSelector()]

    def _check_parts(self):
        super()._check_parts()
        (part,) = self._parts()
        if getattr(last_step(part), "prefer", "easy") == "hard":
            raise InvalidParameterError(
                "CoverageCentricSelector needs scores that are small for hard rows. Got "
                f'{in_one_line(part)}. Write prefer="easy".'
            )

    def _rank(self, X, y, context):
        n, seed = count_rows(X), self._seed(context)
        (part,) = self._parts()
        self.selector_ = self._fit_part(part, X, y, replace(context, seed=seed))
        scores = last_step(self.selector_).ranking.scores
        if scores is None:
            raise ValueError(
                "CoverageCentricSelector needs a selector that scores the rows. Got "
                f"{in_one_line(part)}, which only orders them. Write "
                "CoverageCentricSelector(MarginSelector())."
            )
        ease = round_significant(scores)
        budget = budget_size(self.keep, n) if context.budget is None else context.budget
        by_ease = np.argsort(-ease, kind="stable")
        counts = np.ones(n, dtype=bool)
        if context.sample_weight is not None:
            counts = context.sample_weight > 0
        counted, idle = by_ease[counts[by_ease]], by_ease[~counts[by_ease]]
        n_cut = min(int(self.cutoff * len(counted) + 1e-9), len(counted) - 1)
        body, cut = np.split(counted, [len(counted) - n_cut])

        keys = row_keys(derive_seed(seed, "draws"), n)
        body = body[np.argsort(keys[body], kind="stable")]
        bins = equal_width_bins(ease[body], self.n_bins)
        sizes = np.bincount(bins, minlength=self.n_bins)
        by_bin = np.argsort(bins, kind="stable")
        place = np.empty(len(body), dtype=np.int64)
        place[by_bin] = np.arange(len(body)) - (np.cumsum(sizes) - sizes)[bins[by_bin]]
        drawn = place < allot_budget(sizes, budget)[bins]
        return Ranking(np.concatenate([body[drawn], body[~drawn], cut, idle]), scores)


def equal_width_bins(values, n_bins):
    """Number of the bin of each value; the range is divided into bins of equal width."""
    edges = np.linspace(values.min(), values.max(), n_bins + 1)
    return np.searchsorted(edges[1:-1], values, side="right")


def allot_budget(sizes, budget):
    """Allot a budget to bins, smallest first: an equal part of what is left, or all."""
    places = np.zeros_like(sizes)
    for done, number in enumerate(np.argsort(sizes, kind="stable")):
        places[number] = min(sizes[number], budget // (len(sizes) - done))
        budget -= places[number]
    return places
