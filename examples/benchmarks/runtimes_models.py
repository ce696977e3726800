"""Fitted models for `runtimes.py`, stored so that each environment can read them."""

import json
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

N_ROWS = 30_000  # of which all are new to the models
N_COMPARED = 10_000  # rows on which answers are compared
SHARE_OF_NOISE = 0.3
SINGLE = ("forest", "xgboost")  # kinds that read single precision

FITTED = {  # kind of model, data set, keep or None
    "digits-forest": ("forest", "digits", None),
    "letter-forest": ("forest", "letter", None),
    "satimage-forest": ("forest", "satimage", None),
    "digits-forest-0.1": ("forest", "digits", 0.1),
    "digits-forest-auto": ("forest", "digits", "auto"),
    "breast_cancer-lightgbm": ("lightgbm", "breast_cancer", None),
    "magic-lightgbm": ("lightgbm", "magic", None),
    "breast_cancer-lightgbm-0.1": ("lightgbm", "breast_cancer", 0.1),
    "magic-lightgbm-0.1": ("lightgbm", "magic", 0.1),
    "magic-lightgbm-auto": ("lightgbm", "magic", "auto"),
    "spambase-lightgbm-auto": ("lightgbm", "spambase", "auto"),
    "phoneme-lightgbm-auto": ("lightgbm", "phoneme", "auto"),
    "magic-xgboost": ("xgboost", "magic", None),
    "magic-hgb": ("hgb", "magic", None),
    "digits-logistic": ("logistic", "digits", None),
    "digits-mlp": ("mlp", "digits", None),
}


@dataclass(frozen=True)
class StoredModel:
    """A fitted model in a folder.

    Attributes
    ----------
    folder : Path
        Of this model; each runtime has a folder of its own in it.
    kind : str
        "forest", "lightgbm", "xgboost", "hgb", "logistic" or "mlp".
    n_features, n_classes, n_nodes : int
        The last is the number of inner nodes, 0 where there are no trees.
    test_score : float
        Accuracy on test rows.
    """

    folder: Path
    name: str
    kind: str
    n_features: int
    n_classes: int
    n_nodes: int
    test_score: float
    is_pruned: bool

    @classmethod
    def read(cls, store, name):
        folder = store / name
        facts = json.loads((folder / "facts.json").read_text())
        return cls(folder, name, **facts)

    @property
    def dtype(self):
        """Of the rows that the model reads."""
        return np.dtype("float32" if self.kind in SINGLE else "float64")

    @cached_property
    def fitted(self):
        """What was fitted: a pruned model, or the estimator."""
        return pickle.loads((self.folder / "fitted.pkl").read_bytes())

    @cached_property
    def estimator(self):
        """As an estimator of the inner class, or None if that class cannot hold it."""
        return getattr(self.fitted, "estimator_", None) if self.is_pruned else self.fitted

    @cached_property
    def rows(self):
        return np.load(self.folder / "rows.npy")

    @cached_property
    def probabilities(self):
        """Of the first rows, by the model itself."""
        return np.load(self.folder / "probabilities.npy")

    @cached_property
    def labels(self):
        return np.load(self.folder / "labels.npy")


def fresh_rows(X, dtype, seed=0):
    """Rows mixed of two training rows each, a part of the entries with noise."""
    rng = np.random.default_rng(seed)
    first, second = X[rng.integers(0, len(X), (2, N_ROWS))]
    rows = np.where(rng.random(first.shape) < 0.5, first, second)
    noise = 0.1 * X.std(axis=0) * rng.standard_normal(rows.shape)
    rows += noise * (rng.random(rows.shape) < SHARE_OF_NOISE)
    return rows.astype(dtype)


def new_estimator(kind):
    """An unfitted model; 100 trees where it has trees."""
    if kind == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(100, random_state=0)
    if kind == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=100, num_leaves=31, random_state=0, n_jobs=1, verbose=-1
        )
    if kind == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=100, random_state=0, n_jobs=1)
    if kind == "hgb":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(random_state=0, early_stopping=False)
    if kind == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((64,), max_iter=100, random_state=0)


def fit(store, name):
    """Fit one model, unless it is stored already."""
    folder = store / name
    if (folder / "facts.json").exists():
        return
    from families_data import load

    from sklearn_prune import PrunedClassifier, compact

    kind, data, keep = FITTED[name]
    split = load(data, 0)
    classes, y = np.unique(split.y, return_inverse=True)  # labels are their positions
    model = new_estimator(kind)
    if keep is not None:
        model = PrunedClassifier(model, keep=keep, random_state=0, n_jobs=1)
    model.fit(split.X, y)
    form = compact(model)
    n_nodes = len(form.trees_.nodes) if hasattr(form, "trees_") else 0
    facts = {
        "kind": kind,
        "n_features": split.X.shape[1],
        "n_classes": len(classes),
        "n_nodes": n_nodes,
        "test_score": float(np.mean(classes[model.predict(split.X_test)] == split.y_test)),
        "is_pruned": keep is not None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fitted.pkl").write_bytes(pickle.dumps(model, protocol=5))
    if kind == "lightgbm" and keep is None:
        model.booster_.save_model(folder / "booster.txt")
    if kind == "xgboost" and keep is None:
        model.save_model(folder / "booster.ubj")
    dtype = np.float32 if kind in SINGLE else np.float64
    rows = fresh_rows(split.X, dtype)
    asked = form if keep is not None else model
    np.save(folder / "rows.npy", rows)
    np.save(folder / "probabilities.npy", asked.predict_proba(rows[:N_COMPARED]))
    np.save(folder / "labels.npy", asked.predict(rows[:N_COMPARED]))
    (folder / "facts.json").write_text(json.dumps(facts))
