"""A selector and criteria as a user writes them, with public names only."""

import numpy as np

from sklearn_prune.sample_selection import Ranking, SampleSelector
from sklearn_prune.weight_pruning import Criterion, MagnitudeCriterion


class CentralSelector(SampleSelector):
    """Keep the rows that are closest to a quantile of each column."""

    _parameter_constraints = {"quantile": [float]}

    def __init__(self, quantile=0.5):
        self.quantile = quantile

    def _rank(self, X, y, context):
        center = np.quantile(X, self.quantile, axis=0)
        return Ranking.from_scores(-np.linalg.norm(X - center, axis=1))


class SumCriterion(Criterion):
    """Keep the units with the largest sums of absolute weights to a power."""

    needs = "weights"

    def __init__(self, power=1.0):
        self.power = power

    def _scores(self, family, work, unit, context):
        return (np.abs(family.weights(work, unit, context)) ** self.power).sum(axis=1)


class SameCriterion(MagnitudeCriterion):
    """MagnitudeCriterion under another name."""


class FirstCriterion(Criterion):
    """Keep the first units; needs nothing."""

    def _scores(self, family, work, unit, context):
        return -np.arange(len(family.table(work, unit, context).ids), dtype=float)


class AnswerSelector(SampleSelector):
    """Return any object as the ranking."""

    def __init__(self, answer=None):
        self.answer = answer

    def _rank(self, X, y, context):
        return self.answer


class AnswerCriterion(Criterion):
    """Return any object as the scores."""

    def __init__(self, answer=None):
        self.answer = answer

    def _scores(self, family, work, unit, context):
        return self.answer


class AnswerUnitsCriterion(AnswerCriterion):
    """Return the working form and any object as the ranking of the units."""

    def rank_units(self, family, work, unit, context):
        return work, self.answer
