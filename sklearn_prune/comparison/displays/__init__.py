"""Plots of comparisons, searches and row scores."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "common": ("MEASURES human_measure mean_measures mean_of show_once"),
    "draw": "curve_of draw_cost draw_curve drawable_chains points_of",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
