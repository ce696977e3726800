"""A classifier and a regressor that are left with fewer parameters."""

from sklearn.base import ClassifierMixin, RegressorMixin

from sklearn_prune._docs import entries, fill
from sklearn_prune._meta import MODEL
from sklearn_prune.weight_pruning._pruned_base import PrunedModel, delegate_has

PRUNED = entries("""
    criterion : criterion or None, default=None
        Ranks the units; None is the recommended one for the model. For support vectors
        and prototypes also any object with `fit` and `order_`, such as a row selector.
    unit : str, default="auto"
        What is pruned: "coefficient", "feature", "node", "leaf", "tree", "iteration",
        "rule", "support_vector" or "prototype", and for nets "weight", "neuron",
        "channel" or "input", as the model has them. "auto" is the best known mix for the
        model. For "rule", `keep` is the largest number of rules.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Largest fraction of the parameters (for unit="auto"), fraction or number of the
        units, or "auto": inner validation walks from large to small sizes, and stops
        where the loss of score exceeds `tolerance` or the log loss rises by over 5 %.
        1.0 prunes nothing: the compact form of the plain model, with the same
        predictions.
    tolerance : float >= 0, default=0.005
        The allowed loss, in units of the score. keep="auto" meets it on inner folds with
        one standard error; a float `keep` warns if it loses more there.
    max_nbytes : int or None, default=None
        For keep="auto": the largest `stored_bytes` of `compact_`. The best model within it
        is taken, also if it loses more than `tolerance`; then there is a warning.
    max_churn : float in [0, 1), "seed" or None, default=None
        For keep="auto" and classifiers: the largest share of labels that may differ from
        those of the whole model. The upper 95 % bound of it, on inner folds, is compared.
        "seed" is what a second seed of the whole model changes; a model that does not
        depend on its seed raises an error.
    scoring : str, callable or None, default=None
        The score for keep="auto". None is accuracy for classifiers and R2 for regressors.
    cv : int, splitter or iterable, default=3
        Folds of the inner validation, where the model has no out-of-bag rows. Where folds
        are nested, given splits are cut to the rows of the outer fold.
    schedule : GradualSchedule, IterativeSchedule or None, default=None
        Prunes while a net trains, or in rounds; None at once.
    refit : bool or dict, default=True
        Whether to estimate the kept part again; a dict holds parameters of the inner
        model for that.
    quantize : {"float16", "int8", "codebook"}, Quantizer or None, default=None
        How the parameters are rounded in the end.
    dropout : float in [0, 1), default=0.0
        Probability with which each step of the refit drops a kept unit: hidden units of
        nets, features of linear models, trees of forests. Other models, and
        unit="feature", raise an error. With keep=1.0 the whole model is refitted.
    random_state : int, RandomState instance or None, default=None
        Seeds the inner folds, the criterion and each `random_state` of the inner model
        that is None. An int makes the fit reproducible.
    n_jobs : int or None, default=None
        Number of processes for the inner folds; results do not depend on it.
    compact_ : object
        The pruned predictor alone: what to ship. It refers to nothing else.
    unit_ : str
        The kind of unit that `kept_` counts.
    criterion_ : criterion or None
        The given criterion.
    kept_ : ndarray of shape (n_kept,), int
        Sorted ids of the kept units.
    n_units_ : int
        Number of units before.
    sparsity_ : float
        1 - non-zero parameters after / parameters before.
    report_ : PruningReport
        Parameters, units and bytes before and after, seconds, and the path of sizes.
    sample_indices_ : ndarray of shape (n_kept_rows,), int
        Positions of the rows that an inner SampleSubset* keeps, where there is one.
""")


@fill(MODEL, PRUNED)
class PrunedClassifier(ClassifierMixin, PrunedModel):
    """Fit a classifier and leave it with fewer parameters.

    In `fit` a clone of the inner classifier is fitted, its parameters are ranked, a part
    of them is kept and estimated again, and the result is stored in a compact form, from
    which `predict` works. What there is to prune depends on the model: trees, nodes and
    leaves; coefficients; support vectors; prototypes; input features of any model.

    Parameters
    ----------
    estimator : classifier
        The model to fit and prune. A fitted one is passed as ``FrozenEstimator(model)``:
        it is copied, never changed.
    {criterion, unit, keep, tolerance, max_nbytes, max_churn, scoring, cv,
     schedule, refit, quantize, dropout, random_state, n_jobs}

    Attributes
    ----------
    {compact_}
    estimator_ : classifier
        The pruned model as the class of the inner model, built on each access; an
        AttributeError says why where that class cannot hold it.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    {unit_, criterion_, kept_, n_units_, sparsity_, report_, sample_indices_,
     n_features_in_, feature_names_in_, n_iter_}

    See Also
    --------
    PrunedRegressor : The same for regression.
    SampleSubsetClassifier : Trains on fewer rows.

    Notes
    -----
    Cost: the fit, one ranking and one refit; with keep="auto" about `cv` fits more.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0)
    >>> model = PrunedClassifier(forest, keep=1.0).fit(X, y)
    >>> report = model.report_
    >>> report.before["nbytes"] > 20 * report.after["nbytes"]
    True
    >>> bool((model.predict_proba(X) == forest.fit(X, y).predict_proba(X)).all())
    True
    """

    _kind = "classifier"

    @property
    def classes_(self):
        """The classes, as the inner model knows them."""
        return self.compact_.classes_

    @delegate_has("predict_proba")
    def predict_proba(self, X, **params):
        """Predict class probabilities with the compact form.

        {predict_proba}
        """
        return self._ask("predict_proba", X, params)

    @delegate_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        """Predict logarithms of class probabilities with the compact form.

        {predict_log_proba}
        """
        return self._ask("predict_log_proba", X, params)

    @delegate_has("decision_function")
    def decision_function(self, X, **params):
        """Compute decision values with the compact form.

        {decision_function}
        """
        return self._ask("decision_function", X, params)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())


@fill(MODEL, PRUNED)
class PrunedRegressor(RegressorMixin, PrunedModel):
    """Fit a regressor and leave it with fewer parameters.

    In `fit` a clone of the inner regressor is fitted, its parameters are ranked, a part
    of them is kept and estimated again, and the result is stored in a compact form, from
    which `predict` works.

    Parameters
    ----------
    estimator : regressor
        The model to fit and prune. A fitted one is passed as ``FrozenEstimator(model)``:
        it is copied, never changed.
    {criterion, unit, keep, tolerance, max_nbytes, max_churn, scoring, cv,
     schedule, refit, quantize, dropout, random_state, n_jobs}

    Attributes
    ----------
    {compact_}
    estimator_ : regressor
        The pruned model as the class of the inner model, built on each access; an
        AttributeError says why where that class cannot hold it.
    {unit_, criterion_, kept_, n_units_, sparsity_, report_, sample_indices_,
     n_features_in_, feature_names_in_, n_iter_}

    See Also
    --------
    PrunedClassifier : The same for classification.
    SampleSubsetRegressor : Trains on fewer rows.

    Notes
    -----
    Cost: the fit, one ranking and one refit; with keep="auto" about `cv` fits more.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import PrunedRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PrunedRegressor(Ridge(), unit="coefficient", keep=4).fit(X, y)
    >>> model.kept_
    array([2, 3, 6, 8])
    >>> round(model.sparsity_, 2)  # five of eleven are left, the intercept among them
    0.55
    """

    _kind = "regressor"

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())
