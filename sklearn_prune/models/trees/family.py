"""How trees, forests and bagged trees are pruned."""

from dataclasses import replace
from math import ceil, sqrt
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.tree import BaseDecisionTree

from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.models.readers import inner_estimator
from sklearn_prune.models.trees.arrays import collapse, impurity_decreases, leaves_of_rows
from sklearn_prune.models.trees.dropout import dropout_of, refuse_dropout
from sklearn_prune.models.trees.plan import ForestPath, Option
from sklearn_prune.models.trees.restore import restored
from sklearn_prune.models.trees.rule_family import (
    RULE_CRITERIA,
    RULE_QUANTITIES,
    RuleFamily,
)
from sklearn_prune.models.trees.units import (
    closed_order,
    leaf_order,
    merge_order,
    out_of_bag,
    tree_order,
    tree_strengths,
    without_leaves,
)
from sklearn_prune.models.trees.work import FORESTS, FittedForest, ForestWork
from sklearn_prune.predictors import pick_trees
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    Refused,
    Restores,
    UnitTable,
    ranked,
    reduce_unit,
)
from sklearn_prune.weight_pruning.criteria import (
    ContributionCriterion,
    Criterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
)

FEWEST_LEAVES = 4  # of a tree in a forest that is trained from scratch
_SPLIT_CRITERIA = (
    SecondOrderCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
)
_SPLIT_QUANTITIES = ("removal_losses", "weights", "penalised")
_SHARES = (
    *(0.9, 0.7, 0.5, 0.35, 0.25, 0.17, 0.12),
    *(0.08, 0.06, 0.04, 0.03, 0.02, 0.01, 0.005),
)
_FEWER_SHARES = (
    0.9,
    0.5,
    0.25,
    0.12,
    0.06,
    0.03,
    0.015,
    0.007,
)  # of "softmax"


class ForestFamily(Restores, Family):
    """Decision trees and forests of scikit-learn.

    Removing a split removes one leaf, so a ranking of the splits also ranks the leaves. In
    both rankings, each prefix is a valid forest.

    Dropout drops whole trees while the leaves are refitted; options without a refit are
    then not tried. For a single tree, it shrinks predictions toward the mean of the targets
    by about the dropout rate.

    Leaves of trees with monotonic constraints are not refitted.
    """

    units = ("node", "leaf", "tree")
    criteria = {
        "node": _SPLIT_CRITERIA,
        "leaf": _SPLIT_CRITERIA,
        "tree": (ContributionCriterion, PenaltyCriterion, RandomCriterion),
        "rule": RULE_CRITERIA,
    }
    offers = {
        "node": _SPLIT_QUANTITIES,
        "leaf": _SPLIT_QUANTITIES,
        "tree": ("contributions", "penalised"),
        "rule": RULE_QUANTITIES,
    }
    takes_dropout = True

    def accepts(self, model):
        if isinstance(model, BaseDecisionTree):
            return Accepted(TreeFamily())
        if isinstance(model, FORESTS):
            return Accepted(self)
        name = type(model).__name__
        return Refused(f"{name} is not made of decision trees that predict")

    def for_unit(self, unit):
        return RuleFamily(self) if unit == "rule" else self

    def start(self, model, context):
        return ForestWork(FittedForest(model))

    def training_targets(self, work, context):
        """The loss of the scores, class codes or targets, and weights of the rows."""
        fitted = work.fitted
        return fitted.loss, fitted.targets(context), context.row_weights()

    def is_monotonic(self, work):
        """Whether predictions have to rise or fall with a feature."""
        return work.fitted.is_monotonic

    def from_scratch(self, estimator, size):
        """A tree with fewer leaves, or a forest of fewer trees with fewer leaves.

        Notes
        -----
        If n whole trees have the wanted size, the forest gets 7 * sqrt(n) trees of fewer
        leaves, or n whole trees where n is more. With 100 trees before pruning and sizes
        from 1/2 to 1/100, its score is 0.2 points below that of the best number of trees
        (seven data sets). Whole trees are 3 points below it, and 8 at 1/100: too weak a
        control.
        """
        if isinstance(estimator, BaseDecisionTree):
            return clone(estimator).set_params(max_leaf_nodes=_n_leaves(size.after, size))
        n_trees = estimator.n_estimators
        whole = n_trees * size.share
        smallest = FEWEST_LEAVES * (2 + size.n_votes) - 2
        n_small = max(1, min(n_trees, ceil(7 * sqrt(whole)), int(size.after // smallest)))
        if round(whole) >= n_small:
            return clone(estimator).set_params(n_estimators=round(whole))
        small = clone(estimator).set_params(n_estimators=n_small)
        n_leaves = _n_leaves(size.after / n_small, size)
        if hasattr(estimator, "max_leaf_nodes"):
            return small.set_params(max_leaf_nodes=n_leaves)
        tree = clone(inner_estimator(estimator))
        return small.set_params(estimator=tree.set_params(max_leaf_nodes=n_leaves))

    def compact(self, work):
        return work.compact()

    def count(self, work):
        if work.arrays is None:
            return work.fitted.n_parameters, work.fitted.n_nonzero()
        return super().count(work)

    def restore(self, compact, template):
        if not hasattr(compact, "intercept_"):
            return restored(compact, template)
        raise AttributeError(
            f"{type(template).__name__} averages trees and cannot hold refitted leaves, "
            "whose scores are summed. Use compact_, for shap "
            "sklearn_prune.inspection.shap_trees(model, X), or write refit=False."
        )

    def feature_importances(self, work):
        return work.importances()

    def table(self, work, unit, context):
        nodes, fitted = work.nodes, work.fitted
        width = int(fitted.n_classes.sum())
        is_leaf = nodes.is_leaf
        if unit == "tree":
            sizes = np.add.reduceat(np.where(is_leaf, width, 2), nodes.start[:-1])
            return UnitTable(nodes.tree, sizes)
        numbers = fitted.numbers
        if unit == "node":
            ids = numbers.split[nodes.node[~is_leaf]]
            parameters = np.full(len(ids), 2 + width)
            return UnitTable(ids, parameters, fixed=nodes.n_trees * width)
        parameters = np.full(nodes.n_leaves, 2 + width)
        tree = nodes.tree_of_nodes()[is_leaf]
        parameters[np.diff(tree, prepend=-1) != 0] = width  # the first leaf has no split
        return UnitTable(numbers.leaf[nodes.node[is_leaf]], parameters)

    def apply(self, work, unit, kept, context):
        nodes = work.nodes
        if unit == "tree":
            return work.cut(pick_trees(nodes, kept))
        if unit == "leaf":
            return work.cut(without_leaves(nodes, kept, work.fitted.numbers))
        stays = np.zeros(len(nodes.left), dtype=bool)
        stays[np.flatnonzero(~nodes.is_leaf)[kept]] = True
        return work.cut(collapse(nodes, stays)[0])

    def refit(self, work, unit, context):
        if not work.fitted.can_refit:
            refuse_dropout(context)
            return work
        nodes, fitted = work.nodes, work.fitted
        strength = default_strength(fitted) if work.strength is None else work.strength
        leaves = leaves_of_rows(nodes, fitted.rows(context))
        options = dropout_of(context)
        refit = fitted.joint_refit(nodes, leaves, context, strength, **options).sweep(8)
        return replace(work, arrays=nodes, scored=refit.finished(rounded=False))

    def criterion_for(self, unit, criterion):
        criterion = super().criterion_for(unit, criterion)
        return criterion if unit == "tree" else TopDownCriterion(criterion)

    def options(self, work, request, context):
        fitted = work.fitted
        if not fitted.can_refit:
            refuse_dropout(context)
        n_nodes = fitted.sizes[:, 0].sum()
        if n_nodes == fitted.n_trees or count_rows(context.X) < 8:  # nothing to choose
            strength = default_strength(fitted) if context.dropout else None
            return (Option(strength=strength),)
        if (
            request.unit == "auto"
            and request.criterion is None
            and request.schedule is None
        ):
            options = plan_options(fitted, request.refit, frozen=context.is_frozen)
            return tuple(o for o in options if o.strength or not context.dropout)
        if not request.refit or not fitted.can_refit:
            return (None,)
        default = default_strength(fitted)
        strengths = (default / 10, default, default * 10)
        strengths = strengths if context.dropout else (None, *strengths)
        return tuple(Option(strength=strength) for strength in strengths)

    def auto_shares(self, work, unit, context):
        if unit != "auto":
            return super().auto_shares(work, unit, context)
        shares = _FEWER_SHARES if work.fitted.loss == "softmax" else _SHARES
        smallest = 4 / max(1, int(work.fitted.sizes[:, 1].sum()))
        return tuple(share for share in shares if share >= smallest) or (0.5,)

    def plan(self, work, shares, request, context):
        if request.criterion is not None or request.schedule is not None:
            return super().plan(_with_strength(work, request), shares, request, context)
        option = request.option
        if option is None:
            option = plan_options(work.fitted, request.refit)[-1]
        return ForestPath(work, shares, context).works(option)

    def reduce(self, work, shares, request, context):
        if request.unit == "auto":
            return self.plan(work, shares, request, context)
        if isinstance(request.option, Option):
            refit = request.option.strength is not None
            request = replace(request, refit=refit and request.refit)
        work = _with_strength(work, request)
        return reduce_unit(self, work, request.unit, shares, request, context)

    def whole_outputs(self, work, fold):
        if fold.context.scoring is not None:
            return super().whole_outputs(work, fold)
        return work.outputs(work.fitted.rows(fold.outside), self._counted(work, fold))

    def fold_outputs(self, work, shares, requests, fold):
        counted, plain = self._counted(work, fold), fold.context.scoring is None
        path = None
        for request in requests:
            if not plain:
                yield from super().fold_outputs(work, shares, [request], fold)
                continue
            if request.unit != "auto" or request.option is None:
                X, shares = work.fitted.rows(fold.outside), _possible(shares, work, request)
                smaller = self.reduce(work, shares, request, fold.inside)
                yield ((each.outputs(X, counted), self.count(each)[0]) for each in smaller)
                continue
            if path is None:
                X = work.fitted.rows(fold.outside)
                path = ForestPath(work, shares, fold.inside, watched=X, counted=counted)
            refits = request.option.strength is not None
            yield (
                (work.fitted.outputs(sums, refits), size)
                for sums, size in path.outputs(request.option)
            )

    def _counted(self, work, fold):
        """Which trees of a frozen forest have not seen each held-out row, if known."""
        if not fold.context.is_frozen:
            return None
        return out_of_bag(work, fold.context)[:, fold.test]

    def weights(self, work, unit, context):
        """The decrease of impurity by each split, weighted by its rows."""
        nodes = work.nodes
        return impurity_decreases(nodes)[~nodes.is_leaf, None]

    def removal_losses(self, work, unit, context):
        """Rank of each split in the order of merging, the cheapest merge first."""
        return merge_order(work, context, default_strength(work.fitted))

    def penalised(self, work, unit, penalty, context):
        l1 = penalty == "l1"
        if unit == "tree":
            return work, tree_strengths(work, context, l1=l1)
        strength = default_strength(work.fitted)
        return work, merge_order(work, context, strength, penalised=True, l1=l1)

    def contributions(self, work, unit, measure, context):
        """A greedy order: each tree is the best addition to those before it."""
        return tree_order(work, context, measure)


class TreeFamily(ForestFamily):
    """A single decision tree."""

    units = ("node", "leaf")
    criteria = {
        "node": _SPLIT_CRITERIA,
        "leaf": _SPLIT_CRITERIA,
        "rule": RULE_CRITERIA,
    }
    offers = {
        "node": _SPLIT_QUANTITIES,
        "leaf": _SPLIT_QUANTITIES,
        "rule": RULE_QUANTITIES,
    }


class BaggedTreesFamily(ForestFamily):
    """Bagging of decision trees."""

    def accepts(self, model):
        trees = getattr(model, "estimators_", None) or [inner_estimator(model)]
        if all(isinstance(tree, BaseDecisionTree) for tree in trees):
            return Accepted(self)
        return Refused(f"{type(model).__name__} is not made of decision trees")


class TopDownCriterion(Criterion):
    """A criterion of splits, reordered so that each split comes after those above it.

    Parameters
    ----------
    criterion : Criterion
        Ranks the splits.
    """

    def __init__(self, criterion):
        self.criterion = criterion

    def rank_units(self, family, work, unit, context):
        """Rank the splits, or the leaves by the splits that remove them."""
        work, ranking, _ = ranked(self.criterion, family, work, "node", context)
        ranking = closed_order(work.nodes, ranking)
        if unit == "leaf":
            ranking = leaf_order(work.nodes, ranking, work.fitted.numbers)
        return work, ranking


def _n_leaves(n_parameters, size):
    """Leaves of a tree of this size, which stores two numbers a split, and the votes."""
    return max(2, round((n_parameters + 2) / (2 + size.n_votes)))


def _with_strength(work, request):
    """The working form with the ridge strength of the option of a request."""
    return replace(work, strength=getattr(request.option, "strength", None))


def default_strength(fitted):
    """Default strength of the ridge penalty on leaves, in units of rows."""
    return {"logistic": 10.0, "softmax": 1.0, "squared": 30.0, None: 1.0}[fitted.loss]


def _possible(shares, work, request):
    """Counts up to the number of units that the forest of a fold has."""
    n_nodes, n_leaves = work.fitted.sizes.sum(axis=0)
    most = {"tree": work.fitted.n_trees, "leaf": n_leaves, "node": n_nodes - n_leaves}
    most = max(2, int(most.get(request.unit, 2)))
    return [min(share, most) if isinstance(share, Integral) else share for share in shares]


def plan_options(fitted, refit, *, frozen=False):
    """The options among which inner validation chooses; the last one is the default.

    Small models are best made of the first 40 % of the trees, where there are 20 or more;
    large ones of all trees.
    """
    if fitted.n_trees == 1:
        votes = (Option(merges=True), Option(min_rows=5, merges=True))
        default = default_strength(fitted)
        ridges = tuple(Option(strength=default * factor) for factor in (0.1, 1.0))
    else:
        share = 0.4 if fitted.n_trees >= 20 and not frozen else 1.0
        votes = (Option(merges=True), Option(share), Option(share, 5), Option(share, 20))
        grid = {
            "logistic": ((1.0, 3, 100.0), (1.0, 8, 100.0), (share, 3, 10.0)),
            "softmax": ((1.0, 3, 3.0), (share / 2, 8, 3.0), (share, 8, 1.0)),
            "squared": (
                (1.0, 3, 300.0),
                (1.0, 8, 300.0),
                (share, 8, 10.0),
                (share, 8, 1000.0),
                (share, 8, 60.0),
            ),
            None: (),
        }[fitted.loss]
        ridges = tuple(Option(*values) for values in grid)
    return votes + (ridges if refit and fitted.can_refit else ())
