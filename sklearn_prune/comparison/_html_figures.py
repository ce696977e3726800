"""Figures as inline SVG: no network, unique ids, the same bytes on each run."""

import io
import re
import warnings
from functools import partial
from html import escape

import numpy as np

from sklearn_prune._optional import import_or_raise
from sklearn_prune.comparison._displays_common import MEASURES, height_for, mean_measures
from sklearn_prune.comparison._draw import (
    curve_of,
    draw_cost,
    draw_curve,
    drawable_chains,
    points_of,
)

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sklearn-prune",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.usetex": False,
}
_CONTROLS = ("random", "small")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def figures_of(comparison):
    """Draw what a report shows.

    Returns
    -------
    list of (title, caption, svg)
    """
    means, scorer = mean_measures(comparison), comparison.scorers[0]
    size = (7.6, height_for(len(comparison.variants) + 6, 4.6))
    found = []
    for cost in ("nbytes", "predict_latency"):
        known = cost in means.columns and np.isfinite(means[cost])
        if np.any(known & np.isfinite(means[scorer])):
            title = f"{scorer} against {MEASURES[cost]}"
            caption = (
                "Up is better, left is cheaper (logarithmic). On the black steps nothing "
                "is both cheaper and better."
            )
            if np.isfinite(means[cost].unstack("role").filter(_CONTROLS)).any(axis=None):
                caption += (
                    " Hollow marks are controls, tied by dots to the variant whose size "
                    "they have."
                )
            draw = partial(draw_cost, **points_of(comparison, cost=cost))
            found.append((title, caption, inline_svg(draw, title, f"cost-{cost}", size)))
    for kind, chains in drawable_chains(comparison).items():
        if sum(map(len, chains.values())) > 1:
            title = f"{scorer} over the {kind} kept"
            caption = (
                "Bars: interval of the difference to the baseline. Grey band: not worse "
                "by more than the margin. Dashes: the same size chosen at random."
            )
            draw = partial(draw_curve, **curve_of(comparison, kind=kind))
            found.append((title, caption, inline_svg(draw, title, f"keep-{kind}", size)))
    return found


def inline_svg(draw, title, prefix, size):
    """Return the SVG of what `draw` puts on the axes that it is given.

    Parameters
    ----------
    draw : callable
        Takes matplotlib Axes.
    title : str
        For readers who do not see the picture.
    prefix : str
        Put before each id, so that two pictures on a page share none.
    size : tuple of float
        Inches.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    matplotlib = import_or_raise("matplotlib", "to_html", extra="compare")
    figure_module = import_or_raise("matplotlib.figure", "to_html", extra="compare")
    backend = import_or_raise("matplotlib.backends.backend_agg", "to_html", extra="compare")
    target = io.StringIO()
    # The look must not depend on the user's settings, nor change them.
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = figure_module.Figure(figsize=size, layout="constrained")
        backend.FigureCanvasAgg(figure)
        draw(figure.subplots())
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(target, format="svg", metadata=nothing, transparent=True)
    svg = target.getvalue()
    svg = _DROPPED.sub("", svg[svg.index("<svg") :])
    svg = _TAG.sub(lambda tag: _ID.sub(rf"\1{prefix}-", tag[0]), svg)
    label = f'<svg role="img" aria-label="{escape(title)}"'
    return svg.replace("<svg", label, 1).strip()
