"""The founding net and quantized nets: bytes, points, time."""

import numpy as np
from families_measure import Section, Target, check, columns_table, fastest, mean_sd
from nets_data import Dense, fitted, mnist, net, torch_forward
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import Quantizer, RandomCriterion

FOUNDING = (784, 128, 10)
EPOCHS = 5
HOW = {  # of the founding net
    "dense": {"keep": 1.0},
    "weights, keep=0.1": {"keep": 0.1},
    "neurons, keep=0.35": {"unit": "neuron", "keep": 0.35},
    "random weights, keep=0.1": {"keep": 0.1, "criterion": RandomCriterion()},
}


def points(model, part):
    """Accuracy in per cent on the test rows."""
    return 100 * np.mean(model.predict(part.X_test) == part.y_test)


def measure_founding(name, seed):
    """One row and a thousand, against skorch, scikit-learn's MLP and bare torch."""
    part = mnist()
    founding = net(
        Dense, epochs=EPOCHS, lr=1e-3, batch_size=32, sizes=FOUNDING, dropout=0.2
    )
    dense, _ = fitted(founding, part, seed)
    forward = torch_forward(dense)
    full = points(dense, part)
    yield "skorch", "points", 0.0
    peer = MLPClassifier((128,), max_iter=EPOCHS, batch_size=128, random_state=seed)
    peer.fit(part.X, part.y)
    one, many = part.X_test[:1], part.X_test[:1000]
    for label, how in HOW.items():
        model = PrunedClassifier(FrozenEstimator(dense), random_state=seed, **how)
        model.fit(part.X, part.y)
        yield label, "points", points(model, part) - full
        times = fastest(
            {
                "skorch": lambda: dense.predict(one),
                "MLPClassifier": lambda: peer.predict(one),
                "torch": lambda: forward(one),
                "ours": lambda model=model: model.predict(one),
            }
        )
        for other in ("skorch", "MLPClassifier", "torch"):
            yield label, f"1 row, {other}", times[other] / times["ours"]
        times = fastest(
            {
                "skorch": lambda: dense.predict(many),
                "torch": lambda: forward(many),
                "ours": lambda model=model: model.predict(many),
            }
        )
        for other in ("skorch", "torch"):
            yield label, f"1,000 rows, {other}", times[other] / times["ours"]


FOUNDING_COLUMNS = ("points", "1 row, skorch", "1 row, MLPClassifier", "1 row, torch")
FOUNDING_COLUMNS += ("1,000 rows, skorch", "1,000 rows, torch")


def pruned_rows(frame):
    """The pruned variants whose mean loss is at most 0.2 points."""
    rows = frame[~frame["variant"].isin(["skorch", "dense", ""])]
    rows = rows[~rows["variant"].str.startswith("random")]
    losses = rows[rows["quantity"] == "points"].groupby("variant")["value"].mean()
    return rows[rows["variant"].isin(losses[losses >= -0.2].index)]


def founding_targets(frame):
    rows = pruned_rows(frame)
    lines = (
        ("1 row, skorch", 10, "the founding net, predict of one row, over skorch's"),
        ("1 row, MLPClassifier", 10, "the same, over MLPClassifier's"),
        ("1,000 rows, torch", 3, "1,000 rows, over torch's forward pass at 0.2 points"),
    )
    for quantity, bound, text in lines:
        found = rows[rows["quantity"] == quantity]
        means = found.groupby("variant")["value"].mean()
        text = f"{text}: at least {bound}x"
        if means.empty:
            yield Target(text, "no variant within 0.2 points", False)
            continue
        best = means.idxmax()
        shown = mean_sd(found.loc[found["variant"] == best, "value"])
        yield Target(text, f"{shown} ({best})", bool(means[best] >= bound))


SCHEMES = {
    "float16": "float16",
    "int8": "int8",
    "codebook, 256 values": "codebook",
    "codebook, 16 values": Quantizer("codebook", n_values=16),
}
SHAPES = {"784-128-10": FOUNDING, "784-300-100-10": (784, 300, 100, 10)}


def measure_rounded(name, seed):
    """Rounded nets beside the same net in single precision."""
    part = mnist()
    dense, _ = fitted(net(Dense, epochs=EPOCHS, sizes=SHAPES[name]), part, seed)
    exact = PrunedClassifier(FrozenEstimator(dense), keep=1.0).fit(part.X, part.y)
    full = points(exact, part)
    weights = [layer for layer in exact.compact_.layers_ if np.ndim(layer.weights) == 2]
    floats = sum(4 * np.size(layer.weights) for layer in weights)
    for label, scheme in SCHEMES.items():
        model = PrunedClassifier(FrozenEstimator(dense), keep=1.0, quantize=scheme)
        model.fit(part.X, part.y)
        rounded = [
            layer.weights.nbytes
            for layer in model.compact_.layers_
            if hasattr(layer.weights, "codes")
        ]
        yield label, "float32 / rounded bytes", floats / sum(rounded)
        yield label, "points", points(model, part) - full
        for n_rows in (1, 1000):
            rows = part.X_test[:n_rows]
            times = fastest(
                {
                    "exact": lambda rows=rows: exact.predict(rows),
                    "rounded": lambda rows=rows, model=model: model.predict(rows),
                },
                rounds=15,
            )
            yield label, f"{n_rows:,} rows", times["exact"] / times["rounded"]


def of_int8(frame, quantity):
    rows = frame[(frame["variant"] == "int8") & (frame["quantity"] == quantity)]
    return rows.set_index(["data", "seed"])["value"]


def rounded_targets(frame):
    bytes_, losses = of_int8(frame, "float32 / rounded bytes"), of_int8(frame, "points")
    yield check("int8: weights at least 3.5x below float32", bytes_, at_least=3.5)
    yield check("int8: at most 0.1 points less", losses, at_least=-0.1)
    speed = of_int8(frame, "1,000 rows")
    yield check("int8, 1,000 rows: not slower (0.97)", speed, at_least=0.97)


SECTIONS = {
    "net-founding": Section(
        "The founding net on MNIST: 784-128-10 with dropout 0.2",
        "5 epochs of Adam at 0.001 under a falling rate, batches of 32; pruned by the same "
        "number again. Times: how many times faster `predict` is than skorch's, than "
        "`MLPClassifier.predict` of the same shape, and than the bare forward pass of the "
        "dense net in torch; one thread, CPU time.",
        ("784-128-10",),
        measure_founding,
        founding_targets,
        lambda frame: [("by variant", columns_table(frame, FOUNDING_COLUMNS))],
    ),
    "net-quantized": Section(
        "Quantized nets",
        "Dense nets of MNIST, 5 epochs, rounded and not trained again. Bytes: live, of the "
        "weight matrices with their scales. Times: of `predict` of the compact form in "
        "single precision over that of the rounded one.",
        tuple(SHAPES),
        measure_rounded,
        rounded_targets,
        lambda frame: [
            (
                "by scheme",
                columns_table(
                    frame, ("float32 / rounded bytes", "points", "1 rows", "1,000 rows")
                ),
            )
        ],
    ),
}
