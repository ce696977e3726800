"""Clean, then cover: the selector to try first."""

from numbers import Real

import numpy as np

from sklearn_prune._coverage import herded_classes, joint_points
from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune._space import standardized_rows
from sklearn_prune.sample_selection._base import SELECTOR, TASK_OPTIONS, SampleSelector
from sklearn_prune.sample_selection._refitting import neutral_scores
from sklearn_prune.sample_selection._views import Views

FEWEST_ANCHORS = 8
TARGET_SHARE = 0.5  # of the length of the features, in the space that is covered


@fill(SELECTOR)
class AutoSelector(SampleSelector):
    """Put contradicted rows last, let the others cover their class: the one to try first.

    Classification: the vote of the neighbours, a cross-fitted logistic regression and an
    out-of-bag forest give class probabilities. Under their mean each row has a margin, the
    probability of its own class minus the best other. The rows of smallest margin come
    last. Their share is that of labels that differ from the prediction among the anchors,
    the rows that the models are surest of [2]_. The others are ordered within their class
    by multi-scale kernel herding [1]_.

    Regression: the prediction combines an out-of-bag forest, the median of the neighbours
    and a cross-fitted ridge regression. Rows more than `threshold` robust deviations from
    it come last. The others come in herding order in the space of X and y.

    Parameters
    ----------
    anchor_share : float in (0, 1], default=0.1
        For classification: share of the rows predicted as a class, surest first, that are
        its anchors; at least 8.
    threshold : float, default=2.5
        For regression: residual, in robust deviations, beyond which a row comes last.
    {task, n_jobs, random_state}

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: the covering order, classes in proportion, then the rows
        put last, least contradicted first. It is not sorted by `scores_`.
    scores_ : ndarray of shape (n_samples,), float
        Margins, in [-1, 1]; for regression `threshold` minus the residual in deviations.
    natural_size_ : int
        Number of rows that are not put last. The others have wrong labels or lie where
        classes overlap; their number does not estimate how many labels are wrong.

    See Also
    --------
    HerdingSelector : The covering part alone, for labels that are known to be clean.
    ConfidentLearningSelector : Finds label issues by the model of your choice.

    Notes
    -----
    60,000 rows of 50 features and ten classes take about ten seconds on one core: each tree
    grows on at most 5,000 rows, and above 20,000 rows neighbours are searched among 10,000
    of them. The rest is O(n * 2048 * d). A missing value counts as the mean of its column.
    With `groups`, no model has seen the row's group. A class that lies in one group, or has
    one row, cannot be scored: its rows get the median score, with a warning, and none of
    them is put last.

    Sparse rows with less than a tenth of their entries not zero stay sparse. The margins of
    a logistic model may then differ slightly from those on dense rows.

    Little is gained at 50 to 70 % of clean rows. In few rows of two classes, with a third
    of the labels of one of them wrong, it cannot tell which labels are right.

    References
    ----------
    .. [1] Chen, Welling, Smola (2010). Super-samples from kernel herding. UAI.
    .. [2] Liu, Tao (2016). Classification with noisy labels by importance reweighting.
       IEEE TPAMI 38.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from sklearn_prune import SampleSubsetClassifier
    >>> from sklearn_prune.sample_selection import AutoSelector
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SampleSubsetClassifier(SVC(), AutoSelector(), keep=0.05, random_state=0)
    >>> round(float(model.fit(X, y).score(X, y)), 2)
    0.94
    """

    requires_y = True
    allow_nan = True
    has_natural_size = True
    order_dependent = True

    _parameter_constraints = {
        "anchor_share": [Interval(Real, 0, 1, closed="right")],
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "task": [TASK_OPTIONS],
        "n_jobs": [int, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        anchor_share=0.1,
        threshold=2.5,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        self.anchor_share = anchor_share
        self.threshold = threshold
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _rank(self, X, y, context):
        seed = self._seed(context)
        points = standardized_rows(X, owner=type(self).__name__, sparse=True)
        views = Views(points, context, seed, self.n_jobs)
        weights = context.sample_weight
        if context.task == "classification":
            strata = y
            values, last = self._contradicted(views, y, context)
        else:
            strata = np.zeros(len(y), dtype=np.int64)
            values = self.threshold - views.residual_deviations(y, self.threshold)
            last = values < 0
            points = joint_points(points, y, TARGET_SHARE)
        last &= (np.bincount(strata, ~last) > 0)[strata]  # no class comes last as a whole
        cover = np.flatnonzero(~last)
        order = herded_classes(
            points[cover],
            strata[cover],
            seed=derive_seed(seed, "herding"),
            sample_weight=None if weights is None else weights[cover],
            n_jobs=self.n_jobs,
        )
        cover = cover[order]
        tail = np.flatnonzero(last)
        tail = tail[np.argsort(-values[tail], kind="stable")]
        return Ranking(np.concatenate([cover, tail]), values, len(cover))

    def _contradicted(self, views, y, context):
        """Margins of the rows, and which are put last."""
        if y.max() == 0:
            return np.ones(len(y)), np.zeros(len(y), dtype=bool)
        probabilities, known = views.class_probabilities(y)
        rows, others = np.arange(len(y)), probabilities.copy()
        others[rows, y] = -1.0
        margins = probabilities[rows, y] - others.max(axis=1)
        weights = context.sample_weight
        if not known.all():
            weights = known * (1.0 if weights is None else weights)
        rate = anchor_rate(probabilities, y, self.anchor_share, weights)
        last, scored = np.zeros(len(y), dtype=bool), np.flatnonzero(known)
        worst = scored[np.argsort(margins[scored], kind="stable")]
        last[worst[: int(rate * len(worst))]] = True
        return neutral_scores(margins, known, y, context, self), last


def anchor_rate(probabilities, y, share, weights=None):
    """Share of labels that differ from the prediction where the models are surest.

    Among the rows predicted as a class, `share` of them with the largest probability;
    classes count by the number of rows predicted as them.
    """
    predicted, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    weights = np.ones(len(y)) if weights is None else weights
    rate = 0.0
    for code in range(probabilities.shape[1]):
        rows = np.flatnonzero((predicted == code) & (weights > 0))
        if len(rows) < FEWEST_ANCHORS:
            continue
        n_anchors = max(FEWEST_ANCHORS, int(share * len(rows)))
        anchors = rows[np.argsort(-surest[rows], kind="stable")[:n_anchors]]
        differs = np.average(y[anchors] != code, weights=weights[anchors])
        rate += weights[rows].sum() / weights.sum() * differs
    return rate
