"""
Fewer rows on the handwritten digits
====================================

Four kinds of model are trained on all rows of scikit-learn's digits, and on 50, 20 and
5 % of them: chosen at random, by AutoSelector, and by the two linear penalties. For each
model, :func:`~sklearn_prune.compare_pruning` fits all of them on the same folds with the
same seeds and says which are not worse than all rows: not by more than a margin of two
points, and with a risk of at most 5 % of being wrong about any of them. (With 1,797 rows, a
margin of one point is more than can be shown: the reports say what could be.)

Each cell of the table is an accuracy over the folds (mean ± standard deviation), with the
verdict's mark, and the seconds that `fit` took on one thread, ranking included. The report
of each model is an HTML file that opens in any browser.

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
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_prune import SampleSubsetClassifier, compare_pruning
from sklearn_prune.sample_selection import (
    AutoSelector,
    L1PenaltySelector,
    L2PenaltySelector,
    RandomSelector,
)

MODELS = {
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "SVC": SVC(C=5),
    "RandomForest": RandomForestClassifier(),
    "MLPClassifier": MLPClassifier((64,), max_iter=500),
}
SELECTORS = {
    "random": RandomSelector(),
    "AutoSelector": AutoSelector(),
    "L1 penalty": L1PenaltySelector(),
    "L2 penalty": L2PenaltySelector(),
}
KEEPS = [0.5, 0.2, 0.05]
ALL_ROWS = "all rows"
MARKS = {"not worse": "=", "worse": "<", "undecided": "?", "not tested": " "}


def compare(model, X, y, *, n_repeats=2, n_jobs=None, progress=False, **options):
    """Compare a model on all rows with the same on fewer."""
    variants = {ALL_ROWS: make_pipeline(StandardScaler(), model)} | {
        f"{label}, keep={keep}": make_pipeline(
            StandardScaler(), SampleSubsetClassifier(model, selector, keep=keep)
        )
        for label, selector in SELECTORS.items()
        for keep in KEEPS
    }
    return compare_pruning(
        variants,
        X,
        y,
        cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=n_repeats),
        margin=0.02,
        callbacks=ProgressBar(max_propagation_depth=0) if progress else None,
        n_jobs=n_jobs,
        **options,
    )


def tidy(comparisons):
    """Return a frame with one row for each model, selector and value of keep."""
    frames = []
    for model, comparison in comparisons.items():
        summary = comparison.summary()
        keep = pd.Series(comparison.keeps)[summary.index].fillna(1.0)
        frames.append(
            pd.DataFrame(
                {
                    "model": model,
                    "selector": summary.index.str.partition(", keep=").get_level_values(0),
                    "keep": keep.astype(float),
                    "rows": summary["n_samples"].astype(int),
                    "accuracy": summary["accuracy"],
                    "sd": summary["accuracy_sd"],
                    "verdict": summary["verdict"],
                    "seconds": summary["fit_time"],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def table(frame):
    """Arrange the results for reading: a line for each model and value of keep."""
    cells = frame.assign(
        cell=[
            f"{100 * row.accuracy:5.1f} ± {100 * row.sd:3.1f} "
            f"{MARKS.get(row.verdict, ' ')} {row.seconds:6.3f} s"
            for row in frame.itertuples()
        ]
    )
    wide = cells.pivot_table(
        index=["model", "keep", "rows"], columns="selector", values="cell", aggfunc="first"
    )
    wide = wide.sort_index(level="keep", ascending=False)
    return wide.reindex(MODELS, level="model")[[ALL_ROWS, *SELECTORS]].fillna("")


def plot(frame, path):
    """Draw accuracy over keep, one panel for each model, with the baseline as a band."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MODELS), figsize=(13, 3.6), sharey=True)
    for ax, name in zip(axes, MODELS, strict=True):
        of_model = frame[frame["model"] == name]
        baseline = of_model[of_model["selector"] == ALL_ROWS].iloc[0]
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
    axes[0].set_ylabel("accuracy (%), 2 x 5 folds")
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.suptitle("Digits: the same models on fewer rows", y=0.99)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return figure


def main():
    """Compare, print the table and the verdicts, save the picture and the reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--picture", type=Path, default=Path("compare_digits.png"))
    parser.add_argument("--reports", type=Path, default=Path("."), help="folder")
    parser.add_argument("--jobs", type=int, default=-1, help="fits at a time")
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    X, y = load_digits(return_X_y=True)
    progress = sys.stdout.isatty()
    comparisons = {
        name: compare(model, X, y, n_jobs=arguments.jobs, progress=progress)
        for name, model in MODELS.items()
    }
    frame = tidy(comparisons)
    with pd.option_context("display.width", 220, "display.max_columns", 10):
        print(table(frame).to_string())
    print("= not worse by more than two points, < worse, ? undecided, else not tested")
    plot(frame, arguments.picture)
    print(f"Picture: {arguments.picture}")
    spent = pd.DataFrame([one.seconds for one in comparisons.values()]).sum()
    share = spent["bookkeeping"] / (spent["fit"] + spent["score"])
    print(f"Bookkeeping: {share:.1%} of the time of the fits")
    for name, comparison in comparisons.items():
        report = comparison.to_html(arguments.reports / f"compare_digits_{name}.html")
        print(f"\n{name}: {comparison.conclusion('n_samples')}\nReport: {report}")


if __name__ == "__main__":
    main()
