"""A comparison in words: its conclusion, and how it reads in a terminal."""

import numpy as np

_RATIOS = {
    "nbytes": "smaller",
    "n_params": "fewer parameters",
    "n_nonzero": "fewer non-zero parameters",
    "n_samples": "fewer rows",
    "fit_time": "faster to fit",
    "predict_latency": "faster on one row",
    "predict_latency_1000": "faster on 1,000 rows",
}


def conclusion(comparison, cost="nbytes"):
    """The verdict in a sentence: what to use, what it gains and what it may lose."""
    scorer, baseline = comparison.scorers[0], comparison.baseline
    best = comparison.smallest_not_worse(cost)
    margin = f"{comparison.margins[scorer]:.3g}"
    if best == baseline:
        margins = {
            name: comparison.certifiable_margin(name)
            for name in comparison.variants
            if name != baseline and comparison.verdict(name) in ("undecided", "worse")
        }
        sentence = (
            f"No cheaper variant could be shown to be not worse than {baseline!r} by more "
            f"than {margin} in {scorer}."
        )
        margins = {name: one for name, one in margins.items() if np.isfinite(one)}
        if margins:
            nearest = min(margins, key=margins.get)
            sentence += (
                f" The nearest is {nearest!r}: with these data, a margin of "
                f"{margins[nearest]:.3g} could be shown."
            )
        return sentence
    gains = _gains(comparison, best, cost)
    posterior = comparison._posterior(best, scorer)
    low, high = posterior.interval(1 - comparison.alpha)
    return (
        f"{best!r} is {' and '.join(gains) or 'as cheap'}, and its {scorer} is not worse "
        f"than that of {baseline!r} by more than {margin} (difference "
        f"{posterior.mean:+.4f}, {1 - comparison.alpha:.0%} interval {low:+.4f} to "
        f"{high:+.4f})."
    )


def _gains(comparison, name, cost):
    """What is at least 5 % better, the cost in question first."""
    own = comparison._mean_costs(name)
    reference = comparison._mean_costs(comparison.baseline)
    gains = []
    for one in dict.fromkeys((cost, "n_samples", "predict_latency", "fit_time")):
        ratio = reference.get(one, np.nan) / own[one] if own.get(one) else np.nan
        if ratio > 1.05:
            word = _RATIOS[one]
            text = f"{ratio:.3g}" if ratio < 100 else f"{ratio:,.0f}"
            gains.append(
                f"trained on {text} times {word}"
                if one == "n_samples"
                else f"{text} times {word}"
            )
    return gains


def as_text(comparison):
    """The conclusion, a table, and what to know, for a terminal."""
    primary = comparison.scorers[0]
    costs = [cost for cost in comparison._plan.costs if cost in _SHOWN]
    header = ["", primary, "difference", "interval", "verdict", *(_SHOWN[c] for c in costs)]
    rows = [header]
    in_order = sorted(comparison.variants, key=lambda name: name != comparison.baseline)
    for name in in_order:
        scores = comparison._scores(name, primary)
        row = [name, f"{np.mean(scores):.4f}"]
        if name == comparison.baseline:
            row += ["", "", "baseline"]
        else:
            posterior = comparison._posterior(name, primary)
            low, high = posterior.interval(1 - comparison.alpha)
            row += [
                f"{posterior.mean:+.4f}",
                f"{low:+.4f} to {high:+.4f}",
                comparison.verdict(name),
            ]
        values = comparison._mean_costs(name)
        rows.append([*row, *(_number(values[cost]) for cost in costs)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, 4) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    margin = comparison.margins[primary]
    about = (
        f"{comparison.n_splits} folds; margin {margin:.3g}; corrected resampled t, "
        f"{len(comparison.chains)} chain(s), risk {comparison.alpha:g} in all"
    )
    notes = [f"{name}: {error}" for name, error in comparison.failures.items()]
    return "\n".join(
        [conclusion(comparison), "", *lines, about, *notes, *comparison.warnings]
    )


_SHOWN = {
    "nbytes": "bytes",
    "n_params": "parameters",
    "n_samples": "rows",
    "fit_time": "fit s",
    "predict_latency": "1 row s",
}


def _number(value):
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
