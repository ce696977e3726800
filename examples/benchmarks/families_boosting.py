"""Boosting with fewer iterations, nodes and leaves, beside fewer iterations alone."""

import numpy as np
from families_data import load
from families_measure import (
    Section,
    check,
    columns_table,
    cpu,
    points,
    pruned,
    speed_up,
    squeezed,
    values_of,
)
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from xgboost import XGBClassifier, XGBRegressor

SETS = ("magic", "spambase", "phoneme", "satimage", "friedman1", "diamonds")
LIBRARIES = ("HGB", "LightGBM", "XGBoost")
CLASSIFIERS = {
    "HGB": HistGradientBoostingClassifier(),
    "LightGBM": LGBMClassifier(n_jobs=1, verbosity=-1),
    "XGBoost": XGBClassifier(n_jobs=1),
}
REGRESSORS = {
    "HGB": HistGradientBoostingRegressor(),
    "LightGBM": LGBMRegressor(n_jobs=1, verbosity=-1),
    "XGBoost": XGBRegressor(n_jobs=1),
}


def own_bytes(library, model):
    """Bytes of the library's own format, compressed."""
    if library == "LightGBM":
        return squeezed(model.booster_.model_to_string().encode())
    if library == "XGBoost":
        return squeezed(model.get_booster().save_raw("ubj"))
    return squeezed(model)


def with_iterations(library, model, count, seed):
    """The model with another number of iterations."""
    name = "max_iter" if library == "HGB" else "n_estimators"
    return clone(model).set_params(**{name: count}, random_state=seed)


def measure(data, seed):
    """keep="auto" for each library."""
    part = load(data, seed, max_train=6000)
    for library, model in (CLASSIFIERS if part.classifies else REGRESSORS).items():
        model = with_iterations(library, model, 100, seed)
        unfitted = with_iterations(library, model, 100, seed)
        plain, _ = cpu(lambda m=model: m.fit(part.X, part.y))
        score = points(model, part)
        how = {"keep": "auto", "tolerance": 0.002}
        seconds, small = cpu(lambda m=unfitted, h=how: pruned(m, part, seed, **h))
        budget = squeezed(small.compact_)
        yield library, "full score", score
        yield library, "points", points(small, part) - score
        yield library, "own / ours", own_bytes(library, model) / budget
        yield library, "kept share", small.report_.keep
        yield library, "plain fit, s", plain
        yield library, "cost in fits", seconds / plain
        rows = part.like_test(1000, seed, spread=0)
        yield library, "1,000 rows", speed_up(model, small, rows)
        count, fewer = 100, model
        while count > 1 and (size := lossless_bytes(fewer, part, seed)) > budget:
            count = min(count - 1, max(1, int(np.floor(count * budget / size))))
            fewer = with_iterations(library, model, count, seed).fit(part.X, part.y)
        yield library, "fewer iterations", count
        control = points(fewer, part) - score if fewer is not model else 0.0
        yield library, "fewer iterations, points", control


def lossless_bytes(model, part, seed):
    """Compressed bytes of the lossless compact form."""
    return squeezed(pruned(FrozenEstimator(model), part, seed, keep=1.0).compact_)


def targets(frame):
    seconds = frame[frame["quantity"] == "plain fit, s"]
    for library in LIBRARIES:
        ratio = values_of(frame, "own / ours", library)
        yield check(f"{library}, keep='auto': at least 4x smaller", ratio, at_least=4)
        loss = values_of(frame, "points", library)
        yield check(f"{library}: at most 0.2 points less", loss, at_least=-0.2)
        own = seconds[seconds["variant"] == library].groupby("data")["value"].mean()
        slow = set(own.index[own > 1])
        for sets, bound in ((slow - {"satimage"}, 3), (slow & {"satimage"}, 8)):
            if sets:
                cost = values_of(frame, "cost in fits", library, sets)
                text = f"{library}, cost, fits over 1 s: at most {bound} fits"
                yield check(text, cost, at_most=bound)


def tables(frame):
    names = ("full score", "own / ours", "points", "kept share", "1,000 rows")
    control = ("fewer iterations", "fewer iterations, points")
    yield (
        "Bytes of the library's own format over ours, both compressed",
        columns_table(
            frame[frame["variant"] != ""],
            (*names, *control, "cost in fits", "plain fit, s"),
        ),
    )


SECTIONS = {
    "boosting": Section(
        "Boosting, lossy",
        "100 iterations, at most 6,000 training rows (so that none stops early), "
        '`keep="auto"` with tolerance 0.002. Own: the pickle of scikit-learn, the model '
        "text of LightGBM, the UBJSON of XGBoost, each compressed by lzma. Fewer "
        "iterations: the plain model with as many as our bytes have room for in its own "
        "lossless compact form, pickled and compressed.",
        SETS,
        measure,
        targets,
        tables,
    ),
}
