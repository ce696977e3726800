"""Where no extra is installed, all that needs none works; the rest says what to type."""

import subprocess
import sys

import pytest

SCRIPT = r'''
import sys

EXTRAS = (
    "dask distributed imblearn jinja2 lightgbm matplotlib onnx onnxruntime pandas polars "
    "pyarrow pynndescent rich shap skl2onnx skops skorch torch xgboost"
).split()


class Missing:
    """Finds none of the extras, as if they were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import SplineTransformer
from sklearn.tree import DecisionTreeClassifier

import sklearn_prune
from sklearn_prune import *
from sklearn_prune import _graph, persistence
from sklearn_prune.comparison import *
from sklearn_prune.inspection import *
from sklearn_prune.persistence import load, save, to_onnx
from sklearn_prune.sample_selection import *
from sklearn_prune.weight_pruning import *

X, y = load_iris(return_X_y=True)
model = compact(DecisionTreeClassifier().fit(X, y))
save(model, "tree.skprune")
assert (load("tree.skprune", verify=True).predict(X) == model.predict(X)).all()
rows = SampleSubsetClassifier(LogisticRegression(max_iter=1000), L2PenaltySelector())
tree = PrunedClassifier(DecisionTreeClassifier(), keep=0.5, random_state=0)
assert rows.fit(X, y).score(X, y) > 0.9
assert tree.fit(X, y).score(X, y) > 0.9
variants = {"whole": DecisionTreeClassifier(), "half": tree}
comparison = compare_pruning(variants, X, y)
assert "half" in str(comparison)
assert comparison.smallest_not_worse("nbytes") in variants
rule = smallest_not_worse(0.05, "nbytes", test_share=0.2)
scoring = {"accuracy": "accuracy", "nbytes": cost_scorer("nbytes")}
search = GridSearchCV(tree, {"keep": [1.0, 0.5]}, scoring=scoring, refit=rule).fit(X, y)
assert search.best_estimator_.score(X, y) > 0.9

assert len(shap_trees(tree, X)["trees"]) == 1
churn = churn_report(tree, DecisionTreeClassifier().fit(X, y), X, y)
assert "all rows" in str(churn)

_graph.EXACT_UP_TO = 10
for extra, call in [
    ("compare", comparison.frame),
    ("compare", comparison.verdicts),
    ("compare", comparison.summary),
    ("compare", comparison.stability),
    ("compare", comparison.plot),
    ("compare", lambda: comparison.kept("half")),
    ("compare", lambda: comparison.kept_by_class("half")),
    ("compare", lambda: comparison.to_html("never_written.html")),
    ("compare", lambda: rule.explain(search.cv_results_)),
    ("compare", lambda: PruningCurveDisplay.from_comparison(comparison)),
    ("compare", lambda: ScoreCostDisplay.from_cv_results(search)),
    ("compare", lambda: SampleScoreDisplay.from_estimator(rows, X, y)),
    ("compare", lambda: selection_report(rows, X, y)),
    ("compare", churn.frame),
    ("compare", churn.changes),
    ("compare", lambda: ChurnDisplay(churn).plot()),
    ("approx", lambda: HardnessSelector().fit(X, y)),
    ("persist", lambda: save(SplineTransformer().fit(X), "never_written.skprune")),
    ("onnx", lambda: to_onnx(tree, X)),
]:
    try:
        call()
    except ImportError as error:
        print(extra, error, sep="\t")
    else:
        print(extra, "nothing was raised", sep="\t")
'''


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Extra and message of each call, in a process that finds no extra."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("empty"),
    )
    assert run.returncode == 0, run.stderr
    return [line.split("\t") for line in run.stdout.splitlines()]


def test_what_needs_an_extra_says_which_in_one_line(said):
    assert len(said) == 19
    for extra, message in said:
        assert message.endswith(f'Type: pip install "sklearn-prune[{extra}]"'), message
        assert ", which is not installed. " in message
