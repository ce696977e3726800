"""Kernel machines: lossless, fewer basis rows, and the mean of Gaussian processes."""

from dataclasses import replace

import numpy as np
import pandas as pd
from families_data import load
from families_measure import (
    Section,
    check,
    columns_table,
    cpu,
    curve_table,
    identical,
    pickled,
    points,
    pruned,
    speed_up,
    values_of,
)
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_prune.weight_pruning import RandomCriterion

SETS = ("letter", "satimage", "phoneme", "banana", "magic")
MAX_TRAIN = 6000
KEEPS = (0.5, 0.2, 0.1)
TWO = ("phoneme", "banana", "magic")
MANY = ("letter", "satimage")


def svc_lossless(data, seed):
    """The same labels, faster."""
    part = load(data, seed, max_train=MAX_TRAIN, scale=True)
    model = SVC().fit(part.X, part.y)
    small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
    same = identical(model, small.compact_, part.X_test, ("predict",))
    same &= identical(model, small.compact_, part.like_test(3000, seed, 0.1), ("predict",))
    yield "", "identical", same
    yield "", "support vectors", len(model.support_)
    yield "", "pickle ratio", pickled(model) / pickled(small.compact_)
    for size in (1, 100, 1000):
        rows = part.like_test(size, seed, spread=0)
        yield "", f"{size:,} rows", speed_up(model, small, rows)


def svc_lossless_targets(frame):
    yield check("labels identical", values_of(frame, "identical"), exact=True)
    speed = values_of(frame, "1,000 rows")
    yield check("1,000 rows: at least 2.5x on each set", speed, at_least=2.5)
    yield check("1,000 rows: median at least 6x", speed, at_least=6, over="median")


def svc_lossless_tables(frame):
    names = ("identical", "support vectors", "pickle ratio", "1 rows", "100 rows")
    yield "Ratios to scikit-learn", columns_table(frame, (*names, "1,000 rows"), variant="")


def svc_lossy(data, seed):
    """Fewer basis rows, beside random ones and a fit on fewer rows."""
    part = load(data, seed, max_train=MAX_TRAIN, scale=True)
    plain, model = cpu(lambda: SVC(random_state=seed).fit(part.X, part.y))
    score = points(model, part)
    yield "", "full score", score
    yield "", "plain fit, s", plain
    seconds, auto = cpu(lambda: pruned(SVC(), part, seed, keep="auto", tolerance=0.005))
    yield "", "cost in fits", seconds / plain
    rows = part.like_test(1000, seed, spread=0)
    models = {"auto": auto}
    models |= {f"{keep}": pruned(SVC(), part, seed, keep=keep) for keep in KEEPS}
    for size, small in models.items():
        kept, n_units = len(small.kept_), small.n_units_
        yield f"pruned@{size}", "points", points(small, part) - score
        yield f"pruned@{size}", "vectors ratio", n_units / kept
        yield f"pruned@{size}", "1,000 rows", speed_up(model, small, rows)
        if kept < n_units:
            control = pruned(
                SVC(),
                part,
                seed,
                criterion=RandomCriterion(),
                unit="support_vector",
                keep=kept,
            )
            yield f"random basis@{size}", "points", points(control, part) - score
            fewer = fit_on(SVC(random_state=seed), part, kept, seed)
            yield f"fit on as many rows@{size}", "points", points(fewer, part) - score


def fit_on(model, part, n_rows, seed):
    """The model fitted on random rows."""
    X, _, y, _ = train_test_split(
        part.X,
        part.y,
        train_size=n_rows,
        stratify=part.y if part.classifies else None,
        random_state=seed,
    )
    return clone(model).fit(X, y)


def svc_lossy_targets(frame):
    speed = values_of(frame, "1,000 rows", "pruned@auto")
    loss = values_of(frame, "points", "pruned@auto")
    yield check("keep='auto': mean loss at most 0.5 points on each", loss, at_least=-0.5)
    yield check("1,000 rows: at least 25x on each", speed, at_least=25)
    yield check("1,000 rows: median at least 40x", speed, at_least=40, over="median")
    vectors = values_of(frame, "vectors ratio", "pruned@auto")
    yield check("at least 2x fewer vectors on each", vectors, at_least=2)
    seconds = values_of(frame, "plain fit, s").groupby("data").mean()
    for sets, bound, what in ((TWO, 3, "2 classes"), (MANY, 8, "more classes")):
        slow = [name for name in sets if seconds.get(name, 0) > 1]
        text = f"cost with inner selection, {what}, fits over 1 s: at most {bound} fits"
        if slow:
            cost = values_of(frame, "cost in fits", sets=slow)
            yield check(text, cost, at_most=bound)


def svc_lossy_tables(frame):
    auto = frame[frame["variant"] == "pruned@auto"]
    chosen = columns_table(
        auto, ("points", "vectors ratio", "1,000 rows"), variant="pruned@auto"
    )
    rest = columns_table(frame, ("full score", "plain fit, s", "cost in fits"), variant="")
    yield 'keep="auto", tolerance 0.005', pd.concat([chosen, rest], axis=1)
    yield "Points against the full model, at equal numbers", curve_table(frame, "points")
    yield "1,000 rows, times faster than scikit-learn", curve_table(frame, "1,000 rows")
    yield (
        "Support vectors of the full model over those kept",
        curve_table(frame, "vectors ratio"),
    )


def kernel_regression(data, seed):
    """KernelRidge on fewer rows; a Gaussian process without what its mean does not read."""
    part = load(data, seed, max_train=1200, scale=True)
    part = replace(part, y=part.y - part.y.mean(), y_test=part.y_test - part.y.mean())
    ridge = KernelRidge(kernel="rbf")
    plain, model = cpu(lambda: clone(ridge).fit(part.X, part.y))
    score = points(model, part)
    yield "ridge", "full score", score
    seconds, auto = cpu(lambda: pruned(ridge, part, seed, keep="auto", tolerance=0.002))
    yield "ridge", "cost in fits", seconds / plain
    models = {"auto": auto}
    models |= {f"{keep}": pruned(ridge, part, seed, keep=keep) for keep in KEEPS}
    for size, small in models.items():
        kept = len(small.kept_)
        yield f"pruned@{size}", "points", points(small, part) - score
        yield f"pruned@{size}", "rows ratio", small.n_units_ / kept
        if kept < small.n_units_:
            how = {"criterion": RandomCriterion(), "unit": small.unit_, "keep": kept}
            control = pruned(ridge, part, seed, **how)
            yield f"random basis@{size}", "points", points(control, part) - score
            fewer = fit_on(ridge, part, kept, seed)
            yield f"fit on as many rows@{size}", "points", points(fewer, part) - score
    kernel = ConstantKernel() * RBF(3.0) + WhiteKernel()
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
    process.fit(part.X[:800], part.y[:800])
    small = pruned(FrozenEstimator(process), part, seed, keep=1.0)
    mean = process.predict(part.X_test)
    gap = np.abs(mean - small.compact_.predict(part.X_test)).max() / np.abs(mean).max()
    yield "process", "rows", len(process.X_train_)
    yield "process", "full score", points(process, part)
    yield "process", "bytes ratio", pickled(process) / pickled(small.compact_)
    yield "process", "same mean to 1e-10", gap <= 1e-10
    rows = part.like_test(1000, seed, spread=0)
    yield "process", "1,000 rows", speed_up(process, small, rows)


def kernel_regression_targets(frame):
    ratio = values_of(frame, "rows ratio", "pruned@auto")
    yield check("KernelRidge, keep='auto': at least 4x fewer rows", ratio, at_least=4)
    loss = values_of(frame, "points", "pruned@auto")
    yield check("KernelRidge: at most 0.002 R2 less (0.2 points)", loss, at_least=-0.2)
    same = values_of(frame, "same mean to 1e-10", "process")
    yield check("GaussianProcessRegressor: same mean", same, exact=True)
    text = "GaussianProcessRegressor on 800 rows: at least 50x fewer bytes"
    ratio = values_of(frame, "bytes ratio", "process", ["friedman1"])
    yield check(text, ratio, at_least=50)


def kernel_regression_tables(frame):
    ridge = columns_table(frame, ("full score", "cost in fits"), variant="ridge")
    yield "KernelRidge", ridge
    yield "Points against the full model", curve_table(frame, "points")
    yield "Rows of the full model over those kept", curve_table(frame, "rows ratio")
    names = ("rows", "full score", "bytes ratio", "same mean to 1e-10", "1,000 rows")
    process = columns_table(frame, names, variant="process")
    yield "GaussianProcessRegressor, lossless for the mean", process


SECTIONS = {
    "svc-lossless": Section(
        "SVC, lossless",
        "SVC (rbf, C=1) on standardised features, `keep=1.0`; at most 6,000 training rows.",
        SETS,
        svc_lossless,
        svc_lossless_targets,
        svc_lossless_tables,
    ),
    "svc-lossy": Section(
        "SVC on fewer vectors",
        'The same with `keep="auto"`, tolerance 0.005, and a curve. Random basis: as many '
        "random support vectors, refitted in the same way. Fit on as many rows: a new SVC "
        "on as many random rows. Cost: CPU time of `PrunedClassifier.fit` over that of the "
        "plain fit.",
        SETS,
        svc_lossy,
        svc_lossy_targets,
        svc_lossy_tables,
    ),
    "kernel-regression": Section(
        "KernelRidge and Gaussian processes",
        'Standardised features, centred targets. KernelRidge(kernel="rbf"), at '
        'most 1,200 training rows, `keep="auto"` with tolerance 0.002. '
        "GaussianProcessRegressor (constant times rbf, plus "
        "white noise; normalised targets) on at most 800 of them, `keep=1.0`. What is left "
        "of it grows with rows times features, its matrix with the square of the rows: on "
        "the 309 rows of diabetes the ratio cannot be as large.",
        ("friedman1", "diabetes"),
        kernel_regression,
        kernel_regression_targets,
        kernel_regression_tables,
    ),
}
