"""Rounded parameters: bytes, points, time."""

from families_data import load
from families_measure import (
    Section,
    check,
    columns_table,
    pickled,
    points,
    pruned,
    speed_up,
)
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

MODELS = {  # data sets, model, keep
    "logistic": (("satimage", "splice"), LogisticRegression(max_iter=2000), 1.0),
    "SVC": (("satimage", "phoneme"), SVC(), 1.0),
    "SVC at 0.2": (("satimage", "phoneme"), SVC(), 0.2),
    "k-NN": (("satimage", "phoneme"), KNeighborsClassifier(n_jobs=1), 1.0),
    "forest": (("magic", "spambase"), RandomForestClassifier(n_jobs=1), 0.1),
    "regression forest": (("friedman1", "diamonds"), RandomForestRegressor(n_jobs=1), 0.1),
}


def rounded_arrays(thing):
    """The quantized arrays in a compact form."""
    if hasattr(thing, "codes") and hasattr(thing, "dense"):
        yield thing
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from rounded_arrays(part)
    elif type(thing).__module__.startswith("sklearn_prune") and hasattr(thing, "__dict__"):
        for part in vars(thing).values():
            yield from rounded_arrays(part)


def measure(name, seed):
    """Both schemes beside the same model without rounding."""
    sets, model, keep = MODELS[name]
    for data in sets:
        part = load(data, seed, max_train=4000, scale=True)
        if "random_state" in model.get_params():
            model.set_params(random_state=seed)
        exact = pruned(model, part, seed, keep=keep)
        score = points(exact, part)
        rows = part.like_test(1000, seed, spread=0)
        for scheme in ("int8", "float16"):
            small = pruned(model, part, seed, keep=keep, quantize=scheme)
            arrays = list(rounded_arrays(small.compact_))
            variant = f"{scheme} {data}"
            yield variant, "rounded arrays", len(arrays)
            if arrays:
                floats = sum(4 * array.size for array in arrays)
                ratio = floats / sum(array.nbytes for array in arrays)
                yield variant, "float32 / rounded", ratio
            yield variant, "pickle ratio", pickled(exact.compact_) / pickled(small.compact_)
            yield variant, "points", points(small, part) - score
            yield variant, "1,000 rows", speed_up(exact, small, rows)


def best_of(frame, scheme, quantity):
    """A quantity of one scheme by (model and data, seed)."""
    found = frame[
        (frame["quantity"] == quantity) & frame["variant"].str.startswith(f"{scheme} ")
    ]
    name = found["data"] + " " + found["variant"].str.removeprefix(f"{scheme} ")
    return found.assign(data=name).set_index(["data", "seed"])["value"]


def targets(frame):
    text = "int8: rounded arrays at least 3.5x below float32"
    yield check(text, best_of(frame, "int8", "float32 / rounded"), at_least=3.5)
    for scheme in ("int8", "float16"):
        loss = best_of(frame, scheme, "points")
        yield check(f"{scheme}: at most 0.1 points less", loss, at_least=-0.1)
        speed = best_of(frame, scheme, "1,000 rows")
        yield check(f"{scheme}, 1,000 rows: not slower (0.95)", speed, at_least=0.95)


def tables(frame):
    names = ("float32 / rounded", "pickle ratio", "points", "1,000 rows")
    rows = frame[frame["variant"] != ""]
    yield "Beside the same model without rounding", columns_table(rows, names)


SECTIONS = {
    "quantize": Section(
        "Rounded parameters",
        "Standardised features, at most 4,000 training rows. Bytes of the rounded arrays, "
        "scales included, against the same arrays in float32; points and time against the "
        "same pruned model without rounding. Forests and the SVC on fewer vectors are "
        "pruned first, to 0.1 and 0.2.",
        tuple(MODELS),
        measure,
        targets,
        tables,
    ),
}
