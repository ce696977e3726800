"""How stacking and calibrated models are pruned, fold by fold."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from inspect import signature

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import check_cv
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.metadata_routing import process_routing

from sklearn_prune._meta import routing_enabled
from sklearn_prune._seeds import seeded_globals
from sklearn_prune._sklearn_compat import (
    CalibratedPair,
    SigmoidCalibration,
    count_rows,
    fit_calibrator,
    take_rows,
)
from sklearn_prune.models.containers.base import (
    CompactFamily,
    ContainerFamily,
    NamedMembersFamily,
    Submodel,
    labels_of,
    params_for,
    reduce_member,
    refit_member,
    restore_member,
    unfrozen,
)
from sklearn_prune.models.readers import (
    inner_estimator,
    label_encoder,
    set_label_encoder,
    set_thresholds,
)
from sklearn_prune.predictors import (
    CompactCalibrated,
    CompactStackingClassifier,
    CompactStackingRegressor,
    copy_attributes,
    response,
    stacked,
)
from sklearn_prune.weight_pruning import Refused, family_for, fitted_form


def out_of_fold(member, smaller_ones, folds, ask):
    """What pruned models predict of the rows that they have not seen.

    In each fold the member is fitted, and pruned, on the training rows; a frozen one is
    pruned only.

    Parameters
    ----------
    member : Submodel
        With the context of all rows.
    smaller_ones : callable
        Called with a member that was just fitted, gives those that are asked.
    folds : list of (train, test)
        Positions; each row is held out once.
    ask : callable
        Called with a predictor and rows.

    Returns
    -------
    list of ndarray
        Predictions of all rows, one array for each of the smaller ones.
    """
    found, labels = [], member.context.target
    labels = np.unique(labels) if labels.ndim == 1 else None
    for train, test in folds:
        inside = member.context.on(train)
        model = inside.fit_first()
        family, _ = family_for(model, "auto")
        start = Submodel(model, family, family.start(model, inside), inside)
        outside = take_rows(member.context.X, test)
        for number, smaller in enumerate(smaller_ones(start)):
            compact = smaller.family.compact(smaller.work)
            part = _for_all_classes(ask(compact, outside), compact, labels)
            if number == len(found):
                shape = (count_rows(member.context.X), *part.shape[1:])
                found.append(np.zeros(shape, dtype=part.dtype))
            found[number][test] = part
    return found


def _for_all_classes(part, compact, labels):
    """Scores with a column for each class, also for those that a fold has not seen.

    As in `cross_val_predict`: 0 for a probability, the least number for other scores.
    """
    seen = getattr(compact, "classes_", None)
    if labels is None or part.dtype.kind != "f" or seen is None or len(seen) == len(labels):
        return part
    if part.ndim != 2 or part.shape[1] != len(seen):
        raise ValueError(
            "Each inner fold needs a row of each class to train on, where a model scores "
            f"two classes by one number. Got a fold with {len(seen)} of {len(labels)} "
            "classes. Write fewer folds as cv of the container, or keep=1.0."
        )
    is_probability = ((part >= 0) & (part <= 1)).all()
    missing = 0.0 if is_probability else np.finfo(part.dtype).min
    columns = np.full((len(part), len(labels)), missing, dtype=part.dtype)
    columns[:, np.searchsorted(labels, seen)] = part
    return columns


class _CrossFittedFamily(ContainerFamily):
    """A container whose `extra` is fitted on out-of-fold predictions of its members."""

    def reduce(self, work, shares, request, context):
        smaller = super().reduce(work, shares, request, context)
        if not request.refit:
            return smaller
        smaller_ones = partial(reduce_member, shares=shares, request=request)
        return self.with_extra(work, smaller, smaller_ones, context)

    def refit(self, work, unit, context):
        refitted = [super().refit(work, unit, context)]
        (again,) = self.with_extra(
            work, refitted, lambda member: [refit_member(member)], context
        )
        return again

    def with_extra(self, work, smaller, smaller_ones, context):
        """The smaller containers with `extra` fitted again; see `out_of_fold`."""
        raise NotImplementedError


class StackingFamily(_CrossFittedFamily, NamedMembersFamily):
    """StackingClassifier and StackingRegressor: members on all rows.

    The final model is not pruned, for it reads a few columns. With refit it is fitted
    again on what pruned members predict out of fold: each member is fitted and pruned
    once more in each of the container's folds, which costs about as much as the
    container's own fit. Without refit, and where the container is frozen, it stays.
    """

    def accepts(self, model):
        return self.holds(model) and super().accepts(model)

    def holds(self, model):
        if isinstance(label_encoder(model), list):
            return Refused("its targets are sets of labels")
        return super().holds(model)

    def extra_of(self, model):
        final = model.final_estimator_
        return Submodel(final, CompactFamily(), fitted_form(final), None)

    def start(self, model, context):
        work = super().start(model, context)
        inside = replace(context, y=labels_of(None, model, context), refit_params={})
        X, final = model.transform(context.X), unfrozen(model.final_estimator_)
        return replace(work, extra=_final_submodel(final, X, inside))

    def with_extra(self, work, smaller, smaller_ones, context):
        """The smaller containers with final models fitted on what their members say."""
        model = work.model
        kept = context.is_frozen and model.cv != "prefit"
        if kept or isinstance(model.final_estimator_, FrozenEstimator):
            return smaller
        y = labels_of(None, model, context)
        if model.cv == "prefit":
            of_members = [
                [
                    getattr(member.family.compact(member.work), method)(context.X)
                    for member, method in zip(own.members, model.stack_method_, strict=True)
                ]
                for own in smaller
            ]
        else:
            folds = self._folds(model, context, y)
            by_member = [
                out_of_fold(member, smaller_ones, folds, _asks(method))
                for member, method in zip(work.members, model.stack_method_, strict=True)
            ]
            of_members = list(zip(*by_member, strict=True))
        return [
            replace(own, extra=self._final(work, predictions, y, context))
            for own, predictions in zip(smaller, of_members, strict=True)
        ]

    def _folds(self, model, context, y):
        cv = check_cv(model.cv, y, classifier=hasattr(model, "classes_"))
        if getattr(cv, "random_state", 0) is None and getattr(cv, "shuffle", True):
            cv = deepcopy(cv)
            cv.random_state = context.role_seed("stacking")
        return list(cv.split(context.X, y))

    def _final(self, work, predictions, y, context):
        model = work.model
        final = model.final_estimator_
        if context.refit_params:
            default = LogisticRegression() if hasattr(model, "classes_") else RidgeCV()
            final = context.template.final_estimator or default
        X = stacked(
            predictions,
            model.stack_method_,
            context.X,
            len(getattr(model, "classes_", ())) == 2,
            model.passthrough,
        )
        with seeded_globals(final, context.seed):
            fitted = clone(final).fit(X, y, **context.fit_params)
        return _final_submodel(fitted, X, work.extra.context)

    def assemble(self, work, compacts):
        model = work.model
        kind = CompactStackingRegressor
        if hasattr(model, "classes_"):
            kind = CompactStackingClassifier
        return kind.around(
            compacts,
            model,
            methods_=list(model.stack_method_),
            passthrough_=model.passthrough,
            final_=work.extra.family.compact(work.extra.work),
        )

    def restore(self, compact, template):
        model = clone(template)
        inner = self.inner_models(template)
        model.estimators_ = list(map(restore_member, compact.members_, inner))
        model.stack_method_ = list(compact.methods_)
        final = template.final_estimator
        if final is None:
            final = LogisticRegression() if hasattr(compact, "classes_") else RidgeCV()
        model.final_estimator_ = restore_member(compact.final_, final)
        copy_attributes(compact, model, "feature_names_in_")
        if hasattr(compact, "classes_"):
            model.classes_ = compact.classes_
            set_label_encoder(model, copy_attributes(compact, LabelEncoder(), "classes_"))
        return model


def _final_submodel(fitted, X, context):
    """A fitted final model of stacking, which reads the columns X."""
    inside = replace(context, X=X, estimator=FrozenEstimator(fitted))
    family, _ = family_for(fitted, "auto")
    return Submodel(fitted, family, family.start(fitted, inside), inside)


def _asks(method):
    return lambda compact, X: getattr(compact, method)(X)


class CalibratedFamily(_CrossFittedFamily):
    """CalibratedClassifierCV: each fold's model on its training rows.

    With refit, its calibrator is fitted again on what the pruned model predicts of the
    fold's calibration rows. With ensemble=False the one model is pruned on all rows and
    the calibrator learns from models pruned in each fold. Without refit the calibrators
    stay.
    """

    def accepts(self, model):
        cv = model.cv
        shuffles = getattr(cv, "shuffle", True)
        if shuffles and not isinstance(getattr(cv, "random_state", 0), int | np.integer):
            return Refused("its folds cannot be drawn again (give cv an int random_state)")
        return super().accepts(model)

    def inner_models(self, model):
        return [inner_estimator(model)]

    def named_inner(self, estimator):
        return {"estimator": inner_estimator(estimator)}

    def places(self, model, context):
        inside = replace(
            context,
            y=self._target(model, context, model.calibrated_classifiers_[0].estimator),
            fit_params=self._member_params(model, context),
        )

        fitted = [one.estimator for one in model.calibrated_classifiers_]
        if not _is_ensemble(model):
            yield fitted[0], inner_estimator, inside
            return
        folds = self._folds(model, context)
        for one, (train, _) in zip(fitted, folds, strict=True):
            yield one, inner_estimator, inside.on(train)

    def _target(self, model, context, fitted=None):
        """Labels; temperature scaling replaces strings by positions in `classes_`."""
        if model.method == "temperature" and isinstance(context.target[0], str):
            return labels_of(fitted, model, context)
        return context.target

    def _member_params(self, model, context):
        params = context.fit_params
        if routing_enabled():
            return params_for(model, "estimator", params)
        takes = signature(unfrozen(inner_estimator(model)).fit).parameters
        return {
            name: value
            for name, value in params.items()
            if name != "sample_weight" or name in takes
        }

    def _folds(self, model, context):
        y, split_params = self._target(model, context), {}
        if routing_enabled() and context.fit_params:
            routed = process_routing(model, "fit", **context.fit_params)
            split_params = routed["splitter"]["split"]
        cv = check_cv(model.cv, y, classifier=True)
        return list(cv.split(context.X, y, **split_params))

    def start(self, model, context):
        work = super().start(model, context)
        return replace(work, extra=self.extra_of(model))

    def fitted_models(self, model):
        return [one.estimator for one in model.calibrated_classifiers_]

    def extra_of(self, model):
        return [
            [curve_of(calibrator, model.method) for calibrator in one.calibrators]
            for one in model.calibrated_classifiers_
        ]

    def with_extra(self, work, smaller, smaller_ones, context):
        """The smaller containers with calibrators fitted on what their members say."""
        model, ensemble = work.model, _is_ensemble(work.model)
        # The one model of a frozen container may have seen all rows.
        if context.is_frozen and not ensemble:
            return smaller
        folds = self._folds(model, context)
        if ensemble:
            return [
                replace(own, extra=self._curves_of_folds(own, folds, context))
                for own in smaller
            ]
        (member,) = work.members
        rows = np.arange(count_rows(context.X))
        scores = out_of_fold(member, smaller_ones, folds, response)
        classifier = member.family.compact(member.work)
        return [
            replace(own, extra=[self._curves(model, classifier, part, rows, context)])
            for own, part in zip(smaller, scores, strict=True)
        ]

    def _curves_of_folds(self, work, folds, context):
        curves = []
        for member, (_, test) in zip(work.members, folds, strict=True):
            compact = member.family.compact(member.work)
            scores = response(compact, take_rows(context.X, test))
            curves.append(self._curves(work.model, compact, scores, test, context))
        return curves

    def _curves(self, model, classifier, scores, rows, context):
        """Calibrators fitted on scores of some rows."""
        weights = context.fit_params.get("sample_weight")
        if weights is not None:
            weights = np.asarray(weights, dtype=scores.dtype)[rows]
        fitted = fit_calibrator(
            classifier,
            scores,
            self._target(model, context)[rows],
            model.classes_,
            model.method,
            xp=np,
            sample_weight=weights,
        )
        return [curve_of(calibrator, model.method) for calibrator in fitted.calibrators]

    def assemble(self, work, compacts):
        return CompactCalibrated.around(
            compacts, work.model, method_=work.model.method, curves_=work.extra
        )

    def restore(self, compact, template):
        model = clone(template)
        model.classes_ = compact.classes_
        model.calibrated_classifiers_ = [
            CalibratedPair(
                restore_member(member, inner_estimator(template)),
                [_calibrator_of(curve, compact.method_) for curve in curves],
                method=compact.method_,
                classes=compact.classes_,
            )
            for member, curves in zip(compact.members_, compact.curves_, strict=True)
        ]
        return copy_attributes(compact, model, "n_features_in_", "feature_names_in_")


def _is_ensemble(model):
    if model.ensemble == "auto":
        return not isinstance(inner_estimator(model), FrozenEstimator)
    return model.ensemble


def _calibrator_of(curve, method):
    """A fitted calibrator of scikit-learn from its numbers."""
    if method == "sigmoid":
        calibrator = SigmoidCalibration()
        calibrator.a_, calibrator.b_ = curve
    elif method == "isotonic":
        calibrator = IsotonicRegression(out_of_bounds="clip")
        set_thresholds(calibrator, *curve)
    else:
        from sklearn_prune._sklearn_compat import TemperatureScaling

        calibrator = TemperatureScaling()
        calibrator.beta_ = curve[0]
    return calibrator


def curve_of(calibrator, method):
    """The numbers of a fitted calibrator as one array."""
    if method == "sigmoid":
        return np.array([calibrator.a_, calibrator.b_])
    if method == "isotonic":
        return np.stack([calibrator.X_thresholds_, calibrator.y_thresholds_])
    return np.array([calibrator.beta_])
