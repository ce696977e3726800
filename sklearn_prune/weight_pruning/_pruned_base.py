"""What PrunedClassifier and PrunedRegressor share."""

import warnings
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from numbers import Integral, Real
from time import process_time

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_prune._folds import listed_splits
from sklearn_prune._meta import (
    FittedAttributes,
    Progress,
    all_or_nothing,
    callback_task,
    check_inner,
    clone_seeded,
    copy_fitted_attributes,
    holds_frozen,
    in_one_line,
    inherit_tags,
    is_frozen,
    routing_enabled,
    rows_chosen,
    with_groups,
)
from sklearn_prune._ranking import check_keep, keeps_all
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    count_rows,
    fit_context,
)
from sklearn_prune._validation import (
    canonical,
    check_groups,
    check_kind_of_target,
    check_readable_rows,
    check_rows,
    check_scorer,
    check_weights,
    count_named_rows,
    refuse_queries,
)
from sklearn_prune.predictors import Compact
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._family import TrainsOn, restored
from sklearn_prune.weight_pruning._inner_validation import random_states
from sklearn_prune.weight_pruning._prune import prune
from sklearn_prune.weight_pruning._quantize import check_quantize
from sklearn_prune.weight_pruning._registry import (
    check_dropout,
    families_of_class,
    family_of,
    registered_modules,
)
from sklearn_prune.weight_pruning._schedule import GradualSchedule, check_schedule
from sklearn_prune.weight_pruning.criteria import check_criterion


def delegate_has(name):
    """Decorate a method that exists if the predictor, or the unfitted model, has it."""

    def check(owner):
        inner = owner.__dict__.get("compact_", owner.estimator)
        getattr(inner, name)  # raises an AttributeError that names the inner model
        return True

    return available_if(check)


def _trains_on(owner):
    """Whether there is a partial_fit: known of the model and the unit, before fit too."""
    model = owner.estimator
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    by_features = owner.unit == "feature"
    for family in families_of_class(model)[0]:
        if isinstance(family, TrainsOn) and (family.recurses or not by_features):
            return True
    raise AttributeError(
        f"{type(owner).__name__} has partial_fit only around a neural net whose weights or "
        "units are pruned. Call fit(X, y)."
    )


class PrunedModel(
    FittedAttributes, CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator
):
    """Arguments, fit, metadata routing, fitted attributes and `predict`."""

    _kind = None
    _takes_groups = True
    _parameter_constraints = {
        "unit": [str],
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "max_nbytes": [Interval(Integral, 1, None, closed="left"), None],
        "max_churn": [Interval(Real, 0, 1, closed="left"), StrOptions({"seed"}), None],
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
        max_nbytes=None,
        max_churn=None,
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
        self.max_nbytes = max_nbytes
        self.max_churn = max_churn
        self.scoring = scoring
        self.cv = cv
        self.schedule = schedule
        self.refit = refit
        self.quantize = quantize
        self.dropout = dropout
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __getstate__(self):
        modules = registered_modules()
        state = super().__getstate__()
        return state | {"_family_modules": modules} if modules else state

    def __setstate__(self, state):
        state = dict(state)
        for module in state.pop("_family_modules", ()):
            try:
                import_module(module)  # which registers its family
            except ModuleNotFoundError as error:
                if not f"{module}.".startswith(f"{error.name}."):
                    raise
                warnings.warn(
                    "The modules of families that were registered when a model was pickled "
                    f"must be importable where it is loaded. Got no module {error.name}. "
                    f"Install it, or prune no models of {module} here.",
                    stacklevel=2,
                )
        super().__setstate__(state)
        if isinstance(vars(self).get("compact_"), Compact):
            self.compact_._use_kernels()  # the bits are those of the fitted model

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, **fit_params):
        """Fit the inner model, prune it, and keep its predictor.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n_samples, ...)
            Training rows, in any container that the inner model reads.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Parameters for the fit of the inner model; those with one entry for each row
            are sliced with the rows. `groups` keeps rows of a group in one inner fold, and
            also reaches a search inside. With metadata routing enabled, they are passed on
            by the requests.

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
            If the inner model is not of the kind that this class prunes.
        """
        if y is None:
            count_named_rows("X", X)
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Call fit(X, y)."
            )
        root = self._init_callback_context(max_subtasks=2)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        check_inner(self, self.estimator, self._kind, purpose="prune")
        criterion, quantizer = self._check_arguments()
        X, y = check_rows(X, y)
        check_kind_of_target(y, self._kind)
        inner_params, groups = self._route(X, fit_params)
        if not keeps_all(self.keep):
            refuse_queries(self.estimator, inner_params, type(self).__name__)
        context = PruningContext(
            estimator=self.estimator,
            X=X,
            y=y,
            fit_params=inner_params,
            groups=groups,
            seed=self._seed(),
            refit_params=self.refit if isinstance(self.refit, dict) else {},
            tolerance=self.tolerance,
            scoring=self.scoring,
            cv=listed_splits(self.cv),
            n_jobs=self.n_jobs,
            dropout=self.dropout,
        )
        started = process_time()
        if isinstance(self.estimator, FrozenEstimator):
            model = self.estimator.estimator
            _check_frozen(model, X, y)
        else:
            model = clone_seeded(self.estimator, context.seed, "estimator")
            task = root.subcontext(task_name="fit-model")
            with callback_task(task, owner=self, target=model, X=X, y=y):
                model = self._fit_first(model, context)
        task = root.subcontext(task_name="prune", max_subtasks=None)
        followed = task if getattr(self, "_skl_callbacks", None) else None
        progress = Progress(followed, owner=self, X=X, y=y)
        with callback_task(task, owner=self, target=None, X=X, y=y):
            result = prune(
                model,
                replace(context, progress=progress),
                options=self,
                criterion=criterion,
                refit=self.refit is not False,
                quantizer=quantizer,
                started=started,
            )
        self._store(result, criterion)
        self.__dict__.pop("sample_indices_", None)
        rows = None if is_frozen(self.estimator) else rows_chosen(model)
        if rows is not None:
            self.sample_indices_ = rows
        copy_fitted_attributes(self, model, X)
        if result.n_iter is not None:
            self.n_iter_ = result.n_iter
        root.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    @available_if(_trains_on)
    @all_or_nothing
    def partial_fit(self, X, y, classes=None, **fit_params):
        """Continue the training of a pruned net; pruned parameters stay zero.

        The first call, before any fit, is `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        classes : array-like of shape (n_classes,), default=None
            All classes. The first call needs a row of each.
        **fit_params : dict
            Parameters for the training of the net.

        Returns
        -------
        self : object
            The meta-estimator with a new predictor, after one pass over the rows for an
            MLP*, or the epochs of a skorch net.
        """
        X, y = check_rows(X, y)
        check_kind_of_target(y, self._kind)
        is_fitted = self.__sklearn_is_fitted__()
        known = y
        if is_fitted:
            known = getattr(self.compact_, "classes_", None)
            _check_seen(y, known, "y must hold classes that fit has seen")
        if classes is not None:
            rule = "classes must be those of the first call, with a row of each"
            _check_seen(classes, known, rule)
        if not is_fitted:
            return self.fit(X, y, **fit_params)
        if not isinstance(self._family, TrainsOn):
            raise InvalidParameterError(
                "partial_fit needs a net whose weights or units are pruned. Got one that "
                "is pruned by its input features. Call fit(X, y)."
            )
        check_readable_rows(X, self.estimator)
        validate_data(self, X, reset=False, skip_check_array=True)
        inner_params, _ = self._route(X, fit_params)
        family = self._family
        context = PruningContext(
            estimator=self.estimator,
            X=X,
            y=y,
            fit_params=inner_params,
            seed=self._seed(),
            refit_params=family.partial_params(self.estimator),
            dropout=self.dropout,
        )
        work = family.resumed(self.compact_, self.estimator_, context)
        trained = family.train(work, context)
        compact = family.compact(trained)
        quantizer = check_quantize(self.quantize)
        self.compact_ = compact if quantizer is None else compact.quantized(quantizer)
        self.n_iter_ += family.n_iter(trained) - family.n_iter(work)
        return self

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        Returns
        -------
        MetadataRouter
            Passes parameters of fit to the inner model by its requests, and `groups` to
            the splitter of the inner folds.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in (
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
        ):
            mapping.add(caller=method, callee=method)
        router.add(estimator=self.estimator, method_mapping=mapping)
        splitter = check_cv(self.cv)
        if isinstance(self.cv, int) or self.cv is None:
            splitter = GroupKFold(2)
        mapping = MethodMapping().add(caller="fit", callee="split")
        return router.add(splitter=splitter, method_mapping=mapping)

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
        compact = self.compact_
        inner = self.estimator
        inner = inner.estimator if isinstance(inner, FrozenEstimator) else inner
        template = clone_seeded(inner, None, "estimator")
        return restored(self._family, deepcopy(compact), template)

    def __dir__(self):
        # scikit-learn's HTML repr reads all names listed here, which would rebuild it.
        return [
            name
            for name in object.__dir__(self)
            if name != "estimator_" and hasattr(self, name)
        ]

    @property
    def coef_(self):
        """Coefficients of all features, zeros for pruned ones, if the model has any.

        Behind a Pipeline they are those of its last step, on the columns that it reads, if
        its other steps keep columns.
        """
        return self.compact_.coef_

    @property
    def intercept_(self):
        """Intercepts, if the model has any."""
        inner = compact = self.compact_
        while hasattr(inner, "_inner"):
            inner = inner._inner
        if hasattr(inner, "trees_"):  # what trees add their scores to
            raise AttributeError(f"{type(self).__name__} around trees has no intercept_.")
        return compact.intercept_

    @property
    def feature_importances_(self):
        """Importances of all features, zeros for pruned ones, if the model has any.

        Those of boosting are counted over the splits that are left, as the library of the
        model counts them: scikit-learn by total gain (also for HistGradientBoosting*, which
        has none of its own), LightGBM and XGBoost by `importance_type`.
        """
        if self.compact_ is not None and self._importances is None:
            raise AttributeError(
                f"{type(self).__name__} has no feature_importances_ around this model."
            )
        return self._importances

    @delegate_has("predict")
    def predict(self, X, **params):
        """Predict targets with the pruned model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters that `predict` of the inner model takes, where they have a meaning
            for the compact form: `return_std` of Bayesian models and Gaussian processes;
            `raw_score`, the sum of the trees before the link, of all boosting;
            `start_iteration`, `num_iteration`, `iteration_range`, `output_margin` and
            `base_margin` of LightGBM and XGBoost. Others raise a TypeError.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        return self._ask("predict", X, params)

    def __sklearn_is_fitted__(self):
        return "compact_" in self.__dict__

    def _seed(self):
        """The seed of all randomness, or None if `random_state` is None.

        A schedule with ``rewind="init"`` always draws one, to initialise the model, or one
        inside it, twice in the same way.
        """
        rewinds = getattr(self.schedule, "rewind", "none") == "init"
        if self.random_state is None and not rewinds:
            return None
        return draw_seed(self.random_state)

    def _fit_first(self, model, context):
        """Fit the model; a net that a schedule prunes while it trains is only set up."""
        family, _ = family_of(model)
        is_gradual = isinstance(self.schedule, GradualSchedule)
        is_pruned = isinstance(self.keep, Real) and not keeps_all(self.keep)
        if is_gradual and is_pruned and isinstance(family, TrainsOn):
            return family.untrained(model, context)
        return context.fit_first(model)

    def _check_arguments(self):
        """The criterion and the quantizer; raise if an argument is not valid."""
        check_keep(self.keep, units="units")
        is_count = isinstance(self.keep, Integral) or keeps_all(self.keep)
        if self.unit == "rule" and not is_count:
            raise InvalidParameterError(
                'unit="rule" needs keep as a number of rules, an int of at least 2, or 1.0 '
                f"for the whole model. Got keep={self.keep!r}. Write keep=24."
            )
        if self.dropout > 0 and self.refit is False:
            raise InvalidParameterError(
                "dropout needs a refit, in which it drops kept units at random. Got "
                f"dropout={self.dropout} with refit=False. Write refit=True, or "
                "dropout=0.0."
            )
        check_dropout(self.estimator, self.unit, self.dropout)
        self._check_limits()
        check_schedule(self.schedule, self.estimator)
        if self.scoring is not None:
            scorer = get_scorer(self.scoring)  # a callable is returned as it is
            check_scorer(scorer, self.estimator, name=self.scoring)
        return check_criterion(self.criterion), check_quantize(self.quantize)

    def _check_limits(self):
        """Raise if `max_nbytes` or `max_churn` does not fit the other arguments."""
        for name in ("max_nbytes", "max_churn"):
            value = getattr(self, name)
            if isinstance(value, bool):
                raise InvalidParameterError(
                    f"{name} must be a number or None. Got {name}={value}."
                )
            if value is not None and self.keep != "auto":
                raise InvalidParameterError(
                    f'{name} needs keep="auto", which chooses the size. Got '
                    f"{name}={value!r} with keep={self.keep!r}. "
                    f'Write keep="auto", or {name}=None.'
                )
        if self.max_churn is None:
            return
        if self._kind != "classifier":
            raise InvalidParameterError(
                f"max_churn counts labels that change, and a regressor has none. Got "
                f"max_churn={self.max_churn!r}. Write max_churn=None."
            )
        if self.max_churn == "seed" and (
            is_frozen(self.estimator) or not random_states(self.estimator)
        ):
            raise InvalidParameterError(
                'max_churn="seed" fits the model with a second seed, which needs an '
                f"unfitted model with random_state. Got {type(self.estimator).__name__}. "
                "Write a number, such as max_churn=0.02."
            )

    def _route(self, X, fit_params):
        """Split parameters of fit into those of the inner fit, and groups for the folds."""
        if routing_enabled():
            if not fit_params:
                return {}, None
            routed = process_routing(self, "fit", **fit_params)
            inner, groups = dict(routed.estimator.fit), routed.splitter.split.get("groups")
        else:
            inner = with_groups(self.estimator, fit_params)
            groups = fit_params.get("groups")
        for name, values in inner.items():
            if values is not None and name.rpartition("__")[2] == "sample_weight":
                check_weights(values, count_rows(X))
        if groups is not None:
            groups = check_groups(groups, count_rows(X))
        return inner, groups

    def _store(self, result, criterion):
        self.compact_ = result.compact
        if holds_frozen(self.estimator):  # its arrays belong to the user
            self.compact_ = deepcopy(result.compact)
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

    def _inherit_tags(self, tags):
        tags = inherit_tags(tags, self.estimator)
        # A pruned model may score lower than the whole one.
        for kind_tags in (tags.classifier_tags, tags.regressor_tags):
            if kind_tags is not None:
                kind_tags.poor_score |= not keeps_all(self.keep)
        return tags

    def _ask(self, method, X, params):
        """Call a method of the predictor."""
        compact = self.__dict__.get("compact_")
        if compact is None:
            check_is_fitted(self)
        if params and routing_enabled():
            params = process_routing(self, method, **params).estimator[method]
        if params:
            self._check_params(compact, method, params)
        return getattr(compact, method)(canonical(X), **params)

    def _check_params(self, compact, method, params):
        """Raise TypeError unless a method of the predictor takes these parameters."""
        asked = compact
        while _hands_on(getattr(asked, method)):
            inner = getattr(asked, "_inner", getattr(asked, "final_", None))
            inner = getattr(asked, "members_", [None])[0] if inner is None else inner
            if inner is None:
                return  # it refuses by itself what it does not take
            asked = inner
        known = [*signature(getattr(asked, method)).parameters][1:]
        for name, value in params.items():
            if name not in known:
                options = f"{', '.join(known)} besides X" if known else "nothing besides X"
                raise TypeError(
                    f"{method} of the compact form {type(asked).__name__} takes {options}. "
                    f"Got {name}={in_one_line(value)}. Ask {in_one_line(self.estimator)}, "
                    "fitted without pruning, for it."
                )


def _hands_on(method):
    """Whether a method takes any parameters, for what is inside."""
    kinds = [parameter.kind for parameter in signature(method).parameters.values()]
    return Parameter.VAR_KEYWORD in kinds


def _check_seen(labels, known, rule):
    """Raise if one of the labels in a column is not among the known ones."""
    labels = np.asarray(labels)
    if known is None or labels.ndim != 1 or np.ndim(known) != 1:
        return
    unknown = np.setdiff1d(labels, np.asarray(known))
    if len(unknown):
        raise ValueError(
            f"{rule}. Got {unknown.tolist()[0]!r}. Call fit(X, y) with all rows."
        )


def _check_frozen(model, X, y):
    """Raise unless a fitted model has the columns of X and the labels in y."""
    check_is_fitted(model)
    validate_data(model, X, reset=False, skip_check_array=True)
    known = getattr(model, "classes_", None)
    if isinstance(known, np.ndarray) and np.ndim(y) == 1:
        if hasattr(model, "transduction_"):  # semi-supervised: -1 marks unlabelled rows
            known = np.append(known, -1)
        unknown = np.setdiff1d(np.asarray(y), known)
        if len(unknown):
            raise ValueError(
                "y must hold labels that the frozen model was fitted on. Got "
                f"{unknown[0]!r}, and its classes are {known.tolist()}. Pass rows of these "
                "classes, or an unfrozen model."
            )
