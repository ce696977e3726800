"""Criteria: what ranks the parameters of a model."""

from sklearn_prune.weight_pruning.criteria._activation import ActivationCriterion
from sklearn_prune.weight_pruning.criteria._base import (
    QUANTITIES,
    Criterion,
    check_criterion,
)
from sklearn_prune.weight_pruning.criteria._contribution import ContributionCriterion
from sklearn_prune.weight_pruning.criteria._coverage import CoverageCriterion
from sklearn_prune.weight_pruning.criteria._magnitude import MagnitudeCriterion
from sklearn_prune.weight_pruning.criteria._penalty import PenaltyCriterion
from sklearn_prune.weight_pruning.criteria._permutation import PermutationCriterion
from sklearn_prune.weight_pruning.criteria._random import RandomCriterion
from sklearn_prune.weight_pruning.criteria._second_order import SecondOrderCriterion
from sklearn_prune.weight_pruning.criteria._taylor import TaylorCriterion

__all__ = [
    "QUANTITIES",
    "ActivationCriterion",
    "ContributionCriterion",
    "CoverageCriterion",
    "Criterion",
    "MagnitudeCriterion",
    "PenaltyCriterion",
    "PermutationCriterion",
    "RandomCriterion",
    "SecondOrderCriterion",
    "TaylorCriterion",
    "check_criterion",
]
