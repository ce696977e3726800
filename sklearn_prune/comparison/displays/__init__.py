"""Plots of comparisons, searches and row scores."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "common": (
        "MEASURES UNKNOWN height_for human_measure human_number mean_measures mean_of "
        "shorten show_once"
    ),
    "draw": "curve_of draw_cost draw_curve drawable_chains points_of",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
