"""Rank rows by whether their neighbours agree, once or until nothing changes."""

from abc import abstractmethod
from functools import partial
from itertools import repeat
from numbers import Integral, Real

from sklearn_prune._docs import entries, fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._base import SELECTOR
from sklearn_prune.sample_selection._editing import (
    CountedNeighbors,
    edit,
    judge_labels,
    judge_targets,
    rows_that_count,
    unsettled_rows,
)
from sklearn_prune.sample_selection._neighbor_base import NeighborSelector

DEPTH = 32  # neighbours in whose lists the survivors are looked for
EDITING = SELECTOR | entries("""
    n_neighbors : int, default=3
        Size of the neighbourhood, the row itself left out.
    kind_sel : {"all", "mode"}, default="all"
        For classes: "all" keeps a row if all its neighbours have its label, "mode" if its
        label is the commonest of theirs; of equally common ones the smallest counts.
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean, as in ENNSelector.
    scores_ : ndarray of shape (n_samples,), float
        Number of rounds that the row outlives, plus its share of neighbours with its
        label in the last round that judged it. For regression plus ``1 / (1 + r)``, where
        r is the distance of its target from the mean of its neighbours' targets in their
        standard deviations.
    natural_size_ : int
        Number of rows that outlive all rounds.
""")


class _EditingSelector(NeighborSelector):
    """Rounds of editing; a subclass says with how many neighbours each is made."""

    requires_y = True
    has_natural_size = True

    _parameter_constraints = {
        **NeighborSelector._parameter_constraints,
        "kind_sel": [StrOptions({"all", "mode"})],
        "alpha": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_neighbors=3,
        *,
        kind_sel="all",
        alpha=5.0,
        metric="auto",
        task="auto",
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.kind_sel = kind_sel
        self.alpha = alpha
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        counts = rows_that_count(len(y), context.sample_weight)
        graph = self._neighbors(X, max(DEPTH, self.n_neighbors), context)
        if context.task == "classification":
            judge = partial(judge_labels, y, self.kind_sel)
        else:
            judge = partial(judge_targets, y, self.alpha)
        if not graph.exact:
            rows = unsettled_rows(graph, self.n_neighbors, judge, counts)
            graph = self._look_again(X, graph, rows)
        find = CountedNeighbors(graph, partial(self._space, X), self.n_jobs)
        rounds = self._rounds(context.task)
        kept, agreement, outlived = edit(find, judge, counts, *rounds)
        scores = self._scores(agreement, outlived, context.task)
        return Ranking.from_scores(scores, first=kept)

    @abstractmethod
    def _rounds(self, task):
        """Numbers of neighbours, one a round, and whether a round in vain is the last."""

    def _scores(self, agreement, outlived, task):
        share = 1 / (1 - agreement) if task == "regression" else agreement
        return outlived + share


@fill(EDITING)
class ENNSelector(_EditingSelector):
    """Keep the rows whose nearest neighbours agree with them.

    Wilson's edited nearest neighbours [1]_: a row is dropped if one of its k nearest
    neighbours, or most of them, have another label. For regression it is dropped if its
    target is far from the mean of its neighbours' targets, in their standard
    deviations [2]_. All rows are compared with all others at once.

    Parameters
    ----------
    {n_neighbors, kind_sel}
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean. A deviation counts as no
        less than a tenth of the mean deviation of all rows, so that neighbours which
        agree by chance do not drop a row. Where all are 0, as with one neighbour, the
        standard deviation of y is used.
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        Share of the neighbours that have the label of the row; for regression minus the
        distance of its target from their mean in their standard deviations.
    natural_size_ : int
        Number of rows that are not dropped.
    {metric_}

    See Also
    --------
    RENNSelector : The same until nothing changes.
    AllKNNSelector : The same with 1, 2, ... neighbours.
    HardnessSelector : Ranks by the same share among more neighbours.

    Notes
    -----
    O(n k) after the neighbour graph. The graph is approximate above 20,000 rows; up to 2 %
    of the rows, those that one neighbour more or less would change, are then searched
    exactly. Rows of zero weight are no neighbours; other weights are not read.

    A bad idea where labels are right and classes overlap: it drops the border rows. Most
    kept rows are tied at a score of 1. For a budget well below the natural size, let
    another selector choose among them.

    References
    ----------
    .. [1] Wilson (1972). Asymptotic properties of nearest neighbor rules using edited
       data. IEEE Transactions on Systems, Man, and Cybernetics 2.
    .. [2] Kordos, Blachnik (2012). Instance selection with neural networks for regression
       problems. ICANN 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ENNSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = ENNSelector().fit(X, y)
    >>> 7 in selector.order_[: selector.natural_size_]
    False
    """

    def _rounds(self, task):
        return [self.n_neighbors], True

    def _scores(self, agreement, outlived, task):
        return agreement


@fill(EDITING)
class RENNSelector(_EditingSelector):
    """Keep the rows that agree with their neighbours once the others have gone.

    Repeated editing [1]_: :class:`ENNSelector` is applied to the rows that are left, with
    neighbours among them only, until a round drops none.

    Parameters
    ----------
    {n_neighbors, kind_sel, alpha}
    max_iter : int, default=100
        Largest number of rounds.
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_, scores_, natural_size_}
    {metric_}

    See Also
    --------
    ENNSelector : One round.
    AllKNNSelector : Rounds with 1, 2, ... neighbours.

    Notes
    -----
    O(n k) a round after one neighbour graph. Neighbours are searched among the 32 nearest
    rows; where too few of them are left, among all rows that are left, O(n d). A class may
    lose all its rows. Rows of zero weight are no neighbours; other weights are not read.

    A bad idea where classes overlap: each round drops more border rows, until only the
    centres are left.

    References
    ----------
    .. [1] Tomek (1976). An experiment with the edited nearest-neighbor rule. IEEE
       Transactions on Systems, Man, and Cybernetics 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ENNSelector, RENNSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> ENNSelector().fit(X, y).natural_size_, RENNSelector().fit(X, y).natural_size_
    (131, 126)
    """

    _parameter_constraints = {
        **_EditingSelector._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_neighbors=3,
        *,
        kind_sel="all",
        alpha=5.0,
        max_iter=100,
        metric="auto",
        task="auto",
        n_jobs=None,
    ):
        super().__init__(
            n_neighbors,
            kind_sel=kind_sel,
            alpha=alpha,
            metric=metric,
            task=task,
            n_jobs=n_jobs,
        )
        self.max_iter = max_iter

    def _rounds(self, task):
        return repeat(self.n_neighbors, self.max_iter), True


@fill(EDITING)
class AllKNNSelector(_EditingSelector):
    """Keep the rows that agree with one neighbour, then with two, and so on.

    Editing after Tomek [1]_: for k from 1 to `n_neighbors`, :class:`ENNSelector` with k
    neighbours is applied to the rows that are left, with neighbours among them only.

    Parameters
    ----------
    n_neighbors : int, default=3
        Size of the last and largest neighbourhood, the row itself left out.
    {kind_sel}
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean, as in ENNSelector. One
        neighbour has no deviation, so the rounds begin with two.
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_, scores_, natural_size_}
    {metric_}

    See Also
    --------
    ENNSelector : One round.
    RENNSelector : Rounds of one size until nothing changes.

    Notes
    -----
    O(n k^2) after one neighbour graph; otherwise as :class:`RENNSelector`. All rounds are
    run, whichever class becomes the smallest.

    References
    ----------
    .. [1] Tomek (1976). An experiment with the edited nearest-neighbor rule. IEEE
       Transactions on Systems, Man, and Cybernetics 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import AllKNNSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> AllKNNSelector().fit(X, y).natural_size_
    136
    """

    def _rounds(self, task):
        first = min(2, self.n_neighbors) if task == "regression" else 1
        return range(first, self.n_neighbors + 1), False
