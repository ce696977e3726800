"""Containers of one model: a Pipeline, a search, fewer rows, fewer columns, a threshold."""

from copy import copy, deepcopy
from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_prune._meta import (
    nested_estimators,
    route_fit_params,
    routing_enabled,
    weight_parameter,
)
from sklearn_prune._seeds import seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.models.containers.base import (
    ContainerFamily,
    OneMemberFamily,
    params_for,
    restore_member,
)
from sklearn_prune.models.readers import (
    fitted_step,
    name_features,
    positive_label,
    set_target_dimensions,
    target_dimensions,
)
from sklearn_prune.predictors import (
    INVERSES,
    CompactColumns,
    CompactPipeline,
    CompactThreshold,
    CompactTransformedTarget,
    at_columns,
    behind_steps,
    copy_attributes,
    forms_of,
    inverse_steps,
    take_columns,
)
from sklearn_prune.weight_pruning import Refused, kept_whole

_NO_STEP = (None, "passthrough")
_FEATURES = ("n_features_in_", "feature_names_in_")
COLUMNWISE = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, SimpleImputer)


class PipelineFamily(OneMemberFamily):
    """The last step of a Pipeline, on rows as the fitted transformers give them.

    Features are those that the last step reads. Transformers among which one is
    cross-fitted, such as TargetEncoder, are fitted again, so that ranking and refit see
    out-of-fold encodings, as the first fit did.
    """

    def accepts(self, model):
        if model.steps[-1][1] in (None, "passthrough"):
            raise InvalidParameterError(
                "A Pipeline is pruned in its last step. Got one that ends in "
                f"{model.steps[-1][1]!r}. Put the model there."
            )
        return super().accepts(model)

    def inner_models(self, model):
        return [model.steps[-1][1]]

    def fitted_models(self, model):
        return [model.steps[-1][1]]

    def named_inner(self, estimator):
        return dict(estimator.steps[-1:])

    def from_scratch(self, estimator, size):
        (last,) = size.predictor.members_
        return super().from_scratch(estimator, replace(size, compact=last))

    def places(self, model, context):
        name, fitted = model.steps[-1]
        X, before = context.X, model[:-1]
        if len(before.steps):
            crosses = any(map(_is_cross_fitted, nested_estimators(before)))
            if crosses and not context.is_frozen:
                params = _params_of(before, context)
                with seeded_globals(before, context.seed):
                    X = clone(before).fit_transform(X, context.y, **params)
            else:
                X = before.transform(X)
        if routing_enabled():
            params = params_for(model, name, context.fit_params)
        else:
            prefix = f"{name}__"
            params = {
                key.removeprefix(prefix): value
                for key, value in context.fit_params.items()
                if key.startswith(prefix)
            }
        inside = replace(context, X=X, fit_params=params)
        yield fitted, lambda pipeline: pipeline.steps[-1][1], inside

    def validated_part(self, work, context):
        before = [step for _, step in work.model.steps[:-1] if step != "passthrough"]
        if not all(step is None or type(step) in COLUMNWISE for step in before):
            return self, work, context
        # Scalers and imputers see no target, so the model's own inner scores are honest.
        member = work.members[0]
        return member.family.validated_part(member.work, member.context)

    def assemble(self, work, compacts):
        steps = [step for step in work.model.steps[:-1] if step[1] not in _NO_STEP]
        reads_forms = not kept_whole(compacts[0])
        last = work.members[0].model
        steps = deepcopy(forms_of(steps, last, reads_forms=reads_forms))
        return CompactPipeline.around(compacts, work.model, steps_=steps)

    def feature_importances(self, work):
        found = super().feature_importances(work)
        try:
            return None if found is None else behind_steps(found, work.model.steps[:-1])
        except AttributeError:  # features that are none of X
            return None

    def restore(self, compact, template):
        final, last = template.steps[-1]
        restored = restore_member(compact.members_[0], last)
        templates = dict(template.steps)
        before, names = [], None
        frames = hasattr(compact.members_[0], "feature_names_in_")
        for name, step in compact.steps_:
            made = fitted_step(step, templates.get(name))
            if names is not None:
                name_features(made, names)
            if frames and hasattr(step, "get_feature_names_out"):
                names = step.get_feature_names_out(names)
            before.append((name, made))
        return Pipeline([*before, (final, restored)])


def _is_cross_fitted(step):
    """Whether the encodings of its own training rows may differ from its `transform`."""
    own = getattr(type(step), "fit_transform", None)
    plain = own in (None, TransformerMixin.fit_transform)
    return not plain and get_tags(step).target_tags.required


def _params_of(steps, context):
    """The fit parameters of a context that some transformers take."""
    params = context.fit_params
    if routing_enabled():
        names = get_routing_for_object(steps).consumes("fit_transform", params)
    else:
        names = [name for name in params if name.partition("__")[0] in steps.named_steps]
    return {name: params[name] for name in names}


class SubsetFamily(OneMemberFamily):
    """The model of SampleSubsetClassifier and -Regressor, on the rows that were kept."""

    def places(self, model, context):
        params = route_fit_params(
            model,
            context.fit_params,
            inner="estimator",
            selector=model._effective_selector(),
        )[0]
        inside = replace(context, fit_params=params)
        if not context.is_frozen:
            inside = inside.on(model.sample_indices_)
            name = weight_parameter(model.estimator_)
            if model.sample_weight_ is not None and name is not None:
                weights = {name: model.sample_weight_}
                inside = replace(inside, fit_params=inside.fit_params | weights)
        if model._pairwise:
            inside = replace(inside, X=take_columns(inside.X, model.sample_indices_))
        yield model.estimator_, lambda subset: subset.estimator, inside

    def assemble(self, work, compacts):
        if not work.model._pairwise:
            return compacts[0]
        columns = work.model.sample_indices_
        return CompactColumns.around(compacts[0], columns, work.model.n_features_in_)

    def restore(self, compact, template):
        model = clone(template)
        model.estimator_ = restore_member(compact, template.estimator)
        model._pairwise = False
        return copy_attributes(compact, model, *_FEATURES)


class SearchFamily(OneMemberFamily):
    """The best estimator of a search, with the parameters that won.

    The inner folds of keep="auto" take those parameters as they are: the search is not
    run again in each.
    """

    def accepts(self, model):
        if model.refit is False:
            raise InvalidParameterError(
                f"A search is pruned in its best_estimator_. Got {type(model).__name__} "
                "with refit=False, which has none. Write refit=True."
            )
        return super().accepts(model)

    def inner_models(self, model):
        return [getattr(model, "best_estimator_", model.estimator)]

    def fitted_models(self, model):
        return [model.best_estimator_]

    def from_scratch(self, estimator, size):
        """None: what the search would find at another size is not known."""
        return None

    def places(self, model, context):
        best = model.best_params_

        def find(search):
            return clone(search.estimator).set_params(**clone(best, safe=False))

        params = dict(context.fit_params)
        if routing_enabled():
            params = params_for(model, "estimator", params)
        yield model.best_estimator_, find, replace(context, fit_params=params)

    def validated_part(self, work, context):
        member = work.members[0]
        return member.family.validated_part(member.work, member.context)

    def assemble(self, work, compacts):
        compact = copy(compacts[0])
        compact.best_params_ = deepcopy(work.model.best_params_)
        return compact

    def restore(self, compact, template):
        model = clone(template)
        inner = clone(template.estimator).set_params(**deepcopy(compact.best_params_))
        model.best_estimator_ = restore_member(compact, inner)
        model.best_params_ = deepcopy(compact.best_params_)
        model.multimetric_ = False
        return model


class SelfTrainingFamily(OneMemberFamily):
    """The model of SelfTrainingClassifier, on the rows that have a label in the end."""

    def places(self, model, context):
        labels = np.asarray(context.y) if context.is_frozen else model.transduction_
        rows = np.flatnonzero(labels != (-1 if labels.dtype.kind in "iuf" else "-1"))
        params = params_for(model, "estimator", context.fit_params)
        inside = replace(context, y=labels, fit_params=params).on(rows)
        yield model.estimator_, lambda outer: outer.estimator, inside

    def restore(self, compact, template):
        model = clone(template)
        model.estimator_ = restore_member(compact, template.estimator)
        model.classes_ = compact.classes_
        return copy_attributes(compact, model, *_FEATURES)


class EliminationFamily(OneMemberFamily):
    """The model of RFE and RFECV, on the columns that are left."""

    def from_scratch(self, estimator, size):
        inside = replace(size, compact=size.compact.inner_)
        return super().from_scratch(estimator, inside)

    def places(self, model, context):
        params = params_for(model, "estimator", context.fit_params)
        X = model.transform(context.X)
        inside = replace(context, X=X, fit_params=params)
        yield model.estimator_, lambda outer: outer.estimator, inside

    def assemble(self, work, compacts):
        return CompactColumns.around(
            compacts[0],
            work.model.get_support(indices=True),
            work.model.n_features_in_,
            getattr(work.model, "feature_names_in_", None),
        )

    def feature_importances(self, work):
        found, columns = super().feature_importances(work), work.model.get_support()
        return None if found is None else at_columns(found, columns, len(columns))

    def restore(self, compact, template):
        model = clone(template)
        model.estimator_ = restore_member(compact.inner_, template.estimator)
        model.n_features_ = len(compact.columns_)
        model.support_ = np.zeros(compact.n_features_in_, dtype=bool)
        model.support_[compact.columns_] = True
        return copy_attributes(compact, model, *_FEATURES)


class ThresholdFamily(ContainerFamily):
    """The classifier under FixedThreshold- and TunedThresholdClassifierCV.

    The threshold stays as it was fixed or tuned on the whole model.
    """

    def accepts(self, model):
        if getattr(model, "refit", True) is False or getattr(model, "cv", 0) == "prefit":
            return Refused("its model was not fitted on all rows (refit=False)")
        return super().accepts(model)

    def places(self, model, context):
        params = params_for(model, "estimator", context.fit_params)
        inside = replace(context, fit_params=params)
        yield model.estimator_, lambda outer: outer.estimator, inside

    def assemble(self, work, compacts):
        model = work.model
        methods = ("predict_proba", "decision_function")
        if model.response_method != "auto":
            methods = (model.response_method,)
        method = next(name for name in methods if hasattr(model.estimator_, name))
        threshold = getattr(model, "best_threshold_", None)
        if threshold is None:
            threshold = model.threshold
        if not isinstance(threshold, Real):
            threshold = 0.5 if method == "predict_proba" else 0.0
        label = positive_label(model)
        positive = 1 if label is None else int(np.flatnonzero(model.classes_ == label)[0])
        return CompactThreshold.around(
            compacts,
            model,
            classes_=model.classes_,
            method_=method,
            threshold_=float(threshold),
            positive_=positive,
        )

    def restore(self, compact, template):
        if not hasattr(template, "threshold"):
            raise AttributeError(
                f"{type(template).__name__} tunes its threshold in fit. Use compact_."
            )
        model = clone(template)
        model.estimator_ = restore_member(compact.members_[0], template.estimator)
        return model


def _transformer_of(compact, template):
    """A fitted transformer of targets that undoes what the predictor undoes."""
    if compact.inverse_ is None:
        return deepcopy(compact.transformer_)
    if template.transformer is None:
        options = {"validate": True, "check_inverse": template.check_inverse}
        found = FunctionTransformer(template.func, template.inverse_func, **options)
        found.n_features_in_ = 1
        return found
    found = clone(template.transformer)
    if isinstance(found, FunctionTransformer):
        return found
    parts = INVERSES[type(found).__name__]
    used = [name for _, name, flag in parts if flag is None or getattr(found, flag)]
    for _, name, _ in parts:
        setattr(found, name, None)
    for name, (_, values) in zip(used, compact.inverse_, strict=True):
        setattr(found, name, np.array(values))
        found.n_features_in_ = len(values)
    return found


class TransformedTargetFamily(ContainerFamily):
    """The regressor of TransformedTargetRegressor, on transformed targets."""

    def inner_models(self, model):
        return [_regressor_of(model)]

    def fitted_models(self, model):
        return [model.regressor_]

    def named_inner(self, estimator):
        return {"regressor": _regressor_of(estimator)}

    def places(self, model, context):
        y = np.asarray(context.y)
        transformed = model.transformer_.transform(y.reshape(-1, 1) if y.ndim == 1 else y)
        if transformed.ndim == 2 and transformed.shape[1] == 1 and y.ndim == 1:
            transformed = transformed.squeeze(axis=1)
        params = params_for(model, "regressor", context.fit_params)
        inside = replace(context, y=transformed, fit_params=params)
        yield model.regressor_, _regressor_of, inside

    def assemble(self, work, compacts):
        transformer = work.model.transformer_
        inverse = inverse_steps(transformer)
        return CompactTransformedTarget.around(
            compacts,
            work.model,
            inverse_=inverse,
            transformer_=deepcopy(transformer) if inverse is None else None,
            target_dim_=target_dimensions(work.model),
        )

    def restore(self, compact, template):
        model = clone(template)
        inner = _regressor_of(template)
        model.regressor_ = restore_member(compact.members_[0], inner)
        model.transformer_ = _transformer_of(compact, template)
        set_target_dimensions(model, compact.target_dim_)
        return copy_attributes(compact, model, "feature_names_in_")


def _regressor_of(model):
    return LinearRegression() if model.regressor is None else model.regressor
