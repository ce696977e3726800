"""k nearest neighbours on fewer stored rows."""

from families_data import load
from families_kernels import fit_on
from families_measure import (
    Section,
    Target,
    check,
    columns_table,
    cpu,
    points,
    pruned,
    speed_up,
    values_of,
)
from sklearn.neighbors import KNeighborsClassifier

SETS = (
    "letter",
    "magic",
    "satimage",
    "spambase",
    "splice",
    "phoneme",
    "banana",
    "digits",
)


def measure(data, seed):
    """keep="auto" beside as many random rows."""
    part = load(data, seed, max_train=6000, scale=True)
    model = KNeighborsClassifier(n_jobs=1)
    full = model.fit(part.X, part.y)
    score = points(full, part)
    yield "", "full score", score
    seconds, small = cpu(
        lambda: pruned(KNeighborsClassifier(), part, seed, keep="auto", tolerance=0.005)
    )
    kept = len(small.kept_)
    yield "", "rows ratio", small.n_units_ / kept
    yield "", "points", points(small, part) - score
    fewer = full if kept == small.n_units_ else fit_on(model, part, kept, seed)
    yield "", "random rows, points", points(fewer, part) - score if fewer is not full else 0
    rows = part.like_test(1000, seed, spread=0)
    yield "", "1,000 rows", speed_up(full, small, rows)
    yield "", "fit, s", seconds


def targets(frame):
    ratio = values_of(frame, "rows ratio").groupby("data").mean()
    loss = values_of(frame, "points").groupby("data").mean()
    reached = ratio.index[(ratio >= 10) & (loss >= -0.5)]
    text = "keep='auto': at least 10x fewer rows at 0.5 points on half of the sets"
    others = ", ".join(
        f"{name} {ratio[name]:.3g}x {loss[name]:+.2f}"
        for name in ratio.index.difference(reached)
    )
    found = f"{len(reached)} of {len(ratio)}; not: {others or 'none'}"
    yield Target(text, found, bool(2 * len(reached) >= len(ratio)))
    gain = values_of(frame, "points") - values_of(frame, "random rows, points")
    line = check("", gain, at_least=0)
    yield Target("points over as many random rows", line.reached, None)


def tables(frame):
    names = ("full score", "rows ratio", "points", "random rows, points", "1,000 rows")
    yield (
        "Rows of the full model over those kept",
        columns_table(frame, (*names, "fit, s"), variant=""),
    )


SECTIONS = {
    "knn": Section(
        "k nearest neighbours",
        "KNeighborsClassifier (k=5) on standardised features, at most 6,000 training rows; "
        '`keep="auto"`, tolerance 0.005. Random rows: a new model on as many random rows, '
        "by class.",
        SETS,
        measure,
        targets,
        tables,
    ),
}
