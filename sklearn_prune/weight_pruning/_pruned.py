"""A classifier and a regressor that are left with fewer parameters."""

from inspect import signature
from numbers import Real
from time import process_time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_prune._meta import (
    callback_task,
    check_inner,
    clone_seeded,
    copy_fitted_attributes,
    inherit_tags,
    routing_enabled,
)
from sklearn_prune._ranking import check_keep, keeps_all
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import (
    BaseSearchCV,
    Interval,
    InvalidParameterError,
    count_rows,
    fit_context,
)
from sklearn_prune._validation import check_groups, check_rows, check_weights
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._prune import prune
from sklearn_prune.weight_pruning._quantize import check_quantize
from sklearn_prune.weight_pruning._schedule import check_schedule
from sklearn_prune.weight_pruning.criteria import check_criterion

_DELEGATED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
)


def _delegate_has(name):
    """Check for `available_if`: the compact form or the unfitted model has the method."""

    def check(owner):
        inner = owner.__dict__.get("compact_", owner.estimator)
        getattr(inner, name)  # its own AttributeError says more than ours
        return True

    return available_if(check)


class _Pruned(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """What the classifier and the regressor share."""

    _kind = None
    _parameter_constraints = {
        "unit": [str],
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "refit": ["boolean", dict],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [None, int],
    }

    def __init__(
        self,
        estimator,
        criterion=None,
        *,
        unit="auto",
        keep=0.5,
        tolerance=0.005,
        scoring=None,
        cv=3,
        schedule=None,
        refit=True,
        quantize=None,
        dropout=0.0,
        random_state=None,
        n_jobs=None,
    ):
        self.estimator = estimator
        self.criterion = criterion
        self.unit = unit
        self.keep = keep
        self.tolerance = tolerance
        self.scoring = scoring
        self.cv = cv
        self.schedule = schedule
        self.refit = refit
        self.quantize = quantize
        self.dropout = dropout
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, **fit_params):
        """Fit the inner model, prune it, and keep its compact form.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n_samples, ...)
            Training rows, in any container that the inner model reads.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Parameters for the fit of the inner model; those with one entry for each row
            are sliced along where rows are. `groups` keeps rows together in the inner
            folds. With metadata routing enabled, requests decide who gets what.

        Returns
        -------
        self : object
            The fitted meta-estimator.

        Raises
        ------
        ValueError
            If an argument, X or y is not valid, or a unit, criterion or schedule does
            not fit the inner model.
        TypeError
            If the inner model is of another kind.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Call fit(X, y)."
            )
        root = self._init_callback_context(max_subtasks=2)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        check_inner(self, self.estimator, self._kind, purpose="prune")
        criterion, quantizer = self._check_arguments()
        X, y = check_rows(X, y)
        inner_params, groups = self._route(X, fit_params)
        context = PruningContext(
            estimator=self.estimator,
            X=X,
            y=y,
            fit_params=inner_params,
            groups=groups,
            seed=None if self.random_state is None else draw_seed(self.random_state),
            refit_params=self.refit if isinstance(self.refit, dict) else {},
            tolerance=self.tolerance,
            scoring=self.scoring,
            cv=self.cv,
            n_jobs=self.n_jobs,
            dropout=self.dropout,
        )
        started = process_time()
        if isinstance(self.estimator, FrozenEstimator):
            model = self.estimator.estimator
            _check_frozen(model, X, y)
        else:
            model = clone_seeded(self.estimator, context.seed, "estimator")
            task = callback_task(root, "fit-model", owner=self, target=model, X=X, y=y)
            with task:
                model = context.fit_first(model)
        with callback_task(root, "prune", owner=self, target=None, X=X, y=y):
            result = prune(
                model,
                context,
                unit=self.unit,
                keep=self.keep,
                criterion=criterion,
                schedule=self.schedule,
                refit=self.refit is not False,
                quantizer=quantizer,
                started=started,
            )
        self._store(result, criterion)
        copy_fitted_attributes(self, model, X)
        root.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _check_arguments(self):
        check_keep(self.keep, units="units")
        if self.dropout > 0:
            raise InvalidParameterError(
                "dropout silences kept units at each refit step, which no family here does "
                f"yet. Got dropout={self.dropout}. Write dropout=0.0."
            )
        check_schedule(self.schedule, self.estimator)
        return check_criterion(self.criterion), check_quantize(self.quantize)

    def _route(self, X, fit_params):
        """Parameters of the inner fit, and the groups of the inner folds."""
        if routing_enabled():
            if not fit_params:
                return {}, None
            routed = process_routing(self, "fit", **fit_params)
            inner, groups = dict(routed.estimator.fit), routed.splitter.split.get("groups")
        else:
            inner, groups = dict(fit_params), fit_params.get("groups")
            if not _takes_groups(self.estimator):
                inner.pop("groups", None)
        for name, values in inner.items():
            if values is not None and name.rpartition("__")[2] == "sample_weight":
                check_weights(values, count_rows(X))
        if groups is not None:
            groups = check_groups(groups, count_rows(X))
        return inner, groups

    def _store(self, result, criterion):
        self.compact_ = result.compact
        self.unit_ = result.unit
        self.criterion_ = criterion
        self.n_units_ = result.n_units
        self.report_ = result.report
        before = max(1, result.report.before["parameters"])
        self.sparsity_ = float(1 - result.report.after["nonzero"] / before)
        mask = np.zeros(result.n_units, dtype=bool)
        mask[result.kept] = True
        self._support = np.packbits(mask)
        self._family = result.family
        self._importances = result.importances

    @property
    def kept_(self):
        """Sorted ids of the units that are left, of shape (n_kept,), int."""
        return np.flatnonzero(self.get_support())

    def get_support(self, indices=False):
        """Mask of the units that are left.

        Parameters
        ----------
        indices : bool, default=False
            Whether to return their ids instead.

        Returns
        -------
        ndarray of shape (n_units,), bool, or of shape (n_kept,), int
            True for the units that are left, or their sorted ids.
        """
        check_is_fitted(self)
        mask = np.unpackbits(self._support, count=self.n_units_).astype(bool)
        return np.flatnonzero(mask) if indices else mask

    @property
    def estimator_(self):
        """The pruned model as the class of the inner model, a new one on each access."""
        if "compact_" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__} has no estimator_ before fit. Call fit(X, y)."
            )
        inner = self.estimator
        inner = inner.estimator if isinstance(inner, FrozenEstimator) else inner
        template = clone_seeded(inner, None, "estimator")
        return self._family.restore(self.compact_, template)

    def __dir__(self):
        # scikit-learn's HTML repr reads all that is listed here, which would rebuild it.
        return [
            name
            for name in object.__dir__(self)
            if name != "estimator_" and hasattr(self, name)
        ]

    @property
    def coef_(self):
        """Coefficients of all features, zeros for what is gone, where the model has any."""
        return self._compact_or_error("coef_").coef_

    @property
    def intercept_(self):
        """Intercepts, where the model has any."""
        return self._compact_or_error("intercept_").intercept_

    @property
    def feature_importances_(self):
        """Importances of all features, zeros for what is gone, where the model has any."""
        if self.__dict__.get("_importances") is None:
            raise AttributeError(
                f"{type(self).__name__} has no feature_importances_ around this model."
            )
        return self._importances

    def _compact_or_error(self, name):
        if "compact_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return self.compact_

    @_delegate_has("predict")
    def predict(self, X, **params):
        """Predict with the compact form.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters that `predict` of the inner model takes, such as `return_std`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        return self._ask("predict", X, params)

    def _ask(self, method, X, params):
        compact = self.__dict__.get("compact_")
        if compact is None:
            check_is_fitted(self)
        if params and routing_enabled():
            params = process_routing(self, method, **params).estimator[method]
        return getattr(compact, method)(X, **params)

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        Returns
        -------
        MetadataRouter
            Hands parameters of fit to the inner model by its requests, and `groups` to
            the inner folds.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in _DELEGATED[:4]:  # the router knows no score_samples
            mapping.add(caller=method, callee=method)
        router.add(estimator=self.estimator, method_mapping=mapping)
        splitter = check_cv(self.cv)
        if isinstance(self.cv, int) or self.cv is None:
            splitter = _grouped_folds()
        mapping = MethodMapping().add(caller="fit", callee="split")
        return router.add(splitter=splitter, method_mapping=mapping)

    def __sklearn_is_fitted__(self):
        return "compact_" in self.__dict__

    def _inherit_tags(self, tags):
        tags = inherit_tags(tags, self.estimator)
        # What is left of a model may score lower than the whole of it.
        for own in (tags.classifier_tags, tags.regressor_tags):
            if own is not None:
                own.poor_score |= not keeps_all(self.keep)
        return tags


def _check_frozen(model, X, y):
    """Raise unless a fitted model knows the columns of X and the labels in y."""
    check_is_fitted(model)
    validate_data(model, X, reset=False, skip_check_array=True)
    known = getattr(model, "classes_", None)
    if isinstance(known, np.ndarray) and np.ndim(y) == 1:
        unknown = np.setdiff1d(np.asarray(y), known)
        if len(unknown):
            raise ValueError(
                "y must hold labels that the frozen model knows. Got "
                f"{unknown[0]!r}, and it knows {known.tolist()}. Pass rows of these "
                "classes, or an unfrozen model."
            )


def _takes_groups(estimator):
    """Whether the fit of a model names groups, or hands them to a splitter."""
    return "groups" in signature(estimator.fit).parameters or isinstance(
        estimator, BaseSearchCV
    )


def _grouped_folds():
    from sklearn.model_selection import GroupKFold

    return GroupKFold(2)


class PrunedClassifier(ClassifierMixin, _Pruned):
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
    criterion : criterion or None, default=None
        Ranks the units; None is the recommended one for the model. For support vectors
        and prototypes also any object with `fit` and `order_`, such as a row selector.
    unit : str, default="auto"
        What is pruned: "coefficient", "feature", "node", "leaf", "tree", "iteration",
        "support_vector" or "prototype", as the model has them. "auto" is the best known
        mix for the model.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction of the parameters (for unit="auto"), fraction or number of the units, or
        the smallest size that inner validation finds not worse than the whole model by
        more than `tolerance`. 1.0 prunes nothing: the plain model in its compact form,
        with the same predictions.
    tolerance : float >= 0, default=0.005
        For keep="auto": the loss in units of the score that is allowed. A target: it
        holds on the inner folds by one standard error.
    scoring : str, callable or None, default=None
        The score that keep="auto" watches; None is the accuracy.
    cv : int, splitter or iterable, default=3
        Folds of the inner validation, where the model has no out-of-bag rows.
    schedule : IterativeSchedule or None, default=None
        Prunes in rounds; None at once.
    refit : bool or dict, default=True
        Whether the kept part is estimated again; a dict holds parameters of the inner
        model for that.
    quantize : {"float16", "int8", "codebook"}, Quantizer or None, default=None
        How the parameters are rounded in the end.
    dropout : float in [0, 1), default=0.0
        Probability with which a kept unit is silenced at each refit step; only 0.0 so
        far.
    random_state : int, RandomState instance or None, default=None
        Seeds the inner folds, the criterion and those parts of the inner model whose
        `random_state` is None; an int makes the fit reproducible.
    n_jobs : int or None, default=None
        Number of processes for the inner folds; results do not depend on it.

    Attributes
    ----------
    compact_ : object
        The pruned predictor alone: what to ship. It refers to nothing else.
    estimator_ : classifier
        The pruned model as the class of the inner model, built on each access; an
        AttributeError says why where that class cannot hold it.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    unit_ : str
        The kind of unit that `kept_` counts.
    criterion_ : criterion or None
        The criterion that was asked for.
    kept_ : ndarray of shape (n_kept,), int
        Sorted ids of the units that are left.
    n_units_ : int
        Number of units before.
    sparsity_ : float
        1 - non-zero parameters after / parameters before.
    report_ : PruningReport
        Parameters, units and bytes before and after, seconds, and the path of sizes.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.
    n_iter_ : int or ndarray
        Iterations of the inner model, where it counts them.

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
        return self._compact_or_error("classes_").classes_

    @_delegate_has("predict_proba")
    def predict_proba(self, X, **params):
        """Predict class probabilities with the compact form.

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

    @_delegate_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        """Predict logarithms of class probabilities with the compact form.

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

    @_delegate_has("decision_function")
    def decision_function(self, X, **params):
        """Compute decision values with the compact form.

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


class PrunedRegressor(RegressorMixin, _Pruned):
    """Fit a regressor and leave it with fewer parameters.

    In `fit` a clone of the inner regressor is fitted, its parameters are ranked, a part
    of them is kept and estimated again, and the result is stored in a compact form, from
    which `predict` works.

    Parameters
    ----------
    estimator : regressor
        The model to fit and prune. A fitted one is passed as ``FrozenEstimator(model)``:
        it is copied, never changed.
    criterion : criterion or None, default=None
        Ranks the units; None is the recommended one for the model. For support vectors
        and prototypes also any object with `fit` and `order_`, such as a row selector.
    unit : str, default="auto"
        What is pruned: "coefficient", "feature", "node", "leaf", "tree", "iteration",
        "support_vector" or "prototype", as the model has them. "auto" is the best known
        mix for the model.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction of the parameters (for unit="auto"), fraction or number of the units, or
        the smallest size that inner validation finds not worse than the whole model by
        more than `tolerance`. 1.0 prunes nothing: the plain model in its compact form,
        with the same predictions.
    tolerance : float >= 0, default=0.005
        For keep="auto": the loss in units of the score that is allowed. A target: it
        holds on the inner folds by one standard error.
    scoring : str, callable or None, default=None
        The score that keep="auto" watches; None is R2.
    cv : int, splitter or iterable, default=3
        Folds of the inner validation, where the model has no out-of-bag rows.
    schedule : IterativeSchedule or None, default=None
        Prunes in rounds; None at once.
    refit : bool or dict, default=True
        Whether the kept part is estimated again; a dict holds parameters of the inner
        model for that.
    quantize : {"float16", "int8", "codebook"}, Quantizer or None, default=None
        How the parameters are rounded in the end.
    dropout : float in [0, 1), default=0.0
        Probability with which a kept unit is silenced at each refit step; only 0.0 so
        far.
    random_state : int, RandomState instance or None, default=None
        Seeds the inner folds, the criterion and those parts of the inner model whose
        `random_state` is None; an int makes the fit reproducible.
    n_jobs : int or None, default=None
        Number of processes for the inner folds; results do not depend on it.

    Attributes
    ----------
    compact_ : object
        The pruned predictor alone: what to ship. It refers to nothing else.
    estimator_ : regressor
        The pruned model as the class of the inner model, built on each access; an
        AttributeError says why where that class cannot hold it.
    unit_ : str
        The kind of unit that `kept_` counts.
    criterion_ : criterion or None
        The criterion that was asked for.
    kept_ : ndarray of shape (n_kept,), int
        Sorted ids of the units that are left.
    n_units_ : int
        Number of units before.
    sparsity_ : float
        1 - non-zero parameters after / parameters before.
    report_ : PruningReport
        Parameters, units and bytes before and after, seconds, and the path of sizes.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.
    n_iter_ : int or ndarray
        Iterations of the inner model, where it counts them.

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
