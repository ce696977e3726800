"""Fewer parameters: criteria, schedules and quantizers, for every kind of model."""

from importlib import import_module

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


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
