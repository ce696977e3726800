"""How one kind of model is pruned: the steps of every family."""

from sklearn_prune._ranking import budget_size
from sklearn_prune._returns import check_returned
from sklearn_prune.predictors import Compact
from sklearn_prune.weight_pruning._inner_validation import Outputs
from sklearn_prune.weight_pruning._reduce import reduce_unit

AUTO_SHARES = (0.7, 0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01)


class Restores:
    """A family whose predictors can become fitted models of the inner class again.

    Without it `estimator_` of a pruned model raises AttributeError.

    See Also
    --------
    Family : What a kind of model needs to be pruned.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Family, Restores
    >>> class MeanFamily(Restores, Family):
    ...     def restore(self, compact, template):
    ...         template.constant_ = compact.mean_
    ...         return template
    """

    def restore(self, compact, template):
        """A fitted model, of the class of the unfitted `template`, from the predictor.

        AttributeError with the reason where that class cannot hold it.
        """
        raise _missing(self, "restore(compact, template)")


class TrainsOn:
    """A family whose models train on: nets, which are pruned during or after training.

    See Also
    --------
    Family : What a kind of model needs to be pruned.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Family, TrainsOn
    >>> class SlowNetFamily(TrainsOn, Family):
    ...     def partial_params(self, template):
    ...         return {"max_iter": 1}
    """

    def untrained(self, model, context):
        """The unfitted model as training begins, as if it were fitted."""
        raise _missing(self, "untrained(model, context)")

    def resumed(self, compact, model, context):
        """The working form of a predictor, to be trained on.

        `model` is what `restore` makes of it. What is zero is masked.
        """
        raise _missing(self, "resumed(compact, model, context)")

    def train(self, work, context):
        """The working form after more training on the rows of the context."""
        raise _missing(self, "train(work, context)")

    def partial_params(self, template):
        """The parameters of the model that hold for one call of partial_fit."""
        return {}


class PrunesWhileTraining:
    """A family that can make all cuts within one fit of the model.

    See Also
    --------
    Family : What a kind of model needs to be pruned.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Family, PrunesWhileTraining
    >>> class GradualFamily(PrunesWhileTraining, Family):
    ...     def prunes_while_training(self, work, request):
    ...         return request.schedule is not None
    """

    def prunes_while_training(self, work, request):
        """Whether `reduce` makes all cuts of this request within one fit."""
        raise _missing(self, "prunes_while_training(work, request)")

    def on_columns(self, work, columns):
        """The working form of the model of some of the columns only."""
        raise _missing(self, "on_columns(work, columns)")


class Family:
    """How one kind of model is pruned.

    The steps are: `start` makes of a fitted model a *working form*, any object that the
    family likes; `table` lists its units, a criterion ranks them, `apply` removes all
    but some, `refit` estimates the rest again, and `compact` makes the predictor. No
    step changes what it is given, and a family keeps nothing of a model.

    A subclass defines `accepts`, `start`, `table`, `apply`, `refit` and `compact`, or only
    `accepts`, `start` and `compact` where nothing but whole features can go; that unit is
    every family's. All other methods have a default.

    Attributes
    ----------
    units : tuple of str
        The kinds of unit, best first.
    criteria : dict of str to tuple
        For each unit the classes of criteria that are recommended, best first.
    offers : dict of str to tuple of str
        For each unit the quantities that the family can give. A criterion ranks a unit
        if the unit offers what it needs.
    recurses : bool
        Whether the family prunes the models inside its own, features included.
    has_layers : bool
        Whether units lie in layers, which are the groups of the tables.
    takes_dropout : bool
        Whether the refit drops units at random, by the `dropout` of its context.
    compares_with_best : bool
        Whether inner validation of the mix compares with the best of the full model and
        all sizes, instead of with the full model.
    reads_starts : bool
        Whether the outputs on held-out rows add their `init_score` or `base_margin`.
    limits_log_loss : bool
        Whether keep="auto" limits the rise of the log loss. It is estimated in any case.
    smallest_first : bool
        Whether keep="auto" tries its sizes from the smallest on, and takes the first that
        passes. For models whose large sizes take long to refit.
    enough_rows : int
        With an int `cv`, no more inner folds are fitted once so many rows were held out.
    validates_float : bool
        Whether a float keep is validated on inner folds although there is one option, to
        warn of a loss. Nets and containers are not, since that would train them again.

    See Also
    --------
    Criterion : Ranks units by a quantity.
    Restores, TrainsOn, PrunesWhileTraining : What a family may be able to do besides.

    Notes
    -----
    Arguments are the same everywhere: a fitted `model`; its working form `work`; a `unit`
    of `units`, or "feature"; the `context` with rows, targets, weights and seed, which is
    None where a model is only made compact; a `request` with unit, criterion, schedule,
    refit and option; `shares`, descending fractions or numbers of units to keep.

    The quantities are methods of these names:

    ==================== =============================== ==============================
    quantity             arguments                       result
    ==================== =============================== ==============================
    weights              work, unit, context             array (n_units, m)
    gradient_effects     work, unit, context             array (n_units,)
    removal_losses       work, unit, context             array (n_units,)
    activations          work, unit, context             array (n_units,)
    shuffling_losses     work, unit, n_repeats, context  array (n_units,)
    points               work, unit, context             array (n_units, d), and class
                                                         codes, targets or None
    contributions        work, unit, measure, context    Ranking
    forward_order        work, unit, move_points,        working form, and Ranking
                         context
    penalised            work, unit, penalty, context    trained working form, and
                                                         array (n_units,)
    frequencies          work, unit, n_resamples,        working form with more units,
                         n_bins, context                 and array (n_units,)
    ==================== =============================== ==============================

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Accepted, Family, MagnitudeCriterion
    >>> class ScaleFamily(Family):
    ...     units = ("scale",)
    ...     criteria = {"scale": (MagnitudeCriterion,)}
    ...     offers = {"scale": ("weights",)}
    ...
    ...     def accepts(self, model):
    ...         return Accepted(self)
    >>> ScaleFamily().ranks("scale", MagnitudeCriterion())
    True
    """

    units = ()
    criteria = {}
    offers = {}
    recurses = False
    has_layers = False
    takes_dropout = False
    compares_with_best = False
    reads_starts = False
    limits_log_loss = True
    smallest_first = False
    enough_rows = 12_000
    validates_float = False

    def accepts(self, model):
        """`Accepted` if the family can prune this model, fitted or not, else `Refused`."""
        raise _missing(self, "accepts(model)")

    def start(self, model, context):
        """The working form of a fitted model, which is not changed."""
        raise _missing(self, "start(model, context)")

    def table(self, work, unit, context):
        """The units there are, as a `UnitTable`."""
        raise _missing(self, "table(work, unit, context)")

    def apply(self, work, unit, kept, context):
        """The working form without all units but those at the sorted positions `kept`."""
        raise _missing(self, "apply(work, unit, kept, context)")

    def refit(self, work, unit, context):
        """The working form with what it holds estimated again on the rows."""
        raise _missing(self, "refit(work, unit, context)")

    def compact(self, work):
        """The standalone predictor."""
        raise _missing(self, "compact(work)")

    def quantized(self, compact, work, quantizer, context):
        """The predictor of a working form with parameters rounded by a quantizer."""
        return compact.quantized(quantizer)

    def inner_models(self, model):
        """The models inside a model, where the family recurses into them."""
        return ()

    def for_unit(self, unit):
        """The family that prunes this unit of the models of this family."""
        return self

    def holds(self, model):
        """`Accepted` if `as_fitted` can take this fitted model, else `Refused`."""
        return self.accepts(model)

    def as_fitted(self, model):
        """The standalone predictor of a fitted model as it is, made without any rows."""
        return self.compact(self.start(model, None))

    def rewind(self, work, context):
        """What is left, set back to the values that training started from."""
        raise _missing(self, 'rewind(work, context) for rewind="init"')

    def unit_for(self, work, unit, context):
        """The unit that can be pruned where this one was asked for, with a warning."""
        return unit

    def check_left(self, work, unit, context):
        """Warn where what the user asked for leaves hardly anything."""

    def from_scratch(self, estimator, size):
        """The unfitted model with parameters that make a fit of the `WantedSize`.

        None, as here, where there are none: linear models are as large as the data are
        wide, models that store rows as the data are long, and torch modules name their
        widths as they like.
        """
        return None

    def ranks(self, unit, criterion):
        """Whether a criterion needs nothing that this unit does not offer."""
        return criterion.needs is None or criterion.needs in self.offers.get(unit, ())

    def criterion_for(self, unit, criterion):
        """The criterion asked for, or the family's own for this unit."""
        return self.criteria[unit][0]() if criterion is None else criterion

    def count(self, work):
        """How many numbers the predictor of a working form stores, and non-zero ones."""
        compact = predictor(self, work)
        return compact.n_parameters(), compact.n_nonzero()

    def feature_importances(self, work):
        """Importance of each feature, for inner models that have them, or None."""
        return None

    def n_iter(self, work):
        """The passes over the rows in all, where training goes on; None elsewhere."""
        return None

    def auto_shares(self, work, unit, context):
        """The descending shares among which keep="auto" chooses: of different sizes."""
        n_units = len(
            self.table(work, self.units[0] if unit == "auto" else unit, context).ids
        )
        sizes = {budget_size(share, n_units): share for share in reversed(AUTO_SHARES)}
        return tuple(sorted(set(sizes.values()), reverse=True))

    def options(self, work, request, context):
        """Alternatives, among which inner validation chooses where there are several."""
        return (None,)

    def plan(self, work, shares, request, context):
        """For each share of the parameters, the smaller working form of unit="auto".

        This default prunes the first of `units`; a family with a better mix overrides it.
        """
        return reduce_unit(
            self, work, self.units[0], shares, request, context, by_size=True
        )

    def reduce(self, work, shares, request, context):
        """For each share (or number of units), descending, the smaller working form."""
        if request.unit == "auto":
            return self.plan(work, shares, request, context)
        return reduce_unit(self, work, request.unit, shares, request, context)

    def reduce_each(self, work, shares, requests, context):
        """What `reduce` gives for each of several requests that differ in their option."""
        return [self.reduce(work, shares, request, context) for request in requests]

    def validated_part(self, work, context):
        """The family, working form and context that inner validation works on.

        Containers name the model inside where its scores are honest.
        """
        return self, work, context

    def fold_work(self, work, fold):
        """The working form of the full model, fitted on the rows inside a fold."""
        return self.start(fold.inside.fit_first(), fold.inside)

    def whole_outputs(self, work, fold):
        """What the full model of a fold says of the held-out rows, as `Outputs`."""
        return Outputs.of(self.compact(work), fold.outside)

    def fold_outputs(self, work, shares, requests, fold):
        """What the pruned models of a fold say of the held-out rows, for each request.

        Yields
        ------
        iterator of tuple
            A pair for each share: `Outputs`, and the number of parameters that the pruned
            model stores.
        """
        for of_request in self.reduce_each(work, shares, requests, fold.inside):
            yield (
                (Outputs.of(self.compact(smaller), fold.outside), self.count(smaller)[0])
                for smaller in of_request
            )


def _missing(family, method):
    return NotImplementedError(f"{type(family).__name__} must define {method}.")


def working_form(family, model, context):
    """The working form of a fitted model; TypeError if the family gives none."""
    work = family.start(model, context)
    check_returned(work is not None, family, "start", "a working form", work)
    return work


def predictor(family, work):
    """The predictor of a working form; TypeError if it is no predictor."""
    compact = family.compact(work)
    needed = ("predict", "n_parameters", "n_nonzero")
    wanted = f"a Compact with the methods {', '.join(needed)}"
    missing = ", ".join(name for name in needed if not hasattr(compact, name))
    what = f"{type(compact).__name__} without {missing}"
    check_returned(not missing, family, "compact", wanted, compact, what)
    if isinstance(compact, Compact):
        _check_names(family, compact)
    return compact


def _check_names(family, compact):
    """Raise TypeError unless the arrays that the class of a predictor names are set."""
    for attribute in ("_parameters", "_quantizable"):
        names = getattr(compact, attribute)
        what = f"{type(compact).__name__} with {attribute}={names!r}"
        wanted = f"a Compact whose {attribute} is a tuple of names"
        check_returned(isinstance(names, tuple), family, "compact", wanted, compact, what)
        missing = ", ".join(name for name in names if not hasattr(compact, name))
        wanted = f"a Compact whose attributes in {attribute} are set, or None"
        what = f"{type(compact).__name__} without {missing}"
        check_returned(not missing, family, "compact", wanted, compact, what)


def restored(family, compact, template):
    """A fitted model of the class of `template` from a predictor, or AttributeError."""
    if not isinstance(family, Restores):
        name = type(family).__name__
        raise AttributeError(
            f"{name} makes no {type(template).__name__} of the pruned model. Use compact_ "
            f"instead, or write class {name}(Restores, Family) with a method restore."
        )
    model = family.restore(compact, template)
    wanted = f"a fitted {type(template).__name__}"
    check_returned(model is not None, family, "restore", wanted, model)
    return model
