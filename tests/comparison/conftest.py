import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier, compare_pruning
from sklearn_prune.sample_selection import L2PenaltySelector


def rows_and_classes():
    return make_classification(
        n_samples=160, n_features=6, n_informative=4, flip_y=0.05, random_state=0
    )


@pytest.fixture
def classes():
    return rows_and_classes()


@pytest.fixture
def folds():
    return StratifiedKFold(4, shuffle=True)


def forests_and_rows():
    forest, linear = RandomForestClassifier(5), LogisticRegression()
    return {
        "forest": forest,
        "exact": PrunedClassifier(forest, keep=1.0),
        "forest, keep=0.5": PrunedClassifier(forest, keep=0.5),
        "forest, keep=0.2": PrunedClassifier(forest, keep=0.2),
        "linear": linear,
        "rows 0.5": SampleSubsetClassifier(linear, L2PenaltySelector(), keep=0.5),
        "rows 0.2": SampleSubsetClassifier(linear, L2PenaltySelector(), keep=0.2),
    }


@pytest.fixture
def variants():
    return forests_and_rows()


@pytest.fixture(scope="session")
def comparison():
    """Read, never written to."""
    return compare_pruning(
        forests_and_rows(),
        *rows_and_classes(),
        baseline="forest",
        cv=StratifiedKFold(4, shuffle=True),
    )
