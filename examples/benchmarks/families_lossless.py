"""Compact forms of trees with ``keep=1.0``: the same answers in less memory and time."""

from families_data import REGRESSION, load
from families_measure import (
    Section,
    check,
    columns_table,
    identical,
    live_bytes,
    lossless,
    pickled,
    pruned,
    squeezed,
    values_of,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

TWO = ("magic", "spambase", "phoneme")
MANY = ("letter", "satimage", "digits")  # six classes and more
CLASSES = ("letter", "magic", "satimage", "spambase", "splice", "phoneme", "digits")
NUMBERS = ("friedman1", "friedman2", "friedman3", "diamonds")
SHOWN = (
    "identical",
    "scikit-learn kB",
    "live ratio",
    "pickle ratio",
    "lzma ratio",
    "slim-trees ratio",
    "1 rows",
    "100 rows",
    "10,000 rows",
)


def slim_trees_bytes(model):
    """Size of the file that slim-trees writes, or None where it is not installed."""
    try:
        from slim_trees import dumps_sklearn_compressed
    except ImportError:
        return None
    return len(dumps_sklearn_compressed(model, "lzma"))


def forest(data, seed):
    """A forest of 100, and for regression one whose leaves hold means of five rows."""
    part = load(data, seed)
    kind = RandomForestClassifier if part.classifies else RandomForestRegressor
    model = kind(random_state=seed, n_jobs=1).fit(part.X, part.y)
    small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
    yield from lossless(model, small, part, seed)
    theirs = slim_trees_bytes(model)
    if theirs is not None:
        yield "", "slim-trees ratio", theirs / squeezed(small.compact_)
    if not part.classifies:
        model = kind(min_samples_leaf=5, random_state=seed, n_jobs=1).fit(part.X, part.y)
        small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
        yield "leaves of 5", "live ratio", pickled(model) / live_bytes(small.compact_)
        yield "leaves of 5", "identical", identical(model, small.compact_, part.X_test)


def forest_targets(frame):
    yield check("all answers equal to the bit", values_of(frame, "identical"), exact=True)
    for sets, bound, what in ((TWO, 15, "2 classes"), (MANY, 24, "6 classes and more")):
        text = f"pickled forest / live bytes, {what}: at least {bound}x"
        yield check(text, values_of(frame, "live ratio", sets=sets), at_least=bound)
    for variant, bound, what in (
        ("", 12, ""),
        ("leaves of 5", 7, " with leaves of 5 rows"),
    ):
        text = f"the same, regression{what}: at least {bound}x"
        found = values_of(frame, "live ratio", variant, sets=NUMBERS)
        yield check(text, found, at_least=bound)
    for sets, bound, what in ((CLASSES, 1.5, "classifier"), (NUMBERS, 1.3, "regressor")):
        text = f"slim-trees' lzma file / pickled and lzma, {what}: at least {bound}x"
        yield check(text, values_of(frame, "slim-trees ratio", sets=sets), at_least=bound)
    for size, bound in (("1", 50), ("100", 8), ("10,000", 1.4)):
        text = f"predict of {size} rows against scikit-learn: at least {bound}x on each"
        yield check(text, values_of(frame, f"{size} rows"), at_least=bound)
    text = "predict of 10,000 rows: median at least 2x"
    yield check(text, values_of(frame, "10,000 rows"), at_least=2, over="median")


def boosting(data, seed):
    """Histogram gradient boosting."""
    part = load(data, seed, max_train=6000)
    regressor, classifier = HistGradientBoostingRegressor, HistGradientBoostingClassifier
    kind = classifier if part.classifies else regressor
    model = kind(random_state=seed).fit(part.X, part.y)
    small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
    yield from lossless(model, small, part, seed)


def boosting_targets(frame):
    yield check("all scores equal to the bit", values_of(frame, "identical"), exact=True)
    yield check("live: at least 5x", values_of(frame, "live ratio"), at_least=5)
    yield check(
        "pickle and lzma: at least 10x", values_of(frame, "lzma ratio"), at_least=10
    )
    yield check("10,000 rows: at least 2x", values_of(frame, "10,000 rows"), at_least=2)


def tree(data, seed):
    """A single tree."""
    part = load(data, seed)
    kind = DecisionTreeClassifier if part.classifies else DecisionTreeRegressor
    model = kind(random_state=seed).fit(part.X, part.y)
    small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
    yield from lossless(model, small, part, seed)


def tree_targets(frame):
    classifier = tuple(name for name in frame["data"].unique() if name not in REGRESSION)
    regressor = tuple(name for name in frame["data"].unique() if name in REGRESSION)
    yield check("all answers equal to the bit", values_of(frame, "identical"), exact=True)
    for sets, bound, what in ((classifier, 15, "classifier"), (regressor, 7, "regressor")):
        text = f"live, {what}: at least {bound}x"
        yield check(text, values_of(frame, "live ratio", sets=sets), at_least=bound)


def tables(frame):
    yield "Ratios to scikit-learn", columns_table(frame, SHOWN, variant="")
    few = frame[frame["variant"] != ""]
    yield "With five rows in each leaf", columns_table(few, ("identical", "live ratio"))


SECTIONS = {
    "forest-lossless": Section(
        "Forests, lossless",
        "RandomForest of 100 trees with `keep=1.0`, all training rows (diamonds: a sample "
        "of 10,000 rows, target price; friedman1-3: 5,000 rows). Identical: labels, "
        "probabilities and predictions, on test rows and on 1,000 rows beside them, before "
        "and after a pickle. slim-trees ratio: its lzma file over the compact form, "
        "pickled and lzma.",
        CLASSES + NUMBERS,
        forest,
        forest_targets,
        tables,
    ),
    "hgb-lossless": Section(
        "Histogram gradient boosting, lossless",
        "At most 6,000 training rows (fewer than 10,000, so that no early stopping sets "
        "in). Identical: also decision values.",
        ("letter", "magic", "satimage", "spambase", "phoneme", "friedman1", "diamonds"),
        boosting,
        boosting_targets,
        tables,
    ),
    "tree-lossless": Section(
        "Single trees, lossless",
        "One decision tree, all training rows.",
        ("letter", "magic", "satimage", "spambase", "phoneme", "friedman1", "diamonds"),
        tree,
        tree_targets,
        tables,
    ),
}
