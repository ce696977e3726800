"""What the displays share: axes, colours that differ in grey, and mean measures."""

import math
from functools import partial
from io import BytesIO

import numpy as np

from sklearn_prune._docs import entries
from sklearn_prune._drawing import INK, UNKNOWN, human_number, literal

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

MEASURES = {
    "nbytes": "bytes (pickled)",
    "n_params": "parameters",
    "n_nonzero": "non-zero parameters",
    "n_samples": "rows trained on",
    "fit_time": "seconds to fit",
    "predict_latency": "seconds to predict one row",
    "predict_latency_1000": "seconds to predict 1,000 rows",
    "churn": "predictions that differ from the baseline's",
}

# Dark to light in grey; the shape says the same.
VERDICTS = {
    "baseline": {"marker": "*", "markersize": 15, "color": INK},
    "not worse": {"marker": "o", "markersize": 8.5, "color": "#004488"},
    "undecided": {"marker": "^", "markersize": 8.5, "color": "#DDAA33"},
    "worse": {"marker": "X", "markersize": 8.5, "color": "#BB5566"},
    "not tested": {"marker": "s", "markersize": 6.5, "color": "#9A9A9A"},
    "pruned": {"marker": "o", "markersize": 8.5, "color": "#004488"},
}

DISPLAY = entries("""
    estimator : estimator
        A model with a parameter named ``keep``, also inside a Pipeline.
    X : array-like of shape (n_samples, ...)
        Rows.
    y : array-like of shape (n_samples,)
        Targets.
    keep : sequence of float or int, default=(1.0, 0.5, 0.2, 0.1, 0.05)
        Values to compare; 1.0, the baseline, is added where it is missing.
    param_name : str, default=None
        Name of the parameter; None takes the only one named ``keep``.
    cv : int, splitter or iterable, default=None
        As in `compare_pruning`.
    scoring : str, callable, list or dict, default=None
        As in `compare_pruning`; the first scorer is drawn.
    margin : float, dict or str, default=None
        As in `compare_pruning`.
    groups : array-like of shape (n_samples,), default=None
        Groups for the splitter.
    random_control : bool, default=True
        Whether to also fit a random control of the same size for every point.
    n_jobs : int, default=None
        Number of fits that run at the same time.
    random_state : int, default=0
        Seed of folds and fits.
    comparison : PruningComparison
        The result of `compare_pruning`.
    scorer : str, default=None
        Name of the scorer; None takes the first.
    cv_results : dict, DataFrame or fitted search
        ``cv_results_`` of GridSearchCV or RandomizedSearchCV, a frame of it, or the search
        itself.
    score : str, default=None
        Name of the score in the results, as in ``mean_test_<score>``; None takes the
        only one that is no cost.
    ax : matplotlib Axes, default=None
        Axes to draw on; None makes new ones.
    **kwargs : dict
        Passed to `plot`.
    figure_ : matplotlib Figure
        Figure of `ax_`.
""")


def show_once(figure):
    """Let a notebook draw a figure of pyplot once, although a method returns it.

    The inline backend draws all open figures at the end of a cell, and IPython the value
    of the last expression. Other backends without windows draw none.
    """
    from matplotlib import get_backend, pyplot
    from matplotlib.backend_bases import FigureManagerBase

    if "inline" in get_backend():
        figure._ipython_display_ = partial(_display_closed, figure)
    elif type(figure.canvas.manager) is FigureManagerBase:
        pyplot.close(figure)


def _display_closed(figure):
    """Show a figure as the value of an expression, unless pyplot is going to."""
    from matplotlib import pyplot

    if not pyplot.fignum_exists(figure.number):
        from IPython import display

        buffer = BytesIO()
        figure.savefig(buffer, format="png", bbox_inches="tight")
        display.display(display.Image(buffer.getvalue()))


def spans_a_decade(values):
    """Whether positive values differ by more than a factor of ten."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > 10


def label_log_axis(axis, values, as_text):
    """Put ticks of a logarithmic axis at 1, 2 and 5 times powers of ten.

    Over more than three decades, or if their labels would touch, only at powers of ten,
    and of these at as many as there is room for. Within a decade they are at round
    numbers of equal distance. The limits of the axis have to be set.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    axis.set_major_formatter(FuncFormatter(lambda value, _: as_text(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    figure = axis.get_figure(root=True)
    figure.draw_without_rendering()  # settles the layout, and so the width
    width = axis.axes.get_window_extent().width / figure.dpi
    low, high = axis.get_view_interval()
    for locator in _log_locators(np.asarray(values, dtype=float)):
        axis.set_major_locator(locator)
        ticks = np.asarray(locator.tick_values(low, high))
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        places = width * np.log(ticks / low) / np.log(high / low)
        sizes = np.array([0.085 * (len(as_text(tick)) + 1) for tick in ticks])  # inches
        if (np.diff(places) >= (sizes[1:] + sizes[:-1]) / 2).all():
            return


def _log_locators(values):
    """Locators for a logarithmic axis, the densest first."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if not spans_a_decade(values):
        return [MaxNLocator(most) for most in (6, 5, 4, 3, 2, 1)]
    first, last = math.floor(np.log10(values.min())), math.ceil(np.log10(values.max()))
    steps = range(1, last - first + 1)
    powers = [10.0 ** np.arange(first, last + 1, step) for step in steps]
    dense = [np.outer(powers[0], [1, 2, 5]).ravel()] if last - first <= 3 else []
    return [FixedLocator(ticks) for ticks in [*dense, *powers]]


def add_legend(ax, handles, labels):
    """Draw a legend above the axes, or beside them if there are many lines.

    Labels are shown as they are, in as many columns as their lengths allow.
    """
    # matplotlib leaves out labels with a leading underscore: a space makes them visible.
    labels = [f" {label}" if label.startswith("_") else label for label in labels]
    width = 0.45 + 0.075 * max(map(len, labels))  # inches, roughly
    room = 1.2 * ax.get_window_extent().width / ax.figure.dpi
    n_columns = int(max(1, min(4, room // width)))
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": n_columns}
    if len(labels) > 4 * n_columns:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    legend = ax.legend(handles, labels, fontsize="small", frameon=False, **place)
    for text in legend.get_texts():
        literal(text)
    return legend


def human_bytes(value):
    """Write a number of bytes with a unit of powers of 1,000."""
    return _with_unit(value, ("bytes", "kB", "MB", "GB", "TB", "PB"))


def human_seconds(value):
    """Write seconds as s, ms or µs."""
    if value is None or not np.isfinite(value):
        return UNKNOWN
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(value) * factor >= 1 or unit == "µs":
            return f"{human_number(value * factor)} {unit}"
    return None


def human_measure(measure, value):
    """Write a value of one of the measures of a comparison."""
    if measure == "nbytes":
        return human_bytes(value)
    if measure in ("fit_time", "predict_latency", "predict_latency_1000"):
        return human_seconds(value)
    if measure in ("n_params", "n_nonzero", "n_samples") and np.isfinite(value):
        return (
            f"{value:,.0f}" if value < 1e7 else _with_unit(value, ("", "k", "M", "G", "T"))
        )
    return human_number(value)


def _with_unit(value, units):
    if value is None or not np.isfinite(value):
        return UNKNOWN
    for unit in units:
        if abs(value) < 999.5 or unit == units[-1]:
            return f"{human_number(value)} {unit}".rstrip()
        value /= 1000
    return None


def mean_measures(comparison):
    """Return means over the folds: rows (variant, role), one column for each measure.

    A score or a log loss has a mean where each fold has one, a cost where any has. Of
    "fit_time" it is the median: the first fit of a process may compile.
    """
    frame = comparison.frame()
    values = frame.groupby(["variant", "role", "measure"], sort=False, observed=True)[
        "value"
    ]
    whole = values.agg(lambda one: one.mean(skipna=False)).unstack("measure")
    known = values.mean().unstack("measure")
    if "fit_time" in known.columns:
        known["fit_time"] = values.median().unstack("measure")["fit_time"]
    scores = [name for name in (*comparison.scorers, "log_loss") if name in whole.columns]
    return known.assign(**{name: whole[name] for name in scores})


def mean_of(means, variant, role, measure):
    """Return one entry of `mean_measures`, NaN where there is none."""
    if measure not in means.columns or (variant, role) not in means.index:
        return math.nan
    return float(means.loc[(variant, role), measure])


def check_scorer(comparison, scorer):
    """Return a scorer of the comparison, the first where none is named."""
    if not hasattr(comparison, "scorers"):
        raise TypeError(
            "from_comparison takes what compare_pruning gives. Got "
            f"{type(comparison).__name__}. Write from_comparison(comparison)."
        )
    if scorer is None:
        return comparison.scorers[0]
    if scorer not in comparison.scorers:
        raise ValueError(
            f"scorer must be one of those compared. Got {scorer!r}. "
            f"Write one of {list(comparison.scorers)}."
        )
    return scorer


def name_of_interval(alpha):
    """What error bars show, for a legend."""
    return f"{human_number(100 * (1 - alpha))} % interval of the difference"
