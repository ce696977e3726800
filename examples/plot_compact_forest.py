"""
A forest that fits, exact and pruned
====================================

A random forest on the digits: its compact form with the same probabilities to the bit, then
with fewer and fewer parameters, beside random trees of the same share. The table says how
many bytes a pickle takes, how long one row does, and how often the answer is right.
"""

import argparse
import pickle
from pathlib import Path
from time import perf_counter

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import RandomCriterion

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02)


def measured(model, X, y):
    """Bytes of the pickle, milliseconds for one row, accuracy in per cent."""
    model.predict(X[:1])
    times = []
    for _ in range(20):
        started = perf_counter()
        model.predict(X[:1])
        times.append(perf_counter() - started)
    size = len(pickle.dumps(model, protocol=5))
    return size, 1000 * min(times), 100 * np.mean(model.predict(X) == y)


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--picture", type=Path, default=Path("compact_forest.png"))
    picture = parser.parse_args().picture
    X, X_test, y, y_test = train_test_split(
        *load_digits(return_X_y=True), random_state=0, test_size=0.4
    )
    forest = RandomForestClassifier(random_state=0)
    exact = PrunedClassifier(forest, keep=1.0).fit(X, y).compact_
    rows = {"scikit-learn": measured(forest.fit(X, y), X_test, y_test)}
    rows["keep=1.0"] = measured(exact, X_test, y_test)
    same = np.array_equal(forest.predict_proba(X_test), exact.predict_proba(X_test))
    curves = {"leaves estimated again": [], "random trees": []}
    for keep in SHARES:
        small = PrunedClassifier(forest, keep=keep, random_state=0).fit(X, y).compact_
        rows[f"keep={keep}"] = measured(small, X_test, y_test)
        curves["leaves estimated again"].append(rows[f"keep={keep}"])
        trees = PrunedClassifier(
            forest, RandomCriterion(), unit="tree", keep=keep, refit=False, random_state=0
        )
        rows[f"trees, {keep}"] = measured(trees.fit(X, y).compact_, X_test, y_test)
        curves["random trees"].append(rows[f"trees, {keep}"])

    print(f"{'':<14}{'bytes':>12}{'one row, ms':>14}{'accuracy, %':>14}")
    for name, (size, time, accuracy) in rows.items():
        print(f"{name:<14}{size:>12,}{time:>14.3f}{accuracy:>14.1f}")
    print(f"probabilities of keep=1.0 equal to the bit: {same}")

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, points in curves.items():
        axes.plot(
            [size for size, _, _ in points],
            [accuracy for _, _, accuracy in points],
            marker="o",
            label=name,
        )
    axes.axhline(rows["keep=1.0"][2], color="0.6", lw=1, label="the whole forest")
    axes.set(xscale="log", xlabel="bytes of the pickle", ylabel="accuracy on test rows, %")
    axes.set_title("A forest of 100 trees on the digits")
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
