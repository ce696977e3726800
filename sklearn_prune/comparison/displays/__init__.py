"""Plots of comparisons, searches and row scores."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "MEASURES": "common",
    "UNKNOWN": "common",
    "curve_of": "draw",
    "draw_cost": "draw",
    "draw_curve": "draw",
    "drawable_chains": "draw",
    "height_for": "common",
    "human_measure": "common",
    "human_number": "common",
    "mean_measures": "common",
    "mean_of": "common",
    "points_of": "draw",
    "shorten": "common",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
