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
`FrozenEstimator(model.compact_)` where scikit-learn would call it. Pickles
name the classes by this module. The wheel `sklearn-prune-runtime` [has the same
classes](persistence.md#in-a-service) under the name `sklearn_prune_runtime`.

## What is imported

Other packages are imported by `CompactModule` and `CompactModel`, which hold models as they
were fitted, and for

- standard deviations and covariances of Gaussian processes,
- their kernels of your own, and Matern kernels with a `nu` that needs Bessel functions,
- kernels and metrics that are functions, and transformers without a form in numpy (below).

Compiled kernels run where numba is imported already. For trees they also run where numba is
installed and there are over 5,000,000 pairs of a row and a tree. The bits are the same.
Kernel machines, and nets with few or rounded weights, differ in the last bits, of single
precision where they compute in it. A predictor that was loaded computes them by numpy. One
that was fitted in this process, or is in a pickled `Pruned*` model, uses compiled kernels.
`predictor.warm_up()` compiles the kernels of a loaded predictor and uses them.

The first call of trees by compiled kernels lays them out for speed, and keeps this
layout. Trees of at most 64 leaves that add to one output take 18 bytes a split, and the
leaf values. Others take 16 bytes a split, together up to 1.9 times the bytes of the stored
form. They take more where that stores leaf values as counts, or rounded. Trees of over
2,000,000 splits are not laid out. Pickles, files and copies do not hold the layout. One
compiled call reads float arrays in C order that may be written to. Checks of all other
rows take some 20 microseconds more. See [the measurements](benchmarks/tree_speed.md).

Of nearest neighbours at the same distance the first ones of the stored rows vote, whatever
the search. scikit-learn may take others.

## Rows

Rows are arrays, lists of rows, structured arrays, lists of dicts, dicts of columns, frames
of pandas, polars and pyarrow, or sparse matrices. None of these packages is imported. Names
of columns and their order are checked as scikit-learn does. In dicts and structured arrays,
columns are found by their names, in any order, and others are ignored. None and pandas' NA
among numbers are missing values. A model that is pruned by features reads only its own
columns of frames and dicts.

```python
>>> import pandas
>>> from sklearn.compose import make_column_transformer
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
>>> from sklearn_prune import PrunedClassifier
>>> frame = pandas.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "city": ["x", "y", "x", "y"]})
>>> encode = (OneHotEncoder(), ["city"])
>>> step = make_column_transformer((StandardScaler(), ["size"]), encode)
>>> pipeline = make_pipeline(step, LogisticRegression())
>>> model = PrunedClassifier(pipeline, keep=1.0).fit(frame, [0, 0, 1, 1])
>>> rows = [{"city": "x", "size": 1.0}, {"size": 4.0, "city": "y"}]
>>> model.compact_.predict(rows).tolist()
[0, 1]

```

## Transformers

A compact Pipeline holds its fitted transformers in forms that need numpy only, and give the
same numbers. These transformers have such forms:

| transformer | settings without such a form |
| --- | --- |
| `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler`, `RobustScaler` | |
| `Normalizer`, `Binarizer`, `PowerTransformer`, `SimpleImputer` | |
| `QuantileTransformer` | `output_distribution="normal"` |
| `OneHotEncoder` | a function as `feature_name_combiner`; `dtype=object` |
| `OrdinalEncoder` | `dtype=object` |
| `KBinsDiscretizer`, `PolynomialFeatures`, `PCA`, `TruncatedSVD` | |
| `CountVectorizer`, `TfidfVectorizer` | functions of the user; other texts than `content` |
| `TfidfTransformer`, feature selectors (as their columns) | |
| `FunctionTransformer` | functions that numpy has not by name; arguments of functions |
| `ColumnTransformer`, `FeatureUnion`, `Pipeline` | a member that has no such form |

Other transformers, and subclasses of these, stay the objects of scikit-learn. Where steps
give frames (`set_output`), all steps and the model behind them need numpy forms. Otherwise
all steps stay what they are. `estimator_` has transformers of scikit-learn again, with the
attributes that `transform` reads.

## Classes

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
