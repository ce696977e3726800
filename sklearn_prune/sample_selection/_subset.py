"""Meta-estimators that fit an inner model on the rows that a selector keeps."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_prune._meta import (
    callback_task,
    check_inner,
    clone_seeded,
    copy_fitted_attributes,
    inherit_tags,
    inner_has,
    last_step,
    route_fit_params,
    routing_enabled,
)
from sklearn_prune._ranking import check_keep
from sklearn_prune._seeds import draw_seed, seeded_torch
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    RefusedAsPipelineStep,
    StrOptions,
    count_rows,
    fit_context,
    take_rows,
    take_rows_of_params,
)
from sklearn_prune._validation import (
    check_readable_rows,
    check_rows,
    check_weights,
    show_dropped_rows,
)
from sklearn_prune.sample_selection._base import check_selector
from sklearn_prune.sample_selection._choice import choose_rows
from sklearn_prune.sample_selection._random import RandomSelector

_TASK = StrOptions({"auto", "classification", "regression"})


class _SampleSubset(BaseEstimator):
    """What the four meta-estimators share: arguments, routing, attributes of rows.

    A subclass names by `_inner` the constructor argument that holds its inner model, if
    any, and by `_delegated` the methods that it hands on.
    """

    _inner = None
    _delegated = ()
    _parameter_constraints = {
        "stratify": [StrOptions({"auto", "quantiles"}), None],
        "random_state": ["random_state"],
    }

    def _effective_selector(self):
        return RandomSelector() if self.selector is None else self.selector

    def _check_arguments(self):
        check_selector(self._effective_selector())
        check_keep(self.keep)
        if self.weighting is not None:
            raise InvalidParameterError(
                "weighting must be None, which is all there is: the kept rows count "
                f"equally. Got {self.weighting!r} instead. Write weighting=None."
            )

    def _choose(self, X, y, selector_params, seed):
        return choose_rows(
            self._effective_selector(),
            X,
            y,
            selector_params,
            keep=self.keep,
            task=getattr(self, "task", "auto"),
            stratify=self.stratify,
            seed=seed,
            memory=self.memory,
            estimator=getattr(self, self._inner) if self._inner else None,
        )

    def _store_choice(self, choice):
        self.selector_ = choice.selector
        self.task_ = choice.task
        self.sample_indices_ = choice.indices
        self.sample_weight_ = None

    @property
    def sample_mask_(self):
        """Mask of shape (n_samples,), bool: True for the rows that were kept."""
        indices, selector = self.sample_indices_, self.selector_
        n = len(indices if selector is None else last_step(selector).order_)
        mask = np.zeros(n, dtype=bool)
        mask[indices] = True
        return mask

    @property
    def sample_scores_(self):
        """Scores of shape (n_samples,), larger is better; None where there are none."""
        return getattr(last_step(self.selector_), "scores_", None)

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        Returns
        -------
        MetadataRouter
            Hands parameters of fit to the inner model and to the selector by their
            requests.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router.add(selector=self._effective_selector(), method_mapping=mapping)
        if self._inner is not None:
            mapping = MethodMapping().add(caller="fit", callee="fit")
            for method in self._delegated:
                mapping.add(caller=method, callee=method)
            inner = {self._inner: getattr(self, self._inner)}
            router.add(method_mapping=mapping, **inner)
        return router

    def _inherit_tags(self, tags):
        """Combine what the inner model and the selector say of themselves."""
        if self._inner is not None:
            tags = inherit_tags(tags, getattr(self, self._inner))
        selector = self._effective_selector()
        found = get_tags(selector)
        if self._inner is None:
            tags.input_tags, tags.no_validation = found.input_tags, found.no_validation
        tags.input_tags.sparse &= found.input_tags.sparse
        tags.input_tags.allow_nan &= found.input_tags.allow_nan
        tags.no_validation &= found.no_validation
        multi_output = get_tags(last_step(selector)).target_tags.multi_output
        tags.target_tags.multi_output &= multi_output
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label &= multi_output
        if tags.regressor_tags is not None:
            # Half of the rows, chosen for another model, may be a poor training set.
            tags.regressor_tags.poor_score |= not isinstance(
                last_step(selector), RandomSelector
            )
        tags.target_tags.required |= found.target_tags.required
        return tags


class _SubsetModel(CallbackSupportMixin, MetaEstimatorMixin, _SampleSubset):
    """What the three meta-estimators with an inner model share: fit and delegation."""

    _kind = None

    def _fit(self, X, y, fit_params):
        root = self._init_callback_context(max_subtasks=2)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        unfitted = getattr(self, self._inner)
        check_inner(self, unfitted, self._kind)
        self._check_arguments()
        X, y = check_rows(X, y)
        n = count_rows(X)
        check_readable_rows(X, unfitted)
        inner_params, selector_params = route_fit_params(
            self, fit_params, inner=self._inner, selector=self._effective_selector()
        )
        for weights in _weights_among(inner_params):
            check_weights(weights, n)
        seed = None if self.random_state is None else draw_seed(self.random_state)

        with callback_task(root, "rank-rows", owner=self, target=None, X=X, y=y):
            choice = self._choose(X, y, selector_params, seed)
        kept = choice.indices
        model = clone_seeded(unfitted, seed, self._inner)
        pairwise = get_tags(model).input_tags.pairwise and len(kept) < n
        X_kept, y_kept = X, y
        if len(kept) < n:
            X_kept = take_rows(X, kept)
            y_kept = None if y is None else take_rows(y, kept)
            inner_params = take_rows_of_params(X, inner_params, kept)
            for weights in _weights_among(inner_params):
                if not np.any(weights):
                    raise ValueError(
                        "sample_weight must not be zero for every row that is kept. Got "
                        f"{len(kept)} kept rows of weight 0. Raise keep, or drop the "
                        "rows of weight 0 first."
                    )
        if pairwise:
            X_kept = take_rows(X_kept, kept, axis=1)
        target = () if y is None else (y_kept,)
        task = callback_task(
            root, "fit-model", owner=self, target=model, X=X_kept, y=y_kept
        )
        with task, seeded_torch(model, seed):
            try:
                model.fit(X_kept, *target, **inner_params)
            except ValueError as error:
                if type(error) is not ValueError or not _weights_among(inner_params):
                    raise
                raise ValueError(
                    f"{error} The model was given {len(kept)} of {n} rows with their "
                    "sample_weight."
                ) from error
        if not pairwise:
            show_dropped_rows(model, X, kept)

        self._store_choice(choice)
        setattr(self, f"{self._inner}_", model)
        self._pairwise = pairwise
        copy_fitted_attributes(self, model, X)
        if pairwise:
            self.n_features_in_ = n
        root.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _ask(self, method, X, params):
        """Call a method of the fitted inner model."""
        model = self.__dict__.get(f"{self._inner}_")
        if model is None:
            check_is_fitted(self)
        if params and routing_enabled():
            params = process_routing(self, method, **params)[self._inner][method]
        if self._pairwise:
            X = take_rows(X, self.sample_indices_, axis=1)
        return getattr(model, method)(X, **params)


def _weights_among(params):
    return [
        value
        for name, value in params.items()
        if value is not None
        and (name == "sample_weight" or name.endswith("__sample_weight"))
    ]


_estimator_has = {
    method: available_if(inner_has(method, fitted="estimator_", unfitted="estimator"))
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function")
}


class _SubsetPredictor(_SubsetModel):
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
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.selector = selector
        self.keep = keep
        self.stratify = stratify
        self.weighting = weighting
        self.memory = memory
        self.random_state = random_state

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
            are sliced along. `sample_weight` and `groups` also reach the selector. With
            metadata routing enabled, requests decide who gets what.

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
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Call fit(X, y)."
            )
        return self._fit(X, y, fit_params)

    @_estimator_has["predict"]
    def predict(self, X, **params):
        """Predict with the inner model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters for `predict` of the inner model.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        return self._ask("predict", X, params)


class SampleSubsetClassifier(ClassifierMixin, _SubsetPredictor):
    """Fit a classifier on fewer rows.

    In `fit` a selector ranks the rows, the best of them are kept, and a clone of the
    inner classifier is fitted on those only. Prediction is the inner model's own. Works
    wherever a classifier does: in a Pipeline, a grid search, cross-validation.

    Parameters
    ----------
    estimator : classifier
        The model to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep, or the selector's own choice. Each class
        keeps a row at least. 1.0 fits on all rows and ranks nothing.
    stratify : {"auto"} or None, default="auto"
        "auto" keeps the proportions of the classes to within one row.
    weighting : None
        There are no weights of kept rows yet.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector and those parts of the inner model whose `random_state` is
        None; an int makes the fit reproducible.

    Attributes
    ----------
    estimator_ : classifier
        The inner model fitted on the kept rows.
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better, where the selector has any.
    sample_weight_ : None
        Weights of the kept rows.
    task_ : str
        "classification".
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.
    n_iter_ : int or ndarray
        Iterations of the inner model, where it counts them.

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
        **_SampleSubset._parameter_constraints,
        "stratify": [StrOptions({"auto"}), None],
    }

    @property
    def classes_(self):
        """The classes, as the inner model knows them."""
        return self.estimator_.classes_

    @_estimator_has["predict_proba"]
    def predict_proba(self, X, **params):
        """Predict class probabilities with the inner model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters for `predict_proba` of the inner model.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return self._ask("predict_proba", X, params)

    @_estimator_has["predict_log_proba"]
    def predict_log_proba(self, X, **params):
        """Predict logarithms of class probabilities with the inner model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters for `predict_log_proba` of the inner model.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities, in the order of `classes_`.
        """
        return self._ask("predict_log_proba", X, params)

    @_estimator_has["decision_function"]
    def decision_function(self, X, **params):
        """Compute decision values with the inner model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters for `decision_function` of the inner model.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        return self._ask("decision_function", X, params)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())


class SampleSubsetRegressor(RegressorMixin, _SubsetPredictor):
    """Fit a regressor on fewer rows.

    In `fit` a selector ranks the rows, the best of them are kept, and a clone of the
    inner regressor is fitted on those only. Prediction is the inner model's own.

    Parameters
    ----------
    estimator : regressor
        The model to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep, or the selector's own choice. 1.0 fits on all
        rows and ranks nothing.
    stratify : {"auto", "quantiles"} or None, default="auto"
        "auto" is no strata; "quantiles" keeps the proportions of the tenths of y to
        within one row.
    weighting : None
        There are no weights of kept rows yet.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector and those parts of the inner model whose `random_state` is
        None; an int makes the fit reproducible.

    Attributes
    ----------
    estimator_ : regressor
        The inner model fitted on the kept rows.
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better, where the selector has any.
    sample_weight_ : None
        Weights of the kept rows.
    task_ : str
        "regression".
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.
    n_iter_ : int or ndarray
        Iterations of the inner model, where it counts them.

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


class SampleSubsetTransformer(TransformerMixin, _SubsetModel):
    """Fit a transformer on fewer rows and transform every row.

    For transformers whose cost grows fast with the number of rows they are fitted on:
    Nystroem, KernelPCA, KNNImputer, SplineTransformer. `transform` never drops a row.

    Parameters
    ----------
    transformer : transformer
        The transformer to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep, or the selector's own choice. 1.0 fits on all
        rows and ranks nothing.
    stratify : {"auto", "quantiles"} or None, default="auto"
        "auto" keeps the proportions of the classes, if y holds classes; "quantiles" those
        of the tenths of a continuous y.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is. "auto": strings, bools, and at most max(20, sqrt(n)) different integral
        values are classes.
    weighting : None
        There are no weights of kept rows yet.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector and those parts of the transformer whose `random_state` is
        None; an int makes the fit reproducible.

    Attributes
    ----------
    transformer_ : transformer
        The transformer fitted on the kept rows.
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better, where the selector has any.
    sample_weight_ : None
        Weights of the kept rows.
    task_ : str or None
        What y was taken for; None without y.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.
    n_iter_ : int or ndarray
        Iterations of the transformer, where it counts them.

    See Also
    --------
    SampleSubsetClassifier : Fits a classifier on fewer rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import KernelPCA
    >>> from sklearn_prune import SampleSubsetTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> pca = SampleSubsetTransformer(KernelPCA(8), keep=200, random_state=0)
    >>> pca.fit_transform(X, y).shape
    (1797, 8)
    """

    _inner = "transformer"
    _kind = "transformer"
    _delegated = ("transform", "inverse_transform")
    _parameter_constraints = {**_SampleSubset._parameter_constraints, "task": [_TASK]}

    def __init__(
        self,
        transformer,
        selector=None,
        *,
        keep=0.5,
        stratify="auto",
        task="auto",
        weighting=None,
        memory=None,
        random_state=None,
    ):
        self.transformer = transformer
        self.selector = selector
        self.keep = keep
        self.stratify = stratify
        self.task = task
        self.weighting = weighting
        self.memory = memory
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **fit_params):
        """Fit the transformer on the rows that the selector keeps.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, where the transformer or the selector reads them.
        **fit_params : dict
            Parameters for the fit of the transformer; those with one entry for each row
            are sliced along. `sample_weight` and `groups` also reach the selector.

        Returns
        -------
        self : SampleSubsetTransformer
            The fitted meta-estimator.
        """
        return self._fit(X, y, fit_params)

    def transform(self, X, **params):
        """Transform every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters for `transform` of the transformer.

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            As many rows as came in.
        """
        return self._ask("transform", X, params)

    @available_if(
        inner_has("inverse_transform", fitted="transformer_", unfitted="transformer")
    )
    def inverse_transform(self, X, **params):
        """Map transformed rows back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Transformed rows.
        **params : dict
            Parameters for `inverse_transform` of the transformer.

        Returns
        -------
        array-like of shape (n_samples, n_features)
            Rows in the space of the input.
        """
        return self._ask("inverse_transform", X, params)

    @available_if(
        inner_has("get_feature_names_out", fitted="transformer_", unfitted="transformer")
    )
    def get_feature_names_out(self, input_features=None):
        """Get the names of the features that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features that it takes.

        Returns
        -------
        ndarray of str
            Names of the features that it gives.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())


class SampleSubsetSampler(_SampleSubset):
    """Drop rows from X and y, for the Pipeline of imbalanced-learn.

    A scikit-learn Pipeline cannot drop rows: there, use :class:`SampleSubsetClassifier`
    or :class:`SampleSubsetRegressor` as the last step. They also slice `sample_weight`
    along, which a sampler cannot.

    Parameters
    ----------
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep, or the selector's own choice. 1.0 keeps all
        rows and ranks nothing.
    stratify : {"auto", "quantiles"} or None, default="auto"
        "auto" keeps the proportions of the classes, if y holds classes; "quantiles" those
        of the tenths of a continuous y.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is. "auto": strings, bools, and at most max(20, sqrt(n)) different integral
        values are classes.
    weighting : None
        There are no weights of kept rows yet.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector.

    Attributes
    ----------
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better, where the selector has any.
    sample_weight_ : None
        Weights of the kept rows.
    task_ : str or None
        What y was taken for.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.

    See Also
    --------
    SampleSubsetClassifier : The same for a scikit-learn Pipeline.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_prune import SampleSubsetSampler
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_kept, y_kept = SampleSubsetSampler(keep=100, random_state=0).fit_resample(X, y)
    >>> X_kept.shape, y_kept.shape
    ((100, 10), (100,))
    """

    _estimator_type = "sampler"  # how imbalanced-learn knows one
    _parameter_constraints = {**_SampleSubset._parameter_constraints, "task": [_TASK]}

    transform = RefusedAsPipelineStep(
        "{name} drops rows, which a scikit-learn Pipeline cannot do. Use "
        "SampleSubsetClassifier(model, selector) or SampleSubsetRegressor(model, selector) "
        "as the last step instead, or the Pipeline of imblearn.pipeline."
    )

    def __init__(
        self,
        selector=None,
        *,
        keep=0.5,
        stratify="auto",
        task="auto",
        weighting=None,
        memory=None,
        random_state=None,
    ):
        self.selector = selector
        self.keep = keep
        self.stratify = stratify
        self.task = task
        self.weighting = weighting
        self.memory = memory
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Choose the rows to keep.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Targets, classes or continuous.
        **params : dict
            `sample_weight` and `groups` for the selector.

        Returns
        -------
        self : SampleSubsetSampler
            The fitted sampler.
        """
        self._check_arguments()
        X, y = check_rows(X, y)
        _, selector_params = route_fit_params(
            self, params, inner=None, selector=self._effective_selector()
        )
        seed = None if self.random_state is None else draw_seed(self.random_state)
        choice = self._choose(X, y, selector_params, seed)
        self._store_choice(choice)
        validate_data(self, X, skip_check_array=True)
        return self

    def fit_resample(self, X, y, **params):
        """Choose the rows to keep and return them.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Targets, classes or continuous.
        **params : dict
            `sample_weight` and `groups` for the selector.

        Returns
        -------
        X_kept, y_kept : same types as X and y, of length n_kept
            The kept rows and their targets, in their original order.
        """
        kept = self.fit(X, y, **params).sample_indices_
        X, y = check_rows(X, y)
        return take_rows(X, kept), take_rows(y, kept)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())
