"""scikit-learn's MLPs, and dropout for linear models, forests and nets."""

import numpy as np
from families_data import load
from families_measure import Section, check, columns_table, points, pruned
from nets_data import Dense
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC
from torch import nn

from sklearn_prune.weight_pruning import RandomCriterion

KEEPS = (0.3, 0.1)
REFIT = {"max_iter": 80, "n_iter_no_change": 80, "learning_rate_init": 0.003}


def measure_mlp(name, seed):
    """A tenth of the weights of scikit-learn's nets, beside random masks."""
    part = load(name, seed, scale=True)
    if name == "diamonds":
        centre, spread = part.y.mean(), part.y.std()
        part = type(part)(
            part.X,
            (part.y - centre) / spread,
            part.X_test,
            (part.y_test - centre) / spread,
            False,
        )
    part = type(part)(
        part.X.astype(np.float32),
        part.y,
        part.X_test.astype(np.float32),
        part.y_test,
        part.classifies,
    )
    kind = MLPRegressor if name == "diamonds" else MLPClassifier
    model = kind(hidden_layer_sizes=(500, 200), max_iter=30, random_state=seed)
    full = points(pruned(model, part, seed, keep=1.0), part)
    yield "", "dense points", full
    runs = [("magnitude", None, keep) for keep in KEEPS]
    runs.append(("random", RandomCriterion(), 0.1))
    for label, criterion, keep in runs:
        small = pruned(model, part, seed, criterion=criterion, keep=keep, refit=REFIT)
        before, after = small.report_.before, small.report_.after
        variant = f"{label}, keep={keep}"
        yield variant, "points", points(small, part) - full
        yield variant, "fewer weights", before["parameters"] / after["nonzero"]
        yield variant, "pickle ratio", before["nbytes"] / after["nbytes"]


def mlp_targets(frame):
    for quantity, bound in (("fewer weights", 10), ("points", -0.5)):
        rows = frame[
            (frame["variant"] == "magnitude, keep=0.1") & (frame["quantity"] == quantity)
        ]
        values = rows.set_index(["data", "seed"])["value"]
        what = "10x fewer weights" if bound == 10 else "at most 0.5 points less"
        yield check(f"MLPs at keep=0.1: {what}", values, at_least=bound - 1e-9)


def skorch_net(part, seed):
    """A small net of torch."""
    import torch
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        Dense,
        module__sizes=(part.X.shape[1], 50, len(np.unique(part.y))),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.005,
        batch_size=64,
        max_epochs=15,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


DROPOUT_MODELS = {
    "logistic": lambda part, seed: LogisticRegression(max_iter=500),
    "LinearSVC": lambda part, seed: LinearSVC(),
    "forest": lambda part, seed: RandomForestClassifier(50, random_state=seed),
    "MLP": lambda part, seed: MLPClassifier((50,), max_iter=40, random_state=seed),
    "skorch": skorch_net,
}
DROPOUT_SETS = ("phoneme", "satimage", "vehicle")
DROPOUTS, DROPOUT_KEEPS = (0.0, 0.2, 0.5), (0.1, 0.5, 1.0)


def measure_dropout(name, seed):
    """Each dropout at each size, less the plain model; random units beside it."""
    part = load(name, seed, max_train=1500, scale=True)
    part = type(part)(
        part.X.astype(np.float32),
        np.unique(part.y, return_inverse=True)[1].astype(np.int64),
        part.X_test.astype(np.float32),
        np.searchsorted(np.unique(part.y), part.y_test).astype(np.int64),
        True,
    )
    for label, make in DROPOUT_MODELS.items():
        full = points(pruned(make(part, seed), part, seed, keep=1.0), part)
        yield f"{label}@plain", "points", full
        for keep in DROPOUT_KEEPS:
            for dropout in DROPOUTS:
                model = pruned(make(part, seed), part, seed, keep=keep, dropout=dropout)
                size = f"keep={keep} dropout={dropout}"
                yield f"{label}@{size}", "points", points(model, part) - full
            if keep < 1:
                model = pruned(
                    make(part, seed), part, seed, keep=keep, criterion=RandomCriterion()
                )
                yield f"{label}@keep={keep} random", "points", points(model, part) - full


def dropout_tables(frame):
    """Models by size and dropout, one table for each set."""
    from families_measure import mean_sd

    rows = frame[frame["variant"].str.contains("@")].copy()
    parts = rows["variant"].str.split("@", n=1, expand=True)
    rows["model"], rows["size"] = parts[0], parts[1]
    for name, found in rows.groupby("data", sort=False):
        table = found.groupby(["size", "model"], sort=False)["value"].agg(mean_sd)
        yield name, table.unstack("model").rename_axis(columns=None)


SECTIONS = {
    "net-sklearn": Section(
        "MLPClassifier on letter, MLPRegressor on diamonds",
        "500 and 200 hidden neurons, at most 30 epochs, float32, columns (and prices) "
        "standardised; unit='auto' trains on for 80 epochs at a learning rate of 0.003. "
        "Points: accuracy, or 100 R2, less the dense net's. The learning rate and the "
        "sizes were tried on seed 0 of letter.",
        ("letter", "diamonds"),
        measure_mlp,
        mlp_targets,
        lambda frame: [
            ("by size", columns_table(frame, ("points", "fewer weights", "pickle ratio")))
        ],
    ),
    "dropout": Section(
        "Dropout at each size",
        "At most 1,500 training rows, standardised columns. The line 'plain' is the "
        "accuracy in per cent of the model itself, all others the difference to it; "
        "'random' keeps units drawn at random, without dropout.",
        DROPOUT_SETS,
        measure_dropout,
        lambda frame: [],
        dropout_tables,
    ),
}
