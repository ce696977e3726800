"""Place labels beside points so that none covers another, a point or the frame."""

from itertools import pairwise

import numpy as np

from sklearn_prune.comparison._displays_common import GREY, INK, literal

# Tried in this order: beside the point, above and below, then further away.
_DIRECTIONS = (
    (1, 0),
    (1, 0.7),
    (1, -0.7),
    (0, 1),
    (0, -1),
    (-1, 0),
    (-1, 0.7),
    (-1, -0.7),
)
_DISTANCES = (8, 14, 24, 38)


def place_labels(ax, points, texts, *, lines=(), fontsize="small"):
    """Write a text beside each point.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes whose limits and scales are final.
    points : array-like of shape (n, 2)
        Data coordinates. Those beyond `texts` are only kept clear of labels.
    texts : list of str
        One for each of the first points.
    lines : list of array-like of shape (m, 2)
        Corners of lines, in data coordinates, that labels should keep clear of.
    fontsize : str or float
        Size of the texts.

    Returns
    -------
    list of matplotlib Annotation, or None
        None, with nothing drawn, where the texts do not all fit.
    """
    to_pixels = ax.transData.transform
    pixels = to_pixels(np.asarray(points, dtype=float).reshape(-1, 2))
    scale = ax.figure.dpi / 72
    radius = 6 * scale
    taken = [np.array([*(p - radius), *(p + radius)]) for p in pixels]
    for line in lines:
        taken += _boxes_along(to_pixels(np.asarray(line, dtype=float)), 2 * scale)
    frame = ax.get_window_extent().extents
    placed = []
    for pixel, text in zip(pixels, texts, strict=False):
        probe = literal(ax.text(0, 0, text, fontsize=fontsize, transform=None))
        width, height = probe.get_window_extent().size
        probe.remove()
        found = _first_free(pixel, (width, height), taken, frame, scale)
        if found is None:
            for label in placed:
                label.remove()
            return None
        box, distance = found
        taken.append(box)
        placed.append(_draw(ax, pixel, text, box, distance, fontsize))
    return placed


def write_key(ax, names):
    """Write numbers and what they stand for in a column beside the axes."""
    for number, name in enumerate(names):
        for text, shift, side in ((str(number + 1), 14, "right"), (name, 20, "left")):
            literal(
                ax.annotate(
                    text,
                    (1.02, 1.0),
                    xycoords="axes fraction",
                    xytext=(shift, -6 - 12 * number),
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    fontsize="small",
                    color=INK,
                )
            )


def _first_free(pixel, size, taken, frame, scale):
    taken = np.array(taken)
    for distance in _DISTANCES:
        for dx, dy in _DIRECTIONS:
            gap = distance * scale
            center_x = pixel[0] + dx * (gap + size[0] / 2)
            center_y = pixel[1] + dy * (gap + size[1] / 2)
            half = np.array(size) / 2
            center = np.array([center_x, center_y])
            box = np.array([*(center - half), *(center + half)])
            inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
            clear = (
                (taken[:, 2] <= box[0])
                | (taken[:, 0] >= box[2])
                | (taken[:, 3] <= box[1])
                | (taken[:, 1] >= box[3])
            )
            if inside and clear.all():
                return box, distance
    return None


def _draw(ax, pixel, text, box, distance, fontsize):
    center = (box[:2] + box[2:]) / 2
    shift = (center - pixel) * 72 / ax.figure.dpi
    arrow = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    label = ax.annotate(
        text,
        ax.transData.inverted().transform(pixel),
        xytext=shift,
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=fontsize,
        color=INK,
        arrowprops=arrow if distance > _DISTANCES[0] else None,
        zorder=5,
    )
    label.set_in_layout(False)
    return literal(label)


def _boxes_along(corners, radius):
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        low, high = np.minimum((x0, y0), (x1, y1)), np.maximum((x0, y0), (x1, y1))
        boxes.append(np.array([*(low - radius), *(high + radius)]))
    return boxes
