"""Fewer parameters: criteria, schedules and quantizers, for every kind of model."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "_family": "Family PrunesWhileTraining Restores TrainsOn",
    "_protocol": "Accepted Refused UnitTable",
    "_quantize": "Quantizer",
    "_registry": "FamilySpec register_family",
    "_schedule": "GradualSchedule IterativeSchedule",
    "criteria": (
        "ActivationCriterion ContributionCriterion CoverageCriterion Criterion "
        "ForwardSelectionCriterion MagnitudeCriterion PenaltyCriterion "
        "PermutationCriterion RandomCriterion SecondOrderCriterion StabilityCriterion "
        "TaylorCriterion"
    ),
    "criteria._base": "Ranking",
}
_SHARED = {
    "_context": "PruningContext",
    "_family": "predictor restored working_form",
    "_fitted_form": (
        "GENERATORS TRAINING_ATTRIBUTES compact compact_form fitted_form inner_model "
        "is_pipeline kept_whole sentence_of shipped without_samplers"
    ),
    "_from_scratch": "smaller_from_scratch smaller_model",
    "_inner_validation": "STARTS Outputs inner_folds log_scores mean_score",
    "_pruned_base": "PrunedModel",
    "_reduce": "ranked ranked_within reduce_one_by_one reduce_unit table_size",
    "_registry": "exporters family_for family_of",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
