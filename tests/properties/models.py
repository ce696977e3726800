"""Meta-estimators around small models, drawn by hypothesis."""

from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from tests.matrix import CLASSIFIERS, REGRESSORS, of
from tests.properties.selectors import reads, selectors

INNER = {
    "classification": [
        *of(CLASSIFIERS, "logistic", "tree", "bayes", "svc", "forest", "boosting"),
        KNeighborsClassifier(1),
        make_pipeline(MaxAbsScaler(), LogisticRegression()),
    ],
    "regression": [
        *of(REGRESSORS, "ridge", "tree", "kernel", "svr", "forest", "boosting"),
        KNeighborsRegressor(1),
        make_pipeline(MaxAbsScaler(), Ridge()),
    ],
}
SUBSETS = {"classification": SampleSubsetClassifier, "regression": SampleSubsetRegressor}
PRUNED = {"classification": PrunedClassifier, "regression": PrunedRegressor}


def inner_models(problem):
    """A strategy for the models that read the rows of a problem."""
    return st.sampled_from([m for m in INNER[problem.task] if reads(m, problem)])


def budgets(problem, selector):
    """A strategy for `keep`: an int, a float or the selector's own size."""
    strategy = st.integers(2, len(problem)) | st.floats(0.05, 1.0)
    return strategy | st.just("auto") if selector.has_natural_size else strategy


@st.composite
def subsets(draw, problem, *, keep=None):
    """Draw one of the four SampleSubset* with a selector that reads the problem."""
    selector = draw(selectors(problem))
    kind = draw(st.sampled_from(["model", "model", "transformer", "sampler"]))
    arguments = {
        "keep": draw(budgets(problem, selector)) if keep is None else keep,
        "stratify": draw(st.sampled_from(["auto", None])),
        "by_group": problem.groups is not None and draw(st.booleans()),
        "random_state": draw(st.integers(0, 99)),
    }
    if kind == "model":
        inner = draw(inner_models(problem))
        return SUBSETS[problem.task](inner, selector, **arguments)
    arguments["task"] = problem.task
    if kind == "sampler":
        return SampleSubsetSampler(selector, **arguments)
    inner = [t for t in (StandardScaler(), PCA(1), MaxAbsScaler()) if reads(t, problem)]
    return SampleSubsetTransformer(draw(st.sampled_from(inner[-1:])), selector, **arguments)


class Failing(BaseEstimator):
    """A model that raises at its n-th fit, counted over all clones."""

    n_fits = 0

    def __init__(self, error=KeyboardInterrupt, at=1):
        self.error = error
        self.at = at

    def fit(self, X, y, sample_weight=None):
        """Fit a tree, or raise."""
        Failing.n_fits += 1
        if Failing.n_fits == self.at:
            raise self.error("on purpose")
        self.tree_ = self._tree(random_state=0).fit(X, y, sample_weight=sample_weight)
        self.n_features_in_ = self.tree_.n_features_in_
        return self

    def predict(self, X):
        """Predict by the tree."""
        return self.tree_.predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class FailingClassifier(ClassifierMixin, Failing):
    """A classifier that raises at its n-th fit."""

    _tree = staticmethod(DecisionTreeClassifier)

    @property
    def classes_(self):
        """The classes of the tree."""
        return self.tree_.classes_


class FailingRegressor(RegressorMixin, Failing):
    """A regressor that raises at its n-th fit."""

    _tree = staticmethod(DecisionTreeRegressor)


FAILING = {"classification": FailingClassifier, "regression": FailingRegressor}
