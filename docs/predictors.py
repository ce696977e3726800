"""Write docs/predictors.md, the classes of `sklearn_prune.predictors`, from docstrings.

Run it with ``python docs/predictors.py`` after a class is added or changed.
"""

import inspect
from pathlib import Path

from sklearn_prune import predictors

HEAD = """# Predictors

`sklearn_prune.predictors` holds the classes that predict: `compact_` of a pruned model, and
what `load` returns. They need numpy only. They do not inherit from scikit-learn, but
scikit-learn accepts them: in scorers, `FrozenEstimator`, `CalibratedClassifierCV`,
`permutation_importance`, votes and stacks. `fit` raises an error; pass
`FrozenEstimator(model.compact_)` where scikit-learn would call it. Pickles and saved files
name the classes by this module.

Other packages are imported by `CompactModule` and `CompactModel`, which hold models as they
were fitted, and for

- standard deviations and covariances of Gaussian processes,
- their kernels of your own, and Matern kernels with a `nu` that needs Bessel functions,
- kernels and metrics that are functions, and transformers that have no form in numpy.

Compiled kernels run where numba is imported already. For trees they also run where numba is
installed and there are over 5,000,000 pairs of a row and a tree. The bits are the same.
Kernel machines, and nets with few or rounded weights, differ in the last bits. A predictor
that was loaded computes them by numpy, one that was fitted in this process by the compiled
kernels. `predictor.warm_up()` compiles the kernels of a loaded predictor and uses them.

Of nearest neighbours at the same distance the first ones of the stored rows vote, whatever
the search. scikit-learn may take others.

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
