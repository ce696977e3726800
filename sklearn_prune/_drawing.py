"""Axes, colours that differ in grey, and numbers and names as people read them."""

import math

import numpy as np

from sklearn_prune._lazy import import_or_raise

# Blue, yellow and red of Paul Tol's high-contrast scheme first: they stay apart for every
# kind of colour blindness and, by their lightness, on a grey print.
COLORS = ("#004488", "#DDAA33", "#BB5566", "#44AA99", "#882255", "#88CCEE")
UNKNOWN = "\N{EN DASH}"
INK, GREY, FAINT = "#1A1A1A", "#767676", "#E2E2E2"


def start_axes(ax, feature, figsize):
    """Return the axes to draw on: those given, or new ones of pyplot."""
    import_or_raise("matplotlib", feature, extra="compare")
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def tidy_axes(ax):
    """Leave a light grid and two spines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=FAINT, linewidth=0.8)
    ax.set_axisbelow(True)


def literal(text_artist):
    """Show a text as it is, dollar signs included."""
    text_artist.set_parse_math(False)
    return text_artist


def height_for(n_lines, least):
    """Height in inches of a figure that has room for lines of small text."""
    return max(least, 0.18 * n_lines + 0.8)


def shorten(text, width):
    """Cut the middle out of a text that is longer than `width` characters."""
    text = "".join(c if c.isprintable() else "�" for c in " ".join(str(text).split()))
    if len(text) <= width:
        return text
    tail = width // 3
    return f"{text[: width - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def human_number(value, digits=3):
    """Write a number for a reader: 1,234; 0.00123; 1.5e+09."""
    if value is None or not np.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e7 or size < 1e-4:
        text = f"{size:.{digits}g}"
    elif size >= 1000:
        text = f"{size:,.0f}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{size:.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return ("\N{MINUS SIGN}" if value < 0 else "") + text
