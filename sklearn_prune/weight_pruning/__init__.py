"""Fewer parameters: criteria, schedules and quantizers, for every kind of model."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "ActivationCriterion": "criteria",
    "ContributionCriterion": "criteria",
    "CoverageCriterion": "criteria",
    "Criterion": "criteria",
    "GradualSchedule": "_schedule",
    "IterativeSchedule": "_schedule",
    "MagnitudeCriterion": "criteria",
    "PenaltyCriterion": "criteria",
    "PermutationCriterion": "criteria",
    "Quantizer": "_quantize",
    "RandomCriterion": "criteria",
    "SecondOrderCriterion": "criteria",
    "TaylorCriterion": "criteria",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
