"""Fewer parameters: criteria, schedules and quantizers, for every kind of model."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "Accepted": "_family",
    "ActivationCriterion": "criteria",
    "ContributionCriterion": "criteria",
    "CoverageCriterion": "criteria",
    "Criterion": "criteria",
    "Family": "_family",
    "GradualSchedule": "_schedule",
    "IterativeSchedule": "_schedule",
    "MagnitudeCriterion": "criteria",
    "PenaltyCriterion": "criteria",
    "PermutationCriterion": "criteria",
    "PrunesWhileTraining": "_family",
    "Quantizer": "_quantize",
    "RandomCriterion": "criteria",
    "Ranking": "criteria._base",
    "Refused": "_family",
    "Restores": "_family",
    "SecondOrderCriterion": "criteria",
    "TaylorCriterion": "criteria",
    "TrainsOn": "_family",
    "UnitTable": "_family",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
