"""Fitted models of every kind of compact form, and rows to compare them on."""

import warnings

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    BayesianRidge,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    RidgeClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MultiLabelBinarizer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetTransformer,
)
from sklearn_prune.weight_pruning import Quantizer

X, LABELS = load_iris(return_X_y=True)
ROWS = np.random.default_rng(0).permutation(len(X))
X, LABELS = X[ROWS].round(1), LABELS[ROWS]
NAMES = np.array(["setosa", "versicolor", "virginica"])[LABELS]
TARGET = X[:, 3] * 2 + np.sin(X[:, 0])
BOTH = np.column_stack([TARGET, X[:, 2]])
BINARY = LABELS == 1
SETS = MultiLabelBinarizer().fit_transform(
    [{y, (y + int(x > 5)) % 3} for y, x in zip(LABELS, X[:, 0], strict=True)]
)
MISSING = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
CODES = np.column_stack([LABELS, X[:, 1:]])
FOREST = RandomForestClassifier(6, random_state=0)


def _classifier(model, keep=0.5, **params):
    return PrunedClassifier(model, keep=keep, random_state=0, **params)


def _regressor(model, keep=0.5, **params):
    return PrunedRegressor(model, keep=keep, random_state=0, **params)


def _models():
    """Name, unfitted model, rows, targets."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    svc = SVC(random_state=0)
    logistic = LogisticRegression()
    mlp = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0}
    yield "forest", _classifier(FOREST, 1.0), X, NAMES
    yield "forest of names", _classifier(FOREST, 0.3), X, NAMES
    yield "forest in integers", _classifier(FOREST, quantize="int8"), X, LABELS
    yield "forest of shared values", _classifier(FOREST, quantize="codebook"), X, LABELS
    yield "forest of few rows", SampleSubsetClassifier(FOREST, random_state=0), X, LABELS
    yield "forest of two outputs", FOREST, X, np.column_stack([LABELS, BINARY])
    yield "forest with missing values", FOREST, MISSING, LABELS
    yield "forest for numbers", _regressor(ExtraTreesRegressor(5, random_state=0)), X, BOTH
    yield "tree", tree, X, BINARY
    yield "stump", DecisionTreeClassifier(max_depth=1), X, NAMES
    yield "leaf", DecisionTreeClassifier(max_depth=1, min_samples_leaf=80), X, LABELS
    yield "bagged trees", BaggingClassifier(tree, 4, random_state=0), X, NAMES
    yield "boosting", GradientBoostingClassifier(n_estimators=4, random_state=0), X, NAMES
    hist = HistGradientBoostingClassifier(max_iter=4, categorical_features=[0])
    yield "boosting by histograms", _classifier(hist, 0.6), CODES, NAMES
    yield (
        "boosting with missing values",
        HistGradientBoostingRegressor(max_iter=4),
        MISSING,
        TARGET,
    )
    yield (
        "boosting in integers",
        _regressor(HistGradientBoostingRegressor(max_iter=4), quantize="int8"),
        X,
        TARGET,
    )
    yield "logistic", _classifier(logistic), X, NAMES
    yield "logistic in halves", _classifier(logistic, quantize="float16"), X, LABELS
    yield "lasso", Lasso(0.1), X, TARGET
    yield "counts", PoissonRegressor(), X, LABELS
    yield "bayesian", BayesianRidge(), X, TARGET
    yield "linear machine", LinearSVC(), X, BINARY
    yield "ridge of sets", RidgeClassifier(), X, SETS
    yield "support vectors", _classifier(svc), X, NAMES
    yield "support vectors in integers", _classifier(svc, quantize="int8"), X, LABELS
    yield "support vectors of sparse rows", svc, csr_matrix(X), LABELS
    yield "support vectors of a line", SVC(kernel="linear"), X, LABELS
    yield "support vectors for numbers", _regressor(SVR()), X, TARGET
    yield "kernel ridge", KernelRidge(kernel="laplacian"), X, BOTH
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    yield "process", GaussianProcessRegressor(kernel, optimizer=None), X, TARGET
    yield (
        "process of classes",
        GaussianProcessClassifier(Matern(), optimizer=None),
        X,
        LABELS,
    )
    yield "neighbours", _classifier(KNeighborsClassifier(3)), X, NAMES
    yield "neighbours by distance", KNeighborsRegressor(weights="distance"), X, BOTH
    yield "neighbours of sparse rows", KNeighborsClassifier(), csr_matrix(X), LABELS
    yield "gaussian", GaussianNB(), X, NAMES
    yield "bits", BernoulliNB(binarize=3.0), X, NAMES
    yield "numbers of things", _classifier(MultinomialNB()), X, LABELS
    yield "categories", CategoricalNB(), X.astype(int), LABELS
    yield "discriminant", LinearDiscriminantAnalysis(), X, NAMES
    yield "quadratic", QuadraticDiscriminantAnalysis(reg_param=0.1), X, NAMES
    yield "net", _classifier(MLPClassifier(**mlp)), X, NAMES
    yield (
        "net in integers",
        _classifier(MLPClassifier(**mlp), 0.2, quantize="int8"),
        X,
        LABELS,
    )
    yield (
        "net of shared values",
        _classifier(MLPClassifier(**mlp), 1.0, quantize=Quantizer("codebook", n_values=16)),
        X,
        LABELS,
    )
    yield "net for numbers", _regressor(MLPRegressor(**mlp), 0.1), X, BOTH
    yield "features", _classifier(NearestCentroid(), unit="feature"), X, NAMES
    yield (
        "boosted trees",
        AdaBoostClassifier(tree, n_estimators=3, random_state=0),
        X,
        NAMES,
    )
    yield (
        "pipeline",
        make_pipeline(StandardScaler(), SelectKBest(k=2), _classifier(svc)),
        X,
        NAMES,
    )
    columns = ColumnTransformer(
        [
            ("spline", SplineTransformer(), [0, 1]),
            ("bins", KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), [2]),
            ("codes", OneHotEncoder(handle_unknown="ignore"), [3]),
            (
                "few",
                SampleSubsetTransformer(Nystroem(n_components=3), random_state=0),
                slice(0, 4),
            ),
        ]
    )
    yield "columns", make_pipeline(columns, PCA(3), logistic), X, NAMES
    vote = [("forest", _classifier(FOREST)), ("svc", SampleSubsetClassifier(svc))]
    yield "vote", VotingClassifier(vote), X, NAMES
    yield (
        "soft vote",
        VotingClassifier([("a", FOREST), ("b", logistic)], voting="soft"),
        X,
        NAMES,
    )
    yield "mean", VotingRegressor([("a", SVR()), ("b", Lasso(0.1))]), X, TARGET
    yield "stack", StackingClassifier(vote, cv=2), X, NAMES
    yield (
        "stack for numbers",
        StackingRegressor([("a", SVR()), ("b", Lasso(0.1))], cv=2),
        X,
        TARGET,
    )
    yield "search", GridSearchCV(_classifier(FOREST), {"keep": [0.3, 1.0]}, cv=2), X, NAMES
    yield "one against the rest", OneVsRestClassifier(svc), X, NAMES
    yield "one against one", OneVsOneClassifier(LinearSVC()), X, NAMES
    yield "code", OutputCodeClassifier(tree, random_state=0), X, NAMES
    yield "outputs", MultiOutputClassifier(FOREST), X, SETS
    yield "outputs for numbers", MultiOutputRegressor(SVR()), X, BOTH
    yield "chain", ClassifierChain(logistic), X, SETS
    yield "chain for numbers", RegressorChain(Lasso(0.1)), X, BOTH
    yield (
        "bagged machines",
        BaggingRegressor(SVR(), 3, max_features=2, random_state=0),
        X,
        TARGET,
    )
    yield "bagged models", BaggingClassifier(logistic, 3, random_state=0), X, NAMES
    yield "calibrated", CalibratedClassifierCV(tree, cv=2), X, NAMES
    yield "isotonic", CalibratedClassifierCV(svc, cv=2, method="isotonic"), X, LABELS
    yield "threshold", FixedThresholdClassifier(logistic, threshold=0.3), X, BINARY
    target = TransformedTargetRegressor(_regressor(SVR()), transformer=StandardScaler())
    yield "transformed target", target, X, TARGET
    yield "few rows for numbers", SampleSubsetRegressor(SVR(), random_state=0), X, TARGET


def fitted_models():
    """Name -> (fitted model, rows)."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, rows, target in _models():
            found[name] = (clone(model).fit(rows, target), rows)
    return found


def answers(model, rows):
    """What a model says of rows by each method that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            method: getattr(model, method)(rows)
            for method in ("predict", "predict_proba", "decision_function")
            if hasattr(model, method)
        }
