"""Containers around forests, lossless."""

import numpy as np
from families_data import load
from families_measure import (
    Section,
    check,
    columns_table,
    live_bytes,
    pickled,
    pruned,
    speed_up,
    values_of,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import SampleSubsetClassifier


def two_forests(seed):
    """Two members for ensembles."""
    return [
        ("forest", RandomForestClassifier(random_state=seed)),
        ("extra", ExtraTreesClassifier(random_state=seed)),
    ]


CONTAINERS = {
    "Pipeline": lambda model, seed: make_pipeline(StandardScaler(), model),
    "SampleSubsetClassifier": lambda model, seed: SampleSubsetClassifier(
        model, keep=0.5, random_state=seed
    ),
    "OneVsRestClassifier": lambda model, seed: OneVsRestClassifier(model),
    "OneVsOneClassifier": lambda model, seed: OneVsOneClassifier(model),
    "BaggingClassifier of trees": lambda model, seed: BaggingClassifier(
        DecisionTreeClassifier(), n_estimators=100, random_state=seed
    ),
    "VotingClassifier": lambda model, seed: VotingClassifier(
        two_forests(seed), voting="soft"
    ),
    "StackingClassifier": lambda model, seed: StackingClassifier(
        two_forests(seed), LogisticRegression(max_iter=1000), cv=3
    ),
    "CalibratedClassifierCV": lambda model, seed: CalibratedClassifierCV(model, cv=3),
    "GridSearchCV": lambda model, seed: GridSearchCV(
        model, {"min_samples_leaf": [1, 2]}, cv=3
    ),
    "MultiOutputRegressor": lambda model, seed: MultiOutputRegressor(model),
    "TransformedTargetRegressor": lambda model, seed: TransformedTargetRegressor(
        model, func=np.log1p, inverse_func=np.expm1
    ),
}


def measure(name, seed):
    """One container around a forest of 100."""
    regression = name.endswith("Regressor")
    part = load("diamonds" if regression else "satimage", seed, max_train=1500)
    kind = RandomForestRegressor if regression else RandomForestClassifier
    model = CONTAINERS[name](kind(random_state=seed), seed)
    y = np.stack([part.y, part.y**0.5], axis=1) if name.startswith("Multi") else part.y
    part = type(part)(part.X, y, part.X_test, part.y_test, part.classifies)
    model.fit(part.X, part.y)
    small = pruned(FrozenEstimator(model), part, seed, keep=1.0)
    rows = part.X_test
    found, expected = small.predict(rows), model.predict(rows)
    same = np.array_equal(found, expected)
    if regression:
        same = np.allclose(found, expected, rtol=1e-10, atol=0)
    yield "", "same predictions", same
    yield "", "scikit-learn kB", pickled(model) / 1000
    yield "", "live ratio", pickled(model) / live_bytes(small.compact_)
    yield "", "pickle ratio", pickled(model) / pickled(small.compact_)
    for size in (1, 1000):
        rows = part.like_test(size, seed, spread=0)
        yield "", f"{size:,} rows", speed_up(model, small, rows)


def targets(frame):
    yield check("same predictions", values_of(frame, "same predictions"), exact=True)
    yield check("live bytes: at least 10x", values_of(frame, "live ratio"), at_least=10)
    yield check("one row: at least 10x", values_of(frame, "1 rows"), at_least=10)


def tables(frame):
    names = ("same predictions", "scikit-learn kB", "live ratio", "pickle ratio", "1 rows")
    yield "Ratios to scikit-learn", columns_table(frame, (*names, "1,000 rows"), variant="")


SECTIONS = {
    "containers": Section(
        "Containers around forests",
        "Forests of 100 trees, `keep=1.0`, 1,500 training rows of satimage, for regression "
        "of diamonds. Same predictions: equal labels; numbers within 1e-10.",
        tuple(CONTAINERS),
        measure,
        targets,
        tables,
    ),
}
