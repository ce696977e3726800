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


def place_labels(ax, points, texts, *, lines=(), ties=(), fontsize="small"):
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
        Corners of lines, in data coordinates, that labels keep clear of.
    ties : list of array-like of shape (m, 2)
        Lines that labels cross only where they would have to go further away.
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
    soft = [_boxes_along(to_pixels(np.asarray(tie)), 2 * scale) for tie in ties]
    soft = [box for boxes in soft for box in boxes]
    frame = ax.get_window_extent().extents
    placed = []
    for pixel, text in zip(pixels, texts, strict=False):
        probe = literal(ax.text(0, 0, text, fontsize=fontsize, transform=None))
        width, height = probe.get_window_extent().size
        probe.remove()
        found = _first_free(pixel, (width, height), (taken, soft), frame, scale)
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


def _first_free(pixel, size, obstacles, frame, scale):
    hard, soft = obstacles
    half = np.array(size) / 2
    for distance in _DISTANCES:
        for taken in (np.array([*hard, *soft]), np.array(hard)):
            for direction in _DIRECTIONS:
                center = pixel + np.array(direction) * (distance * scale + half)
                box = np.array([*(center - half), *(center + half)])
                if _inside(box, frame) and not _covers(box, taken).any():
                    return box, distance
    return None


def _inside(box, frame):
    return (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()


def _covers(box, others):
    return ((box[:2] < others[:, 2:]) & (others[:, :2] < box[2:])).all(axis=1)


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
