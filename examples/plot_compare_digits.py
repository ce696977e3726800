"""
Fewer rows on the handwritten digits
====================================

Four kinds of model are cross-validated on all rows of scikit-learn's digits, and on 50,
20 and 5 % of them: chosen at random, by AutoSelector, and by the two linear penalties.
All of it is one grid search for each model, in which ``keep=1.0`` is the baseline.

Each cell of the table is an accuracy over five folds (mean ± standard deviation), the
number of rows the model was trained on, and the seconds that `fit` took on one thread,
ranking included.

Run it with ``python examples/plot_compare_digits.py``; ``--help`` lists the options.
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import pandas as pd
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection import (
    AutoSelector,
    L1PenaltySelector,
    L2PenaltySelector,
    RandomSelector,
)

MODELS = {
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "SVC": SVC(C=5),
    "RandomForest": RandomForestClassifier(random_state=0),
    "MLPClassifier": MLPClassifier((64,), max_iter=500, random_state=0),
}
SELECTORS = {
    "random": RandomSelector(),
    "AutoSelector": AutoSelector(),
    "L1 penalty": L1PenaltySelector(),
    "L2 penalty": L2PenaltySelector(),
}
LABELS = {repr(selector): label for label, selector in SELECTORS.items()}
KEEPS = [0.5, 0.2, 0.05]


def compare(X, y, *, n_splits=5):
    """Return a frame with one row for each model, selector and value of keep."""
    for selector in SELECTORS.values():  # so that no measured fit pays for compilation
        SampleSubsetClassifier(LogisticRegression(), selector).fit(X[:100], y[:100])
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0)
    n_train = len(y) - len(y) // n_splits
    frames = []
    for name, model in MODELS.items():
        subset = SampleSubsetClassifier(model, random_state=0)
        pipeline = Pipeline([("scale", StandardScaler()), ("clf", subset)])
        search = GridSearchCV(
            pipeline,
            [
                {"clf__keep": [1.0]},
                {"clf__selector": list(SELECTORS.values()), "clf__keep": KEEPS},
            ],
            cv=folds,
            refit=False,
        )
        if sys.stdout.isatty():
            print(name)
            search.set_callbacks(ProgressBar(max_propagation_depth=0))
        results = pd.DataFrame(search.fit(X, y).cv_results_)
        keep = results["param_clf__keep"].astype(float)
        selector = results["param_clf__selector"].map(repr)
        frames.append(
            pd.DataFrame(
                {
                    "model": name,
                    "selector": selector.map(LABELS).fillna("all rows"),
                    "keep": keep,
                    "rows": (keep * n_train + 0.5).astype(int),
                    "accuracy": results["mean_test_score"],
                    "sd": results["std_test_score"],
                    "seconds": results["mean_fit_time"],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def table(frame):
    """Arrange the results for reading: a line for each model and value of keep."""
    cells = frame.assign(
        cell=[
            f"{100 * row.accuracy:5.1f} ± {100 * row.sd:3.1f}  {row.seconds:6.3f} s"
            for row in frame.itertuples()
        ]
    )
    wide = cells.pivot_table(
        index=["model", "keep", "rows"], columns="selector", values="cell", aggfunc="first"
    )
    wide = wide.sort_index(level="keep", ascending=False)
    return wide.reindex(MODELS, level="model")[["all rows", *SELECTORS]].fillna("")


def plot(frame, path):
    """Draw accuracy over keep, one panel for each model, with the baseline as a band."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MODELS), figsize=(13, 3.6), sharey=True)
    for ax, name in zip(axes, MODELS, strict=True):
        of_model = frame[frame["model"] == name]
        baseline = of_model[of_model["selector"] == "all rows"].iloc[0]
        ax.axhspan(
            100 * (baseline.accuracy - baseline.sd),
            100 * (baseline.accuracy + baseline.sd),
            color="0.88",
            label="all rows ± sd",
        )
        ax.axhline(100 * baseline.accuracy, color="0.5", lw=1)
        for shift, label in zip((0.91, 0.97, 1.03, 1.09), SELECTORS, strict=True):
            part = of_model[of_model["selector"] == label].sort_values("keep")
            ax.errorbar(
                100 * part["keep"] * shift,
                100 * part["accuracy"],
                100 * part["sd"],
                marker="o",
                ms=4,
                lw=1.3,
                capsize=2,
                label=label,
            )
        ax.set(title=name, xscale="log", xlabel="rows kept (%)")
        ax.set_xticks([5, 20, 50], ["5", "20", "50"])
        ax.minorticks_off()
        ax.grid(alpha=0.25)
    axes[0].set_ylabel("accuracy (%), 5 folds")
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.suptitle("Digits: the same models on fewer rows", y=0.99)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return figure


def main():
    """Compare, print the table, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--picture", type=Path, default=Path("compare_digits.png"))
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    X, y = load_digits(return_X_y=True)
    with threadpool_limits(1):
        frame = compare(X, y)
    with pd.option_context("display.width", 200, "display.max_columns", 10):
        print(table(frame).to_string())
    plot(frame, arguments.picture)
    print(f"Picture: {arguments.picture}")


if __name__ == "__main__":
    main()
