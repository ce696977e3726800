"""Models inside a model: each is pruned on the rows that it was trained on."""

import warnings
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import process_routing

from sklearn_prune._meta import clone_seeded, routing_enabled
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune.models.features import FeatureFamily
from sklearn_prune.predictors import CompactConstant
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    Restores,
    UnitTable,
    family_for,
    family_of,
    fitted_form,
    predictor,
    restored,
    smaller_model,
    working_form,
)


@dataclass(frozen=True)
class Submodel:
    """A fitted model inside another.

    Parameters
    ----------
    model : estimator
        As it was fitted.
    family, work : Family, object
        How it is pruned, and its working form.
    context : PruningContext
        The rows, targets and fit parameters that it was trained on.
    reason : str or None
        Why a closer family does not apply.
    """

    model: object
    family: object
    work: object
    context: object
    reason: str | None = None


@dataclass(frozen=True)
class ContainerWork:
    """A container and its members.

    Parameters
    ----------
    model : estimator
        The fitted container.
    whole, members : tuple of Submodel
        Before and after pruning.
    extra : object
        What the container has fitted besides, where that was fitted again.
    """

    model: object
    whole: tuple
    members: tuple
    extra: object = None


class ContainerFamily(Restores, Family):
    """A model made of models; `keep` applies to each of them.

    A subclass says in `inner_models` whose units there are, in `places` what each member
    was trained on, and in `assemble` how the predictors make one. A member whose role
    in the container is not the container's own (another target, a part of a vote) is
    scored by its own measure, so `scoring` reaches only the others: `same_role`.

    A refit of the container, where nothing is cut, refits each member in its own way,
    whatever the unit: a forest its leaves, a linear model its coefficients.
    """

    recurses = True
    same_role = False

    def __init__(self, families=()):
        """A family with the units that all of the `families` of the models inside have."""
        if not families:
            return
        first, *others = [family.criteria for family in families]
        self.criteria = {
            unit: tuple(
                cls for cls in found if all(cls in other.get(unit, ()) for other in others)
            )
            for unit, found in first.items()
            if all(unit in other for other in others)
        }
        self.offers = {
            unit: tuple(
                quantity
                for quantity in families[0].offers.get(unit, ())
                if all(quantity in family.offers.get(unit, ()) for family in families)
            )
            for unit in self.criteria
        }
        own = families[0].inner.units if isinstance(families[0], FeatureFamily) else ()
        units = (*own, *families[0].units)
        self.units = tuple(unit for unit in dict.fromkeys(units) if unit in self.criteria)

    def accepts(self, model):
        inner_models = self.inner_models(model)
        for inner in inner_models:
            refuse_pruned(inner, model)
        return Accepted(type(self)([_feature_family(inner) for inner in inner_models]))

    def holds(self, model):
        return Accepted(self)

    def as_fitted(self, model):
        members = [
            Submodel(fitted, CompactFamily(), fitted_form(fitted), None)
            for fitted in self.fitted_models(model)
        ]
        work = ContainerWork(model, members, members, self.extra_of(model))
        return self.compact(work)

    def fitted_models(self, model):
        """The models inside a fitted container."""
        return model.estimators_ if hasattr(model, "estimators_") else [model.estimator_]

    def extra_of(self, model):
        """What a fitted container has besides its members."""

    def inner_models(self, model):
        """The models inside, fitted or not, one of each kind."""
        return [model.estimator]

    def places(self, model, context):
        """For each member: fitted, how to find it unfitted in a container, its context."""
        raise NotImplementedError

    def assemble(self, work, compacts):
        """The predictor, given those of the members."""
        raise NotImplementedError

    def named_inner(self, estimator):
        """The models inside an unfitted container by the names of their parameters."""
        return {"estimator": estimator.estimator}

    def from_scratch(self, estimator, size):
        named, members = self.named_inner(estimator), size.predictor.members_
        groups = [members] if len(named) == 1 else [[member] for member in members]
        smaller = {
            name: smaller_model(inner, size.of_members(group))
            for (name, inner), group in zip(named.items(), groups, strict=True)
        }
        if any(inner is None for inner in smaller.values()):
            return None
        return clone(estimator).set_params(**smaller)

    def start(self, model, context):
        unfitted = clone_seeded(unfrozen(context.estimator), context.seed, "estimator")
        members = tuple(
            self._member(fitted, find, unfitted, number, inside, context)
            for number, (fitted, find, inside) in enumerate(self.places(model, context))
        )
        return ContainerWork(model, members, members)

    def _member(self, fitted, find, unfitted, number, inside, context):
        if type(fitted).__name__ == "_ConstantPredictor":
            return Submodel(fitted, ConstantFamily(), CompactConstant.of(fitted.y_), inside)
        estimator, refit_params = find(unfitted), {}
        if context.refit_params and not isinstance(estimator, FrozenEstimator):
            refit_params = find(context.template).get_params(deep=False)
        fitted = unfrozen(fitted)
        if context.is_frozen or isinstance(estimator, FrozenEstimator):
            estimator = FrozenEstimator(fitted)
        cv = context.cv
        if not (
            cv is None
            or isinstance(cv, Integral)
            or hasattr(cv, "split")
            or count_rows(inside.X) == count_rows(context.X)
        ):
            cv = 3
        inside = replace(
            inside,
            estimator=estimator,
            refit_params=refit_params,
            seed=None if context.seed is None else context.role_seed(f"member-{number}"),
            scoring=context.scoring if self.same_role else None,
            cv=cv,
        )
        family, reason = family_for(fitted, "auto")
        return Submodel(
            fitted, family, working_form(family, fitted, inside), inside, reason
        )

    def table(self, work, unit, context):
        ids, parameters, fixed, offset = [], [], 0, 0
        for member, whole in zip(work.members, work.whole, strict=True):
            found = _table_of(member, unit)
            ids.append(found.ids + offset)
            parameters.append(found.parameters)
            fixed += found.fixed
            offset += _table_of(whole, unit).ids.max(initial=-1) + 1
        return UnitTable(np.concatenate(ids), np.concatenate(parameters), fixed)

    def reduce(self, work, shares, request, context):
        reduced = [reduce_member(member, shares, request) for member in work.members]
        return [replace(work, members=members) for members in zip(*reduced, strict=True)]

    def refit(self, work, unit, context):
        return replace(work, members=tuple(map(refit_member, work.members)))

    def auto_shares(self, work, unit, context):
        prunable = [_in_unit(m, unit) for m in work.members if not _is_constant(m)]
        found = [m.family.auto_shares(m.work, unit, m.context) for m in prunable]
        return max(found, key=len, default=(1.0,))

    def options(self, work, request, context):
        prunable = [_in_unit(m, request.unit) for m in work.members if not _is_constant(m)]
        found = [m.family.options(m.work, request, m.context) for m in prunable]
        # Members choose together, so alternatives that not all have are none.
        return found[0] if found and all(own == found[0] for own in found) else (None,)

    def compact(self, work):
        return self.assemble(work, [predictor(m.family, m.work) for m in work.members])


class OneMemberFamily(ContainerFamily):
    """A container of one model, which does all of the predicting."""

    same_role = True

    def from_scratch(self, estimator, size):
        ((name, inner),) = self.named_inner(estimator).items()
        smaller = smaller_model(inner, size)
        return None if smaller is None else clone(estimator).set_params(**{name: smaller})

    def assemble(self, work, compacts):
        return compacts[0]


class NamedMembersFamily(ContainerFamily):
    """Members by name, each fitted on all rows."""

    def inner_models(self, model):
        return list(self.named_inner(model).values())

    def named_inner(self, estimator):
        return {name: inner for name, inner in estimator.estimators if inner != "drop"}

    def places(self, model, context):
        for name, fitted in zip(self.named_inner(model), model.estimators_, strict=True):
            params = weights_for(model, name, context.fit_params)

            def find(container, name=name):
                return dict(container.estimators)[name]

            y = labels_of(fitted, model, context)
            yield fitted, find, replace(context, y=y, fit_params=params)


class CompactFamily(Restores, Family):
    """A member that is a predictor already."""

    def compact(self, work):
        return work


class ConstantFamily(CompactFamily):
    """A member that has seen one class and always answers the same."""

    recurses = True

    def accepts(self, model):
        return Accepted(self)

    def start(self, model, context):
        return CompactConstant.of(model.y_)

    def table(self, work, unit, context):
        return UnitTable(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    def reduce(self, work, shares, request, context):
        return [work] * len(shares)

    def refit(self, work, unit, context):
        return work

    def restore(self, compact, template):
        return restore_member(compact, template)


def reduce_member(member, shares, request):
    """The member at each of the shares."""
    if member.reason is not None and request.unit == "auto":
        warnings.warn(
            f"{type(member.model).__name__} is pruned by its input features, since "
            f"{member.reason}.",
            UserWarning,
            stacklevel=2,
        )
    member = _in_unit(member, request.unit)
    works = member.family.reduce(member.work, shares, request, member.context)
    return [replace(member, work=work) for work in works]


def refit_member(member):
    """The whole member, estimated again by its family."""
    units = (*member.family.units, "feature")
    work = member.family.refit(member.work, units[0], member.context)
    return replace(member, work=work)


def restore_member(compact, template):
    """A fitted model of the class of an unfitted one, from its predictor."""
    if isinstance(compact, CompactConstant):
        from sklearn_prune._sklearn_compat import ConstantPredictor

        model = ConstantPredictor()
        model.y_ = compact.value_
        return model
    template = clone(unfrozen(template))  # members may share one
    try:
        return restored(_feature_family(template), compact, template)
    except AttributeError as error:
        raise AttributeError(f"{type(template).__name__} inside: {error}") from error


def params_for(model, name, params):
    """Fit parameters of the member `name`, where a container hands on what it gets."""
    if not params or not routing_enabled():
        return dict(params)
    return dict(process_routing(model, "fit", **params)[name]["fit"])


def weights_for(model, name, params):
    """Fit parameters of the member `name`, where a container hands on weights only."""
    if not routing_enabled():
        params = {key: params[key] for key in ("sample_weight",) if key in params}
    return params_for(model, name, params)


def labels_of(fitted, model, context):
    """Labels as a member knows them: positions in `classes_`, or its own if frozen."""
    y = context.target
    if not hasattr(model, "classes_"):
        return y
    own = getattr(fitted, "classes_", model.classes_)
    if isinstance(fitted, FrozenEstimator) and np.isin(own, model.classes_).all():
        return y
    return np.searchsorted(model.classes_, y)


def refuse_pruned(inner, container):
    """Raise if a model inside is pruned already."""
    name = type(unfrozen(inner)).__name__
    if name in ("PrunedClassifier", "PrunedRegressor"):
        raise InvalidParameterError(
            f"A model is pruned once. Got {name} inside {type(container).__name__}. Write "
            f"{name}({type(container).__name__}(...)), or only one of the two."
        )


def unfrozen(model):
    """The model inside a FrozenEstimator, or the model itself."""
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    return model


def _feature_family(model):
    """The family of a model with all of its units, features among them."""
    family, _ = family_of(model)
    if family.recurses or isinstance(family, FeatureFamily):
        return family
    return FeatureFamily(family)


def _is_constant(member):
    return isinstance(member.family, ConstantFamily)


def _in_unit(member, unit):
    """The member in the hands of the family that prunes this unit."""
    if unit != "feature" or member.family.recurses:
        return member
    if isinstance(member.family, FeatureFamily):
        return member
    family = FeatureFamily(member.family)
    work = family.start(member.model, member.context)
    return replace(member, family=family, work=work)


def _table_of(member, unit):
    family = member.family
    if family.recurses or isinstance(family, FeatureFamily) or unit in family.units:
        return family.table(member.work, unit, member.context)
    n_features = member.model.n_features_in_
    return UnitTable(np.arange(n_features), np.ones(n_features, dtype=np.int64))
