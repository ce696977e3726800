"""
The smallest model of a grid search that is not worse
=====================================================

scikit-learn's GridSearchCV picks the best mean score. With
``refit=smallest_not_worse(...)`` it picks the smallest model that is not worse by more than
a margin. Here two models of the digits are searched over ``keep``: extra trees, whose
parameters are pruned, and a support vector machine, which is trained on fewer rows.

The table of each says how the candidates compare with ``keep=1.0``, from mild to hard, and
where the sequence of tests stopped. Rows that the search has not seen say how good the
picked model is. The picture shows the accuracy over ``keep`` with the interval of the
difference to the baseline, and the margin as a band; a ring marks what was picked.

Run it with ``python examples/plot_smallest_in_grid_search.py``; ``--help`` lists the
options.
"""

import argparse
from pathlib import Path

import matplotlib
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    train_test_split,
)
from sklearn.svm import SVC

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier
from sklearn_prune.comparison import PruningCurveDisplay, cost_scorer, smallest_not_worse
from sklearn_prune.sample_selection import AutoSelector

MARGIN = 0.01
MODELS = {
    "extra trees, fewer parameters": PrunedClassifier(
        ExtraTreesClassifier(random_state=0), random_state=0
    ),
    "SVC, fewer rows": SampleSubsetClassifier(SVC(C=5), AutoSelector(), random_state=0),
}
KEEPS = (1.0, 0.5, 0.3, 0.1)


def search(model, X, y, *, keeps=KEEPS, margin=MARGIN, n_repeats=2, n_jobs=None):
    """Search over `keep` for the model of the fewest bytes that is not worse."""
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=n_repeats, random_state=0)
    return GridSearchCV(
        model,
        {"keep": list(keeps)},
        cv=cv,
        scoring={"accuracy": "accuracy", "nbytes": cost_scorer("nbytes")},
        refit=smallest_not_worse(margin, "nbytes", test_share=cv),
        n_jobs=n_jobs,
    ).fit(X, y)


def table(fitted):
    """Say for each candidate how it compares with the baseline."""
    why = fitted.refit.explain(fitted.cv_results_)
    columns = ["keep", "cost", "score", "difference", "p_not_worse", "verdict", "picked"]
    return why[columns].rename(columns={"cost": "bytes", "score": "accuracy"})


def plot(searches, path):
    """Draw accuracy over keep, one panel for each search."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(6 * len(searches), 4.6), layout="constrained")
    panels = figure.subplots(1, len(searches), squeeze=False)[0]
    for ax, (name, fitted) in zip(panels, searches.items(), strict=True):
        PruningCurveDisplay.from_cv_results(
            fitted, score="accuracy", test_share=fitted.cv, margin=MARGIN, ax=ax
        )
        picked = fitted.best_params_["keep"]
        accuracy = fitted.cv_results_["mean_test_accuracy"][fitted.best_index_]
        ax.plot(picked, accuracy, "o", markersize=17, color="0.2", fillstyle="none")
        ax.set_title(f"{name}: keep={picked}", loc="left", pad=44)
    figure.savefig(path, dpi=110)
    return figure


def main():
    """Search, print the tables and the picked models, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--picture", type=Path, default=Path("smallest_in_grid_search.png"))
    parser.add_argument("--jobs", type=int, default=-1, help="fits at a time")
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    X, X_test, y, y_test = train_test_split(
        *load_digits(return_X_y=True), random_state=0, test_size=0.2
    )
    searches = {}
    for name, model in MODELS.items():
        fitted = searches[name] = search(model, X, y, n_jobs=arguments.jobs)
        frame = table(fitted)
        baseline, picked = frame.loc[0], frame[frame["picked"]].iloc[0]
        accuracy = fitted.best_estimator_.score(X_test, y_test)
        print(f"\n{name}\n{frame.round(4).to_string(index=False)}")
        print(
            f"Picked keep={picked['keep']}: {picked['bytes']:,.0f} bytes instead of "
            f"{baseline['bytes']:,.0f}; accuracy on held-out rows {accuracy:.3f}"
        )
    plot(searches, arguments.picture)
    print(f"Picture: {arguments.picture}")


if __name__ == "__main__":
    main()
