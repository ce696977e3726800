import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import RandomCriterion
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._registry import family_of

NB = GaussianNB()


def _data():
    X, y = load_wine(return_X_y=True)
    return X, np.array(["a", "b", "c"])[y]


def _equal(first, second):
    if isinstance(first, list):
        return all(map(_equal, first, second))
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "f":
        return np.array_equal(first, second)
    return np.allclose(first, second, rtol=1e-9, atol=1e-10)  # naive Bayes inside


def test_selectors_become_columns():
    X, y = _data()
    selector = SelectFromModel(DecisionTreeClassifier(random_state=0))
    plain = make_pipeline(selector, NB).fit(X, y)
    model = PrunedClassifier(make_pipeline(selector, NB), keep=1.0).fit(X, y)
    assert b"DecisionTree" not in pickle.dumps(model.compact_)
    assert _equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((0.1, 0.7), clip=True),
        MaxAbsScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(),
        SimpleImputer(),
        SimpleImputer(add_indicator=True),
        SimpleImputer(missing_values=0.0),
    ],
)
def test_fast_steps_to_the_bit(step):
    from sklearn_prune.predictors.steps import transformed

    X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 1e-3, 50, 0]
    other = 3 * X[::-1] + 1
    step = clone(step).fit(X)
    assert _equal(transformed(step, other, finite=True), step.transform(other))
    assert np.array_equal(other, 3 * X[::-1] + 1)


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        FunctionTransformer(np.log, np.exp),
        FunctionTransformer(),
        MinMaxScaler(),
    ],
)
def test_fast_inverses_to_the_bit(transformer):
    from sklearn_prune.predictors.containers import transformed_back

    y = np.random.default_rng(0).uniform(1, 2, size=(50, 1))
    transformer = clone(transformer).fit(y)
    inside = transformer.transform(y)
    before = inside.copy()
    assert _equal(
        transformed_back(transformer, inside), transformer.inverse_transform(inside)
    )
    assert np.array_equal(inside, before)


def test_pipeline_refuses_what_its_steps_refuse():
    X, y = _data()
    compact = (
        PrunedClassifier(make_pipeline(StandardScaler(), NB), keep=1.0).fit(X, y).compact_
    )
    with pytest.raises(ValueError, match="13 features"):
        compact.predict(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        compact.predict(np.where(X > 1000, np.nan, X))
    with pytest.raises(ValueError, match="infinity"):
        compact.predict(np.where(X > 1000, np.inf, X))
    with pytest.raises(ValueError, match="0 sample"):
        compact.predict(X[:0])


def test_pandas_output_keeps_names():
    pytest.importorskip("pandas")
    X, y = _data()
    pipeline = make_pipeline(StandardScaler(), SelectKBest(k=5), NB)
    pipeline.set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = PrunedClassifier(pipeline, keep=1.0).fit(X, y)
        found = model.predict_proba(X)
    assert _equal(found, clone(pipeline).fit(X, y).predict_proba(X))


def test_target_encoder_is_out_of_fold():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 60, size=(200, 2)).astype(str)
    y = rng.integers(0, 2, size=200)
    pipeline = make_pipeline(TargetEncoder(random_state=0), NB)
    context = PruningContext(pipeline, X, y, seed=0)
    model = context.fit_first()
    (member,) = family_of(model)[0].start(model, context).members
    assert _equal(member.context.X, clone(pipeline[0]).fit_transform(X, y))


def test_texts():
    texts = ["red apple", "green apple", "red car", "fast car", "green pear", "slow car"]
    y = np.array([0, 0, 1, 1, 0, 1])
    pipeline = make_pipeline(TfidfVectorizer(), MultinomialNB())
    peer = clone(pipeline).fit(texts, y)
    whole = PrunedClassifier(pipeline, keep=1.0).fit(texts, y)
    assert _equal(whole.predict_proba(texts), peer.predict_proba(texts))
    params = {"criterion": RandomCriterion(), "unit": "feature", "keep": 6}
    half = PrunedClassifier(pipeline, **params, random_state=0).fit(texts, y)
    assert half.compact_.predict(["apple", "car"]).shape == (2,)
    assert len(half.kept_) == 6
