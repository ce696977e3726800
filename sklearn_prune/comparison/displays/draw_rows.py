"""Draw rows: strips of kept and dropped rows, and a gallery of single ones."""

import math

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import type_of_target

from sklearn_prune._drawing import COLORS, FAINT, GREY, human_number, literal, shorten
from sklearn_prune._lazy import import_or_raise
from sklearn_prune._sklearn_compat import take_rows

KEPT_COLOR, DROPPED_COLOR = COLORS[0], "#F0D9A0"

_FEATURES_SHOWN = 8


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


def draw_gallery(
    X, chosen, labels, scores, *, y, image_shape, axes, feature_names, score_name
):
    """Draw the chosen rows; return the axes used and the table, or None for images."""
    import_or_raise("matplotlib", "SampleScoreDisplay.plot_gallery", extra="compare")
    shape = _check_image_shape(X, image_shape)
    titles = [human_number(score) for score in scores]
    if shape is None:
        return _draw_table(X, chosen, labels, titles, y, axes, feature_names, score_name)
    images = _as_images(_rows(X, chosen), shape)
    if labels is not None:
        titles = [f"{shorten(a, 14)}\n{b}" for a, b in zip(labels, titles, strict=True)]
    axes = _image_axes(len(chosen), axes)
    gray = {"cmap": "gray_r", "vmin": images.min(), "vmax": images.max()}
    for ax, image, title in zip(axes, images, titles, strict=False):
        ax.imshow(image, **(gray if image.ndim == 2 else {}))
        literal(ax.set_title(title, fontsize=8))
    for ax in axes:
        ax.set_axis_off()
    return axes, None


def _check_image_shape(X, image_shape):
    inner = tuple(getattr(X, "shape", ())[1:])
    if image_shape is None:
        if len(inner) > 1:
            raise ValueError(
                f"image_shape must be given for rows of shape {inner}. Got None. Write "
                f"image_shape={inner}."
            )
        return None
    width = math.prod(inner) if inner else 0
    if len(image_shape) not in (2, 3) or math.prod(image_shape) != width:
        raise ValueError(
            f"image_shape must hold {width} values, as (height, width) or "
            f"(height, width, 3). Got {tuple(image_shape)}. Write None for a table."
        )
    return tuple(image_shape)


def _rows(X, chosen):
    if isinstance(X, list | tuple):
        return [X[i] for i in chosen]
    return take_rows(X, chosen)


def _as_images(rows, shape):
    rows = rows.toarray() if issparse(rows) else np.asarray(rows)
    images = rows.reshape(len(rows), *shape).astype(float)
    if images.ndim == 4 and shape[0] in (1, 3) and shape[2] not in (1, 3, 4):
        images = np.moveaxis(images, 1, 3)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim == 4:
        low, high = images.min(), images.max()
        if low < 0 or high > 1:
            top = 255 if low >= 0 and high <= 255 else high
            low = 0 if low >= 0 else low
            images = (images - low) / ((top - low) or 1)
    return images


def _image_axes(n, axes):
    if axes is not None:
        axes = np.ravel(axes)
        if len(axes) < n:
            raise ValueError(
                f"axes must hold one axes for each row. Got {len(axes)} for {n} rows. "
                f"Write n={len(axes)}."
            )
        return axes
    import matplotlib.pyplot as plt

    columns = min(n, 8)
    lines = -(-n // columns)
    size = (1.0 * columns + 0.2, 1.35 * lines + 0.2)
    axes = plt.subplots(lines, columns, figsize=size, layout="constrained")[1]
    return np.ravel(axes)


def _draw_table(X, chosen, labels, scores, y, axes, feature_names, score_name):
    head, cells = _cells(X, chosen, y, feature_names)
    head = ["row", *(["class"] if labels is not None else []), "score", *head]
    lines = []
    for i, (row, score, values) in enumerate(zip(chosen, scores, cells, strict=True)):
        label = [] if labels is None else [shorten(labels[i], 14)]
        lines.append([str(row), *label, score, *values])
    widths = [max(len(line[i]) for line in [head, *lines]) + 2 for i in range(len(head))]
    if axes is None:
        import matplotlib.pyplot as plt

        size = (max(4.0, 0.085 * sum(widths) + 0.4), 0.26 * (len(lines) + 1) + 0.5)
        axes = plt.subplots(figsize=size, layout="constrained")[1]
    ax = np.ravel(axes)[0]
    ax.set_axis_off()
    ax.set_title(f"dropped first, by {score_name}", fontsize=9, loc="left")
    table = ax.table(
        lines,
        colLabels=head,
        colWidths=np.array(widths) / sum(widths),
        loc="upper center",
        cellLoc="right",
        bbox=(0, 0, 1, 1),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    for (line, _), cell in table.get_celld().items():
        cell.set(edgecolor=FAINT, linewidth=0.6)
        literal(cell.get_text())
        if line == 0:
            cell.set(facecolor="#F2F2F2")
            cell.get_text().set_weight("bold")
    return np.array([ax]), table


def _cells(X, chosen, y, feature_names):
    if getattr(X, "ndim", 2) == 1 or not hasattr(X, "shape"):
        rows = _rows(X, chosen)
        if rows and not isinstance(rows[0], str) and hasattr(rows[0], "__len__"):
            X = np.asarray(X)
        else:
            return ["text"], [[shorten(row, 60)] for row in rows]
    names = feature_names
    if names is None:
        names = getattr(X, "columns", None)
    if names is None:
        names = [f"x{i}" for i in range(X.shape[1])]
    columns = _telling_columns(X, chosen, y)
    rows = _rows(X, chosen)
    if issparse(rows):
        rows = rows.toarray()
    if hasattr(rows, "iloc"):
        values = rows.iloc[:, list(columns)].to_numpy(dtype=object)
    elif hasattr(rows, "to_numpy"):
        values = rows.to_numpy()[:, columns]
    else:
        values = np.asarray(rows)[:, columns]
    return (
        [shorten(list(names)[i], 16) for i in columns],
        [[_cell(value) for value in row] for row in values],
    )


def _cell(value):
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return human_number(float(value))
    return shorten(value, 16)


def _telling_columns(X, chosen, y):
    """The columns in which the chosen rows are furthest from the mean of their class."""
    width = X.shape[1]
    if width <= _FEATURES_SHOWN:
        return np.arange(width)
    try:
        shown = _numbers(_rows(X, chosen))
        classes = np.zeros(X.shape[0]) if y is None else np.asarray(y)
        far = np.zeros(width)
        for value in np.unique(classes[chosen]):
            of_class = _numbers(_rows(X, np.flatnonzero(classes == value)[:1000]))
            with np.errstate(divide="ignore", invalid="ignore"):
                away = np.abs(shown[classes[chosen] == value] - of_class.mean(axis=0))
                far += np.nan_to_num(away / of_class.std(axis=0), posinf=1e3).sum(axis=0)
    except (TypeError, ValueError):
        return np.arange(_FEATURES_SHOWN)
    return np.sort(np.argsort(-far, kind="stable")[:_FEATURES_SHOWN])


def _numbers(rows):
    return rows.toarray() if issparse(rows) else np.asarray(rows, dtype=float)
