"""Criteria: what ranks the parameters of a model."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "_activation": "ActivationCriterion",
    "_base": "Criterion",
    "_contribution": "ContributionCriterion",
    "_coverage": "CoverageCriterion",
    "_forward": "ForwardSelectionCriterion",
    "_magnitude": "MagnitudeCriterion",
    "_penalty": "PenaltyCriterion",
    "_permutation": "PermutationCriterion",
    "_random": "RandomCriterion",
    "_second_order": "SecondOrderCriterion",
    "_stability": "StabilityCriterion",
    "_taylor": "TaylorCriterion",
}
_SHARED = {"_base": "QUANTITIES check_criterion"}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
