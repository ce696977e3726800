"""Hostile settings of linear models, kernels, neighbours, naive Bayes and strangers."""

import warnings
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
import scipy
from packaging.version import Version
from scipy.sparse import csc_array, csr_array
from sklearn import base
from sklearn import linear_model as lm
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import laplacian_kernel

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune.weight_pruning._registry import family_of, units_of
from tests import matrix
from tests.conftest import as_frame
from tests.estimators import sk

pytestmark = pytest.mark.sampled(3)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
CODES = np.digitize(X[:, 0] + 0.5 * X[:, 1] + 0.3 * RNG.normal(size=60), [-0.5, 0.5])
VALUES = X @ [1.0, -2.0, 0.5, 0.0, 0.0] + 0.2 * X[:, 0] ** 2 + 0.1 * RNG.normal(size=60)
TEXT = np.array(["low", "mid", "top"])[CODES]
TWO = CODES > 0
SEVERAL = np.c_[VALUES, X[:, 1] - VALUES, VALUES**2]
LABELS = np.c_[CODES > 0, CODES > 1, X[:, 2] > 0].astype(int)
WEIGHTS = RNG.uniform(0.1, 3.0, 60)
POSITIVE = np.exp(0.3 * VALUES)
COUNTS = RNG.poisson(2.0, (60, 5)) + 2 * (CODES[:, None] == np.arange(5))
MANY = np.arange(200) % 100  # classes of two rows
CROWD = RNG.normal(size=(200, 5)) + MANY[:, None] % 7
THOUSAND = np.arange(1000)
CONSTANT = X * [1, 1, 0, 1, 0] + [0, 0, 3, 0, 0]
WIDE = RNG.normal(size=(20, 50))
GRID = np.round(X)  # ties and duplicates
NEAR = GRID + 1e-4 * np.random.default_rng(1).normal(size=GRID.shape)
ONE = np.zeros(60, dtype=int)
NAMED = as_frame(X, "pandas") if find_spec("pandas") else X


class Sparsified:
    """Makes the coefficients of a fitted model sparse."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y, **params):
        return base.clone(self.model).fit(X, y, **params).sparsify()


class Continued:
    """Fits in two calls of partial_fit, or twice."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        model = base.clone(self.model)
        if not hasattr(model, "partial_fit"):
            return model.fit(X[::2], y[::2]).fit(X, y)
        known = {"classes": np.unique(y)} if base.is_classifier(model) else {}
        return model.partial_fit(X[::2], y[::2], **known).partial_fit(X, y)


def linear_cases():
    saga = {"solver": "saga", "max_iter": 50, "random_state": 0}
    logistic = lm.LogisticRegression
    yield "sparse svc", Sparsified(sk.LinearSVC(penalty="l1", C=0.05)), X, TEXT
    yield "sparse logistic", Sparsified(logistic(**saga, l1_ratio=1.0, C=0.1)), X, TWO
    yield "sparse sgd", Sparsified(lm.SGDClassifier(loss="modified_huber")), X, CODES - 5
    if Version(scipy.__version__) >= Version(
        "1.15"
    ):  # sparsify makes a sparse array with one axis
        yield "sparse sgd values", Sparsified(lm.SGDRegressor(penalty="l1")), X, VALUES
    yield "no penalty", logistic(C=np.inf), X, TEXT
    yield "no intercept", logistic(fit_intercept=False), X, TWO
    yield "all zero", logistic(**saga, l1_ratio=1.0, C=1e-4), X, TEXT
    yield "elastic net", logistic(**saga, l1_ratio=0.5), csc_array(X), TEXT
    for solver in ("liblinear", "newton-cg", "newton-cholesky", "sag"):
        yield solver, logistic(solver=solver, max_iter=30), csr_array(X), TWO
    yield "dual", logistic(solver="liblinear", dual=True, intercept_scaling=9.0), X, TWO
    yield "weights", logistic(class_weight={0: 5, 1: 1, 2: 0.2}), X, CODES, WEIGHTS
    yield "warm logistic", Continued(logistic(warm_start=True)), X, TEXT
    yield "hundred logistic", logistic(max_iter=3), CROWD, MANY
    yield "single logistic", logistic(), X.astype("f4"), TEXT
    yield "whole numbers", logistic(), COUNTS, CODES
    yield "named", logistic(), NAMED, TEXT
    yield "one column", logistic(), X[:, :1], TEXT
    yield "wide", logistic(), WIDE, np.arange(20) % 2 == 0
    yield "constant", logistic(), CONSTANT, TEXT
    folds = {"Cs": 2, "cv": 2, "l1_ratios": (0.0,), "use_legacy_attributes": False}
    yield "logistic folds", lm.LogisticRegressionCV(**folds, scoring="accuracy"), X, TEXT
    yield "ridge one class", lm.RidgeClassifier(), X, ONE
    yield "ridge labels", lm.RidgeClassifier(), X, LABELS
    yield "ridge folds", lm.RidgeClassifierCV(class_weight="balanced"), X, TEXT, WEIGHTS
    yield "ridge hundred", lm.RidgeClassifier(), CROWD, MANY
    yield "svc hinge", sk.LinearSVC(loss="hinge", random_state=0), X.astype("f4"), TWO
    yield "svc hundred", sk.LinearSVC(max_iter=5), CROWD, MANY
    yield "crammer", sk.LinearSVC(multi_class="crammer_singer"), X, TEXT
    yield "averaged", lm.SGDClassifier(average=True, loss="log_loss"), X, TEXT
    yield "averaged late", lm.SGDClassifier(average=10**6), X, TWO
    yield "continued", Continued(lm.SGDClassifier(loss="log_loss")), X, TEXT
    yield "warm", Continued(lm.SGDRegressor(warm_start=True)), X, VALUES
    yield "perceptron", lm.Perceptron(penalty="elasticnet"), csr_array(X), TEXT
    yield "stopped early", lm.SGDRegressor(early_stopping=True), X, VALUES, WEIGHTS
    yield "ols rank", lm.LinearRegression(), np.c_[X, X], SEVERAL
    yield "ols column", lm.LinearRegression(), X, VALUES[:, None]
    yield "ols sparse", lm.LinearRegression(fit_intercept=False), csc_array(X), VALUES
    yield "ridge each", lm.Ridge(alpha=[0.1, 1, 9], fit_intercept=False), X, SEVERAL
    yield "ridge each folds", lm.RidgeCV(alpha_per_target=True), X, SEVERAL, WEIGHTS
    yield "ridge wide", lm.RidgeCV(gcv_mode="eigen"), WIDE, WIDE[:, 0]
    yield "ridge positive", lm.Ridge(positive=True, solver="lbfgs"), X, VALUES
    yield "lasso nothing", lm.Lasso(alpha=1e3), X, SEVERAL
    yield "lasso warm", Continued(lm.Lasso(0.1, warm_start=True)), X, VALUES
    yield "lasso single", lm.LassoCV(cv=2), X.astype("f4"), VALUES.astype("f4")
    yield "net folds", lm.ElasticNetCV(cv=2, alphas=3), csr_array(X), VALUES
    yield "task folds", lm.MultiTaskLassoCV(cv=2, alphas=3), X, SEVERAL
    yield "task net", lm.MultiTaskElasticNetCV(cv=2, alphas=3), X, SEVERAL
    yield "lars", lm.Lars(n_nonzero_coefs=2), X, SEVERAL
    yield "lars folds", lm.LarsCV(cv=2), X, VALUES
    yield "lasso lars", lm.LassoLars(alpha=0.01), X, SEVERAL[:, :1]
    yield "criterion", lm.LassoLarsIC(), X, VALUES
    yield "pursuit", lm.OrthogonalMatchingPursuitCV(cv=2), X, VALUES
    yield "bayes", lm.BayesianRidge(compute_score=True), X, VALUES, WEIGHTS
    yield "bayes wide", lm.BayesianRidge(), WIDE, WIDE[:, 0]
    yield "bayes bare", lm.BayesianRidge(fit_intercept=False), X, VALUES
    yield "relevance", lm.ARDRegression(threshold_lambda=100.0), X, VALUES
    yield "huber", lm.HuberRegressor(fit_intercept=False), X, VALUES, WEIGHTS
    yield "quantile", lm.QuantileRegressor(alpha=0.1), X, VALUES, WEIGHTS
    yield "theil sen", lm.TheilSenRegressor(max_subpopulation=50, random_state=0), X, VALUES
    yield "ransac", lm.RANSACRegressor(random_state=0, max_trials=5), X, VALUES
    yield (
        "ransac outputs",
        lm.RANSACRegressor(lm.Ridge(), min_samples=9, random_state=0, max_trials=5),
        X,
        SEVERAL,
    )
    yield "svr", sk.LinearSVR(epsilon=0.1, random_state=0), csr_array(X), VALUES, WEIGHTS
    yield "poisson", lm.PoissonRegressor(fit_intercept=False), X, POSITIVE, WEIGHTS
    yield "gamma", lm.GammaRegressor(alpha=0), csr_array(X), POSITIVE
    yield "tweedie", lm.TweedieRegressor(power=1.5, link="identity"), COUNTS, 1 + CODES
    yield "normal log", lm.TweedieRegressor(power=0, link="log"), X.astype("f4"), POSITIVE
    yield "pls", sk.PLSRegression(3), X, SEVERAL
    yield "pls one", sk.PLSRegression(1, scale=False), X, VALUES
    yield "pls canonical", sk.PLSCanonical(2), NAMED, SEVERAL
    yield "cca", sk.CCA(1), X, SEVERAL


def kernel_cases():
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        machine = sk.SVC(kernel=kernel, degree=2, coef0=0.5, gamma="auto")
        yield kernel, machine, csr_array(X), TEXT
        yield (
            f"{kernel} ovo",
            base.clone(machine).set_params(decision_function_shape="ovo"),
            X,
            CODES - 1,
        )
        yield f"{kernel} values", sk.SVR(kernel=kernel, gamma="auto"), X, VALUES, WEIGHTS
    for solver in (sk.SVC(probability=True), sk.NuSVC(probability=True)):
        yield f"chances {solver}", solver.set_params(random_state=0), X, TEXT
        yield f"chances two {solver}", base.clone(solver), X.astype("f4"), TWO, WEIGHTS
    yield "ties", sk.SVC(break_ties=True), GRID, TEXT
    yield "ties ovo", sk.SVC(break_ties=True, decision_function_shape="ovo"), GRID, TEXT
    yield "degree 0", sk.SVC(kernel="poly", degree=0), X, TEXT
    yield "degree 7", sk.SVC(kernel="poly", degree=7, coef0=1.0), X, TEXT
    yield "function", sk.SVC(kernel=laplacian_kernel), X, TEXT
    yield "gram", sk.SVC(kernel="precomputed"), X @ X.T, TEXT
    yield "gram values", sk.SVR(kernel="precomputed"), X @ X.T, VALUES
    yield "huge", sk.SVC(), 1e12 * X, TEXT
    yield "tiny", sk.SVC(), 1e-12 * X, TEXT
    yield "far", sk.SVC(), 1e6 + X, TEXT
    yield "narrow", sk.SVC(gamma=1e4, probability=True), X, TEXT
    yield "flat", sk.SVC(gamma=1e-9), X, TEXT
    yield "hard", sk.SVC(C=1e9, max_iter=1000), X, TEXT
    yield "one support", sk.SVC(C=1e6), np.r_[X, [[50.0] * 5]], np.r_[CODES, 9]
    yield "unbalanced", sk.SVC(class_weight={"low": 100, "mid": 1e-3, "top": 1}), X, TEXT
    yield "thirty", sk.SVC(kernel="linear"), CROWD[:60], np.arange(60) % 30
    yield "one column svc", sk.SVC(), X[:, :1], TEXT
    yield "wide svc", sk.SVC(), WIDE, np.arange(20) % 2 == 0
    yield "constant svc", sk.SVC(), CONSTANT, TEXT
    yield "all constant", sk.SVC(), np.ones((60, 3)), TEXT
    yield "named svc", sk.SVC(), NAMED, TWO
    yield "whole svc", sk.SVC(), COUNTS, CODES
    yield "nu", sk.NuSVC(nu=0.3, kernel="poly"), csc_array(X), TEXT
    yield "nu values", sk.NuSVR(C=10.0), X.astype("f4"), VALUES
    yield "no vector", sk.SVR(epsilon=1e3), X, VALUES
    yield "no vector linear", sk.SVR(kernel="linear", epsilon=1e3), X, VALUES
    for kernel in ("rbf", "laplacian", "cosine", "polynomial", "linear", "sigmoid"):
        yield f"ridge {kernel}", sk.KernelRidge(kernel=kernel), X, SEVERAL, WEIGHTS
    yield "ridge chi2", sk.KernelRidge(kernel="chi2", gamma=0.1), COUNTS, VALUES
    yield "ridge additive", sk.KernelRidge(kernel="additive_chi2"), np.abs(X), VALUES
    yield "ridge function", sk.KernelRidge(kernel=lambda a, b: a @ b), X, VALUES
    yield "ridge object", sk.KernelRidge(kernel=gp.RBF(2.0)), X, VALUES
    yield "ridge gram", sk.KernelRidge(kernel="precomputed"), X @ X.T, SEVERAL
    yield "ridge sparse", sk.KernelRidge(kernel="rbf", gamma=0.3), csc_array(X), VALUES
    yield "ridge alphas", sk.KernelRidge(alpha=[1, 2, 3.0], kernel="poly"), X, SEVERAL
    yield "ridge column", sk.KernelRidge(kernel="rbf"), COUNTS, VALUES[:, None]


def process_cases():
    noisy = 2.0 * gp.RBF(1.0) + gp.WhiteKernel(0.1)
    composed = gp.RationalQuadratic() * gp.DotProduct() + gp.Matern(nu=1.5) ** 2
    regressor, classifier = sk.GaussianProcessRegressor, sk.GaussianProcessClassifier
    plain = {"optimizer": None}
    yield "default", regressor(), X, VALUES
    yield "noisy", regressor(noisy, normalize_y=True, **plain), X, SEVERAL
    yield "composed", regressor(composed, alpha=0.1, **plain), X, VALUES[:, None]
    yield "each noise", regressor(noisy, alpha=WEIGHTS, **plain), X, VALUES
    yield (
        "restarts",
        regressor(gp.RBF([1.0] * 5), alpha=0.1, n_restarts_optimizer=1, random_state=0),
        X[:30],
        VALUES[:30],
    )
    yield "not copied", regressor(noisy, copy_X_train=False, **plain), X, VALUES
    yield "periodic", regressor(gp.ExpSineSquared() + noisy, **plain), X[:, :1], VALUES
    yield "process of one", regressor(noisy, **plain), X[:1], VALUES[:1]
    yield "same targets", regressor(noisy, normalize_y=True, **plain), X, ONE
    pairwise = gp.PairwiseKernel(metric="rbf")
    yield "pairwise kernel", regressor(pairwise, alpha=1.0, **plain), X.astype("f4"), VALUES
    yield "process two", classifier(noisy, **plain), X, TWO
    yield "process rest", classifier(gp.Matern(), **plain), X, TEXT
    yield "process pairs", classifier(gp.RBF(), multi_class="one_vs_one", **plain), X, TEXT
    yield "process named", classifier(**plain), NAMED, TEXT
    yield "process warm", classifier(gp.RBF(), warm_start=True), X[:30], CODES[:30]


def neighbor_cases():
    k, values = sk.KNeighborsClassifier, sk.KNeighborsRegressor
    for algorithm in ("kd_tree", "ball_tree", "brute"):
        for weights in ("uniform", "distance"):
            how = {"algorithm": algorithm, "weights": weights}
            name = f"{algorithm} {weights}"
            rows = GRID if weights == "distance" else NEAR  # the first of ties count
            yield f"ties {name}", k(5, **how), rows, TEXT
            regressor = values(3, leaf_size=2, **how)
            yield f"values {name}", regressor, rows.astype("f4"), SEVERAL
    squares = {"V": X.var(axis=0)}
    inverse = {"VI": np.linalg.inv(np.cov(X.T))}
    for metric, params in {
        "manhattan": None,
        "chebyshev": None,
        "seuclidean": squares,
        "mahalanobis": inverse,
        "canberra": None,
        "braycurtis": None,
        "hamming": None,
        "minkowski": {"w": np.array([1.0, 2, 3, 0, 1])},
        "cosine": None,
        "correlation": None,
        "sqeuclidean": None,
    }.items():
        brute = metric in ("cosine", "correlation", "sqeuclidean")
        how = {"metric": metric, "metric_params": params}
        yield metric, k(4, weights="distance", p=3, **how), X, TEXT
        if not brute and metric != "minkowski":
            yield f"{metric} tree", values(4, algorithm="ball_tree", **how), X, VALUES
    yield "cubic", k(3, p=3), X, TEXT
    yield "half power", k(3, p=0.5, algorithm="brute"), X, TEXT
    for metric in ("jaccard", "dice", "rogerstanimoto", "russellrao", "yule"):
        weights = "uniform" if metric == "dice" else "distance"  # of no bits it is 0 / 0
        yield metric, k(len(X), weights=weights, metric=metric), X > 0, TEXT
    yield "haversine", k(3, metric="haversine", algorithm="ball_tree"), X[:, :2], TEXT
    yield "distance function", k(3, metric=lambda a, b: np.abs(a - b).max()), X, TEXT
    yield "weight function", k(3, weights=lambda d: np.exp(-d)), X, TEXT
    yield "distances", k(3, metric="precomputed"), np.abs(X[:, :1] - X[:, 0]), TEXT
    yield "neighbours sparse", k(3, weights="distance"), csc_array(GRID), TEXT
    yield "neighbours labels", k(4, weights="distance"), GRID, LABELS
    yield "neighbours kinds", k(4), X, np.c_[CODES * 5 - 3, LABELS[:, 0]]
    yield "neighbours thousand", k(1), np.arange(1000.0)[:, None], THOUSAND
    yield "neighbours one class", k(5), X, np.repeat("x", 60)
    yield "all rows", k(60), X, TEXT
    yield "duplicates", k(4, weights="distance"), np.ones((60, 3)), TEXT
    yield "duplicate values", values(4, weights="distance"), GRID // 2, VALUES
    yield "neighbours whole", k(2), COUNTS, CODES - 7
    yield "neighbours bytes", k(2), COUNTS.astype(np.uint8), CODES
    yield "neighbours jobs", values(2, n_jobs=2), NAMED, CODES
    yield "neighbours wide", k(3), WIDE, np.arange(20) % 2 == 0
    radius = sk.RadiusNeighborsClassifier
    yield "radius", radius(3.0, outlier_label="most_frequent"), X, TEXT
    yield "radius labels", radius(9.0, weights="distance"), X, LABELS
    yield "radius values", sk.RadiusNeighborsRegressor(4.0), csr_array(X), SEVERAL


def bayes_cases():
    yield "gauss", sk.GaussianNB(priors=[0.2, 0.5, 0.3]), X, TEXT, WEIGHTS
    yield "gauss partial", Continued(sk.GaussianNB()), X, CODES - 1
    yield "gauss single", sk.GaussianNB(), X.astype("f4"), TWO
    yield "gauss constant", sk.GaussianNB(), CONSTANT, TEXT
    yield "gauss one class", sk.GaussianNB(), X, ONE
    yield "gauss hundred", sk.GaussianNB(), CROWD, MANY
    yield "gauss huge", sk.GaussianNB(), 1e150 * X, TEXT
    yield "gauss named", sk.GaussianNB(), NAMED, TEXT
    for cls in (sk.MultinomialNB, sk.ComplementNB, sk.BernoulliNB):
        name = cls.__name__
        yield f"{name} zero", cls(alpha=0.0, force_alpha=True), COUNTS + 1, TEXT, WEIGHTS
        yield f"{name} partial", Continued(cls(fit_prior=False)), COUNTS, TEXT
        yield f"{name} sparse", cls(alpha=0.1), csc_array(COUNTS), TWO
        yield f"{name} one class", cls(), COUNTS, ONE
        yield f"{name} single", cls(), COUNTS.astype("f4"), TEXT
        yield f"{name} prior", cls(class_prior=[0.1, 0.2, 0.7]), COUNTS, CODES
    yield "norm", sk.ComplementNB(norm=True), COUNTS, TEXT
    yield "no threshold", sk.BernoulliNB(binarize=None), (X > 0).astype(int), TEXT
    yield "threshold", sk.BernoulliNB(binarize=0.5), X, TEXT
    yield "categories", sk.CategoricalNB(min_categories=20), COUNTS, TEXT, WEIGHTS
    yield "categories each", Continued(sk.CategoricalNB(min_categories=20)), COUNTS, TWO
    yield "categories one", sk.CategoricalNB(), COUNTS[:, :1], ONE
    linear = sk.LinearDiscriminantAnalysis
    yield "discriminant", linear(n_components=1), X, TEXT
    yield "discriminant shrunk", linear(solver="lsqr", shrinkage="auto"), CONSTANT, TWO
    yield "discriminant eigen", linear(solver="eigen", shrinkage=0.2), X, TEXT
    yield "discriminant wide", linear(), WIDE, np.arange(20) % 4
    yield "discriminant single", linear(priors=[0.1, 0.9]), X.astype("f4"), TWO
    yield "discriminant hundred", linear(), CROWD, MANY
    quadratic = sk.QuadraticDiscriminantAnalysis
    yield "quadratic", quadratic(priors=[0.1, 0.2, 0.7], reg_param=0.1), X, TEXT
    yield "quadratic two", quadratic(store_covariance=True), X.astype("f4"), TWO
    yield "quadratic eigen", quadratic(solver="eigen", shrinkage="auto"), X, TEXT


class Bare(base.ClassifierMixin, base.BaseEstimator):
    """No n_features_in_, no classes_, predict only."""

    def fit(self, X, y):
        self.center_, self.labels_ = np.mean(X), np.unique(y)
        return self

    def predict(self, X):
        return self.labels_[(np.asarray(X)[:, 0] > self.center_).astype(int)]


class NoPredict(base.ClassifierMixin, base.BaseEstimator):
    """Fits, and that is all."""

    def fit(self, X, y):
        return self


class NoParams:
    """Written without a base class."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


class Lists(base.RegressorMixin, base.BaseEstimator):
    """Answers in lists."""

    def fit(self, X, y):
        self.mean_ = [float(np.mean(y))]
        return self

    def predict(self, X):
        return self.mean_ * len(X)


class ListsOfLabels(base.ClassifierMixin, base.BaseEstimator):
    """Labels and classes in lists, probabilities in lists of lists."""

    def fit(self, X, y):
        self.classes_ = sorted(set(np.asarray(y).tolist()))
        return self

    def predict(self, X):
        return [self.classes_[0]] * len(X)

    def predict_proba(self, X):
        return [[1.0] + [0.0] * (len(self.classes_) - 1)] * len(X)


class OwnPredict(lm.LogisticRegression):
    """A subclass that answers otherwise."""

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmin(axis=1)]


class OwnFit(lm.Ridge):
    """A subclass that only fits otherwise."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.coef_ = np.round(self.coef_, 1)
        return self


def strange_cases():
    yield "bare", Bare(), X, TWO
    yield "lists", Lists(), X, VALUES
    yield "lists of labels", ListsOfLabels(), X, TEXT
    yield "own predict", OwnPredict(), X, TEXT
    yield "own fit", OwnFit(), X, VALUES
    for metric in ("euclidean", "manhattan"):
        yield f"centroid {metric}", sk.NearestCentroid(metric=metric), X, TEXT
    yield (
        "centroid shrunk",
        sk.NearestCentroid(shrink_threshold=0.5, priors="empirical"),
        X,
        TWO,
    )
    known = np.where(np.arange(60) % 3, CODES, -1)
    yield "propagation", sk.LabelPropagation(max_iter=50), X, known
    yield "spreading", sk.LabelSpreading("knn", n_neighbors=5), X, known
    yield "isotonic", sk.IsotonicRegression(out_of_bounds="clip"), X[:, 0], VALUES, WEIGHTS
    yield "isotonic column", sk.IsotonicRegression(increasing=False), X[:, :1], VALUES
    yield "dummy", sk.DummyClassifier(strategy="prior"), X, TEXT
    yield "dummy labels", sk.DummyClassifier(strategy="most_frequent"), X, LABELS
    yield "dummy values", sk.DummyRegressor(strategy="quantile", quantile=0.3), X, SEVERAL


CASES = {
    "linear": linear_cases,
    "kernel": kernel_cases,
    "process": process_cases,
    "neighbors": neighbor_cases,
    "bayes": bayes_cases,
    "strange": strange_cases,
}


def all_cases():
    for family, cases in CASES.items():
        for name, *parts in cases():
            yield pytest.param(
                *parts[:3],
                dict(zip(["sample_weight"], parts[3:], strict=False)),
                id=f"{family}: {name}",
            )


every = pytest.mark.parametrize(("estimator", "X", "y", "params"), list(all_cases()))


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@every
def test_whole(estimator, X, y, params):
    matrix.assert_whole(estimator, X, y, params)


def assert_smaller(estimator, X, y, params, unit, keep, quantize=None, frozen=False):
    plain = matrix.fitted(estimator, X, y, **params)
    before = matrix.bytes_of(plain)
    frozen = frozen or not isinstance(estimator, base.BaseEstimator)
    units = ("auto", *units_of(family_of(plain)[0]))
    inner = sk.FrozenEstimator(plain) if frozen else estimator
    model = matrix.pruned(
        inner, keep=keep, unit=units[unit % len(units)], quantize=quantize
    )
    try:
        model.fit(X, y, **params)
    except (TypeError, ValueError) as error:
        matrix.assert_refused(str(error))
        return
    if "Neighbors" not in type(plain).__name__:  # their trees count their queries
        assert matrix.bytes_of(plain) == before
    matrix.assert_apart(model.compact_, [plain, X, y, params])
    matrix.assert_valid(model, plain, X)
    matrix.assert_valid(model, plain, matrix.rows_like(X)["many"])


PLANS = list(product(range(3), (0.5, 0.1, "auto"), (None, "int8", "float16", "codebook")))
planned = pytest.mark.parametrize(
    ("estimator", "X", "y", "params", "plan"),
    [
        pytest.param(*one.values, PLANS[(7 * number) % len(PLANS)], id=one.id)
        for number, one in enumerate(all_cases())
    ],
)


@planned
def test_smaller(estimator, X, y, params, plan):
    unit, keep, quantize = plan
    assert_smaller(estimator, X, y, params, unit, keep, frozen=quantize == "int8")


@planned
def test_rounded(estimator, X, y, params, plan):
    """Whole models; what is pruned and rounded is in the plans of `test_smaller`."""
    assert_smaller(estimator, X, y, params, 0, 1.0, plan[2] or "int8")


@pytest.mark.slow
@planned
def test_smaller_and_rounded(estimator, X, y, params, plan):
    _, keep, quantize = plan
    if keep != "auto":
        assert_smaller(estimator, X, y, params, 0, keep, quantize or "int8")


@pytest.mark.parametrize("keep", ["auto", 0.5])
@pytest.mark.parametrize("frozen", [False, True])
def test_precomputed_matrices_have_no_features(keep, frozen):
    model, gram = sk.SVC(kernel="precomputed"), X @ X.T
    inner = sk.FrozenEstimator(base.clone(model).fit(gram, TEXT)) if frozen else model
    reason = "whose columns are the training rows. Write SampleSubsetClassifier"
    with pytest.raises(ValueError, match=reason):
        matrix.pruned(inner, keep=keep).fit(gram, TEXT)
    subset = SampleSubsetClassifier(model, keep=0.5, random_state=0).fit(gram, TEXT)
    assert subset.predict(gram).shape == TEXT.shape


@pytest.mark.parametrize(
    "stranger",
    [
        sk.GaussianMixture(),
        sk.KMeans(2),
        sk.OneClassSVM(),
        lm.SGDOneClassSVM(),
        NoPredict(),
        NoParams(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("wrapper", [PrunedClassifier, PrunedRegressor])
def test_what_is_no_predictor_of_targets_is_refused(wrapper, stranger):
    with pytest.raises(TypeError) as caught:
        wrapper(stranger).fit(X, TWO if wrapper is PrunedClassifier else VALUES)
    matrix.assert_refused(str(caught.value))


@pytest.mark.parametrize(
    "estimator",
    [
        lm.LogisticRegression(max_iter=2),
        lm.RidgeClassifier(),
        lm.SGDClassifier(max_iter=2),
        sk.LinearSVC(max_iter=2),
        sk.GaussianNB(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_thousand_classes(estimator):
    rows, labels = RNG.normal(size=(1000, 3)), 3 * THOUSAND - 1500
    plain = matrix.fitted(estimator, rows, labels)
    model = matrix.pruned(sk.FrozenEstimator(plain), keep=1.0).fit(rows, labels)
    matrix.assert_same(
        matrix.answers(model, rows[:50]), matrix.answers(plain, rows[:50]), 1e-10
    )


def test_initial_coefficients_stay_the_users():
    given = np.full((1, 5), 0.5)
    model = matrix.pruned(
        lm.SGDClassifier(warm_start=True, max_iter=3), unit="coefficient", keep=3
    )
    model.fit(X, TWO, coef_init=given)
    assert (given == 0.5).all()
    matrix.assert_apart(model.compact_, given)


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_accuracy_of_a_classifier_that_names_no_classes(keep):
    model = matrix.pruned(Bare(), keep=keep).fit(X, TWO)
    assert model.compact_.score(X, TWO) == model.score(X, TWO) > 0.5
    assert not hasattr(model, "classes_")
