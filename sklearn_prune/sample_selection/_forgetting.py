"""Rank rows by how often a model that predicted them rightly gets them wrong again."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from sklearn_prune._docs import fill
from sklearn_prune._folds import shuffled_folds
from sklearn_prune._meta import clone_seeded, in_one_line, last_step
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed, is_torch_model, seeded_globals
from sklearn_prune._sklearn_compat import Interval, StrOptions, take_rows
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._refitting import (
    REFITTING,
    RefittingSelector,
    as_target,
    neutral_scores,
    predict_unseen,
)

MOST_EPOCHS = 20


@fill(REFITTING)
class ForgettingSelector(RefittingSelector):
    """Keep the rows that a model learns and does not forget.

    The model predicts each row several times, out of fold. A forgetting event is a wrong
    prediction after a right one; a row that is never right counts as forgotten each time
    [1]_. Nets and models of stochastic gradient descent predict after each epoch of their
    training. Any other model is fitted again with other folds and another seed.

    For regression, which the paper does not treat, a prediction is right if its absolute
    residual is at most 2.5 robust standard deviations, those of the round where they are
    smallest. This finds wrong targets and little more.

    Parameters
    ----------
    estimator : estimator, default=None
        The model, which is cloned. None takes the model that the rows are for in a
        meta-estimator, and a small multilayer perceptron on standardised columns
        otherwise; a missing value counts as the mean of its column there.
    n_folds : int, default=3
        Number of folds, stratified by class; `groups` stay whole.
    n_repeats : int, default=10
        Number of rounds of a model that is not trained by epochs.
    n_epochs : int or None, default=None
        Number of epochs, hence of predictions. None is the model's own number, at most 20.
    prefer : {"easy", "hard"}, default="easy"
        "easy" puts the rows with the fewest events first and those that are never right,
        such as wrong labels, last. "hard" is the opposite order, that of the paper.
    out_of_fold : bool, default=True
        False counts predictions of training rows, as the paper does; only for models
        trained by epochs.
    {task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The share of right predictions minus the number of events, negated for "hard".
    correct_ : ndarray of shape (n_looks, n_samples), bool
        Which predictions were right, one row for each epoch or round.
    forgetting_events_ : ndarray of shape (n_samples,), int
        Number of events; n_looks for a row that is never right.
    {classes_}

    See Also
    --------
    DataOOBSelector : Counts how often bagged models are right about a row.

    Notes
    -----
    `n_folds` trainings of a model by epochs, with a prediction of all rows after each;
    `n_folds` x `n_repeats` fits of any other. Skorch nets, MLP* with another solver than
    "lbfgs", and SGD* without balanced class weights are trained by epochs, alone or as the
    last step of a Pipeline, whose other steps are fitted once for each fold. scikit-learn's
    early stopping is off; a net that stops by its own callback keeps its last predictions.

    Rows of weight 0 train no model; the other weights are passed to fits that take them.
    A prediction by a model that was not fitted on the class of the row repeats the one
    before. Where there are no others, the row gets the median score, with a warning.

    "easy" is a bad idea for a small share of clean rows, "hard" for a small share of any
    rows and wherever labels are wrong: both are then worse than random rows.

    References
    ----------
    .. [1] Toneva, Sordoni, Tachet des Combes, Trischler, Bengio, Gordon (2019). An
       empirical study of example forgetting during deep neural network learning. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ForgettingSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = ForgettingSelector(random_state=0).fit(X, y)
    >>> int(selector.forgetting_events_[7])  # never learned
    20
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 2, None, closed="left")],
        "n_epochs": [Interval(Integral, 2, None, closed="left"), None],
        "prefer": [StrOptions({"easy", "hard"})],
        "out_of_fold": ["boolean"],
        "task": [TASK_OPTIONS],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_folds=3,
        n_repeats=10,
        n_epochs=None,
        prefer="easy",
        out_of_fold=True,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_folds = n_folds
        self.n_repeats = n_repeats
        self.n_epochs = n_epochs
        self.prefer = prefer
        self.out_of_fold = out_of_fold
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _rank(self, X, y, context):
        n, model, weights = len(y), self._given_model(), context.sample_weight
        groups = context.groups
        units, _ = self._units(n, context)
        counted = np.ones(n, dtype=bool) if weights is None else weights > 0
        if model is None:
            model = _default_model(X, context.task)
            if context.task == "regression":
                y = (y - y[counted].mean()) / (y[counted].std() or 1.0)
        self._check_kind(model, context.task)
        by_epochs = is_trained_by_epochs(model)
        if not by_epochs and not self.out_of_fold:
            raise ValueError(
                "out_of_fold=False follows a model through the epochs of its training. Got "
                f"{in_one_line(model)}, which has none. Write out_of_fold=True, or give "
                "the selector a net, MLPClassifier() or SGDClassifier()."
            )
        n_looks = self._n_epochs(model) if by_epochs else self.n_repeats
        target, losses = y, np.zeros((n_looks, n))
        if context.task == "classification":
            target, losses = self.classes_[y], losses.astype(bool)
        parts = list(self._parts(y, units, counted, by_epochs, context))
        found = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(_look)(model, X, target, context.task, weights, groups, n_looks, *part)
            for part in parts
        )
        known = np.ones((n_looks, n), dtype=bool)
        for (looks, train, test, _), values in zip(parts, found, strict=True):
            losses[looks, test] = values
            if context.task == "classification":
                known[looks, test] = np.isin(y[test], y[train])
        self.correct_ = repeat_known(right_looks(losses, y, counted), known)
        self.forgetting_events_ = count_events(self.correct_)
        scores = self.correct_.mean(axis=0) - self.forgetting_events_
        scores = neutral_scores(scores, known.any(axis=0), y, context, self)
        return Ranking.from_scores(scores if self.prefer == "easy" else -scores)

    def _n_epochs(self, model):
        if self.n_epochs is not None:
            return self.n_epochs
        last = last_step(model)
        own = last.max_epochs if is_torch_model(last) else last.max_iter
        return min(max(own, 2), MOST_EPOCHS)

    def _parts(self, y, units, counted, by_epochs, context):
        """Yield which looks to take, the rows to train on, those to look at, and a seed."""
        seed = self._seed(context)
        if not self.out_of_fold:
            yield slice(None), np.flatnonzero(counted), np.arange(len(y)), seed
            return
        groups = None if context.groups is None else units
        for repeat in range(1 if by_epochs else self.n_repeats):
            own = derive_seed(seed, f"look {repeat}")
            folds = shuffled_folds(self.n_folds, y, groups, counted, own)
            for number, (train, test) in enumerate(folds):
                looks = slice(None) if by_epochs else repeat
                yield looks, train, test, derive_seed(own, f"fold {number}")


def count_events(correct):
    """Number of looks that are wrong after a right one; all of them if none is right."""
    events = np.count_nonzero(correct[:-1] & ~correct[1:], axis=0)
    return np.where(correct.any(axis=0), events, len(correct))


def repeat_known(correct, known):
    """Looks in which those by models that did not know the class repeat the one before.

    The first ones take the first one after; rows that no model knew are never right.
    """
    looks = np.where(known, np.arange(len(known))[:, None], -1)
    looks = np.maximum.accumulate(looks, axis=0)
    looks = np.where(looks < 0, known.argmax(axis=0), looks)
    return np.take_along_axis(correct, looks, axis=0) & known.any(axis=0)


def right_looks(losses, y, counted):
    """Which looks are right, from wrong classes or from absolute residuals."""
    if losses.dtype == bool:
        return ~losses
    tolerance = 2.5 * 1.4826 * np.median(losses[:, counted], axis=1).min()
    rounding = 1e-10 * np.ptp(y) + 1e-14 * np.abs(y).max()  # what a perfect fit leaves
    return losses <= tolerance + rounding


def is_trained_by_epochs(model):
    """Whether the model, or the last step of a Pipeline, can be followed by epochs."""
    while isinstance(model, Pipeline):
        if any(hasattr(step, "fit_resample") for _, step in model.steps[:-1]):
            return False
        model = model.steps[-1][1]
    if isinstance(model, MLPClassifier | MLPRegressor):
        return model.solver != "lbfgs"
    if isinstance(model, SGDClassifier | SGDRegressor):
        return getattr(model, "class_weight", None) != "balanced"
    return any(ancestor.__name__ == "NeuralNet" for ancestor in type(model).__mro__)


def _default_model(X, task):
    MLP = MLPClassifier if task == "classification" else MLPRegressor
    return make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(with_mean=not issparse(X)),
        MLP(
            hidden_layer_sizes=(64,),
            learning_rate_init=0.01,
            batch_size=32,
            max_iter=MOST_EPOCHS,
        ),
    )


def _look(model, X, y, task, weights, groups, n_looks, looks, train, test, seed):
    """Which looks at which rows, and whether they are wrong or by how much."""
    if isinstance(looks, slice):
        predicted = _predict_by_epochs(
            model, X, y, task, weights, train, test, seed, n_looks
        )
    else:
        predicted = predict_unseen(model, X, y, task, weights, groups, train, test, seed)
    if task == "classification":
        return predicted != y[test]
    return np.abs(predicted - y[test])


def _predict_by_epochs(model, X, y, task, weights, train, test, seed, n_looks):
    """Predict the test rows after each epoch on the training rows: (n_looks, n_test)."""
    target = y[train]
    if task == "classification" and np.all(target == target[0]):
        return np.full((n_looks, len(test)), target[0])
    last, steps = clone_seeded(model, seed, "estimator"), ["passthrough"]
    while isinstance(last, Pipeline):
        steps += [step for _, step in last.steps[:-1]]
        last = last.steps[-1][1]
    before = make_pipeline(*steps)
    X_train = before.fit_transform(take_rows(X, train), target)
    X_test = before.transform(take_rows(X, test))
    if is_torch_model(last):
        with seeded_globals(last, seed):
            predicted = _train_net(last, X_train, as_target(last, target), X_test, n_looks)
    else:
        params = {"classes": np.unique(y)} if task == "classification" else {}
        if weights is not None and has_fit_parameter(last, "sample_weight"):
            params["sample_weight"] = weights[train]
        predicted = _train_sgd(last, X_train, target, X_test, n_looks, params)
    return np.reshape(predicted, (n_looks, len(test)))


def _train_sgd(model, X, y, X_test, n_looks, params):
    """Predictions of an MLP* or SGD* of scikit-learn after each of its epochs."""
    # Each call of partial_fit starts anew from an int seed: all epochs in one order.
    generator = check_random_state(model.random_state)
    model.set_params(random_state=generator, early_stopping=False)
    if isinstance(getattr(model, "batch_size", None), Integral):
        model.set_params(batch_size=min(model.batch_size, len(y)))
    return [model.partial_fit(X, y, **params).predict(X_test) for _ in range(n_looks)]


def _train_net(net, X, y, X_test, n_looks):
    """Predictions of a net after each of its epochs, the last repeated if it stops."""
    from skorch.callbacks import Callback

    predicted = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            predicted.append(net.predict(X_test))

    net.set_params(max_epochs=n_looks, verbose=0).initialize()
    net.callbacks_.insert(0, ("look", Look().initialize()))  # before one that may stop
    net.partial_fit(X, y)
    return predicted + predicted[-1:] * (n_looks - len(predicted))
