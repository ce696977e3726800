"""How one kind of model is pruned: the steps of every family, and which family is whose."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_prune._meta import in_one_line
from sklearn_prune._ranking import budget_size
from sklearn_prune._sklearn_compat import InvalidParameterError

_FAMILIES = {
    "sklearn.LinearModel": "_linear.LinearFamily",
    "sklearn.LinearClassifierMixin": "_linear.LinearFamily",
    "sklearn.BaseSGD": "_linear.LinearFamily",
    "sklearn.LinearSVR": "_linear.LinearFamily",
    "sklearn._GeneralizedLinearRegressor": "_linear.LinearFamily",
    "sklearn.LinearDiscriminantAnalysis": "_naive_bayes.NaiveBayesFamily",
    "sklearn.BaseDecisionTree": "_forest.ForestFamily",
    "sklearn.BaseForest": "_forest.ForestFamily",
    "sklearn.BaseBagging": "_forest.BaggingFamily _containers_members.BaggedFamily",
    "sklearn.BaseGradientBoosting": "_boosting.BoostingFamily",
    "sklearn.BaseHistGradientBoosting": "_boosting.BoostingFamily",
    "lightgbm.LGBMModel": "_boosting.BoostingFamily",
    "xgboost.XGBModel": "_boosting.BoostingFamily",
    "sklearn.BaseSVC": "_kernel.KernelFamily",
    "sklearn.BaseLibSVM": "_kernel.KernelFamily",
    "sklearn.KernelRidge": "_kernel.KernelFamily",
    "sklearn.GaussianProcessRegressor": "_kernel.KernelFamily",
    "sklearn.GaussianProcessClassifier": "_kernel.KernelFamily",
    "sklearn.BaseMultilayerPerceptron": "_mlp.MlpFamily",
    "skorch.NeuralNet": "_torch.TorchFamily",
    "sklearn._BaseNB": "_naive_bayes.NaiveBayesFamily",
    "sklearn.QuadraticDiscriminantAnalysis": "_naive_bayes.NaiveBayesFamily",
    "sklearn.KNeighborsClassifier": "_neighbors.NeighborsFamily",
    "sklearn.KNeighborsRegressor": "_neighbors.NeighborsFamily",
    "sklearn.Pipeline": "_containers.PipelineFamily",
    "sklearn_prune.SampleSubsetModel": "_containers.SubsetFamily",
    "sklearn.BaseSearchCV": "_containers.SearchFamily",
    "sklearn.TransformedTargetRegressor": "_containers.TransformedTargetFamily",
    "sklearn.RFE": "_containers.EliminationFamily",
    "sklearn.BaseThresholdClassifier": "_containers.ThresholdFamily",
    "sklearn.SelfTrainingClassifier": "_containers.SelfTrainingFamily",
    "sklearn.OneVsRestClassifier": "_containers_members.OneVsRestFamily",
    "sklearn.OneVsOneClassifier": "_containers_members.OneVsOneFamily",
    "sklearn.OutputCodeClassifier": "_containers_members.OutputCodeFamily",
    "sklearn._MultiOutputEstimator": "_containers_members.MultiOutputFamily",
    "sklearn._BaseChain": "_containers_members.ChainFamily",
    "sklearn.VotingClassifier": "_containers_members.VotingFamily",
    "sklearn.VotingRegressor": "_containers_members.VotingFamily",
    "sklearn._BaseStacking": "_containers_folds.StackingFamily",
    "sklearn.CalibratedClassifierCV": "_containers_folds.CalibratedFamily",
}
AUTO_SHARES = (0.7, 0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01)
_PREDICTS = ("predict", "predict_proba", "decision_function", "score_samples")


@dataclass(frozen=True)
class UnitTable:
    """The units of a model, one entry for each.

    Parameters
    ----------
    ids : ndarray of shape (n_units,), int
        Their numbers in the model as it was fitted: they stay when others are gone.
    parameters : ndarray of shape (n_units,), int
        How many stored numbers would go with each.
    fixed : int
        How many stored numbers belong to no unit.
    groups : ndarray of shape (n_units,), int, or None
        Codes from 0 of the groups that keep a unit each, such as the classes.
    """

    ids: np.ndarray
    parameters: np.ndarray
    fixed: int = 0
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Request:
    """What is wanted of a family.

    Parameters
    ----------
    unit : str
        Kind of unit, or "auto" for the plan of the family.
    criterion : Criterion or None
        What ranks the units; None is the family's own choice.
    schedule : schedule or None
        Rounds of pruning, or all at once.
    refit : bool
        Whether what is kept is estimated again.
    setting : object
        One of the family's `settings`, for it to read.
    """

    unit: str
    criterion: object = None
    schedule: object = None
    refit: bool = True
    setting: object = None


class Family:
    """How one kind of model is pruned.

    The steps are: `start` makes of a fitted model a *working form*, any object that the
    family likes; `table` lists its units, a criterion ranks them, `apply` removes all
    but some, `refit` estimates the rest again, and `compact` makes the predictor. No
    step changes what it is given. `settings` are alternatives among which inner
    validation chooses.

    A subclass names its units, best first (none where only features can go), and for each
    the criteria that rank it, best first; the unit "feature" is every family's
    (`FeatureFamily`). The quantities that criteria ask for are methods:
    ``weights(work, unit, context)`` of shape (n_units, m), ``gradient_effects`` and
    ``removal_losses`` of shape (n_units,), ``points``, which gives points of shape
    (n_units, d) and their class codes, targets or None,
    ``contributions(work, unit, measure, context)``, which gives a Ranking, and
    ``penalised(work, unit, penalty, context)``, which gives a working form that was
    trained under the penalty and the strength of each unit in it, and ``activations(work,
    unit, context)`` of shape (n_units,). `recurses` says that the family prunes the models
    inside its own (`inner_models`), features included; `has_layers`, that units lie in
    layers, which are the groups of its tables; `takes_dropout`, that the refit drops units
    at random by the `dropout` of its context.
    """

    units = ()
    criteria = {}
    recurses = False
    has_layers = False
    takes_dropout = False

    def accepts(self, model):
        """None if the family can prune this fitted model, or the reason why not."""
        return None

    def holds(self, model):
        """None if `as_fitted` can take this fitted model, or the reason why not."""
        return self.accepts(model)

    def as_fitted(self, model):
        """The standalone predictor of a fitted model as it is, made without any rows."""
        return self.compact(self.start(model, None))

    def start(self, model, context):
        """The working form of a fitted model, which is not changed."""
        raise NotImplementedError

    def table(self, work, unit, context):
        """The units there are."""
        raise NotImplementedError

    def apply(self, work, unit, kept, context):
        """The working form without all units but those at the sorted positions `kept`."""
        raise NotImplementedError

    def refit(self, work, unit, context):
        """The working form with what it holds estimated again on the rows of `context`."""
        raise NotImplementedError

    def unit_for(self, work, unit, context):
        """The unit that can be pruned where this one was asked for, with a warning."""
        return unit

    def check_left(self, work, unit, context):
        """Warn where what the user asked for leaves hardly anything."""

    def rewind(self, work, context):
        """What is left, set back to the values that training started from."""
        raise NotImplementedError

    def compact(self, work):
        """The standalone predictor."""
        raise NotImplementedError

    def restore(self, compact, template, context=None):
        """A fitted model, of the class of the unfitted `template`, from the compact form.

        Raises AttributeError with the reason where that class cannot hold it.
        """
        raise AttributeError(
            f"{type(template).__name__} cannot hold the pruned model. Use compact_ instead."
        )

    def from_scratch(self, estimator, size):
        """The unfitted model with parameters that make a fit of the `WantedSize`.

        None, as here, where there are none: linear models are as large as the data are
        wide, models that store rows as the data are long, and torch modules name their
        widths as they like.
        """
        return None

    def criterion_for(self, unit, criterion):
        """The criterion asked for, or the family's own for this unit."""
        return self.criteria[unit][0]() if criterion is None else criterion

    def count(self, work):
        """How many numbers the predictor of a working form stores, and non-zero ones."""
        compact = self.compact(work)
        return compact.n_parameters(), compact.n_nonzero()

    def feature_importances(self, work):
        """Importance of each feature, for inner models that have them, or None."""
        return None

    def n_iter(self, work):
        """Passes over the rows in all, where training goes on; None elsewhere."""
        return None

    def auto_shares(self, work, unit, context):
        """The descending shares among which keep="auto" chooses: of different sizes."""
        n_units = len(
            self.table(work, self.units[0] if unit == "auto" else unit, context).ids
        )
        sizes = {budget_size(share, n_units): share for share in reversed(AUTO_SHARES)}
        return tuple(sorted(set(sizes.values()), reverse=True))

    def settings(self, work, request, context):
        """Alternatives, among which inner validation chooses where there are several."""
        return (None,)

    def plan(self, work, shares, request, context):
        """For each share of the parameters, descending, the smaller working form.

        This default prunes the first of `units`; a family with a better mix overrides it.
        """
        from sklearn_prune.weight_pruning._reduce import reduce_unit

        return reduce_unit(
            self, work, self.units[0], shares, request, context, by_size=True
        )

    def reduce(self, work, shares, request, context):
        """For each share (or number of units), descending, the smaller working form."""
        from sklearn_prune.weight_pruning._reduce import reduce_unit

        if request.unit == "auto":
            return self.plan(work, shares, request, context)
        return reduce_unit(self, work, request.unit, shares, request, context)

    def judge(self, work, shares, requests, context):
        """Inner scores of the full model and of each request at each share.

        Returns
        -------
        baseline : ndarray of shape (n_pieces,)
            Larger is better; a piece is a row where the score is a mean over rows, else
            a fold.
        scores : ndarray of shape (n_requests, n_shares, n_pieces)
            The same of the pruned models, which have not seen the piece.
        """
        from sklearn_prune.weight_pruning._judge import judge_by_folds

        return judge_by_folds(self, work, shares, requests, context)


def family_of(model):
    """The family of a model, fitted or not, and why a closer one does not apply.

    Returns
    -------
    family : Family
        The family of the class, found by name over its bases, so that no optional
        library is imported for it; features of any model otherwise.
    reason : str or None
        Why the family of its class cannot prune this model.
    """
    from sklearn_prune.weight_pruning.families._feature import FeatureFamily

    if isinstance(model, FrozenEstimator):
        model = model.estimator
    families, reason = families_of_class(model)
    for family in families:
        reason = family.accepts(model)
        if reason is None:
            return family, None
    return FeatureFamily(), reason


def families_of_class(model):
    """The families of the class of a model, and why there are none where it has some."""
    for position, cls in enumerate(type(model).__mro__):
        paths = _FAMILIES.get(f"{cls.__module__.partition('.')[0]}.{cls.__name__}")
        if paths is None:
            continue
        overridden = [
            method
            for method in _PREDICTS
            for derived in type(model).__mro__[:position]
            if method in vars(derived)
            and derived.__module__.partition(".")[0]
            not in ("sklearn", "lightgbm", "xgboost", "skorch")
            and not derived.__module__.startswith("sklearn_prune.")
        ]
        if overridden:
            return [], f"{type(model).__name__} has a {overridden[0]} of its own"
        named = [path.split(".") for path in paths.split()]
        return [
            getattr(import_module(f"{__package__}.families.{module}"), name)()
            for module, name in named
        ], None
    return [], None


def family_for(model, unit):
    """The family that prunes this unit of a model, and why a closer one does not."""
    from sklearn_prune.weight_pruning.families._feature import FeatureFamily

    family, reason = family_of(model)
    whole = family.recurses or isinstance(family, FeatureFamily)
    if not whole and (unit == "feature" or not family.units):
        return FeatureFamily(family), reason
    return family, reason


def check_dropout(model, unit, dropout):
    """Raise if dropout is asked for and a model, or one inside it, does not take it.

    Parameters
    ----------
    model : estimator
        Fitted or not.
    unit : str
        The kind of unit that is pruned; a refit of features takes no dropout.
    dropout : float in [0, 1)
        Nothing is checked where it is 0.
    """
    if dropout == 0:
        return
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    family, reason = family_for(model, unit)
    if family.recurses:
        for inner in family.inner_models(model):
            check_dropout(inner, unit, dropout)
    elif not family.takes_dropout:
        what = type(model).__name__ + (' and unit="feature"' if unit == "feature" else "")
        because = "" if reason is None else f" ({reason})"
        raise InvalidParameterError(
            "dropout needs a neural net, a linear model or a forest, whose own units are "
            f"refitted. Got dropout={dropout} for {what}{because}. Write dropout=0.0."
        )


def units_of(family):
    """Names of all units of a family's models; features are every model's."""
    return tuple(dict.fromkeys((*family.criteria, "feature")))


def check_unit(family, unit, criterion, model):
    """Raise if the family has no such unit, or the criterion does not rank it."""
    what = type(model).__name__
    name = type(criterion).__name__
    criteria = {
        unit: [cls.__name__ for cls in found] for unit, found in family.criteria.items()
    }
    if unit == "auto":
        if criterion is None or name == "RandomCriterion":
            return
        fitting = [repr(unit) for unit, names in criteria.items() if name in names]
        remedy = (
            f"Write unit={' or '.join(fitting)}." if fitting else "Write criterion=None."
        )
        raise InvalidParameterError(
            'unit="auto" is a mix, which takes criterion=None or RandomCriterion(). Got '
            f"criterion={in_one_line(criterion)}. {remedy}"
        )
    if unit not in criteria:
        raise InvalidParameterError(
            f"unit must be one that {what} has. Got {unit!r}. Write one of "
            f"{', '.join(map(repr, units_of(family)))}, or 'auto'."
        )
    if criterion is None or name in criteria[unit]:
        return
    if name == "OrderedBy" and "CoverageCriterion" in criteria[unit]:
        return
    raise InvalidParameterError(
        f"criterion must be one that ranks the unit {unit!r} of {what}. Got "
        f"{in_one_line(criterion)}. Write one of {', '.join(criteria[unit])}."
    )
