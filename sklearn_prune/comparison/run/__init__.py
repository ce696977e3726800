"""Fits of a comparison: what is compared, on which folds, at which costs."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "costs": "COSTS prunes_nothing requested_keeps",
    "execute": "Plan inputs_of run_plan",
    "plan": (
        "CONTROL_NAMES COST_NAMES check_alpha check_baseline check_classes check_data "
        "check_estimators check_margin check_margin_names check_n_jobs check_names "
        "check_params choose_splitter default_margin keeps_together make_scorers "
        "make_splits margins_of resolve_margins"
    ),
    "store": "check_folder",
    "verification": "manifest_of verify",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
