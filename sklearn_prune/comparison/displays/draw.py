"""Draw comparisons on given axes: the score over `keep`, and the score against a cost."""

import numpy as np

from sklearn_prune._drawing import COLORS, GREY, INK, human_number, shorten, tidy_axes
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.comparison.displays.common import (
    MARKERS,
    MEASURES,
    VERDICTS,
    add_legend,
    check_scorer,
    human_measure,
    label_log_axis,
    mean_measures,
    mean_of,
    name_of_interval,
    spans_a_decade,
)

BAND = "#E9E9E9"
CONTROLS = {"random": ("D", "random, same size"), "small": ("p", "small, from scratch")}
COST_COLUMNS = ["name", "role", "cost", "score", "verdict"]
CURVE_COLUMNS = ["line", "keep", "score", "low", "high", "random"]


def curve_of(comparison, *, scorer=None, chains=None, kind=None):
    """What `draw_curve` takes, of the chains of a comparison."""
    pandas = import_or_raise("pandas", "PruningCurveDisplay", extra="compare")
    scorer = check_scorer(comparison, scorer)
    rows, baseline = _rows_of_chains(comparison, scorer, chains, kind)
    return {
        "curves": pandas.DataFrame(rows, columns=CURVE_COLUMNS),
        "baseline": baseline,
        "margin": comparison.margins.get(scorer),
        "score_name": scorer,
        "interval_name": name_of_interval(comparison.alpha),
        "baseline_keep": comparison.keeps.get(comparison.baseline) or 1.0,
    }


def _rows_of_chains(comparison, scorer, names, kind):
    """Points of a comparison: line, keep, score, low, high, random; and the baseline."""
    verdicts, means = comparison.verdicts(scorer), mean_measures(comparison)
    baseline = mean_of(means, comparison.baseline, "baseline", scorer)
    rows, lines = [], _chains_to_draw(comparison, names, kind)
    for chain, variants in lines.items():
        line = chain
        if len(variants) > 1 and chain in comparison.variants:
            line = f"{chain} and less" if len(lines) > 1 else "pruned"
        for variant in variants:
            row = verdicts.loc[variant]
            shift = row["score"] - row["difference"]
            random = mean_of(means, variant, "random", scorer)
            ends = shift + row["ci_low"], shift + row["ci_high"]
            rows.append((line, comparison.keeps[variant], row["score"], *ends, random))
    return rows, baseline


def drawable_chains(comparison):
    """Split the chains with numbers for `keep` into fractions and counts."""
    kinds = {"fraction": {}, "number": {}}
    for chain, variants in comparison.chains.items():
        known = [name for name in variants if is_number(comparison.keeps.get(name))]
        for kind, whole in (("fraction", False), ("number", True)):
            of_kind = [
                name
                for name in known
                if isinstance(comparison.keeps[name], int | np.integer) is whole
            ]
            if of_kind:
                kinds[kind][chain] = tuple(of_kind)
    return kinds


def _chains_to_draw(comparison, names, kind):
    """Return variants by chain: the chains named, and of them the kind asked for."""
    kinds = drawable_chains(comparison)
    unknown = [name for name in names or () if name not in comparison.chains]
    if unknown:
        raise ValueError(
            f"chains must name chains of the comparison. Got {unknown}. "
            f"Write some of {list(comparison.chains)}."
        )
    if kind is not None and kind not in kinds:
        raise ValueError(
            f'kind must be "fraction" or "number". Got {kind!r}. Write kind="fraction".'
        )
    if names is not None:
        kinds = {
            each: {name: found[name] for name in found if name in names}
            for each, found in kinds.items()
        }
    if kind is None:
        kind = max(kinds, key=lambda each: sum(map(len, kinds[each].values())))
    if not kinds[kind]:
        raise ValueError(
            "A curve needs variants that differ in a number for keep. Got none. Draw "
            "ScoreCostDisplay instead."
        )
    return kinds[kind]


def is_number(value):
    """Whether `keep` has a place on an axis."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def fits_axis(keep, keeps):
    """Whether a value of `keep` is of the kind of the others."""
    return float(keep) > 1 or bool((keeps <= 1).all())


def _kind_of_axis(keeps):
    """Return "fraction" or "number", for one axis cannot hold both."""
    values = np.asarray(keeps, dtype=float)
    if (values > 1).any() and (values < 1).any():
        raise ValueError(
            "keep must be fractions or numbers, not both on one axis. Got "
            f"{human_number(values.min())} and {human_number(values.max())}. "
            "Write them into two displays."
        )
    return "number" if (values > 1).any() else "fraction"


def draw_curve(
    ax,
    curves,
    *,
    baseline,
    margin,
    score_name,
    interval_name,
    baseline_keep,
    line_kw=None,
    random_kw=None,
):
    """Draw curves over `keep`; return the attributes of a PruningCurveDisplay."""
    curves = curves[np.isfinite(curves["score"].to_numpy(dtype=float))]
    keeps = curves["keep"].to_numpy(dtype=float)
    marked = is_number(baseline_keep) and fits_axis(baseline_keep, keeps)
    if marked:
        keeps = np.append(keeps, float(baseline_keep))
    kind = _kind_of_axis(keeps)
    names = list(dict.fromkeys(curves["line"]))
    tidy_axes(ax)
    drawn = {"lines_": [], "errorbars_": [], "random_lines_": []}
    drawn |= _draw_baseline(ax, baseline, margin, keeps[-1] if marked else None)
    log = spans_a_decade(keeps)
    for number, name in enumerate(names):
        points = curves[curves["line"] == name].sort_values("keep")
        keep = points["keep"].to_numpy(dtype=float)
        # Side by side, so that no interval hides another.
        shift = 0.02 * (number - (len(names) - 1) / 2)
        keep = keep * (1 + shift) if log else keep + shift * np.ptp(keeps) / 2
        _draw_line(ax, drawn, number, keep, points, line_kw or {}, random_kw or {})
    if log:
        ax.set_xscale("log")
        ax.set_xlim(keeps.min() / 1.15, keeps.max() * 1.15)
    ax.set_xlabel(f"keep ({kind})")
    ax.set_ylabel(score_name)
    labels = [shorten(name, 36) or "pruned" for name in names]
    drawn["legend_"] = _draw_curve_legend(ax, drawn, labels, margin, interval_name)
    if log:
        label_log_axis(ax.xaxis, keeps, human_number)
    return drawn


def _draw_baseline(ax, baseline, margin, keep):
    drawn = {"baseline_": None, "band_": None, "star_": None}
    if baseline is None or not np.isfinite(baseline):
        return drawn
    drawn["baseline_"] = ax.axhline(baseline, color=INK, linewidth=1.2, zorder=1.5)
    if keep is not None:
        style = {"marker": "*", "markersize": 14, "markeredgecolor": "white"}
        (drawn["star_"],) = ax.plot(
            keep, baseline, linestyle="", color=INK, zorder=4, **style
        )
    if margin is not None and np.isfinite(margin):
        drawn["band_"] = ax.axhspan(baseline - margin, baseline, color=BAND, zorder=0.5)
    return drawn


def _draw_line(ax, drawn, number, keep, points, line_kw, random_kw):
    score, low, high, random = (
        points[column].to_numpy(dtype=float) for column in CURVE_COLUMNS[2:]
    )
    color = COLORS[number % len(COLORS)]
    marker = MARKERS[number % len(MARKERS)]
    style = {"color": color, "marker": marker, "markersize": 5.5, "linewidth": 1.6}
    drawn["lines_"] += ax.plot(keep, score, **style | {"zorder": 3} | line_kw)
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(score)
    if known.any():
        # An interval of the difference holds its mean but for rounding.
        ends = np.maximum(0.0, [(score - low)[known], (high - score)[known]])
        drawn["errorbars_"].append(
            ax.errorbar(
                keep[known],
                score[known],
                ends,
                fmt="none",
                ecolor=color,
                elinewidth=1.2,
                capsize=3,
                zorder=2.5,
            )
        )
    if np.isfinite(random).any():
        hollow = {"linestyle": "--", "linewidth": 1.2, "markerfacecolor": "white"}
        drawn["random_lines_"] += ax.plot(
            keep, random, **style | hollow | {"zorder": 2} | random_kw
        )


def _draw_curve_legend(ax, drawn, labels, margin, interval_name):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = list(drawn["lines_"])
    if drawn["random_lines_"]:
        style = {"color": GREY, "linestyle": "--", "markerfacecolor": "white"}
        handles.append(Line2D([], [], marker="o", markersize=5.5, **style))
        labels.append("random, same size")
    if drawn["errorbars_"]:
        handles.append(Line2D([], [], marker="|", markersize=11, linestyle="", color=GREY))
        labels.append(interval_name)
    if drawn["baseline_"] is not None:
        handles.append(drawn["baseline_"])
        labels.append("baseline")
    if drawn["band_"] is not None:
        handles.append(Patch(color=BAND))
        labels.append(f"margin of {human_number(margin)}")
    return add_legend(ax, handles, labels)


def points_of(comparison, *, scorer=None, cost="nbytes"):
    """What `draw_cost` takes, of the variants and controls of a comparison."""
    pandas = import_or_raise("pandas", "ScoreCostDisplay", extra="compare")
    scorer = check_scorer(comparison, scorer)
    means = mean_measures(comparison)
    if cost not in means.columns:
        known = [name for name in MEASURES if name in means.columns]
        raise ValueError(
            f"cost must be one that was measured. Got {cost!r}. Write one of "
            f"{', '.join(map(repr, known))}."
        )
    verdicts = comparison.verdicts(scorer)["verdict"]
    rows = []
    for name in comparison.variants:
        role = "baseline" if name == comparison.baseline else "variant"
        verdict = "baseline" if role == "baseline" else verdicts.get(name, "pruned")
        for each in (role, *CONTROLS):
            values = [mean_of(means, name, each, column) for column in (cost, scorer)]
            if np.isfinite(values).all():
                rows.append((name, each, *values, verdict))
    points = pandas.DataFrame(rows, columns=COST_COLUMNS)
    return {"points": points, "score_name": scorer, "cost_name": cost}


def pareto_front(cost, score):
    """Return positions of the points that no other beats, cheapest first.

    A point is beaten by one that costs no more and scores no less, and is better in one
    of the two; of equal points the first stays.

    Parameters
    ----------
    cost, score : array-like of shape (n,)
        Less cost and more score are better.

    Returns
    -------
    ndarray of int
        Positions.
    """
    cost, score = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    front, best = [], -np.inf
    for i in np.lexsort((-score, cost)):
        if score[i] > best:
            front.append(i)
            best = score[i]
    return np.array(front, dtype=int)


def draw_cost(ax, points, *, score_name, cost_name, show_names=True):
    """Draw scores against costs; return the attributes of a ScoreCostDisplay."""
    finite = np.isfinite(points[["cost", "score"]].to_numpy(dtype=float)).all(axis=1)
    points = points[finite & (points["cost"] > 0)]
    if points.empty:
        raise ValueError(
            f"A point needs a score and a positive {cost_name}. Got none. "
            "Choose another cost."
        )
    real = points[~points["role"].isin(list(CONTROLS))]
    tidy_axes(ax)
    drawn = _draw_front(ax, real)
    drawn["controls_"] = _draw_controls(ax, points, real)
    drawn["points_"] = _draw_points(ax, real)
    drawn["labels_"] = _draw_numbers(ax, real) if show_names else []
    costs = points["cost"].to_numpy(dtype=float)
    ax.set_xscale("log")
    room = max((costs.max() / costs.min()) ** 0.12, 1.05)
    ax.set_xlim(costs.min() / room, costs.max() * room)
    ax.margins(y=0.12)
    ax.set_xlabel(MEASURES.get(cost_name, cost_name))
    ax.set_ylabel(score_name)
    names = real["name"] if show_names else []
    drawn["legend_"] = _draw_cost_legend(ax, drawn, names)
    label_log_axis(ax.xaxis, costs, lambda value: human_measure(cost_name, value))
    return drawn


def _draw_front(ax, real):
    front = pareto_front(real["cost"], real["score"])
    names = list(real["name"].iloc[front])
    line = None
    if len(front) > 1:
        corners = real[["cost", "score"]].iloc[front].to_numpy(dtype=float)
        style = {"drawstyle": "steps-post", "color": INK, "linewidth": 1.1, "zorder": 2}
        (line,) = ax.plot(*corners.T, **style)
    return {"front_": line, "front_names_": names}


def _draw_controls(ax, points, real):
    """Draw hollow marks, tied by dots to the variant whose size they have."""
    drawn, at = {}, real.set_index("name")[["cost", "score"]]
    for role, (marker, label) in CONTROLS.items():
        part = points[points["role"] == role]
        if part.empty:
            continue
        for row in part.itertuples():
            if row.name in at.index:
                end = at.loc[row.name]
                tie = ([row.cost, end["cost"]], [row.score, end["score"]])
                ax.plot(*tie, color=GREY, linestyle=":", linewidth=1, zorder=1.8)
        (drawn[role],) = ax.plot(
            part["cost"],
            part["score"],
            linestyle="",
            marker=marker,
            markersize=6,
            markerfacecolor="white",
            markeredgecolor=GREY,
            zorder=2.5,
            label=label,
        )
    return drawn


def _draw_points(ax, real):
    drawn = {}
    for verdict, style in VERDICTS.items():
        part = real[real["verdict"] == verdict]
        if len(part):
            (drawn[verdict],) = ax.plot(
                part["cost"],
                part["score"],
                linestyle="",
                markeredgecolor="white",
                markeredgewidth=0.8,
                zorder=4 if verdict == "baseline" else 3,
                label=verdict,
                **style,
            )
    return drawn


def _draw_numbers(ax, real):
    """Write the numbers of the legend beside the points."""
    style = {"textcoords": "offset points", "fontsize": "small", "color": INK, "zorder": 5}
    at = zip(real["cost"], real["score"], strict=True)
    return [
        ax.annotate(str(number), point, xytext=(6, 4), **style)
        for number, point in enumerate(at, 1)
    ]


def _draw_cost_legend(ax, drawn, names):
    from matplotlib.lines import Line2D

    handles = [*drawn["points_"].values(), *drawn["controls_"].values()]
    labels = [handle.get_label() for handle in handles]
    if drawn["front_"] is not None:
        handles.append(drawn["front_"])
        labels.append("front: nothing is cheaper and better")
    for number, name in enumerate(names, 1):
        handles.append(Line2D([], [], linestyle="", color=INK, marker=f"${number}$"))
        labels.append(shorten(name, 36))
    return add_legend(ax, handles, labels)
