"""Rank rows by the loss, the margin or the error of models that have not seen them."""

from numbers import Integral

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._out_of_fold import (
    OUT_OF_FOLD,
    OutOfFoldSelector,
    one_hot,
)
from sklearn_prune.sample_selection._penalty import own_margin, residual_values
from sklearn_prune.sample_selection._refitting import neutral_scores


class _PreferringSelector(OutOfFoldSelector):
    """Out-of-fold scores, of which easy or hard rows come first."""

    _parameter_constraints = {
        **OutOfFoldSelector._parameter_constraints,
        "prefer": [StrOptions({"easy", "hard"})],
    }

    def __init__(
        self,
        estimator=None,
        *,
        prefer="easy",
        cv=5,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            estimator, cv=cv, task=task, n_jobs=n_jobs, random_state=random_state
        )
        self.prefer = prefer


@fill(OUT_OF_FOLD)
class LossSelector(_PreferringSelector):
    """Keep the rows that models which have not seen them predict at a low loss.

    The loss is the log loss for classes and the squared error for regression, out of
    fold. Wrong labels have a high loss.

    Parameters
    ----------
    {estimator}
    prefer : {"easy", "hard"}, default="easy"
        "easy" puts low losses first, "hard" high ones.
    {cv, task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        Minus the loss; the loss itself for ``prefer="hard"``.
    {classes_}

    See Also
    --------
    MarginSelector : Compares with the best other class; has a size of its own.
    EL2NSelector : Averages the error over several cross-validations.
    ConfidentLearningSelector : Estimates how many labels are wrong.

    Notes
    -----
    `cv` fits of the model and one prediction for each row. Without `predict_proba`, the
    decision function is mapped to probabilities by a logistic function for two classes and
    a softmax for more. Without either, the predicted class gets probability 1.
    Probabilities are at least 2.2e-16. Rows of weight 0 train no model; the other weights
    are passed to fits that take them.

    A row is scored by the models whose training part holds its class. Where there is none,
    the row gets the median score of the others, and a warning names the class. This also
    holds for a class that a FrozenEstimator does not know.

    The easiest rows are a poor sample of clean data. The hardest are worse at a small size:
    on MNIST, a tenth of 5,000 rows chosen by small margins left linear and
    nearest-neighbour models about 25 points below random rows. At one half, with clean
    labels, they were a point better for linear and kernel models. With one label in five
    wrong, one half was 7 to 36 points worse than random rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import LossSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = LossSelector(random_state=0).fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    def _rank(self, X, y, context):
        predicted, known = self._out_of_fold(X, y, context)
        if context.task == "classification":
            own = predicted[np.arange(len(y)), y]
            scores = np.log(np.maximum(own, np.finfo(np.float64).eps))
        else:
            scores = -((y - predicted) ** 2)
        scores = neutral_scores(scores, known, y, context, self)
        return Ranking.from_scores(scores if self.prefer == "easy" else -scores)


@fill(OUT_OF_FOLD)
class MarginSelector(_PreferringSelector):
    """Keep the rows that models which have not seen them agree with.

    The margin of a row is the probability of its own class minus that of the best other,
    out of fold; for regression it is 2.5 minus the absolute residual in robust standard
    deviations. Where it is negative, the models contradict the row.

    Parameters
    ----------
    {estimator}
    prefer : {"easy", "hard"}, default="easy"
        "easy" puts large margins first. "hard" puts small ones first, those of rows that
        are not contradicted before all others.
    {cv, task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The margin; minus its absolute value for ``prefer="hard"``.
    natural_size_ : int
        Number of rows that are not contradicted.
    {classes_}

    See Also
    --------
    LossSelector : Looks at the probability of the own class alone.
    L2PenaltySelector : The same idea in closed form for a linear model.

    Notes
    -----
    `cv` fits of the model and one prediction for each row. :class:`LossSelector` describes
    models without probabilities, weights, and rows that cannot be scored. Such rows count
    as not contradicted.

    "easy" is a bad idea for a small share of clean rows: rows far from every boundary
    teach little. "hard" is worse for a small share of any rows: on MNIST the hardest tenth
    of 5,000 rows left linear models 23 points below random ones. At one half, with clean
    labels, it was a point above random.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import MarginSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = MarginSelector(random_state=0).fit(X, y)
    >>> 7 in selector.order_[: selector.natural_size_]
    False
    """

    has_natural_size = True

    def _rank(self, X, y, context):
        predicted, known = self._out_of_fold(X, y, context)
        if context.task == "regression":
            weights = context.sample_weight
            counted = np.ones(len(y), dtype=bool) if weights is None else weights > 0
            margins = residual_values(y - predicted, y, counted)
        else:
            if predicted.shape[1] == 1:
                predicted = np.hstack([predicted, 1 - predicted])
            margins = own_margin(predicted, y)
        scores = margins if self.prefer == "easy" else -np.abs(margins)
        scores = neutral_scores(scores, known, y, context, self)
        return Ranking.from_scores(scores, first=(margins >= 0) | ~known)


@fill(OUT_OF_FOLD)
class EL2NSelector(_PreferringSelector):
    """Keep the rows whose predictions are near their labels in several cross-validations.

    The error of a row is the Euclidean norm of the predicted probabilities minus the
    one-hot label [1]_, or the absolute residual for regression, out of fold and averaged
    over cross-validations that differ in their folds and seeds.

    Parameters
    ----------
    {estimator}
    prefer : {"easy", "hard"}, default="easy"
        "easy" puts small errors first. "hard" puts large ones first, as the paper does,
        for large sets of clean labels.
    n_repeats : int, default=3
        Number of cross-validations.
    {cv, task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        Minus the mean error; the mean error itself for ``prefer="hard"``.
    {classes_}

    See Also
    --------
    LossSelector : One cross-validation, with the loss.
    ForgettingSelector : Follows a model through its training.

    Notes
    -----
    ``cv * n_repeats`` fits of the model. :class:`LossSelector` describes models without
    probabilities, weights, and rows that cannot be scored. The paper averages over ten nets
    after few epochs, on their own training rows; pass such a net as `estimator` for the
    out-of-fold form of that.

    "hard" is a bad idea below a third of the rows and wherever labels are wrong. On MNIST
    with 5,000 rows, a tenth gave 57 % where random rows gave 85 %, by logistic regression;
    with one label in five wrong it gave 2 %. At one half of clean rows it was a point
    better than random. "easy" finds wrong labels, and is a poor small sample of clean rows.

    References
    ----------
    .. [1] Paul, Ganguli, Dziugaite (2021). Deep learning on a data diet: finding
       important examples early in training. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import EL2NSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = EL2NSelector(random_state=0).fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    _parameter_constraints = _PreferringSelector._parameter_constraints | {
        "n_repeats": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(
        self,
        estimator=None,
        *,
        prefer="easy",
        n_repeats=3,
        cv=5,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            estimator,
            prefer=prefer,
            cv=cv,
            task=task,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.n_repeats = n_repeats

    def _rank(self, X, y, context):
        errors, looks = np.zeros(len(y)), np.zeros(len(y))
        for repeat in range(self.n_repeats):
            predicted, known = self._out_of_fold(X, y, context, role=f"folds {repeat}")
            if context.task == "classification":
                wrong = predicted - one_hot(y, len(self.classes_))
                errors += known * np.linalg.norm(wrong, axis=1)
            else:
                errors += np.abs(y - predicted)
            looks += known
        errors /= np.maximum(looks, 1)
        errors = neutral_scores(errors, looks > 0, y, context, self)
        return Ranking.from_scores(-errors if self.prefer == "easy" else errors)
