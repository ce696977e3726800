"""Fewer parameters: criteria, schedules and quantizers, for every kind of model."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "Accepted": "_protocol",
    "ActivationCriterion": "criteria",
    "ContributionCriterion": "criteria",
    "CoverageCriterion": "criteria",
    "Criterion": "criteria",
    "Family": "_family",
    "FamilySpec": "_registry",
    "GradualSchedule": "_schedule",
    "IterativeSchedule": "_schedule",
    "MagnitudeCriterion": "criteria",
    "PenaltyCriterion": "criteria",
    "PermutationCriterion": "criteria",
    "PrunesWhileTraining": "_family",
    "Quantizer": "_quantize",
    "RandomCriterion": "criteria",
    "Ranking": "criteria._base",
    "Refused": "_protocol",
    "Restores": "_family",
    "SecondOrderCriterion": "criteria",
    "TaylorCriterion": "criteria",
    "TrainsOn": "_family",
    "UnitTable": "_protocol",
    "register_family": "_registry",
}

# Not public: what other parts of the package use.
_SHARED = {
    "PrunedModel": "_pruned_base",
    "PruningContext": "_context",
    "checks": "_registry",
    "exporters": "_registry",
    "family_for": "_registry",
    "family_of": "_registry",
    "fitted_form": "_registry",
    "inner_folds": "_inner_validation",
    "one_fold": "_inner_validation",
    "predictor": "_family",
    "predictor_names": "_registry",
    "ranked": "_reduce",
    "ranked_within": "_reduce",
    "reduce_unit": "_reduce",
    "restored": "_family",
    "row_scores": "_inner_validation",
    "smaller_from_scratch": "_from_scratch",
    "smaller_model": "_from_scratch",
    "table_size": "_reduce",
    "working_form": "_family",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF | _SHARED)
