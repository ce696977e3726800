"""Every public selector with parameters drawn from its own constraints."""

import inspect
from numbers import Integral, Real

from hypothesis import reject
from hypothesis import strategies as st
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags

from sklearn_prune import sample_selection as ss
from sklearn_prune._sklearn_compat import Interval, StrOptions

CLASSES = [
    cls
    for cls in (getattr(ss, name) for name in ss.__all__)
    if inspect.isclass(cls)
    and issubclass(cls, ss.SampleSelector)
    and not inspect.isabstract(cls)
]
MODELS = {
    "classification": [GaussianNB(), DecisionTreeClassifier(max_depth=3)],
    "regression": [LinearRegression(), DecisionTreeRegressor(max_depth=3)],
}
#: Where the default of a parameter takes long, or its constraint says too little.
BY_HAND = {
    ("AutoSelector", "random_state"): st.just(0),
    ("ChainSelector", "selectors"): st.sampled_from(
        [
            None,
            [(ss.RandomSelector(), 0.7)],
            [ss.TomekLinksSelector(), ss.HardnessSelector(3)],
            [(ss.HardnessSelector(), 0.8), (ss.LeverageSelector(), 0.5)],
            [(ss.HerdingSelector(), 0.9), ss.ENNSelector(), ss.RandomSelector()],
        ]
    ),
    ("CoverageCentricSelector", "selector"): st.sampled_from(
        [ss.LeverageSelector(), ss.HardnessSelector(3)]
    ),
    ("DataOOBSelector", "n_estimators"): st.integers(1, 6),
    ("EL2NSelector", "n_repeats"): st.integers(1, 2),
    ("ForgettingSelector", "n_epochs"): st.just(2),
    ("ForgettingSelector", "n_folds"): st.just(2),
    ("ForgettingSelector", "n_repeats"): st.just(2),
    ("ForgettingSelector", "out_of_fold"): st.just(True),
    ("OutlierSelector", "detector"): st.sampled_from(
        [LocalOutlierFactor(4), IsolationForest(n_estimators=3)]
    ),
    ("OutlierSelector", "n_folds"): st.integers(2, 3),
    ("RMHCSelector", "n_iter"): st.integers(0, 50),
}


def reads(estimator, problem):
    """Whether its tags say that it takes the rows of the problem."""
    return not issparse(problem.X) or get_tags(estimator).input_tags.sparse


def parameters(cls, problem):
    """A strategy for the parameters of a class, by its constraints."""
    task = problem.task
    strategies = {}
    for name, constraint in cls._parameter_constraints.items():
        strategy = BY_HAND.get((cls.__name__, name))
        if name == "estimator":
            models = [m for m in MODELS[task] if reads(m, problem)]
            strategy = st.sampled_from(models)
        elif name == "task":
            strategy = st.sampled_from(["auto", task])
        elif name == "keep":
            strategy = st.floats(0.1, 1.0)
        elif name == "n_jobs":
            strategy = st.sampled_from([None, 1])
        elif strategy is None:
            options = [_strategy(option) for option in constraint]
            strategy = st.one_of([option for option in options if option is not None])
        strategies[name] = strategy
    return st.fixed_dictionaries(strategies)


def _strategy(option):
    if option is None or option == "random_state":
        return st.none() if option is None else st.integers(0, 99)
    if option == "boolean" or option is bool:
        return st.booleans()
    if option == "cv_object":
        return st.integers(2, 4)
    if isinstance(option, StrOptions):
        return st.sampled_from(sorted(option.options))
    if isinstance(option, Interval) and option.type is Integral:
        return st.integers(option.left, option.right or option.left + 5)
    if isinstance(option, Interval) and option.type is Real:
        low, high = option.left or 0.0, 4.0 if option.right is None else option.right
        inner = st.floats(0.05, 0.95).map(lambda share: low + share * (high - low))
        return inner if option.closed in ("neither", "left") else inner | st.just(high)
    return None


@st.composite
def selectors(draw, problem, *, classes=CLASSES):
    """Draw a selector that reads the problem."""
    cls = draw(st.sampled_from(classes))
    return cls(**draw(parameters(cls, problem)))


def seeded(estimator, seed):
    """A clone with a seed, where it takes one and has none."""
    estimator = clone(estimator)
    if estimator.get_params(deep=False).get("random_state", seed) is None:
        estimator.set_params(random_state=seed)
    return estimator


def fit_or_refuse(estimator, problem, params=None):
    """Fit, or draw another example where the data are refused in one line."""
    params = problem.fit_params if params is None else params
    try:
        return estimator.fit(problem.X, problem.y, **params)
    except ValueError as error:
        reason = str(error)
    assert "\n" not in reason
    # The last two are scikit-learn's: no classes in y, none left in rows of weight above 0.
    assert any(word in reason for word in ("Got", "continuous", "with their sample_weight"))
    reject()
