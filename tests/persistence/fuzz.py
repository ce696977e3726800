"""Load files that are damaged, or forged with sums that agree, and ask what is loaded.

``python -m tests.persistence.fuzz damaged 100000`` prints a table of what came of it.
"""

import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.pipeline import make_pipeline, make_union

from sklearn_prune.persistence import load, save
from tests.estimators import sk
from tests.matrix import fitted_models
from tests.persistence.damage import damaged, forged

FEW = 9


def answers(model, rows):
    """What a model says of rows by each method that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            method: getattr(model, method)(rows)
            for method in ("predict", "predict_proba", "decision_function")
            if hasattr(model, method)
        }


def describe(answer):
    """What a model said, in a form that can be compared."""
    return {
        method: repr(getattr(value, "tolist", value.__repr__)())
        for method, value in answer.items()
    }


def run(kind, n_files, seed, models, files, folder):
    """What became of each of many files, by how often.

    Parameters
    ----------
    kind : {"damaged", "forged"}
        Whether bytes are changed, or arrays and the description.
    n_files, seed : int
        How many files, and which.
    models, files : dict
        By name, (model, rows) and the bytes of its file.
    folder : Path
        Where to write.

    Returns
    -------
    Counter
        "refused": a ValueError in one line. "equal": it answers as it did. "other" and
        "fails in predict" are what a forged file may be; a damaged one never.
    """
    names, found, path = list(files), Counter(), Path(folder) / f"{kind}.skprune"
    expected = {
        name: describe(answers(load_of(files[name], path), rows[:FEW]))
        for name, (_, rows) in models.items()
    }
    for number in range(n_files):
        random = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        if kind == "damaged":
            path.write_bytes(damaged(files[name], random))
        else:
            forged(files[name], path, random)
        try:
            loaded = load(path)
        except ValueError as error:
            found["refused" if "\n" not in str(error) else "refused in lines"] += 1
            continue
        try:
            answer = answers(loaded, models[name][1][:FEW])
        except Exception:
            assert kind == "forged", (number, name)
            found["fails in predict"] += 1
            continue
        equal = describe(answer) == expected[name]
        assert equal or kind == "forged", (number, name)
        found["equal" if equal else "other"] += 1
    return found


def load_of(content, path):
    """What is loaded of a file with this content."""
    path.write_bytes(content)
    return load(path)


def pipelines():
    """Pipelines of the steps that have numpy forms, by name, with rows."""
    X = np.abs(np.random.default_rng(0).normal(size=(60, 4)).round(2))
    codes = np.floor(2 * X)
    texts = ["a cat", "a dog", "cats and dogs", "the cat"] * 15
    scale, unknown = sk.StandardScaler(), {"handle_unknown": "ignore"}
    columns = [("a", scale, [0, 2]), ("b", sk.OneHotEncoder(**unknown), [1])]
    steps = {
        "standard": (scale, X),
        "range": (sk.MinMaxScaler(clip=True), X),
        "maximum": (sk.MaxAbsScaler(), X),
        "robust": (sk.RobustScaler(), X),
        "normal": (sk.Normalizer(), X),
        "binary": (sk.Binarizer(threshold=0.5), X),
        "missing": (sk.SimpleImputer(add_indicator=True), np.where(X > 2, np.nan, X)),
        "one hot": (sk.OneHotEncoder(**unknown), codes),
        "bins": (sk.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), X),
        "pca": (sk.PCA(2, whiten=True), X),
        "polynomial": (sk.PolynomialFeatures(2), X),
        "power": (sk.PowerTransformer(), X),
        "quantiles": (sk.QuantileTransformer(n_quantiles=20), X),
        "selected": (sk.SelectKBest(k=2), X),
        "logarithm": (sk.FunctionTransformer(np.log1p), X),
        "union": (make_union(scale, sk.PCA(2)), X),
        "of columns": (sk.ColumnTransformer(columns, remainder="passthrough"), codes),
        "words": (sk.CountVectorizer(ngram_range=(1, 2)), texts),
        "tfidf": (sk.TfidfVectorizer(), texts),
    }
    y = (X[:, 0] > 0.6).astype(int)
    found = {}
    for name, (step, rows) in steps.items():
        model = make_pipeline(step, sk.LogisticRegression())
        found[f"pipeline of {name}"] = model.fit(rows, y), rows
    return found


def main(kind, n_files, seed=0):
    """Print how many files came to what."""
    models, files = fitted_models() | pipelines(), {}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (model, _) in models.items():
            save(model, Path(folder) / "model.skprune")
            files[name] = (Path(folder) / "model.skprune").read_bytes()
        found = run(kind, n_files, seed, models, files, folder)
    counts = ", ".join(f"{count:,} {what}" for what, count in found.most_common())
    print(f"{n_files:,} {kind} files of {len(files)} models: {counts}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
