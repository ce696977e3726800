"""What every criterion shares: from quantities of a family to a ranking of its units."""

import re
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from sklearn_prune._folds import cv_by_groups
from sklearn_prune._meta import has_tags, in_one_line, last_step
from sklearn_prune._ranking import Ranking, is_keep, merge_strata
from sklearn_prune._returns import check_scores
from sklearn_prune._sklearn_compat import InvalidParameterError

#: What a family can offer for a unit, and a criterion can need; see `Family`.
QUANTITIES = (
    "weights",
    "gradient_effects",
    "activations",
    "points",
    "contributions",
    "forward_order",
    "penalised",
    "removal_losses",
    "shuffling_losses",
    "frequencies",
)
#: Names of the units of all kinds of models.
UNITS = (
    *("coefficient", "feature", "node", "leaf", "tree", "iteration", "support_vector"),
    *("prototype", "weight", "neuron", "channel", "input", "rule"),
)


class Criterion(BaseEstimator):
    """Base of criteria, which rank the units of a model from most to least worth keeping.

    A subclass names in `needs` the quantity that it reads, asks the family of the model
    for it, and returns from ``_scores(family, work, unit, context)`` one number for each
    unit: larger is more worth keeping. It then ranks every unit for which a family offers
    that quantity, and other units raise an error.

    Attributes
    ----------
    needs : str or None
        The quantity: "weights", "gradient_effects", "activations", "points",
        "contributions", "forward_order", "frequencies", "penalised", "removal_losses" or
        "shuffling_losses"; see `Family`. None for a criterion that reads none of them.

    See Also
    --------
    sklearn_prune.PrunedClassifier : Takes one as `criterion`.
    Family : What the quantities are.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import Criterion
    >>> class LargestCriterion(Criterion):
    ...     needs = "weights"
    ...
    ...     def _scores(self, family, work, unit, context):
    ...         return abs(family.weights(work, unit, context)).max(axis=1)
    >>> X, y = load_diabetes(return_X_y=True)
    >>> PrunedRegressor(
    ...     Ridge(), LargestCriterion(), unit="coefficient", keep=4
    ... ).fit(X, y).kept_
    array([2, 3, 6, 8])
    """

    needs = None

    def rank_units(self, family, work, unit, context):
        """Rank the units of a working form.

        Parameters
        ----------
        family : Family
            How this kind of model is pruned.
        work : object
            The working form of the model.
        unit : str
            The kind of unit.
        context : PruningContext
            Rows, targets, weights and seed.

        Returns
        -------
        work : object
            The working form to prune: the same one, unless the criterion trains its own.
        ranking : Ranking
            The order of its units; ties by position.
        """
        return work, self._rank(family, work, unit, context)

    def _rank(self, family, work, unit, context):
        table = family.table(work, unit, context)
        scores = self._scores(family, work, unit, context)
        ranking = Ranking.from_scores(check_scores(scores, len(table.ids), self))
        if family.has_layers and self._by_layer(unit):
            return by_layers(ranking, table)
        return ranking

    def _by_layer(self, unit):
        """Whether each layer of a net gives up the same share of its units."""
        return unit != "weight"

    def _scores(self, family, work, unit, context):
        raise NotImplementedError(
            f"{type(self).__name__} must define _scores(family, work, unit, context)."
        )


def by_layers(ranking, table):
    """The ranking merged so that each layer of a net gives up the same share."""
    order = merge_strata(ranking.order, classes=table.groups, strata=table.groups)
    return replace(ranking, order=order)


def check_scope(scope, allowed, unit):
    """Raise unless the scope of a comparison is one of those allowed for the unit."""
    if scope == "global" and unit in ("neuron", "channel"):
        raise InvalidParameterError(
            f"scope='global' is for single weights: whole layers would lose their {unit}s. "
            f"Got unit={unit!r}. Write scope='layer'."
        )
    if scope not in allowed:
        raise InvalidParameterError(
            f"scope must be {' or '.join(map(repr, allowed))}. Got {scope!r} instead. "
            f"Write scope={allowed[0]!r}."
        )


def check_none_missing(points, name):
    """Raise if what a criterion takes distances of has missing values."""
    if points.dtype.kind == "f" and np.isnan(points).any():
        raise InvalidParameterError(
            f"{name} needs stored rows without missing values. Got NaN among them. "
            "Write MagnitudeCriterion(), which uses the metric of the model, or "
            "RandomCriterion()."
        )


class OrderedBy(Criterion):
    """Rank the points of a model by any object with `fit` and `order_`: a row selector.

    Parameters
    ----------
    ranker : estimator
        Its ``fit(points, y)`` sets `order_`, best first.
    """

    needs = "points"

    def __init__(self, ranker):
        self.ranker = ranker

    def _rank(self, family, work, unit, context):
        points, target = family.points(work, unit, context)
        ranker = clone(self.ranker)
        says = cv_by_groups(ranker)
        if says is not None:
            raise InvalidParameterError(
                f"{says}. As a criterion it ranks stored rows, which have no groups. Write "
                f"cv=5 in {type(ranker).__name__}."
            )
        if not get_tags(ranker).input_tags.allow_nan:
            check_none_missing(points, type(ranker).__name__)
        if getattr(ranker, "random_state", 0) is None and context.seed is not None:
            ranker.set_params(random_state=context.role_seed("criterion"))
        last = last_step(ranker.fit(points, target))
        if not hasattr(last, "order_"):
            raise InvalidParameterError(
                "criterion must be None, a criterion, or an object with fit and order_. "
                f"Got {in_one_line(self.ranker)}, which has no order_ after fit. Write "
                "MagnitudeCriterion()."
            )
        return Ranking(last.order_, getattr(last, "scores_", None))


def check_criterion(criterion):
    """Return the criterion, an object with `order_` after fit wrapped in one, or None."""
    if criterion is None:
        return None
    if isinstance(criterion, Criterion):
        if criterion.needs is not None and criterion.needs not in QUANTITIES:
            close = get_close_matches(str(criterion.needs), QUANTITIES, 1) or QUANTITIES
            raise InvalidParameterError(
                f"needs of {type(criterion).__name__} must be None or one of "
                f"{', '.join(map(repr, QUANTITIES))}. Got {criterion.needs!r}. Write "
                f"needs = {close[0]!r}."
            )
        return criterion
    rule = "criterion must be None, a criterion, or an object with fit and order_. Got "
    if isinstance(criterion, type):
        name = criterion.__name__
        raise InvalidParameterError(f"{rule}the class {name}. Write {name}().")
    if is_keep(criterion):
        raise InvalidParameterError(
            f"{rule}{criterion!r}. Did you mean keep={criterion!r}?"
        )
    if isinstance(criterion, str):
        raise InvalidParameterError(f"{rule}{criterion!r}. {_what_is_meant(criterion)}")
    if (
        has_tags(criterion)
        and hasattr(criterion, "fit")
        and not hasattr(criterion, "predict")
    ):
        return OrderedBy(criterion)
    raise InvalidParameterError(
        f"{rule}{in_one_line(criterion)}. Write MagnitudeCriterion()."
    )


def _what_is_meant(text):
    """The argument, or the criterion, that a string given as criterion is near to."""
    from sklearn_prune import weight_pruning

    if text in ("float16", "int8", "codebook"):
        return f"Did you mean quantize={text!r}?"
    known = {
        name.removesuffix("Criterion").lower(): f"{name}()"
        for name in weight_pruning.__all__
        if name.endswith("Criterion") and name != "Criterion"
    }
    known |= {"l1": 'PenaltyCriterion("l1")', "l2": 'PenaltyCriterion("l2")'}
    plain = re.sub(r"[^a-z0-9]", "", text.lower()).removesuffix("criterion")
    if near := get_close_matches(plain, known, 1):
        return f"Write {known[near[0]]}."
    if text in UNITS:
        return f"Did you mean unit={text!r}?"
    return "Write MagnitudeCriterion(), or another of sklearn_prune.weight_pruning."
