"""Base classes for models made of models; each is pruned on its own training rows."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import process_routing

from sklearn_prune._meta import clone_seeded, groups_parameter, routing_enabled
from sklearn_prune._sklearn_compat import InvalidParameterError
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
        The fitted model.
    family, work : Family, object
        The family that prunes it, and its working form.
    context : PruningContext
        The rows, targets and fit parameters that it was trained on.
    """

    model: object
    family: object
    work: object
    context: object


@dataclass(frozen=True)
class ContainerWork:
    """A container and the models inside it, called members.

    Parameters
    ----------
    model : estimator
        The fitted container.
    whole, members : tuple of Submodel
        The members before and after pruning.
    extra : object
        Other fitted parts of the container, if they were refitted.
    """

    model: object
    whole: tuple
    members: tuple
    extra: object = None


class ContainerFamily(Restores, Family):
    """A model made of models; `keep` applies to each of them.

    A subclass implements `inner_models` (the models whose units are pruned), `places` (the
    training data of each member) and `assemble` (one predictor from those of the members).
    If members predict what the container predicts, `same_role` is True, and inner
    validation of a member uses `scoring`. Otherwise it uses the member's own score.

    `refit` of a container that is not cut refits each member by its own family, whatever
    the unit: the leaves of a forest, the coefficients of a linear model.
    """

    recurses = True
    same_role = False

    def __init__(self, families=()):
        """A family with the units that all `families` of the models inside share."""
        if not families:
            return
        first, *others = [family.criteria for family in families]
        self.criteria = {
            unit: tuple(
                cls for cls in own if all(cls in other.get(unit, ()) for other in others)
            )
            for unit, own in first.items()
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
        inner = families[0].inner.units if isinstance(families[0], FeatureFamily) else ()
        units = (*inner, *families[0].units)
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
        """Fitted parts of a container other than its members."""

    def inner_models(self, model):
        """The models inside, fitted or not; equal ones are given once."""
        return [model.estimator]

    def places(self, model, context):
        """Triples: a fitted member, ``find(container)`` for the unfitted one, context."""
        raise NotImplementedError

    def assemble(self, work, compacts):
        """The predictor of the container, made from those of the members."""
        raise NotImplementedError

    def named_inner(self, estimator):
        """The models inside an unfitted container, by the names of its parameters."""
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
        """The working form of one member, from one of the `places`."""
        if type(fitted).__name__ == "_ConstantPredictor":
            return Submodel(fitted, ConstantFamily(), CompactConstant.of(fitted.y_), inside)
        estimator, refit_params = find(unfitted), {}
        if context.refit_params and not isinstance(estimator, FrozenEstimator):
            refit_params = find(context.template).get_params(deep=False)
        fitted, params = unfrozen(fitted), dict(inside.fit_params)
        if not routing_enabled() and groups_parameter(unfrozen(estimator)) is None:
            params.pop("groups", None)  # they were for a search, or inner folds
        if context.is_frozen or isinstance(estimator, FrozenEstimator):
            estimator = FrozenEstimator(fitted)
        inside = replace(
            inside,
            estimator=estimator,
            fit_params=params,
            refit_params=refit_params,
            seed=None if context.seed is None else context.role_seed(f"member-{number}"),
            scoring=context.scoring if self.same_role else None,
        )
        family, _ = family_for(fitted, "auto")
        return Submodel(fitted, family, working_form(family, fitted, inside), inside)

    def table(self, work, unit, context):
        ids, parameters, fixed, offset, finds = [], [], 0, 0, False
        for member, whole in zip(work.members, work.whole, strict=True):
            table = _table_of(member, unit)
            ids.append(table.ids + offset)
            parameters.append(table.parameters)
            fixed += table.fixed
            n_units = table.n_ranked
            finds |= n_units is not None
            if n_units is None:
                n_units = _table_of(whole, unit).ids.max(initial=-1) + 1
            offset += n_units
        n_ranked = int(offset) if finds else None
        return UnitTable(
            np.concatenate(ids), np.concatenate(parameters), fixed, n_ranked=n_ranked
        )

    def reduce(self, work, shares, request, context):
        reduced = [reduce_member(member, shares, request) for member in work.members]
        return [replace(work, members=members) for members in zip(*reduced, strict=True)]

    def unit_for(self, work, unit, context):
        own = {m.family.unit_for(m.work, unit, m.context) for m in work.members}
        return own.pop() if len(own) == 1 else unit

    def refit(self, work, unit, context):
        return replace(work, members=tuple(map(refit_member, work.members)))

    def auto_shares(self, work, unit, context):
        prunable = [_in_unit(m, unit) for m in work.members if not _is_constant(m)]
        shares = [m.family.auto_shares(m.work, unit, m.context) for m in prunable]
        return max(shares, key=len, default=(1.0,))

    def options(self, work, request, context):
        prunable = [_in_unit(m, request.unit) for m in work.members if not _is_constant(m)]
        options = [m.family.options(m.work, request, m.context) for m in prunable]
        # One option is chosen for all members, so all must have the same ones.
        same = bool(options) and all(own == options[0] for own in options)
        return options[0] if same else (None,)

    def compact(self, work):
        return self.assemble(work, [predictor(m.family, m.work) for m in work.members])


class OneMemberFamily(ContainerFamily):
    """A container of one model, which makes all predictions."""

    same_role = True

    def from_scratch(self, estimator, size):
        ((name, inner),) = self.named_inner(estimator).items()
        smaller = smaller_model(inner, size)
        return None if smaller is None else clone(estimator).set_params(**{name: smaller})

    def assemble(self, work, compacts):
        return compacts[0]

    def feature_importances(self, work):
        (member,) = work.members
        return member.family.feature_importances(member.work)


class NamedMembersFamily(ContainerFamily):
    """A container of named members, each fitted on all rows."""

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
    """A member whose working form is its predictor."""

    def compact(self, work):
        return work


class ConstantFamily(CompactFamily):
    """A member that was fitted on one class and always predicts it."""

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
    """The member, pruned to each of the shares."""
    member = _in_unit(member, request.unit)
    works = member.family.reduce(member.work, shares, request, member.context)
    return [replace(member, work=work) for work in works]


def refit_member(member):
    """The member, refitted by its family without pruning."""
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
    template = clone(unfrozen(template))  # members may share a template
    try:
        return restored(_feature_family(template), compact, template)
    except AttributeError as error:
        raise AttributeError(f"{type(template).__name__} inside: {error}") from error


def params_for(model, name, params):
    """Fit parameters of the member `name` of a container that passes on all it gets."""
    if not params or not routing_enabled():
        return dict(params)
    return dict(process_routing(model, "fit", **params)[name]["fit"])


def weights_for(model, name, params):
    """Fit parameters of the member `name` of a container that passes on weights only."""
    if not routing_enabled():
        params = {key: params[key] for key in ("sample_weight",) if key in params}
    return params_for(model, name, params)


def labels_of(fitted, model, context):
    """Targets of a member: positions in `classes_`, or the labels if it is frozen."""
    y = context.target
    if not hasattr(model, "classes_"):
        return y
    known = getattr(fitted, "classes_", model.classes_)
    if isinstance(fitted, FrozenEstimator) and np.isin(known, model.classes_).all():
        return y
    return np.searchsorted(model.classes_, y)


def refuse_pruned(inner, container):
    """Raise if a model inside is a meta-estimator that prunes."""
    name = type(unfrozen(inner)).__name__
    if name in ("PrunedClassifier", "PrunedRegressor"):
        raise InvalidParameterError(
            f"A model can be pruned once. Got {name} inside {type(container).__name__}. "
            f"Write {name}({type(container).__name__}(...)), or only one of the two."
        )


def unfrozen(model):
    """The model inside a FrozenEstimator, or the model itself."""
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    return model


def _feature_family(model):
    """The family of a model, extended by the unit "feature"."""
    family, _ = family_of(model)
    if family.recurses or isinstance(family, FeatureFamily):
        return family
    return FeatureFamily(family)


def _is_constant(member):
    return isinstance(member.family, ConstantFamily)


def _in_unit(member, unit):
    """The member with the family that prunes this unit."""
    if member.family.recurses or isinstance(member.family, FeatureFamily):
        return member
    features = unit == "feature"
    family = FeatureFamily(member.family) if features else member.family.for_unit(unit)
    if family is member.family:
        return member
    work = family.start(member.model, member.context)
    return replace(member, family=family, work=work)


def _table_of(member, unit):
    """The units of a member, also of features before they are pruned."""
    family = member.family
    if family.recurses or isinstance(family, FeatureFamily) or unit in family.units:
        return family.table(member.work, unit, member.context)
    if unit != "feature":
        member = _in_unit(member, unit)
        return member.family.table(member.work, unit, member.context)
    n_features = member.model.n_features_in_
    return UnitTable(np.arange(n_features), np.ones(n_features, dtype=np.int64))
