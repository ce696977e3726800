"""Strips of kept and dropped rows: which there are, and how one is drawn."""

import numpy as np
from sklearn.utils.multiclass import type_of_target

from sklearn_prune.comparison._displays_common import (
    COLORS,
    FAINT,
    GREY,
    human_number,
    shorten,
)

KEPT_COLOR, DROPPED_COLOR = COLORS[0], "#F0D9A0"


def is_numeric_target(y):
    """Whether a target is a quantity, not a class."""
    kind = type_of_target(np.asarray(y))
    return kind.startswith("continuous") or (
        kind == "multiclass" and np.asarray(y).dtype.kind in "iuf" and _many(y)
    )


def _many(y):
    values = np.unique(np.asarray(y))
    return len(values) > 20 and len(values) > len(np.asarray(y)) / 4


def naming(y, names):
    """Return a function from class to name."""
    if names is None:
        return lambda v: human_number(v) if isinstance(v, float | np.floating) else str(v)
    if hasattr(names, "get"):
        return lambda value: str(names.get(value, value))
    classes = np.unique(np.asarray(y))
    if len(names) != len(classes):
        raise ValueError(
            f"names must hold one name for each class. Got {len(names)} for "
            f"{len(classes)} classes. Write a dict from class to name."
        )
    table = dict(zip(classes.tolist(), names, strict=True))
    return lambda value: str(table.get(value, value))


def make_strips(y, kept, known, names, max_strips):
    """Return names and row masks of what is shown in a strip each."""
    if y is None:
        return [("all rows", np.ones(len(kept), dtype=bool))]
    y = np.asarray(y)
    if y.ndim > 1:
        y = y[:, 0]
    if is_numeric_target(y):
        edges = np.unique(np.quantile(y.astype(float), [0, 0.25, 0.5, 0.75, 1]))
        part = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, len(edges) - 2)
        return [
            (f"{human_number(edges[i])} to {human_number(edges[i + 1])}", part == i)
            for i in range(len(edges) - 1)
        ]
    name_of = naming(y, names)
    classes = list(dict.fromkeys(np.unique(y[known]).tolist()))
    if len(classes) > max_strips:
        lost = {c: (~kept)[known & (y == c)].mean() for c in classes}
        classes.sort(key=lambda c: -lost[c])
        shown, others = classes[: max_strips - 1], classes[max_strips - 1 :]
        strips = [(shorten(name_of(c), 24), y == c) for c in shown]
        return [*strips, (f"{len(others)} other classes", np.isin(y, others))]
    return [(shorten(name_of(c), 24), y == c) for c in classes]


def make_edges(scores, bins):
    """Bins over the central 99 % of the scores, if the rest lies far out."""
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return np.linspace(-0.5, 0.5, bins + 1), True
    low, high = scores.min(), scores.max()
    inner_low, inner_high = np.quantile(scores, [0.005, 0.995])
    if inner_high > inner_low and high - low > 3 * (inner_high - inner_low):
        return np.linspace(inner_low, inner_high, bins + 1), True
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1), False


def draw_strip(ax, place, counts, edges):
    """Draw histograms of kept rows upwards and of dropped rows downwards."""
    top = max(counts[0].max(), counts[1].max(), 1) / 0.42
    ax.axhline(place, color=FAINT, linewidth=0.8, zorder=1)
    artists = []
    for count, style in (
        (counts[0], {"facecolor": KEPT_COLOR, "edgecolor": KEPT_COLOR}),
        (
            -counts[1],
            {"facecolor": DROPPED_COLOR, "edgecolor": GREY, "hatch": "////"},
        ),
    ):
        artists.append(
            ax.stairs(
                place + count / top,
                edges,
                baseline=place,
                fill=True,
                linewidth=0.6,
                zorder=2,
                **style,
            )
        )
    return artists
