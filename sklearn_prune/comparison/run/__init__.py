"""Fits of a comparison: what is compared, on which folds, at which costs."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "CONTROL_NAMES": "plan",
    "COSTS": "costs",
    "COST_NAMES": "plan",
    "Plan": "execute",
    "check_alpha": "plan",
    "check_baseline": "plan",
    "check_classes": "plan",
    "check_data": "plan",
    "check_estimators": "plan",
    "check_folder": "store",
    "check_margin": "plan",
    "check_margin_names": "plan",
    "check_n_jobs": "plan",
    "check_names": "plan",
    "check_params": "plan",
    "choose_splitter": "plan",
    "default_margin": "plan",
    "inputs_of": "execute",
    "keeps_together": "plan",
    "make_scorers": "plan",
    "make_splits": "plan",
    "manifest_of": "verification",
    "margins_of": "plan",
    "prunes_nothing": "costs",
    "requested_keeps": "costs",
    "resolve_margins": "plan",
    "run_plan": "execute",
    "verify": "verification",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
