"""How `families.py` measures: bytes, CPU time, points, and what is checked of them."""

import lzma
import pickle
import time
from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.predictors.quantized import arrays_in

METHODS = ("predict", "predict_proba", "decision_function")


def live_bytes(thing):
    """Bytes of all arrays that are reachable from an object."""
    return sum(array.nbytes for array in arrays_in(thing))


@dataclass(frozen=True)
class Section:
    """One part of the benchmark.

    Parameters
    ----------
    title, text : str
        Its head in the report, and what was measured how.
    sets : tuple of str
        The data sets, or whatever the cells of a seed are.
    measure : callable
        Takes one of `sets` and a seed; yields (variant, quantity, value). A point of a
        curve has the variant "method@size".
    targets : callable
        Takes the raw rows; yields a `Target` for each line that is to be reached.
    tables : callable
        Takes the raw rows; yields (caption, frame).
    """

    title: str
    text: str
    sets: tuple
    measure: object
    targets: object
    tables: object


@dataclass(frozen=True)
class Target:
    """One line of the targets; `met` is None where nothing was promised or measured."""

    text: str
    reached: str
    met: bool | None


def pruned(model, part, seed, **how):
    """A pruned model, fitted on the training rows."""
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return wrapper(model, random_state=seed, n_jobs=1, **how).fit(part.X, part.y)


def points(model, part):
    """Accuracy in per cent, or 100 R2, on the test rows."""
    return 100 * model.score(part.X_test, part.y_test)


def cpu(work):
    """CPU seconds of some work, and what it gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def fastest(calls, *, rounds=7, least=0.002):
    """CPU seconds of a call, the smallest of some rounds, for calls that take turns.

    Short ones are repeated within a round until they take `least` seconds.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        seconds, _ = cpu(call)
        repeats[name] = max(1, int(least / max(seconds, 1e-6)))
    best = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                call()
            spent = (time.process_time() - start) / repeats[name]
            best[name] = min(best[name], spent)
    return best


def speed_up(peer, ours, X, method="predict"):
    """How many times faster one model answers than another, whole call."""
    both = {"peer": peer, "ours": ours}
    calls = {name: lambda model=m: getattr(model, method)(X) for name, m in both.items()}
    seconds = fastest(calls)
    return seconds["peer"] / seconds["ours"]


def pickled(model):
    """Length of the pickle."""
    return len(pickle.dumps(model, protocol=5))


def squeezed(stored):
    """Length of bytes, or of the pickle of an object, after lzma."""
    if not isinstance(stored, bytes | bytearray):
        stored = pickle.dumps(stored, protocol=5)
    return len(lzma.compress(stored))


def identical(peer, compact, rows, methods=METHODS):
    """Whether all answers to the rows are equal to the bit, also after a pickle."""
    restored = pickle.loads(pickle.dumps(compact, protocol=5))
    for method in methods:
        if not hasattr(peer, method):
            continue
        expected = getattr(peer, method)(rows)
        for model in (compact, restored):
            found = getattr(model, method)(rows)
            if found.dtype != expected.dtype or not np.array_equal(found, expected):
                return False
    return True


def lossless(peer, ours, part, seed, sizes=(1, 100, 10_000)):
    """What every lossless form is asked: the same answers, bytes, time."""
    compact = ours.compact_
    same = identical(peer, compact, part.X_test)
    same &= identical(peer, compact, part.like_test(1000, seed))
    yield "", "identical", same
    whole = pickled(peer)
    yield "", "scikit-learn kB", whole / 1000
    yield "", "live ratio", whole / live_bytes(compact)
    yield "", "pickle ratio", whole / pickled(compact)
    yield "", "lzma ratio", whole / squeezed(compact)
    for size in sizes:
        rows = part.like_test(size, seed, spread=0)
        yield "", f"{size:,} rows", speed_up(peer, ours, rows)


def values_of(frame, quantity, variant="", sets=None):
    """One quantity by (data, seed)."""
    found = frame[(frame["quantity"] == quantity) & (frame["variant"] == variant)]
    if sets is not None:
        found = found[found["data"].isin(sets)]
    return found.set_index(["data", "seed"])["value"]


def check(text, values, *, at_least=None, at_most=None, over="each", exact=False):
    """Compare the means over seeds with a bound, on each data set or for their median."""
    if not len(values):
        return Target(text, "not measured", None)
    of_set = values.groupby("data").agg(["mean", "std", "min", "max"])
    means = of_set["mean"]
    if exact:
        failed = means[means < 1]
        found = "yes" if failed.empty else f"not on {', '.join(failed.index)}"
        return Target(text, found, failed.empty)
    worst = means.idxmin() if at_most is None else means.idxmax()
    value = means.median() if over == "median" else means[worst]
    spread = of_set.loc[worst, "std"]
    error = "" if np.isnan(spread) else f" ± {spread:.2g}"
    if over == "median":
        shown = f"median {value:.3g}"
    elif len(means) == 1:
        shown = f"{value:.3g}{error}"
    else:
        shown = f"worst {value:.3g}{error} ({worst}), median {means.median():.3g}"
    met = value >= at_least if at_most is None else value <= at_most
    return Target(text, shown, bool(met))


def mean_sd(values):
    """Mean ± standard deviation over seeds, as text."""
    mean, spread = values.mean(), values.std(ddof=1)
    digits = ".3g" if abs(mean) < 1000 else ".0f"
    return f"{mean:{digits}}" if np.isnan(spread) else f"{mean:{digits}} ± {spread:.2g}"


def columns_table(frame, quantities, variant=None):
    """Data sets (and variants) by quantities."""
    rows = frame[frame["quantity"].isin(quantities)]
    index = ["data", "variant"]
    if variant is not None:
        rows, index = rows[rows["variant"] == variant], ["data"]
    found = rows.groupby([*index, "quantity"], sort=False)["value"].agg(mean_sd)
    found = found.unstack("quantity")
    found = found[[name for name in quantities if name in found]]
    return found.rename(columns={"1 rows": "1 row"}).rename_axis(columns=None)


def curve_table(frame, quantity):
    """Data sets and methods by size, for variants "method@size"."""
    rows = frame[(frame["quantity"] == quantity) & frame["variant"].str.contains("@")]
    parts = rows["variant"].str.split("@", n=1, expand=True)
    rows = rows.assign(method=parts[0], size=parts[1])
    found = rows.groupby(["data", "method", "size"], sort=False)["value"].agg(mean_sd)
    return found.unstack("size").rename_axis(columns=None)
