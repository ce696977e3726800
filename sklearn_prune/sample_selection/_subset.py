"""Shared by the meta-estimators for rows: selection, fit on the kept rows, delegation."""

import warnings
from time import process_time

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, check_memory

from sklearn_prune._docs import entries
from sklearn_prune._folds import explained_groups
from sklearn_prune._meta import (
    FittedAttributes,
    callback_task,
    check_inner,
    clone_seeded,
    copy_fitted_attributes,
    has_tags,
    inherit_tags,
    last_step,
    own_params,
    route_fit_params,
    routing_enabled,
    weight_parameter,
    without_false_names,
)
from sklearn_prune._ranking import check_keep, keeps_all
from sklearn_prune._seeds import draw_seed, seeded_globals
from sklearn_prune._sklearn_compat import (
    StrOptions,
    count_rows,
    take_rows,
    take_rows_of_params,
)
from sklearn_prune._validation import (
    canonical,
    check_readable_rows,
    check_rows,
    check_weights,
    refuse_queries,
    show_dropped_rows,
)
from sklearn_prune.predictors import behind_steps
from sklearn_prune.sample_selection._base import (
    RankingContext,
    check_selector,
    tags_within,
)
from sklearn_prune.sample_selection._choice import choose_rows
from sklearn_prune.sample_selection._random import RandomSelector
from sklearn_prune.sample_selection._weighting import WEIGHTINGS

SUBSET = entries("""
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep; "auto" is the selector's own size. 1.0 keeps
        all rows and ranks nothing.
    stratify : {"auto", "balanced", "quantiles"} or None, default="auto"
        "auto" keeps the proportions of the classes, if y holds classes; "quantiles" keeps
        those of the deciles of a continuous y. "balanced" keeps equal numbers of rows of
        each class, as far as it has them, and other classes take the rest. It has no
        effect for keep="auto" and keep=1.0.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is. "auto": strings, bools, and at most max(20, sqrt(n)) different integral
        values are classes.
    weighting : {"coverage", "inverse_probability"} or None, default=None
        Weights of the kept rows. An inner model gets them as `sample_weight`; if it takes
        none, a warning is raised. "coverage": the number of rows of its class whose nearest
        kept row it is. "inverse_probability", for selectors that draw rows, makes weighted
        sums over the kept rows unbiased. None is usually as good or better.
    by_group : bool, default=False
        Whether to keep or drop all rows of a group together; fit then needs `groups`.
        Groups are ordered by the mean rank of their rows. The number of rows is as near
        to `keep` as whole groups allow. `stratify` has no effect, and "balanced" raises.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once. Edited code of a
        selector, of functions in it and of what they name is noticed.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector, and each `random_state` of an inner model that is None. An int
        makes the fit reproducible.
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better; None if the selector has none.
    sample_weight_ : ndarray of shape (n_kept,), float, or None
        Weights of the kept rows; None if `weighting` is None.
    task_ : {"classification", "regression"} or None
        How y was read; None without y.
""")


class SampleSubset(FittedAttributes, BaseEstimator):
    """Arguments, metadata routing and fitted attributes of the four meta-estimators.

    `_inner` of a subclass is the name of the constructor argument with its inner model, if
    it has one, and `_delegated` the methods that it passes to this model.
    """

    _inner = None
    _delegated = ()
    _takes_groups = True
    _parameter_constraints = {
        "stratify": [StrOptions({"auto", "balanced", "quantiles"}), None],
        "weighting": [StrOptions(set(WEIGHTINGS)), None],
        "by_group": [bool],
        "random_state": ["random_state"],
    }

    def __sklearn_is_fitted__(self):
        return "sample_indices_" in self.__dict__ or f"{self._inner}_" in self.__dict__

    def _effective_selector(self):
        return RandomSelector() if self.selector is None else self.selector

    def _check_arguments(self):
        check_selector(self._effective_selector())
        check_keep(self.keep)
        check_memory(self.memory)

    def _choose(self, X, y, selector_params, seed):
        return choose_rows(
            self._effective_selector(),
            X,
            y,
            selector_params,
            keep=self.keep,
            task=getattr(self, "task", "auto"),
            stratify=self.stratify,
            weighting=self.weighting,
            by_group=self.by_group,
            seed=seed,
            memory=self.memory,
            estimator=getattr(self, self._inner) if self._inner else None,
        )

    def _store_choice(self, choice):
        self.selector_ = choice.selector
        self.task_ = choice.task
        self.sample_indices_ = choice.indices
        self.sample_weight_ = choice.weights

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
            Passes parameters of fit to the inner model and to the selector by their
            requests.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping()
        for method in self._fit_methods():
            mapping.add(caller=method, callee="fit")
        router.add(selector=self._effective_selector(), method_mapping=mapping)
        if self._inner is not None:
            mapping = MethodMapping()
            for method, callees in self._fit_methods().items():
                for callee in callees:
                    mapping.add(caller=method, callee=callee)
            for method in self._delegated:
                mapping.add(caller=method, callee=method)
            inner = {self._inner: getattr(self, self._inner)}
            router.add(method_mapping=mapping, **inner)
        return router

    def _fit_methods(self):
        """Methods that fit, and the methods of the inner model that each calls."""
        return {"fit": ("fit",)}

    def _inherit_tags(self, tags):
        """Combine the tags of the inner model and of the selector."""
        if self._inner is not None:
            tags = inherit_tags(tags, getattr(self, self._inner))
        # With keep=1.0 no selector runs, so its tags do not count.
        selector = RandomSelector() if keeps_all(self.keep) else self._effective_selector()
        if not has_tags(selector):
            return tags
        inner = getattr(self, self._inner) if self._inner else None
        own = tags_within(selector, RankingContext(estimator=inner))
        if self._inner is None:
            tags.input_tags, tags.no_validation = own.input_tags, own.no_validation
        tags.input_tags.sparse &= own.input_tags.sparse
        tags.input_tags.allow_nan &= own.input_tags.allow_nan
        tags.no_validation &= own.no_validation
        multi_output = get_tags(last_step(selector)).target_tags.multi_output
        tags.target_tags.multi_output &= multi_output
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label &= multi_output
        # Rows that a selector chose for another model may be a poor training set.
        poor_score = not isinstance(last_step(selector), RandomSelector)
        for kind_tags in (tags.classifier_tags, tags.regressor_tags):
            if kind_tags is not None:
                kind_tags.poor_score |= poor_score
        tags.target_tags.required |= own.target_tags.required
        return tags


class SampleSubsetModel(CallbackSupportMixin, MetaEstimatorMixin, SampleSubset):
    """Fit and delegation of the three meta-estimators with an inner model."""

    _kind = None

    @property
    def coef_(self):
        """Coefficients of the inner model, if it has any.

        Those of a search are of its best estimator. Those of a Pipeline are of its last
        step, with zeros for columns that it does not read, if its other steps keep columns.
        """
        return self._fitted_attribute("coef_")

    @property
    def intercept_(self):
        """Intercepts of the inner model, if it has any."""
        return self._fitted_attribute("intercept_")

    @property
    def feature_importances_(self):
        """Importances of the features in the inner model, found as `coef_`."""
        return self._fitted_attribute("feature_importances_")

    def _fitted_attribute(self, name):
        if f"{self._inner}_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return _attribute_of(vars(self)[f"{self._inner}_"], name)

    def _fit(self, X, y, fit_params, *, caller="fit", method="fit"):
        """Select rows, call `method` of the inner model on them, and return its output.

        `caller` is the method of this object that was called.
        """
        started = process_time()
        root = self._init_callback_context(max_subtasks=2)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        unfitted = getattr(self, self._inner)
        check_inner(self, unfitted, self._kind)
        self._check_arguments()
        X, y = check_rows(X, y)
        n = count_rows(X)
        check_readable_rows(X, unfitted)
        inner_params, selector_params = route_fit_params(
            self,
            fit_params,
            inner=self._inner,
            selector=self._effective_selector(),
            caller=caller,
            method=method,
        )
        for weights in _weights_among(inner_params):
            check_weights(weights, n)
        if not keeps_all(self.keep):
            refuse_queries(unfitted, inner_params, None)
        seed = None if self.random_state is None else draw_seed(self.random_state)

        task = root.subcontext(task_name="rank-rows")
        with callback_task(task, owner=self, target=None, X=X, y=y):
            choice = self._choose(X, y, selector_params, seed)
        kept = choice.indices
        model = clone_seeded(unfitted, seed, self._inner)
        # A frozen model of a precomputed kernel needs all columns that it was fitted on.
        frozen = isinstance(model, FrozenEstimator)
        pairwise = get_tags(model).input_tags.pairwise and len(kept) < n and not frozen
        X_kept, y_kept = X, y
        if len(kept) < n:
            X_kept = take_rows(X, kept)
            y_kept = None if y is None else take_rows(y, kept)
            inner_params = take_rows_of_params(X, inner_params, kept)
            for weights in _weights_among(inner_params):
                if not np.any(np.asarray(weights)):
                    raise ValueError(
                        "sample_weight must not be zero for every row that is kept. Got "
                        f"{len(kept)} kept rows of weight 0. Raise keep, or drop the "
                        "rows of weight 0 first."
                    )
        if pairwise:
            X_kept = take_rows(X_kept, kept, axis=1)
        inner_params = own_params(inner_params) | self._weights_for(model, choice.weights)
        target = () if y is None else (y_kept,)
        task = root.subcontext(task_name="fit-model")
        task = callback_task(task, owner=self, target=model, X=X_kept, y=y_kept)
        groups = explained_groups(model, inner_params)
        with task, seeded_globals(model, seed), groups:
            try:
                output = getattr(model, method)(X_kept, *target, **inner_params)
            except ValueError as error:
                # The model does not see a class whose kept rows all have weight 0.
                weights = _weights_among(inner_params)
                if type(error) is not ValueError or all(
                    np.all(np.asarray(w)) for w in weights
                ):
                    raise
                raise ValueError(
                    f"{error} The model was fitted on {len(kept)} of {n} rows with their "
                    "sample_weight, some of which is 0."
                ) from error
        if not pairwise:
            show_dropped_rows(model, X, kept)

        self._store_choice(choice)
        setattr(self, f"{self._inner}_", model)
        self._pairwise = pairwise
        copy_fitted_attributes(self, model, X)
        if pairwise:
            self.n_features_in_ = n
        self._fit_seconds = process_time() - started
        root.call_on_fit_task_end(estimator=self, X=X, y=y)
        return output

    def _weights_for(self, model, weights):
        """The weights of the kept rows as a fit parameter, if the model takes one."""
        if weights is None or isinstance(model, FrozenEstimator):
            return {}
        name = weight_parameter(model)
        if name is None:
            remedy = "Write weighting=None, or wrap a model that takes sample_weight."
            if routing_enabled():
                remedy = "Call set_fit_request(sample_weight=True) on a model with it."
            warnings.warn(
                f"weighting={self.weighting!r} needs a model that takes sample_weight. Got "
                f"{type(model).__name__}, whose fit takes none: the kept rows count "
                f"equally. {remedy}",
                UserWarning,
                stacklevel=2,
            )
            return {}
        return {name: weights}

    def _ask(self, method, X, params):
        """Call a method of the fitted inner model with the parameters that it requests."""
        if f"{self._inner}_" not in self.__dict__:
            check_is_fitted(self)
        if params and routing_enabled():
            params = process_routing(self, method, **params)[self._inner][method]
        return self._call(method, X, params)

    def _call(self, method, X, params):
        """Call a method of the fitted inner model with these parameters."""
        if self._pairwise:
            X = take_rows(X, self.sample_indices_, axis=1)
        model, named = self.__dict__[f"{self._inner}_"], "feature_names_in_" in vars(self)
        with without_false_names(model, named):
            return getattr(model, method)(canonical(X), **params)


def _attribute_of(model, name):
    """Coefficients, intercepts or importances of a fitted model, by the columns of X."""
    try:
        return getattr(model, name)
    except AttributeError:
        if hasattr(model, "best_estimator_"):
            return _attribute_of(model.best_estimator_, name)
        if not getattr(model, "steps", None):
            raise
    values = _attribute_of(model.steps[-1][1], name)
    return values if name == "intercept_" else behind_steps(values, model.steps[:-1])


def _weights_among(params):
    return [
        value
        for name, value in params.items()
        if value is not None
        and (name == "sample_weight" or name.endswith("__sample_weight"))
    ]
