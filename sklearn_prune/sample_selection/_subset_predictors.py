"""A classifier and a regressor that are fitted on the rows that a selector keeps."""

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from sklearn_prune._docs import fill
from sklearn_prune._meta import MODEL, all_or_nothing, inner_has
from sklearn_prune._sklearn_compat import StrOptions, fit_context
from sklearn_prune._validation import count_named_rows
from sklearn_prune.sample_selection._subset import SUBSET, SampleSubset, SampleSubsetModel

_estimator_has = {
    method: available_if(inner_has(method, fitted="estimator_", unfitted="estimator"))
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function")
}


@fill(MODEL)
class _SubsetPredictor(SampleSubsetModel):
    """What the classifier and the regressor share."""

    _inner = "estimator"

    def __init__(
        self,
        estimator,
        selector=None,
        *,
        keep=0.5,
        stratify="auto",
        weighting=None,
        by_group=False,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.selector = selector
        self.keep = keep
        self.stratify = stratify
        self.weighting = weighting
        self.by_group = by_group
        self.memory = memory
        self.random_state = random_state

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, **fit_params):
        """Fit the inner model on the rows that the selector keeps.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Training rows, in any container that the selector and the inner model read.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Parameters for the fit of the inner model; those with one entry for each row
            are sliced along. `sample_weight` and `groups` also reach the selector; the
            model gets `groups` if it names it or is a search. With metadata routing
            enabled, requests decide who gets what.

        Returns
        -------
        self : object
            The fitted meta-estimator.

        Raises
        ------
        ValueError
            If an argument, X or y is not valid; all rows are checked before any is
            dropped.
        TypeError
            If the inner model is of another kind.
        """
        if y is None:
            count_named_rows("X", X)
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Call fit(X, y)."
            )
        self._fit(X, y, fit_params)
        return self

    @_estimator_has["predict"]
    def predict(self, X, **params):
        """Predict with the inner model.

        {predict}
        """
        return self._ask("predict", X, params)


@fill(MODEL, SUBSET)
class SampleSubsetClassifier(ClassifierMixin, _SubsetPredictor):
    """Fit a classifier on fewer rows.

    In `fit` a selector ranks the rows, the best of them are kept, and a clone of the
    inner classifier is fitted on those only. Prediction is the inner model's own. Works
    wherever a classifier does: in a Pipeline, a grid search, cross-validation.

    Parameters
    ----------
    estimator : classifier
        The model to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    {selector, keep}
    stratify : {"auto", "balanced"} or None, default="auto"
        "auto" keeps the proportions of the classes to within one row. "balanced" keeps
        equal numbers of rows of each class; what a class cannot fill goes to the others.
        The probabilities of the model then refer to balanced classes, not to those of the
        data. It has no effect for keep="auto" and keep=1.0. Each class keeps at least one
        row in any case.
    {weighting, by_group, memory, random_state}

    Attributes
    ----------
    estimator_ : classifier
        The inner model fitted on the kept rows.
    {selector_, sample_indices_, sample_mask_, sample_scores_, sample_weight_, task_}
    classes_ : ndarray of shape (n_classes,)
        The classes.
    {n_features_in_, feature_names_in_, n_iter_}

    See Also
    --------
    SampleSubsetRegressor : The same for regression.
    SampleSubsetTransformer : Fits a transformer on fewer rows.

    Notes
    -----
    An ensemble that passes weights by name, such as AdaBoost, belongs inside this class
    and not around it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from sklearn_prune import SampleSubsetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SampleSubsetClassifier(SVC(), keep=0.2, random_state=0).fit(X, y)
    >>> len(model.sample_indices_), len(X)
    (359, 1797)
    """

    _kind = "classifier"
    task = "classification"
    _delegated = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    _parameter_constraints = {
        **SampleSubset._parameter_constraints,
        "stratify": [StrOptions({"auto", "balanced"}), None],
    }

    @property
    def classes_(self):
        """The classes, as the inner model knows them."""
        return self.estimator_.classes_

    @_estimator_has["predict_proba"]
    def predict_proba(self, X, **params):
        """Predict class probabilities with the inner model.

        {predict_proba}
        """
        return self._ask("predict_proba", X, params)

    @_estimator_has["predict_log_proba"]
    def predict_log_proba(self, X, **params):
        """Predict logarithms of class probabilities with the inner model.

        {predict_log_proba}
        """
        return self._ask("predict_log_proba", X, params)

    @_estimator_has["decision_function"]
    def decision_function(self, X, **params):
        """Compute decision values with the inner model.

        {decision_function}
        """
        return self._ask("decision_function", X, params)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())


@fill(MODEL, SUBSET)
class SampleSubsetRegressor(RegressorMixin, _SubsetPredictor):
    """Fit a regressor on fewer rows.

    In `fit` a selector ranks the rows, the best of them are kept, and a clone of the
    inner regressor is fitted on those only. Prediction is the inner model's own.

    Parameters
    ----------
    estimator : regressor
        The model to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    {selector, keep}
    stratify : {"auto", "quantiles"} or None, default="auto"
        "auto" is no strata; "quantiles" keeps the proportions of the tenths of y to
        within one row.
    {weighting, by_group, memory, random_state}

    Attributes
    ----------
    estimator_ : regressor
        The inner model fitted on the kept rows.
    {selector_, sample_indices_, sample_mask_, sample_scores_, sample_weight_, task_,
     n_features_in_, feature_names_in_, n_iter_}

    See Also
    --------
    SampleSubsetClassifier : The same for classification.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import SampleSubsetRegressor
    >>> from sklearn_prune.sample_selection import L2PenaltySelector
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SampleSubsetRegressor(Ridge(), L2PenaltySelector(), keep="auto").fit(X, y)
    >>> len(X) - len(model.sample_indices_)  # rows that contradict the others
    3
    """

    _kind = "regressor"
    task = "regression"
    _delegated = ("predict",)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())
