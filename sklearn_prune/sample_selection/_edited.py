"""Rank rows by whether their neighbours agree, once or until nothing changes."""

from abc import abstractmethod
from functools import partial
from itertools import repeat
from numbers import Integral, Real

import numpy as np

from sklearn_prune._graph import in_threads, look_again
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._neighbor_base import (
    METRIC_OPTIONS,
    TASK_OPTIONS,
    NeighborSelector,
)

DEPTH = 32  # neighbours in whose lists the survivors are looked for
SECOND_LOOK = 0.02  # share of rows that are looked at again in an approximate graph
FLOOR = 0.1  # of the mean deviation: below it, neighbours agree by chance


class _EditingSelector(NeighborSelector):
    """Rounds of editing; a subclass says with how many neighbours each is made."""

    requires_y = True
    has_natural_size = True

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "kind_sel": [StrOptions({"all", "mode"})],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def _rank(self, X, y, context):
        counts = rows_that_count(len(y), context.sample_weight)
        graph = self._neighbors(X, max(DEPTH, self.n_neighbors), context)
        if context.task == "classification":
            judge = partial(judge_labels, y, self.kind_sel)
        else:
            judge = partial(judge_targets, y, self.alpha)
        if not graph.exact:
            rows = unsettled_rows(graph, self.n_neighbors, judge, counts)
            depth = graph.indices.shape[1]
            graph = look_again(
                X, graph, rows, depth, metric=self.metric, n_jobs=self.n_jobs
            )
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


class ENNSelector(_EditingSelector):
    """Keep the rows whose nearest neighbours agree with them.

    Wilson's edited nearest neighbours [1]_: a row is dropped where one of its k nearest
    neighbours has another label, or most of them have. With a regression target it is
    dropped where it is far from the mean of its neighbours' targets, measured in their
    standard deviations [2]_. All rows are judged by all others at once.

    Parameters
    ----------
    n_neighbors : int, default=3
        Size of the neighbourhood, the row itself left out.
    kind_sel : {"all", "mode"}, default="all"
        For classes: "all" keeps a row if all its neighbours have its label, "mode" if its
        label is the commonest of theirs; of equally common ones the smallest counts.
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean. A deviation counts as no
        less than a tenth of its mean over all rows, so that neighbours that agree by
        chance do not condemn every other value; where all are 0, as with one neighbour,
        the standard deviation of y takes their place.
    metric : {"euclidean", "cosine", "gower"}, default="euclidean"
        Euclidean on standardised columns, cosine, or Gower's, which reads categories and
        missing values.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of threads; the result does not depend on it.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those that ``keep="auto"`` keeps, then the others, both by
        descending score, ties by position.
    scores_ : ndarray of shape (n_samples,), float
        Share of the neighbours that have the label of the row; for regression minus the
        distance of its target from their mean in their standard deviations.
    natural_size_ : int
        Number of rows that are not dropped.

    See Also
    --------
    RENNSelector : The same until nothing changes.
    AllKNNSelector : The same with 1, 2, ... neighbours.
    HardnessSelector : Ranks by the same share among more neighbours.

    Notes
    -----
    O(n k) after the neighbour graph. In an approximate graph, which is used above 20,000
    rows, up to 2 % of the rows are looked at again exactly: those whose fate would change
    with a neighbour more or less. Rows of zero weight are no neighbours; other weights are
    not read.

    A bad idea where labels are right and classes overlap: the rows that it drops are
    those at the border. Most kept rows are tied at a score of 1, so for a budget well below
    the natural size another selector should choose among them.

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

    def __init__(
        self,
        n_neighbors=3,
        *,
        kind_sel="all",
        alpha=5.0,
        metric="euclidean",
        task="auto",
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.kind_sel = kind_sel
        self.alpha = alpha
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rounds(self, task):
        return [self.n_neighbors], True

    def _scores(self, agreement, outlived, task):
        return agreement


class RENNSelector(_EditingSelector):
    """Keep the rows that agree with their neighbours once the others have gone.

    Repeated editing [1]_: :class:`ENNSelector` is applied to the rows that are left, whose
    neighbours are looked for among them only, until a round drops none.

    Parameters
    ----------
    n_neighbors : int, default=3
        Size of the neighbourhood, the row itself left out.
    kind_sel : {"all", "mode"}, default="all"
        For classes: "all" keeps a row if all its neighbours have its label, "mode" if its
        label is the commonest of theirs; of equally common ones the smallest counts.
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean, as in ENNSelector.
    max_iter : int, default=100
        Largest number of rounds.
    metric : {"euclidean", "cosine", "gower"}, default="euclidean"
        Euclidean on standardised columns, cosine, or Gower's, which reads categories and
        missing values.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of threads; the result does not depend on it.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those that ``keep="auto"`` keeps, then the others, both by
        descending score, ties by position.
    scores_ : ndarray of shape (n_samples,), float
        Number of rounds that the row outlives, plus its share of neighbours with its label
        in the last round that judged it; for regression plus ``1 / (1 + r)``, where r is
        the distance of its target from the mean of its neighbours' in their standard
        deviations.
    natural_size_ : int
        Number of rows that outlive all rounds.

    See Also
    --------
    ENNSelector : One round.
    AllKNNSelector : Rounds with 1, 2, ... neighbours.

    Notes
    -----
    O(n k) a round after one neighbour graph: survivors are looked for among the 32 nearest
    rows; where those are not enough, the row is compared with all survivors, O(n d). A
    class may lose all its rows. Rows of zero weight are no neighbours; other weights are
    not read.

    A bad idea where classes overlap: each round moves the border of the smaller class, and
    what is left describes the centres only.

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
        metric="euclidean",
        task="auto",
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.kind_sel = kind_sel
        self.alpha = alpha
        self.max_iter = max_iter
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rounds(self, task):
        return repeat(self.n_neighbors, self.max_iter), True


class AllKNNSelector(_EditingSelector):
    """Keep the rows that agree with one neighbour, then with two, and so on.

    Editing after Tomek [1]_: round k applies :class:`ENNSelector` with k neighbours, for k
    from 1 to `n_neighbors`, to the rows that are left, whose neighbours are looked for
    among them only.

    Parameters
    ----------
    n_neighbors : int, default=3
        Size of the last and largest neighbourhood, the row itself left out.
    kind_sel : {"all", "mode"}, default="all"
        For classes: "all" keeps a row if all its neighbours have its label, "mode" if its
        label is the commonest of theirs; of equally common ones the smallest counts.
    alpha : float, default=5.0
        For regression: a row is dropped whose target is more than `alpha` standard
        deviations of its neighbours' targets from their mean, as in ENNSelector. One
        neighbour has no deviation, so the rounds begin with two.
    metric : {"euclidean", "cosine", "gower"}, default="euclidean"
        Euclidean on standardised columns, cosine, or Gower's, which reads categories and
        missing values.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of threads; the result does not depend on it.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those that ``keep="auto"`` keeps, then the others, both by
        descending score, ties by position.
    scores_ : ndarray of shape (n_samples,), float
        Number of rounds that the row outlives, plus its share of neighbours with its label
        in the last round that judged it; for regression plus ``1 / (1 + r)``, where r is
        the distance of its target from the mean of its neighbours' in their standard
        deviations.
    natural_size_ : int
        Number of rows that outlive all rounds.

    See Also
    --------
    ENNSelector : One round.
    RENNSelector : Rounds of one size until nothing changes.

    Notes
    -----
    O(n k^2) after one neighbour graph: survivors are looked for among the 32 nearest rows;
    where those are not enough, the row is compared with all survivors, O(n d). All rounds
    are run, whichever class becomes the smallest. Rows of zero weight are no neighbours;
    other weights are not read.

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

    def __init__(
        self,
        n_neighbors=3,
        *,
        kind_sel="all",
        alpha=5.0,
        metric="euclidean",
        task="auto",
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.kind_sel = kind_sel
        self.alpha = alpha
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rounds(self, task):
        first = min(2, self.n_neighbors) if task == "regression" else 1
        return range(first, self.n_neighbors + 1), False


class CountedNeighbors:
    """Find the nearest neighbours among the rows that count, ever fewer of them.

    They are looked for in the lists of the graph. Where a list runs out, the row is
    compared with all rows that count, and gets a list of these.

    Parameters
    ----------
    graph : NeighborGraph
        The neighbours among all rows.
    get_space : callable
        Gives the Space of the rows; called only where a list runs out.
    n_jobs : int or None
        Number of threads.
    """

    def __init__(self, graph, get_space, n_jobs=None):
        self._lists = graph.indices
        self._get_space = get_space
        self._n_jobs = n_jobs

    def __call__(self, k, counts, judged):
        """Find the k nearest of the judged rows.

        Parameters
        ----------
        k : int
            Number of neighbours, no more than the graph has unless it has all.
        counts, judged : ndarray of shape (n_samples,), bool
            Rows that may be neighbours, no others than in the call before, and rows whose
            neighbours are wanted.

        Returns
        -------
        ndarray of shape (n_samples, min(k, n_samples - 1)), int32
            Nearest first, ties by position, -1 after the last. Other rows than the judged
            ones have no meaning.
        """
        from sklearn_prune.sample_selection._edited_kernels import first_counted

        n, depth = self._lists.shape
        found = np.empty((n, min(k, n - 1)), dtype=np.int32)
        short = np.flatnonzero(first_counted(self._lists, counts, judged, found))
        if depth < n - 1 and len(short):
            lists = self._lists.copy()
            lists[short] = self._search(short, np.flatnonzero(counts))
            self._lists = lists
            first_counted(lists, counts, judged, found)
        return found

    def _search(self, rows, among):
        from sklearn_prune.sample_selection._edited_kernels import nearest_among

        space = self._get_space()
        found = np.empty((len(rows), self._lists.shape[1]), dtype=np.int32)

        def search(batch):
            nearest_among(
                space.points,
                space.metric == "gower",
                space.nominal,
                rows[batch],
                among,
                found[batch],
            )

        in_threads(search, len(rows), self._n_jobs)
        return found


def edit(find, judge, counts, sizes, until_stable):
    """Drop in each round the rows that their neighbours among the survivors contradict.

    Parameters
    ----------
    find : callable
        ``find(k, counts, judged)`` gives the neighbours of the judged rows.
    judge : callable
        ``judge(found, counts, judged)`` gives who is kept and how far they agree.
    counts : ndarray of shape (n_samples,), bool
        Rows that may be neighbours.
    sizes : iterable of int
        Number of neighbours in each round.
    until_stable : bool
        Whether a round that drops none is the last.

    Returns
    -------
    kept : ndarray of shape (n_samples,), bool
    agreement : ndarray of shape (n_samples,), float
        In the last round that judged the row.
    outlived : ndarray of shape (n_samples,), int
        Number of rounds after which the row was still there.
    """
    kept = np.ones(len(counts), dtype=bool)
    agreement = np.zeros(len(counts))
    outlived = np.zeros(len(counts), dtype=np.int64)
    for k in sizes:
        agrees, agreed = judge(find(k, counts & kept, kept), counts & kept, kept)
        agreement[kept] = agreed[kept]
        survives = kept & agrees
        outlived[survives] += 1
        if until_stable and np.array_equal(survives, kept):
            break
        kept = survives
    return kept, agreement, outlived


def rows_that_count(n_samples, sample_weight):
    """Mask of the rows that may be neighbours: those of positive weight."""
    return np.ones(n_samples, dtype=bool) if sample_weight is None else sample_weight > 0


def judge_labels(y, kind_sel, found, counts, judged):
    """Whether the neighbours have the label of the row, and which share of them."""
    from sklearn_prune.sample_selection._edited_kernels import label_agreement

    agreement, in_majority = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    label_agreement(found, y, judged, y.max() + 1, agreement, in_majority)
    return (agreement == 1 if kind_sel == "all" else in_majority), agreement


def judge_targets(y, alpha, found, counts, judged):
    """Whether the target is near those of the neighbours, and minus how far it is."""
    deviations, residuals = target_residuals(y, found, judged)
    deviations = floored_deviations(deviations, y, counts)
    ratios = np.divide(
        residuals, deviations, out=np.zeros_like(residuals), where=residuals > 0
    )
    return ratios <= alpha, -ratios


def floored_deviations(deviations, y, counts):
    """Deviations of no less than a tenth of their mean; that of y where all are 0."""
    mean = deviations[counts].mean() if counts.any() else 0.0
    return np.maximum(deviations, FLOOR * mean if mean > 0 else y.std())


def target_residuals(y, found, judged):
    """Deviations of the neighbours' targets, and distances of targets from their means."""
    from sklearn_prune.sample_selection._edited_kernels import target_moments

    means, deviations = y.copy(), np.zeros(len(y))
    target_moments(found, y, judged, means, deviations)
    residuals = np.abs(y - means)
    rounding = 1e-10 * np.ptp(y) + 1e-14 * np.abs(y).max()
    residuals[residuals <= rounding] = 0.0
    deviations[deviations <= rounding] = 0.0
    return deviations, residuals


def unsettled_rows(graph, k, judge, counts):
    """Rows whose fate would change with fewer or more neighbours, the closest cases first.

    No more than 2 % of all rows.
    """
    n, width = graph.indices.shape
    limit = int(SECOND_LOOK * n)
    everyone = np.ones(n, dtype=bool)

    def verdict(size):
        return judge(graph.indices[:, :size], counts, everyone)[0]

    agrees, rows = verdict(k), np.empty(0, dtype=np.intp)
    for step in range(1, width):
        for size in (k - step, k + step):
            if 1 <= size <= width and len(rows) < limit:
                other = np.setdiff1d(np.flatnonzero(verdict(size) != agrees), rows)
                rows = np.concatenate([rows, other])
    return np.sort(rows[:limit])
