"""Rank rows by the probability of their label, and estimate which labels are wrong."""

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import StrOptions
from sklearn_prune.sample_selection._out_of_fold import OUT_OF_FOLD, OutOfFoldSelector
from sklearn_prune.sample_selection._penalty import own_margin
from sklearn_prune.sample_selection._refitting import neutral_scores

_TOLERANCE = 1e-6  # probabilities that differ by less count as equal


@fill(OUT_OF_FOLD)
class ConfidentLearningSelector(OutOfFoldSelector):
    """Drop the rows whose label is wrong by the estimate of confident learning.

    A row is confidently of a class if its out-of-fold probability of that class is at
    least the mean over the rows with that label. Such rows are counted by their label and
    their confident class, which estimates how many labels are wrong, and which [1]_.

    Parameters
    ----------
    {estimator}
    filter_by : str, default="prune_by_noise_rate"
        Which labels count as wrong, among those that the models do not predict.
        "prune_by_noise_rate": for each label and likely class, the estimated number, the
        largest differences in probability first. "prune_by_class": for each label, the
        estimated number, the lowest probabilities first. "both": those that both rules
        find. "confident_learning": of rows that are confidently of another class.
        "predicted_neq_given": all.
    rank_by : {"self_confidence", "normalized_margin"}, default="self_confidence"
        The score: the probability of the label, or its difference from the largest other
        probability, mapped to [0, 1].
    {cv, task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The score that `rank_by` names; larger is better.
    natural_size_ : int
        Number of rows whose label does not count as wrong.
    {classes_}
    confident_joint_ : ndarray of shape (n_classes, n_classes), int
        Estimated number of rows by label (rows) and likely class (columns).

    Raises
    ------
    ValueError
        If y is continuous.

    See Also
    --------
    MarginSelector : Drops every row whose label is not predicted; takes regression.
    LossSelector : Only ranks; takes regression.

    Notes
    -----
    `cv` fits of the model and one prediction for each row. :class:`LossSelector` describes
    models without probabilities and rows that cannot be scored. The labels of such rows do
    not count as wrong. Rows of weight 0 train no model and are not counted.
    Other weights are passed to fits that take them; each row counts once. cleanlab's
    ``find_label_issues`` finds the same rows for the same probabilities, up to ties.

    A bad idea where the model is poor: classes that it cannot separate look like wrong
    labels. Clean rows of uncertain prediction are dropped too.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang (2021). Confident learning: estimating uncertainty in
       dataset labels. Journal of Artificial Intelligence Research 70.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ConfidentLearningSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[[7, 60]] = 2  # two wrong labels
    >>> selector = ConfidentLearningSelector(random_state=0).fit(X, y)
    >>> bool({7, 60} <= set(selector.order_[selector.natural_size_ :]))
    True
    """

    has_natural_size = True

    _parameter_constraints = OutOfFoldSelector._parameter_constraints | {
        "filter_by": [
            StrOptions(
                {
                    "prune_by_noise_rate",
                    "prune_by_class",
                    "both",
                    "confident_learning",
                    "predicted_neq_given",
                }
            )
        ],
        "rank_by": [StrOptions({"self_confidence", "normalized_margin"})],
    }

    def __init__(
        self,
        estimator=None,
        *,
        filter_by="prune_by_noise_rate",
        rank_by="self_confidence",
        cv=5,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            estimator, cv=cv, task=task, n_jobs=n_jobs, random_state=random_state
        )
        self.filter_by = filter_by
        self.rank_by = rank_by

    def _rank(self, X, y, context):
        if context.task == "regression":
            raise ValueError(
                "ConfidentLearningSelector reads classes. Got a regression target. Use "
                "MarginSelector() or LossSelector(), or task='classification' for classes "
                "that are numbers."
            )
        predicted, known = self._out_of_fold(X, y, context)
        weights = context.sample_weight
        counted = known if weights is None else known & (weights > 0)
        is_wrong, joint = find_wrong_labels(predicted, y, counted, self.filter_by)
        idle = ~known if weights is None else ~known & (weights > 0)
        joint[np.diag_indices(len(joint))] += np.bincount(y[idle], minlength=len(joint))
        self.confident_joint_ = joint
        scores = predicted[np.arange(len(y)), y]
        if self.rank_by == "normalized_margin" and predicted.shape[1] > 1:
            scores = (own_margin(predicted, y) + 1) / 2
        scores = neutral_scores(scores, known, y, context, self)
        return Ranking.from_scores(scores, first=~(is_wrong & known))


def find_wrong_labels(probabilities, y, counted, filter_by):
    """Find the rows whose label is likely wrong.

    `probabilities` come from models that have not seen the row. Rows outside `counted` (of
    zero weight) are found if they are confidently of another class. Returns a mask of the
    rows found, and the estimated number of rows by label and likely class.
    """
    likely = confident_classes(probabilities, y, counted)
    joint = confident_joint(likely[counted], y[counted], probabilities.shape[1])
    is_wrong = (likely >= 0) & (likely != y)
    inputs = probabilities[counted], y[counted], joint
    if filter_by == "prune_by_noise_rate":
        is_wrong[counted] = prune_by_noise_rate(*inputs)
    elif filter_by == "prune_by_class":
        is_wrong[counted] = prune_by_class(*inputs)
    elif filter_by == "both":
        is_wrong[counted] = prune_by_noise_rate(*inputs) & prune_by_class(*inputs)
    elif filter_by == "predicted_neq_given":
        is_wrong[:] = True
    favoured = probabilities.copy()
    favoured[np.arange(len(y)), y] += _TOLERANCE  # in a tie the label is the prediction
    return is_wrong & (favoured.argmax(axis=1) != y), joint


def confident_classes(probabilities, y, counted):
    """The confident class of each row, the most probable of several; -1 for none."""
    thresholds = np.full(probabilities.shape[1], np.inf)
    for code in np.unique(y[counted]):
        own = probabilities[counted & (y == code), code]
        thresholds[code] = max(own.mean(), 2 * _TOLERANCE)
    confident = probabilities >= thresholds - _TOLERANCE
    several = confident.sum(axis=1, keepdims=True) > 1
    likely = np.where(several, probabilities, confident).argmax(axis=1)
    return np.where(confident.any(axis=1), likely, -1)


def confident_joint(likely, y, n_classes):
    """Counts by label and likely class, scaled to the number of rows of each label."""
    found = likely >= 0
    cells = np.bincount(y[found] * n_classes + likely[found], minlength=n_classes**2)
    counts = cells.reshape(n_classes, n_classes).astype(np.float64)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    given = np.bincount(y, minlength=n_classes)
    return round_rows(counts / counts.sum(axis=1, keepdims=True) * given[:, None])


def round_rows(matrix):
    """Round to integers that keep the sum of each row, with the smallest changes.

    Of equal remainders, the last is rounded up, or the first down.
    """
    rounded = np.rint(matrix)
    missing = np.rint(matrix.sum(axis=1)) - rounded.sum(axis=1)
    for i in np.flatnonzero(missing):
        step, n_changed = int(np.sign(missing[i])), int(abs(missing[i]))
        order = np.argsort(matrix[i] - rounded[i], kind="stable")[::-step]
        rounded[i, order[:n_changed]] += step
    return rounded.astype(np.int64)


def prune_by_noise_rate(probabilities, y, joint):
    """Mask of wrong labels: for each label and likely class the largest differences."""
    is_wrong = np.zeros(len(y), dtype=bool)
    for given, row in enumerate(keep_one_of_each(joint)):
        rows = np.flatnonzero(y == given)
        if len(rows) < 2:
            continue
        for likely in np.flatnonzero(row):
            if likely != given:
                gain = probabilities[rows, likely] - probabilities[rows, given]
                is_wrong[rows[np.argsort(-gain, kind="stable")[: row[likely]]]] = True
    return is_wrong


def prune_by_class(probabilities, y, joint):
    """Mask of wrong labels: for each label the lowest probabilities."""
    is_wrong = np.zeros(len(y), dtype=bool)
    for given, row in enumerate(keep_one_of_each(joint)):
        rows = np.flatnonzero(y == given)
        if len(rows) > 1:
            n_wrong = max(0, len(rows) - row[given])
            order = np.argsort(probabilities[rows, given], kind="stable")
            is_wrong[rows[order[:n_wrong]]] = True
    return is_wrong


def keep_one_of_each(joint):
    """The counts with at least one right label a class, taken evenly from the others."""
    right = np.maximum(joint.diagonal(), 1)
    n_other = np.maximum(np.count_nonzero(joint, axis=1) - 1, 1)
    taken = (right - joint.diagonal()) / n_other
    counts = np.maximum(joint - taken[:, None], 0).astype(np.int64)
    np.fill_diagonal(counts, right)
    return counts
