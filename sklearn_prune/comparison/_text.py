"""How a comparison reads in a terminal."""

import numpy as np

from sklearn_prune._optional import has


def as_text(comparison):
    """The conclusion, a table, and what to know."""
    primary = comparison.scorers[0]
    costs = [cost for cost in comparison._plan.costs if cost in _SHOWN]
    header = ["", primary, "difference", "interval", "verdict", *(_SHOWN[c] for c in costs)]
    rows = [header]
    in_order = sorted(comparison.variants, key=lambda name: name != comparison.baseline)
    for name in in_order:
        scores = comparison._scores(name, primary)
        mean = np.mean(scores)
        row = [name, f"{mean:.4f}" if np.isfinite(mean) else "-"]
        if name == comparison.baseline:
            row += ["", "", "baseline"]
        else:
            posterior = comparison._posterior(name, primary)
            low, high = posterior.interval(1 - comparison.alpha)
            row += [
                f"{posterior.mean:+.4f}" if np.isfinite(posterior.mean) else "-",
                f"{low:+.4f} to {high:+.4f}" if np.isfinite([low, high]).all() else "-",
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
    n_chains = len(comparison.chains)
    about = (
        f"{comparison.n_splits} folds; margin {margin:.3g}; corrected resampled t, "
        f"{n_chains} chain{'s' if n_chains > 1 else ''}, risk {comparison.alpha:g} in all"
    )
    notes = [f"{name}: {error}" for name, error in comparison.failures.items()]
    first = [comparison.conclusion(), ""] if has("pandas") else []
    return "\n".join([*first, *lines, about, *notes, *comparison.warnings])


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
