"""A script: prints the descriptions of one thing of each kind, for another process."""

import enum
import fractions
import functools
import json
import operator
import re
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Lock
from types import SimpleNamespace

import numpy as np
from joblib import Memory
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn import set_config
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.callback import ProgressBar
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.metrics import f1_score, make_scorer, roc_auc_score
from sklearn.model_selection import PredefinedSplit, RepeatedStratifiedKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils.discovery import all_estimators

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune._lazy import has
from sklearn_prune.comparison.provenance.descriptions import describe
from sklearn_prune.sample_selection import AutoSelector
from sklearn_prune.weight_pruning import GradualSchedule

sk = SimpleNamespace(**dict(all_estimators()))

FACTOR = 3
NAMES = frozenset({"alpha", "beta", "gamma", "delta"})
Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Recipe:
    sugar: float
    extras: set = field(default_factory=set)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, {"x", "y", "z"}


class Scaled(TransformerMixin, BaseEstimator):
    limit = 7

    def __init__(self, factor=2.0):
        self.factor = factor

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return multiplied(X) * self.factor


class Majority(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))


class Unpicklable:
    def __reduce_ex__(self, protocol):
        raise TypeError("no")


def multiplied(X):
    """Multiply."""
    return X * FACTOR if "alpha" in NAMES else X


def scaled_by(weights):
    return lambda X: X * weights


@functools.lru_cache
def remembered(x):
    return x + FACTOR


def things():
    set_config(enable_metadata_routing=True)
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    forest = sk.RandomForestClassifier(5, random_state=0)
    circle = [1, 2]
    circle.append(circle)
    linked = Recipe(1.0)
    linked.extras = {"self": linked}
    yield from {
        "none": None,
        "numbers": [True, 1, 1.0, -0.0, 0.1, float("nan"), float("-inf"), 10**30, 2 + 1j],
        "numpy scalars": [np.float64(0.5), np.float32(0.5), np.int64(3), np.int8(3)],
        "more scalars": [np.bool_(True), np.str_("a"), np.datetime64("2020-01-01", "D")],
        "longdouble": np.longdouble("0.1"),
        "texts": ["a", "\ud800", b"raw", bytearray(b"x" * 100), memoryview(b"abc")],
        "sets": [{"b", "a", 1, 2.5, None}, frozenset({("x", 1), "y"})],
        "dicts": [{"b": 1, "a": {3: "x", None: "y", (1, 2): "z"}}, {}],
        "collections": [
            OrderedDict(b=1, a=2),
            defaultdict(list, {"q": [1]}),
            deque([1, 2], maxlen=3),
            Counter("hello"),
            Point(1, 2),
        ],
        "arrays": [X, X.T, np.asfortranarray(X), csr_matrix(X), np.ma.masked_less(X, 0)],
        "objects": np.array(["a", None, 1.5, (1, 2)], dtype=object),
        "estimators": [
            make_pipeline(sk.StandardScaler(), "passthrough", forest),
            make_union("passthrough", sk.StandardScaler()),
            sk.VotingClassifier([("a", "drop"), ("b", sk.LogisticRegression())]),
            make_column_transformer((sk.StandardScaler(), make_column_selector("x.*"))),
            sk.GridSearchCV(
                forest, {"max_depth": [2, None], "ccp_alpha": stats.uniform(0, 1)}
            ),
            PrunedClassifier(forest, keep=np.float32(0.3), schedule=GradualSchedule(3)),
            SampleSubsetClassifier(forest, AutoSelector(), keep=20),
        ],
        "fitted": [
            sk.FrozenEstimator(forest.fit(X, y)),
            sk.FrozenEstimator(
                sk.HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, y)
            ),
            sk.FrozenEstimator(
                make_pipeline(sk.StandardScaler(), sk.LogisticRegression()).fit(X, y)
            ),
            sk.FrozenEstimator(
                PrunedClassifier(sk.LogisticRegression(), keep=0.5).fit(X, y)
            ),
        ],
        "own classes": [
            Scaled(),
            Majority().fit(X, y),
            sk.FrozenEstimator(Majority().fit(X, y)),
        ],
        "functions": [
            multiplied,
            lambda X, scale=2.0, *, shift=1: X * scale + shift,
            scaled_by(np.arange(3.0)),
            remembered,
            functools.partial(multiplied, X=X),
            sk.FunctionTransformer(multiplied, kw_args={"b": 1, "a": 2}),
            np.exp,
            np.mean,
            np.vectorize(multiplied),
            np.random.default_rng,
            len,
            str.upper,
            "abc".upper,
            Scaled(3.0).transform,
            operator.itemgetter(1, 0),
            roc_auc_score,
            print,
            json.dumps,
            int.from_bytes,
        ],
        "classes": [Scaled, Recipe, sk.LogisticRegression, dict],
        "randomness": [
            np.random.RandomState(3),
            np.random.default_rng(3),
            np.random.SeedSequence(3, spawn_key=(1,)),
            np.random.Philox(4),
        ],
        "splitters": [
            RepeatedStratifiedKFold(random_state=np.random.RandomState(3)),
            ShuffleSplit(random_state=0),
            PredefinedSplit(y),
        ],
        "scorers": [
            make_scorer(f1_score, average="macro"),
            make_scorer(roc_auc_score, response_method="predict_proba"),
            make_scorer(lambda y, p: (y == p).mean()).set_score_request(sample_weight=True),
        ],
        "routing": sk.LogisticRegression()
        .set_fit_request(sample_weight=True)
        .set_score_request(sample_weight="weights"),
        "plain objects": [
            Colour.RED,
            Access.READ | Access.WRITE,
            Recipe(0.5, {"b", "a", "c"}),
            Slotted(),
            RBF(2.0) + WhiteKernel(),
            datetime(2020, 1, 2, 3, tzinfo=timezone.utc),  # noqa: UP017
            date(2020, 1, 2),
            timedelta(1),
            Decimal("0.10"),
            fractions.Fraction(1, 3),
            Path("a") / "b",
            re.compile("a+", re.IGNORECASE),
            range(3),
            slice(1, None),
            Ellipsis,
            np.dtype(">f4"),
            Memory(None),
            *([ProgressBar()] if has("rich") else []),
            np,
            iter([1, 2]),
        ],
        "beyond description": [
            Lock(),
            Unpicklable(),
            (n for n in range(3)),
            object(),
        ],
        "circles": [circle, linked],
    }.items()
    yield from more_things(X)


def more_things(X):
    """Things of libraries that may be missing."""
    if has("pandas"):
        yield "pandas", things_of_pandas(X)
    if has("polars"):
        import polars

        yield (
            "polars",
            [polars.DataFrame({"a": [1, None]}), polars.Series(["x", "y"]), polars.Int8],
        )
    if has("torch") and has("skorch"):
        yield from things_of_torch(X)


def things_of_pandas(X):
    import pandas

    frame = pandas.DataFrame(X, columns=list("abc")).assign(d=["x", None] * 20)
    return [
        frame,
        frame["a"],
        frame["d"].astype("category"),
        frame.index,
        pandas.Timestamp("2020-01-01"),
        pandas.NA,
        pandas.CategoricalDtype(["b", "a"]),
    ]


def things_of_torch(X):
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import EpochScoring
    from skorch.dataset import ValidSplit

    torch.manual_seed(0)
    yield (
        "torch",
        [
            torch.arange(3.0),
            torch.arange(3.0, dtype=torch.bfloat16),
            torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()),
            torch.float32,
            torch.device("cpu"),
            torch.optim.Adam,
            torch.relu,
        ],
    )
    net = NeuralNetClassifier(
        torch.nn.Linear,
        module__in_features=3,
        module__out_features=2,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=2,
        verbose=0,
        callbacks=[("scores", EpochScoring("roc_auc"))],
        train_split=ValidSplit(3),
    )
    yield "skorch", net
    y = (X[:, 0] > 0).astype(np.int64)
    net.set_params(callbacks=None).fit(X.astype(np.float32), y)
    yield "fitted skorch", sk.FrozenEstimator(net)


if __name__ == "__main__":
    for name, thing in things():
        print(name, canonical_json(describe(thing)), sep="\t")
