"""Logistic regression with fewer coefficients and fewer columns."""

from families_data import load
from families_measure import (
    Section,
    check,
    columns_table,
    curve_table,
    pickled,
    points,
    pruned,
    speed_up,
    values_of,
)
from sklearn.linear_model import LogisticRegression

from sklearn_prune.weight_pruning import RandomCriterion

UNITS = {"splice": "coefficient", "spambase": "feature"}
TOLERANCE = {"splice": 0.0, "spambase": 0.002}
KEEPS = (0.5, 0.45, 0.2, 0.08, 0.05, 0.02)
N_DRAWS = 3  # of the random units


def measure(data, seed):
    """A curve beside random units of equal number, and keep="auto"."""
    unit = UNITS[data]
    part = load(data, seed, scale=data == "spambase")
    model = LogisticRegression(max_iter=2000).fit(part.X, part.y)
    score = points(model, part)
    yield "", "full score", score
    rows = part.like_test(1000, seed, spread=0)
    for keep in ("auto", *KEEPS):
        how = {"unit": unit, "keep": keep, "tolerance": TOLERANCE[data]}
        small = pruned(LogisticRegression(max_iter=2000), part, seed, **how)
        nonzero = small.report_.before["nonzero"] / small.report_.after["nonzero"]
        yield f"pruned@{keep}", "points", points(small, part) - score
        yield f"pruned@{keep}", "nonzero ratio", nonzero
        yield f"pruned@{keep}", "units ratio", small.n_units_ / len(small.kept_)
        yield f"pruned@{keep}", "pickle ratio", pickled(model) / pickled(small.compact_)
        yield f"pruned@{keep}", "1,000 rows", speed_up(model, small, rows)
        if len(small.kept_) == small.n_units_:
            continue
        how |= {"criterion": RandomCriterion(), "keep": max(2, len(small.kept_))}
        for draw in range(N_DRAWS):
            control = pruned(
                LogisticRegression(max_iter=2000), part, seed + 1000 * draw, **how
            )
            yield f"random@{keep}", "points", points(control, part) - score


def targets(frame):
    for data, variant, quantity, ratio, points_ in (
        ("splice", "pruned@0.08", "nonzero ratio", 10, 0.0),
        ("spambase", "pruned@0.45", "units ratio", 2, -0.2),
    ):
        what = "non-zeros" if quantity == "nonzero ratio" else "columns"
        found = values_of(frame, quantity, variant, [data])
        text = (
            f"{data}, {variant.replace('pruned@', 'keep=')}: at least {ratio}x fewer {what}"
        )
        yield check(text, found, at_least=ratio)
        text = f"{data}, there: points at least {points_:+g}"
        found = values_of(frame, "points", variant, [data])
        yield check(text, found, at_least=points_)


def tables(frame):
    yield "Points against the full model", curve_table(frame, "points")
    yield "Non-zero parameters before over those after", curve_table(frame, "nonzero ratio")
    yield "1,000 rows, times faster than scikit-learn", curve_table(frame, "1,000 rows")
    yield "The full model", columns_table(frame, ("full score",), variant="")


SECTIONS = {
    "linear": Section(
        "Logistic regression",
        "LogisticRegression(max_iter=2000). splice: categories in columns of their own, "
        'unit="coefficient", tolerance 0; spambase: standardised, unit="feature", '
        "tolerance 0.002. Random: RandomCriterion, as many units, refitted, mean of three "
        "draws.",
        tuple(UNITS),
        measure,
        targets,
        tables,
    ),
}
