"""Write docs/predictors.md, the classes of `sklearn_prune.predictors`, from docstrings.

Run it with ``python docs/predictors.py`` after a class is added or changed.
"""

import inspect
from pathlib import Path

from sklearn_prune import predictors

HEAD = """# Predictors

`sklearn_prune.predictors` holds the classes that predict: `compact_` of a pruned model, and
what `load` returns. Importing them needs numpy only. They do not inherit from scikit-learn,
but scikit-learn accepts them: in scorers, `FrozenEstimator`, `CalibratedClassifierCV`,
`permutation_importance`, votes and stacks. `fit` raises an error; pass
`FrozenEstimator(model.compact_)` where scikit-learn would call it. Pickles and saved files
name the classes by this module.

This page is written by `python docs/predictors.py`.

| class | what it is | methods |
| --- | --- | --- |
"""
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


def page():
    """The text of the page."""
    lines = []
    for name in predictors.__all__:
        cls = getattr(predictors, name)
        summary = " ".join(inspect.getdoc(cls).partition("\n\n")[0].split())
        methods = [method for method in METHODS if hasattr(cls, method)]
        lines.append(f"| `{name}` | {summary} | {', '.join(methods)} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page())
