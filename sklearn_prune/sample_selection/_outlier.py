"""Rank rows by how ordinary an outlier detector finds them."""

from copy import deepcopy
from numbers import Integral

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils import assert_all_finite, get_tags, indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from sklearn_prune._docs import fill
from sklearn_prune._folds import shuffled_folds
from sklearn_prune._meta import (
    clone_seeded,
    has_tags,
    in_one_line,
    last_step,
    routing_enabled,
    weight_params,
)
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import Interval, count_rows, take_rows
from sklearn_prune._validation import (
    check_groups,
    check_magnitudes,
    check_readable_rows,
    numeric_values,
    resolve_task,
)
from sklearn_prune.sample_selection._base import SampleSelector
from sklearn_prune.sample_selection._refitting import REFITTING


@fill(REFITTING)
class OutlierSelector(SampleSelector):
    """Keep the rows that an outlier detector finds ordinary.

    The score of a row is the decision function of a detector that was fitted on other
    rows: positive for inliers, negative for outliers.

    Parameters
    ----------
    detector : estimator, default=None
        Any outlier detector of scikit-learn, or a Pipeline that ends in one, cloned for
        each fold. A FrozenEstimator is used as it is, even if it has seen the rows. None
        is ``IsolationForest()``.
    by_class : bool, default=False
        Whether to compare rows within their own class only. A row without another one of
        its class outside its group counts as an inlier of score 0.
    n_folds : int, default=5
        Number of shuffled folds, fewer where there are fewer rows; `groups` stay whole.
        LocalOutlierFactor needs no folds: it compares a row with its neighbours only.
    {n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The decision function.
    natural_size_ : int
        Number of inliers.

    Raises
    ------
    ValueError
        If ``by_class=True`` and y does not hold classes.

    See Also
    --------
    HardnessSelector : Compares labels with those of the neighbours.
    LossSelector : Finds rows whose target is unlike the others, which this does not see.

    Notes
    -----
    `n_folds` fits of the detector, for each class with ``by_class=True``. Rows of weight 0
    train no detector; the other weights are passed to fits that take them. With groups,
    LocalOutlierFactor still counts rows of the same group as neighbours. An isolation
    forest scores an unseen row like the outermost rows on its side, so in few rows an
    extreme outlier may not be the last.

    A bad idea for wrong labels, unless ``by_class=True``. Rows of small classes are
    outliers, and ``keep="auto"`` drops them. Inliers are a poor sample where the border
    rows matter.

    References
    ----------
    .. [1] Liu, Ting, Zhou (2008). Isolation forest. ICDM.
    .. [2] Breunig, Kriegel, Ng, Sander (2000). LOF: identifying density-based local
       outliers. SIGMOD.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import OutlierSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> X[7] = 20.0
    >>> selector = OutlierSelector(random_state=0).fit(X)
    >>> int(selector.order_[-1])
    7
    """

    has_natural_size = True

    _parameter_constraints = {
        "detector": "no_validation",
        "by_class": ["boolean"],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
    }

    def __init__(
        self, detector=None, *, by_class=False, n_folds=5, n_jobs=None, random_state=None
    ):
        self.detector = detector
        self.by_class = by_class
        self.n_folds = n_folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def requires_y(self):
        """Classes are needed to compare within them."""
        return self.by_class

    @property
    def allow_nan(self):
        """Missing values are read where the detector reads them."""
        return not has_tags(self.detector) or get_tags(self.detector).input_tags.allow_nan

    @property
    def order_dependent(self):
        """Folds go by the places of rows; LocalOutlierFactor needs none."""
        return not _is_local(self.detector)

    def _check_rows(self, X):
        detector = self.detector
        if detector is None:
            return super()._check_rows(X)
        if (
            not has_tags(detector)
            or get_tags(detector).estimator_type != "outlier_detector"
        ):
            raise TypeError(
                "OutlierSelector needs an outlier detector of scikit-learn, or a Pipeline "
                f"that ends in one. Got {in_one_line(detector)}. Write "
                "OutlierSelector(IsolationForest())."
            )
        X = indexable(X)[0]
        validate_data(self, X, skip_check_array=True)
        check_readable_rows(X, detector)
        values = numeric_values(X)
        if values is not None:  # infinity has no place among thresholds and distances
            assert_all_finite(values, allow_nan=True, input_name="X")
            check_magnitudes(values)
        return X

    def _resolve_task(self, imposed, y):
        if not self.by_class:
            return None
        if imposed == "regression":
            raise ValueError(
                "by_class=True compares rows within their class. Got a regression target. "
                "Write OutlierSelector(by_class=False)."
            )
        return resolve_task("classification", y)

    def _rank(self, X, y, context):
        n, weights = count_rows(X), context.sample_weight
        detector = self.detector
        if detector is None:
            detector = IsolationForest()
            if routing_enabled():
                detector.set_fit_request(sample_weight=True)
        if isinstance(detector, FrozenEstimator):
            return Ranking.from_scores(_decide(detector, X), first=detector.predict(X) == 1)
        classes = y if self.by_class else np.zeros(n, dtype=np.int64)
        counted = np.ones(n, dtype=bool) if weights is None else weights > 0
        groups = None if context.groups is None else check_groups(context.groups, n)
        seed = 0 if _is_local(detector) else self._seed(context)  # nothing is drawn for it
        parts = []
        for code in range(classes.max() + 1):
            rows = np.flatnonzero(classes == code)
            together = None if groups is None else groups[rows]
            folds = self._folds(rows, together, counted[rows], derive_seed(seed, f"{code}"))
            parts += [(rows[train], rows[test]) for train, test in folds]
        judged = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_and_judge)(detector, X, weights, *part, seed) for part in parts
        )
        scores, balance, looks = np.zeros(n), np.zeros(n), np.zeros(n)
        for (_, test), (values, inliers) in zip(parts, judged, strict=True):
            scores[test] += values
            balance[test] += np.where(inliers, 1, -1)
            looks[test] += 1
        return Ranking.from_scores(scores / np.maximum(looks, 1), first=balance >= 0)

    def _folds(self, rows, groups, counted, seed):
        """Places among the rows to fit on and to judge; none without a comparison."""
        if np.count_nonzero(counted) < 2:
            return []
        if _is_local(self.detector):
            return [(np.flatnonzero(counted), np.arange(len(rows)))]
        if groups is not None and np.ptp(groups[counted]) == 0:
            return []
        return shuffled_folds(self.n_folds, np.zeros(len(rows)), groups, counted, seed)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = not self.by_class
        if has_tags(self.detector):
            tags.input_tags = deepcopy(get_tags(self.detector).input_tags)
        return tags


def _is_local(detector):
    """Whether it scores the rows that it is fitted on as if it had not seen them."""
    return isinstance(last_step(detector), LocalOutlierFactor)


def _fit_and_judge(detector, X, weights, train, test, seed):
    """Decision function of the test rows, and which are inliers, by a fitted clone."""
    detector = clone_seeded(detector, seed, "detector")
    last, is_local = last_step(detector), _is_local(detector)
    if is_local:
        n_neighbors = min(last.n_neighbors, len(train) - 1)
        last.set_params(novelty=True, n_neighbors=n_neighbors)
    params = weight_params(detector, None if weights is None else weights[train])
    detector.fit(take_rows(X, train), **params)
    if not is_local:
        X_test = take_rows(X, test)
        return _decide(detector, X_test), detector.predict(X_test) == 1
    scores, seen = np.empty(len(test)), np.isin(test, train)
    scores[seen] = last.negative_outlier_factor_ - last.offset_
    if not seen.all():
        scores[~seen] = _decide(detector, take_rows(X, test[~seen]))
    return scores, scores >= 0


def _decide(detector, X):
    return np.asarray(detector.decision_function(X), dtype=np.float64).ravel()
