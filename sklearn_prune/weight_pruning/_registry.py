"""The registry of kinds of models: their families, predictors, checks and exporters."""

import warnings
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from sklearn.frozen import FrozenEstimator

from sklearn_prune._meta import in_one_line, innermost
from sklearn_prune._returns import check_returned
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.predictors import provide_forms
from sklearn_prune.weight_pruning._family import Family
from sklearn_prune.weight_pruning._protocol import Accepted, Refused
from sklearn_prune.weight_pruning.criteria import QUANTITIES, RandomCriterion

FEATURES = "sklearn_prune.models.features:FeatureFamily"  # prunes columns of any model
MODEL_FAMILY = "sklearn_prune.models.features:ModelFamily"  # any model, not pruned
_PREDICTS = ("predict", "predict_proba", "decision_function", "score_samples")
_REGISTERED = []


@dataclass(frozen=True)
class FamilySpec:
    """The classes and functions for one kind of model, given by their names.

    They are imported when a model of this kind is used, so they may need optional
    libraries.

    Parameters
    ----------
    bases : tuple of str
        Base classes of the models, as ``"library.Class"``: the name of the top-level
        package, and the name of the class. A model belongs to the spec if a class in its
        method resolution order has one of these names. A misspelt name is not noticed:
        such models are pruned by their features.
    family : str
        The `Family`, as ``"module:Class"``.
    predictors : tuple of str, default=()
        Classes of the predictors and of their parts, as ``"module:Class"``. Saved files
        may hold them. They are ``"package/Class"`` there.
    checks : str or None, default=None
        A dict from class to function, as ``"module:NAME"``. `load` calls the function
        with each object of that class; it raises ValueError if arrays do not fit
        together.
    exporters : dict of str -> str, default={}
        For each export format ("onnx", "c"), a dict from class names of predictors to their
        writers, as ``"module:NAME"``.

    See Also
    --------
    register_family : Makes a spec known.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import FamilySpec
    >>> spec = FamilySpec(
    ...     bases=("sklearn.NearestCentroid",),
    ...     family="my_package.centroids:CentroidFamily",
    ...     predictors=("my_package.centroids:CompactCentroids",),
    ... )
    >>> spec.bases
    ('sklearn.NearestCentroid',)
    """

    bases: tuple
    family: str
    predictors: tuple = ()
    checks: str | None = None
    exporters: dict = field(default_factory=dict)


def register_family(spec):
    """Make a kind of model known to `PrunedClassifier`, `compare_pruning` and the others.

    Call it in the module that defines the family. The module must be importable: pickles
    of `PrunedClassifier` and `PrunedRegressor` name it, so that worker processes import it
    and register the family too. Later specs take precedence over earlier ones and over
    those of this package. A spec with the same family replaces the earlier one.

    Parameters
    ----------
    spec : FamilySpec
        Names of the models, the family, its predictors and its exporters.

    Raises
    ------
    TypeError
        If `spec` is not a FamilySpec.
    InvalidParameterError
        If a field does not have the form that `FamilySpec` describes. A name that leads
        nowhere raises when the object is first needed.

    Warns
    -----
    UserWarning
        If the family stands in ``__main__``, where other processes do not find it.

    See Also
    --------
    FamilySpec : Describes the fields.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import FamilySpec, register_family
    >>> register_family(FamilySpec(bases="sklearn.Birch", family="my_module:BirchFamily"))
    Traceback (most recent call last):
        ...
    sklearn.utils._param_validation.InvalidParameterError: bases must be a tuple of ...
    """
    if not isinstance(spec, FamilySpec):
        raise TypeError(
            f"spec must be a FamilySpec. Got {in_one_line(spec)}. Write "
            'register_family(FamilySpec(bases=("library.Class",), family="module:Class")).'
        )
    _check_paths("bases", spec.bases, ".", '("library.Class",)')
    _check_paths("family", (spec.family,), ":", '"module:Class"')
    _check_paths("predictors", spec.predictors, ":", '("module:Class",)')
    remedy = '{"onnx": "module:NAME"}'
    if not isinstance(spec.exporters, dict) or not set(spec.exporters) <= {"onnx", "c"}:
        raise InvalidParameterError(
            'exporters must be a dict whose keys are formats: "onnx", "c". Got '
            f"{in_one_line(spec.exporters)}. Write exporters={remedy}."
        )
    _check_paths("exporters", tuple(spec.exporters.values()), ":", remedy)
    if spec.checks is not None:
        _check_paths("checks", (spec.checks,), ":", '"module:NAME"')
    if spec.family.startswith("__main__:"):
        warnings.warn(
            "register_family must be called in a module that can be imported. Got "
            f"family={spec.family!r}: other processes (n_jobs, pickles) do not have it and "
            "prune these models by their features. Move the family into a module of its "
            "own and import that.",
            stacklevel=2,
        )
    _REGISTERED[:] = [known for known in _REGISTERED if known.family != spec.family]
    _REGISTERED.insert(0, spec)


def _check_paths(name, paths, separator, remedy):
    may_be_empty = name in ("predictors", "exporters")
    if not (isinstance(paths, tuple) and (paths or may_be_empty)) or not all(
        isinstance(path, str) and all(path.partition(separator)) for path in paths
    ):
        kind = "a tuple of strings" if remedy.startswith("(") else "a string"
        raise InvalidParameterError(
            f"{name} must be {kind} of this form. Got {in_one_line(paths)}. Write "
            f"{name}={remedy}."
        )


def family_specs():
    """All specs: the last registered first, those of this package last."""
    return (*_REGISTERED, *_built_in())


def registered_modules():
    """Names of the modules that registered families, for other processes to import."""
    names = {spec.family.partition(":")[0] for spec in _REGISTERED}
    return sorted(names - {"__main__"})


@cache
def _built_in():
    kinds = import_module("sklearn_prune.models").KINDS
    return tuple(
        spec
        for kind in kinds
        for spec in import_module(f"sklearn_prune.models.{kind}").SPECS
    )


def resolve(path, field="family"):
    """The object that ``"module:NAME"`` names, in this field of a spec."""
    module, _, name = path.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise _unusable(
            field, path, f"there is no module {error.name}", "module:NAME"
        ) from error
    if not hasattr(found, name):
        close = (*get_close_matches(name, vars(found), 1), "NAME")[0]
        what = f"{module} has no {name}"
        raise _unusable(field, path, what, f"{module}:{close}")
    return getattr(found, name)


def _unusable(field, path, what, remedy):
    return InvalidParameterError(
        f"{field} of a FamilySpec must name an object of its kind in a module that can be "
        f"imported. Got {path!r}, but {what}. Write {remedy!r}."
    )


def _family(path):
    """The family that a spec names, with its attributes checked."""
    cls = resolve(path)
    if not (isinstance(cls, type) and issubclass(cls, Family)):
        raise _unusable("family", path, "this is no subclass of Family", "module:Class")
    family = cls()
    _check_attributes(family)
    return family


def _check_attributes(family):
    """Raise TypeError unless units, criteria and offers of a family fit together."""
    name = type(family).__name__
    if not isinstance(family.units, tuple):
        raise TypeError(
            f"{name}.units must be a tuple of names. Got {family.units!r}. Write units = "
            f"({family.units!r},)."
        )
    for unit in family.units:
        if not family.criteria.get(unit):
            raise TypeError(
                f"{name}.criteria must name a criterion for each of units. Got none for "
                f"{unit!r}. Write criteria = {{{unit!r}: (MagnitudeCriterion,)}}."
            )
    for unit, offered in family.offers.items():
        unknown = [each for each in offered if each not in QUANTITIES]
        if unknown or not isinstance(offered, tuple):
            raise TypeError(
                f"{name}.offers must hold tuples of {', '.join(map(repr, QUANTITIES))}. "
                f"Got {offered!r} for {unit!r}. Write offers = {{{unit!r}: "
                f'("weights",)}}.'
            )


def _table_of(path, field, value_kind, valid):
    """The dict that a spec names, with its entries checked."""
    table = resolve(path, field)
    if not isinstance(table, dict) or not all(map(valid, table.items())):
        what = f"this is {in_one_line(table)}, not {value_kind}"
        raise _unusable(field, path, what, "module:NAME")
    return table


def exporters(form):
    """The writers of all kinds of predictors for one export format, by class name."""
    writers = {}
    for spec in reversed(family_specs()):
        if form in spec.exporters:
            writers |= _table_of(
                spec.exporters[form],
                "exporters",
                "a dict from the name of a class to a writer",
                lambda entry: isinstance(entry[0], str) and callable(entry[1]),
            )
    return writers


def _predictors():
    """The predictors of the registered specs, as ``module:Class``."""
    return [path for spec in _REGISTERED for path in spec.predictors]


def _checks():
    """The functions by which `load` checks their objects, by class."""
    found = {}
    for path in dict.fromkeys(spec.checks for spec in _REGISTERED if spec.checks):
        found |= _table_of(
            path,
            "checks",
            "a dict from a class to a function",
            lambda entry: isinstance(entry[0], type) and callable(entry[1]),
        )
    return found


provide_forms(_predictors, _checks)


def family_of(model):
    """The family of a model, fitted or not, and why that of its class does not apply.

    Returns
    -------
    family : Family
        The family of the class or of one of its bases, which are found by name: no
        optional library is imported. Without one, `FeatureFamily`.
    reason : str or None
        Why the family of its class cannot prune this model, if there is one.
    """
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    families, reason = families_of_class(model)
    for family in families:
        answer = family.accepts(model)
        wanted = "Accepted(family) or Refused(reason)"
        is_answer = isinstance(answer, Accepted | Refused)
        check_returned(is_answer, family, "accepts", wanted, answer)
        of_family = not answer or isinstance(answer.family, Family)
        what = None if of_family else f"Accepted({in_one_line(answer.family)})"
        check_returned(of_family, family, "accepts", wanted, answer, what)
        if answer:
            return answer.family, None
        reason = answer.reason
    return resolve(FEATURES)(), reason


def families_of_class(model):
    """The families for the class of a model, and why they do not apply to a subclass."""
    specs = family_specs()
    known = {base.partition(".")[0] for spec in specs for base in spec.bases}
    for position, cls in enumerate(type(model).__mro__):
        base = f"{_library_of(cls)}.{cls.__name__}"
        paths = [spec.family for spec in specs if base in spec.bases]
        if not paths:
            continue
        overridden = [
            method
            for method in _PREDICTS
            for derived in type(model).__mro__[:position]
            if method in vars(derived) and _library_of(derived) not in known
        ]
        if overridden:
            return [], f"{type(model).__name__} has a {overridden[0]} of its own"
        return [_family(path) for path in paths], None
    return [], None


def _library_of(cls):
    return cls.__module__.partition(".")[0]


def family_for(model, unit):
    """As `family_of`, but for a unit: the family of features if it prunes this unit."""
    family, reason = family_of(model)
    features = resolve(FEATURES)
    has_features = family.recurses or isinstance(family, features)
    if not has_features and (unit == "feature" or not family.units):
        return features(family), reason
    return family.for_unit(unit), reason


def check_dropout(model, unit, dropout):
    """Raise if `dropout` is not 0 and the model, or one inside it, does not take it.

    A refit after pruning features or rules takes no dropout, so the unit matters.
    """
    if dropout == 0:
        return
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    family, reason = family_for(model, unit)
    inner_models = family.inner_models(model)
    for inner in inner_models:
        check_dropout(inner, unit, dropout)
    if not inner_models and not family.takes_dropout:
        what = type(model).__name__
        if unit in ("feature", "rule"):
            what += f' and unit="{unit}"'
        why = "" if reason is None else f" ({reason})"
        raise InvalidParameterError(
            "dropout needs a neural net, a linear model or a forest, and a unit other than "
            f'"feature" and "rule". Got dropout={dropout} for {what}{why}. Write '
            "dropout=0.0."
        )


def units_of(family):
    """Names of all units of the models of a family; all models have features."""
    return tuple(dict.fromkeys((*family.criteria, "feature")))


def check_unit(family, unit, criterion, model):
    """Raise if the family has no such unit, or does not offer what the criterion needs."""
    model_name = type(model).__name__
    if unit == "auto":
        if criterion is None or isinstance(criterion, RandomCriterion):
            return
        fitting = [repr(unit) for unit in family.criteria if family.ranks(unit, criterion)]
        remedy = (
            f"Write unit={' or '.join(fitting)}." if fitting else "Write criterion=None."
        )
        raise InvalidParameterError(
            'unit="auto" mixes units and takes criterion=None or RandomCriterion(). Got '
            f"criterion={in_one_line(criterion)}. {remedy}"
        )
    if unit not in family.criteria:
        reason = family_of(innermost(model))[1]
        why = "" if reason is None else f", but {reason}"
        raise InvalidParameterError(
            f"unit must be one that {model_name} has. Got {unit!r}{why}. Write one of "
            f"{', '.join(map(repr, units_of(family)))}, or 'auto'."
        )
    if criterion is None or family.ranks(unit, criterion):
        return
    raise InvalidParameterError(
        f"criterion must be one that ranks the unit {unit!r} of {model_name}, which "
        f"offers no {criterion.needs!r}. Got {in_one_line(criterion)}. Write one of "
        f"{', '.join(cls.__name__ for cls in family.criteria[unit])}."
    )
