"""Lossy forests: ``keep="auto"`` and whole curves, beside other small forests."""

import pandas as pd
from families_data import load
from families_forest_peers import (
    FreshForests,
    bytes_of,
    cut_back,
    first_trees,
    trees_within,
)
from families_measure import (
    Section,
    Target,
    check,
    columns_table,
    cpu,
    curve_table,
    pickled,
    points,
    pruned,
    speed_up,
    values_of,
)
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

KEEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
CLASSES = ("magic", "spambase", "phoneme", "satimage", "splice", "digits", "letter")
NUMBERS = ("friedman1", "friedman2", "friedman3", "diamonds")
MAX_TRAIN = {"letter": 8000}


def lossy(tolerance):
    """Measure one data set with this tolerance."""

    def measure(data, seed):
        part = load(data, seed, max_train=MAX_TRAIN.get(data))
        kind = RandomForestClassifier if part.classifies else RandomForestRegressor
        forest = kind(random_state=seed, n_jobs=1)
        plain, full = cpu(lambda: kind(random_state=seed).fit(part.X, part.y))
        score = points(full, part)
        yield "", "full score", score
        yield "", "plain fit, s", plain
        whole = bytes_of(full, part, seed)
        yield "", "lossless kB", whole / 1000
        how = {"keep": "auto", "tolerance": tolerance}
        seconds, auto = cpu(lambda: pruned(forest, part, seed, **how))
        yield "", "cost in fits", seconds / plain
        yield "", "kept share", auto.report_.keep
        rows = part.like_test(1000, seed, spread=0)
        yield "", "1,000 rows", speed_up(full, auto, rows)
        models = {"auto": auto}
        models |= {f"{keep}": pruned(forest, part, seed, keep=keep) for keep in KEEPS}
        budgets = {size: pickled(model.compact_) for size, model in models.items()}
        for size, model in models.items():
            yield f"pruned@{size}", "points", points(model, part) - score
            yield f"pruned@{size}", "ratio", whole / budgets[size]
        yield from beside(full, budgets, whole, score, part, seed)

    return measure


def beside(full, budgets, whole, score, part, seed):
    """The other small forests, of the bytes that the pruned ones have."""
    less = {size: budget for size, budget in budgets.items() if budget < 0.95 * whole}
    scored = {}

    def gain(model, key):
        if key not in scored:
            scored[key] = points(model, part) - score
        return scored[key]

    fresh = FreshForests(full, part, seed)
    cut = cut_back(full, less.values(), part, seed)
    for size, budget in less.items():
        n_trees = trees_within(full, budget, part, seed)
        first = first_trees(full, n_trees)
        yield f"first trees@{size}", "points", gain(first, n_trees)
        model = fresh.within(budget)
        key = (len(model.estimators_), model.max_leaf_nodes)
        yield f"fresh forest@{size}", "points", gain(model, key)
        yield f"fresh forest@{size}", "trees", key[0]
        if budget in cut:
            yield f"ccp@{size}", "points", gain(cut[budget], ("ccp", id(cut[budget])))


def difference(frame, ours, theirs):
    """Points of one variant over another, by (data, seed)."""
    return (values_of(frame, "points", ours) - values_of(frame, "points", theirs)).dropna()


def slow(frame):
    """The data sets whose plain fit takes over a second."""
    seconds = values_of(frame, "plain fit, s").groupby("data").mean()
    return set(seconds.index[seconds > 1])


def class_targets(frame):
    for data in ("magic", "spambase"):
        text = f"{data}, keep='auto', tolerance 0.005: at least 10x below lossless"
        yield check(text, values_of(frame, "ratio", "pruned@auto", [data]), at_least=10)
    text = "keep='auto': mean loss at most 0.5 points on each set"
    yield check(text, values_of(frame, "points", "pruned@auto"), at_least=-0.5)
    text = "keep=0.05 over a fresh forest of equal bytes: above 0 on each set"
    gain = difference(frame, "pruned@0.05", "fresh forest@0.05")
    yield check(text, gain, at_least=1e-9)
    over_second = slow(frame)
    for sets, bound, what in (
        (("magic", "spambase", "phoneme"), 3, "2 classes"),
        (("satimage", "splice", "digits", "letter"), 8, "more classes"),
    ):
        sets = over_second & set(sets)
        text = f"cost with inner selection, {what}, fits over 1 s: at most {bound} fits"
        yield check(text, values_of(frame, "cost in fits", sets=sets), at_most=bound)


def number_targets(frame):
    text = "keep='auto', tolerance 0.002: at least 5x below lossless on each set"
    yield check(text, values_of(frame, "ratio", "pruned@auto"), at_least=5)
    text = "R2 loss at most 0.2 points on each set"
    yield check(text, values_of(frame, "points", "pruned@auto"), at_least=-0.2)
    gain = difference(frame, "pruned@0.05", "fresh forest@0.05")
    found = check("", gain, at_least=0)
    yield Target("keep=0.05 over a fresh forest of equal bytes", found.reached, None)
    text = "cost with inner selection, fits over 1 s: at most 3 fits"
    cost = values_of(frame, "cost in fits", sets=slow(frame))
    yield check(text, cost, at_most=3)


def tables(frame):
    names = ("full score", "lossless kB", "kept share", "1,000 rows")
    auto = columns_table(frame, (*names, "cost in fits", "plain fit, s"), variant="")
    found = frame[frame["variant"] == "pruned@auto"]
    chosen = columns_table(found, ("ratio", "points"), variant="pruned@auto")
    together = pd.concat([chosen, auto], axis=1)
    yield 'keep="auto": bytes of the lossless form over those of the pruned', together
    ours = frame[frame["variant"].str.startswith("pruned@")]
    yield "Bytes of the lossless form over those of the pruned", curve_table(ours, "ratio")
    yield "Points against the full forest, at equal bytes", curve_table(frame, "points")


CURVE = (
    "Curve: `keep` from 0.5 to 0.01, beside other forests of at most the same bytes as "
    "lossless compact forms. Fresh forest: grown from scratch; the number of leaves is "
    "chosen on a quarter of the training rows, with as many trees as there is room for. "
    "First trees: of the full forest. "
    "ccp: the full forest cut back by cost and complexity. Cost: CPU time of "
    "`PrunedClassifier.fit` with `keep='auto'` over that of the plain fit."
)
SECTIONS = {
    "forest-lossy": Section(
        "Forests, lossy",
        'RandomForestClassifier of 100 trees, `keep="auto"` with tolerance 0.005. letter: '
        f"8,000 training rows. {CURVE}",
        CLASSES,
        lossy(0.005),
        class_targets,
        tables,
    ),
    "forest-regression": Section(
        "Regression forests, lossy",
        'RandomForestRegressor of 100 trees, `keep="auto"` with tolerance 0.002. '
        f"friedman1-3: 5,000 rows; diamonds: 10,000, price. {CURVE}",
        NUMBERS,
        lossy(0.002),
        number_targets,
        tables,
    ),
}
