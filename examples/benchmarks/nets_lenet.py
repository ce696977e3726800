"""LeNet-300-100 and LeNet-5 on MNIST: weights, bytes, neurons, channels."""

import time

import numpy as np
from families_measure import Section, Target, check, curve_table, fastest, mean_sd, squeezed
from nets_data import Dense, LeNet5, annealed, fitted, mnist, net, torch_forward
from sklearn.frozen import FrozenEstimator

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import Quantizer, RandomCriterion

DENSE_EPOCHS, REFIT_EPOCHS = 10, 30
REFIT = {"max_epochs": REFIT_EPOCHS, "lr": 2e-3, "batch_size": 256}
REFIT |= {"callbacks": annealed(REFIT_EPOCHS)}
KEEPS = (0.1, 0.04, 0.025, 0.02, 0.015, 0.01, 0.006)
RANDOM_KEEPS = (0.1, 0.02, 0.01)
FLOAT_BYTES = 4 * 266_610  # of LeNet-300-100 in single precision
UNIT_EPOCHS = 10


def points(model, part):
    """Accuracy in per cent on the test rows."""
    return 100 * np.mean(model.predict(part.X_test) == part.y_test)


def frozen(model, seed, criterion=None, **how):
    """A meta-estimator around a trained net."""
    return PrunedClassifier(FrozenEstimator(model), criterion, random_state=seed, **how)


def measure_weights(name, seed):
    """The curve of points over weights and bytes, beside random masks of equal size."""
    part = mnist()
    dense, seconds = fitted(net(Dense, epochs=DENSE_EPOCHS), part, seed)
    full = points(dense, part)
    yield "", "dense points", full
    yield "", "dense CPU s", seconds
    forward, rows = torch_forward(dense), part.X_test[:1000]
    codebook = Quantizer("codebook", n_values=16)
    runs = [("magnitude", None, keep) for keep in KEEPS]
    runs += [("random", RandomCriterion(), keep) for keep in RANDOM_KEEPS]
    for label, criterion, keep in runs:
        start = time.process_time()
        model = frozen(dense, seed, criterion, keep=keep, refit=REFIT)
        model.fit(part.X, part.y)
        seconds = time.process_time() - start
        compact = model.compact_
        rounded = compact.quantized(codebook)
        variant = f"{label}@{keep}"
        yield variant, "points", points(model, part) - full
        yield variant, "points, codebook", points(rounded, part) - full
        yield variant, "fewer weights", 266_200 / (compact.n_nonzero() - 410)
        yield variant, "smaller on disk", FLOAT_BYTES / squeezed(rounded)
        yield variant, "smaller on disk, float32", FLOAT_BYTES / squeezed(compact)
        yield variant, "refit CPU s", seconds
        for n_rows in (1, 1000):
            calls = {
                "torch": lambda n=n_rows: forward(rows[:n]),
                "ours": lambda n=n_rows, model=model: model.predict(rows[:n]),
            }
            times = fastest(calls)
            yield variant, f"{n_rows:,} rows", times["torch"] / times["ours"]


def best_within(frame, quantity, loss, allowed):
    """For each seed, the largest ratio on the curve at no more than the allowed loss."""
    rows = frame[frame["variant"].str.startswith("magnitude@")]
    means = rows.pivot_table(
        index="variant", columns="quantity", values="value", aggfunc="mean"
    )
    fine = means[means[loss] >= -allowed]
    if fine.empty:
        return None, None
    best = fine[quantity].idxmax()
    chosen = rows[rows["variant"] == best]
    values = {
        name: chosen.loc[chosen["quantity"] == name, "value"] for name in (quantity, loss)
    }
    return best, values


def weight_targets(frame):
    lines = (
        ("smaller on disk", "points, codebook", 100),
        ("fewer weights", "points", 50),
    )
    for quantity, loss, bound in lines:
        text = f"LeNet-300-100, {quantity}: at least {bound}x at 0.2 points"
        best, values = best_within(frame, quantity, loss, 0.2)
        if best is None:
            yield Target(text, "no size within 0.2 points", False)
            continue
        reached = f"{mean_sd(values[quantity])} at {mean_sd(values[loss])} ({best})"
        yield Target(text, reached, bool(values[quantity].mean() >= bound))
    best, values = best_within(frame, "1,000 rows", "points", 0.2)
    if best is not None:
        reached = f"{mean_sd(values['1,000 rows'])} at {mean_sd(values['points'])} ({best})"
        yield Target(
            "LeNet-300-100, 1,000 rows: at least 3x faster than torch's forward pass",
            reached,
            bool(values["1,000 rows"].mean() >= 3),
        )


def weight_tables(frame):
    names = ("points", "points, codebook", "fewer weights", "smaller on disk")
    names += ("smaller on disk, float32", "1 rows", "1,000 rows", "refit CPU s")
    for name in names:
        yield name, curve_table(frame, name)
    dense = frame[frame["variant"] == ""]
    dense = dense[dense["quantity"].str.startswith("dense")]
    yield (
        "the dense net",
        dense.groupby(["data", "quantity"])["value"].agg(mean_sd).unstack(),
    )


def hidden_sizes(model, name):
    """How many neurons each hidden layer has left."""
    ends = np.cumsum((300, 100) if name == "LeNet-300-100" else (20, 50))
    return tuple(np.diff(np.searchsorted(model.kept_, [0, *ends])).tolist())


def measure_units(name, seed):
    """Neurons or channels cut to a share, beside the same small net from scratch."""
    convolves = name == "LeNet-5"
    part = mnist(flat=not convolves)
    module, unit = (LeNet5, "channel") if convolves else (Dense, "neuron")
    epochs = 5 if convolves else UNIT_EPOCHS
    dense, dense_seconds = fitted(net(module, epochs=epochs), part, seed)
    full = points(dense, part)
    yield "", "dense points", full
    forward, rows = torch_forward(dense), part.X_test[:1000]
    shares = (0.5, 0.35, 0.25) if convolves else (0.5, 0.25)
    for keep in shares:
        sizes = None
        for label, criterion in (("pruned", None), ("random units", RandomCriterion())):
            start = time.process_time()
            model = frozen(dense, seed, criterion, unit=unit, keep=keep)
            model.fit(part.X, part.y)
            seconds = time.process_time() - start
            variant = f"{label}@{keep}"
            yield variant, "points", points(model, part) - full
            yield variant, "CPU s", dense_seconds + seconds
            if label == "pruned":
                sizes, pruned_seconds = hidden_sizes(model, name), seconds
                ours = model
        for n_rows in (1, 1000):
            calls = {
                "torch": lambda n=n_rows: forward(rows[:n]),
                "ours": lambda n=n_rows, model=ours: model.predict(rows[:n]),
            }
            times = fastest(calls)
            yield f"pruned@{keep}", f"{n_rows:,} rows", times["torch"] / times["ours"]
        sizes = (*sizes, 500) if convolves else (784, *sizes, 10)
        total = 2 * epochs
        small, seconds = fitted(net(module, epochs=total, sizes=sizes), part, seed + 100)
        yield f"scratch, equal epochs@{keep}", "points", points(small, part) - full
        yield f"scratch, equal epochs@{keep}", "CPU s", seconds
        if not convolves:
            budget = dense_seconds + pruned_seconds
            longer = max(1, round(total * budget / seconds))
            small, seconds = fitted(
                net(module, epochs=longer, sizes=sizes), part, seed + 100
            )
            yield f"scratch, equal CPU@{keep}", "points", points(small, part) - full
            yield f"scratch, equal CPU@{keep}", "CPU s", seconds


def points_of(frame, variant):
    rows = frame[(frame["variant"] == variant) & (frame["quantity"] == "points")]
    return rows.set_index(["data", "seed"])["value"]


def neuron_targets(frame):
    for keep, bound in ((0.5, 0.1), (0.25, 0.5)):
        gain = points_of(frame, f"pruned@{keep}")
        gain = gain - points_of(frame, f"scratch, equal epochs@{keep}")
        text = f"784-300-100, {keep} of the neurons: at least {bound} points over the same"
        yield check(f"{text} net from scratch, equal epochs", gain, at_least=bound)


def channel_targets(frame):
    best = None
    for keep in (0.5, 0.35, 0.25):
        loss = points_of(frame, f"pruned@{keep}")
        rows = frame[frame["variant"] == f"pruned@{keep}"]
        speed = rows[rows["quantity"] == "1,000 rows"]["value"]
        if (
            len(loss)
            and loss.mean() >= -0.2
            and (best is None or speed.mean() > best[1].mean())
        ):
            best = (keep, speed, loss)
    text = "LeNet-5, channels, 1,000 rows: at least 3x over torch at 0.2 points"
    if best is None:
        yield Target(text, "no size within 0.2 points", False)
    else:
        keep, speed, loss = best
        reached = f"{mean_sd(speed)} at {mean_sd(loss)} (keep={keep})"
        yield Target(text, reached, bool(speed.mean() >= 3))


def unit_tables(frame):
    for name in ("points", "CPU s", "1 rows", "1,000 rows"):
        yield name, curve_table(frame, name)


SECTIONS = {
    "lenet-weights": Section(
        "LeNet-300-100 on MNIST: weights and bytes",
        "784-300-100-10, 10 epochs of Adam under a falling rate; then unit='auto' (weights, "
        "cut along a cubic while the net trains on for 30 epochs with its dense self as "
        "teacher), float32 and with a codebook of 16 values. Points: less those of the "
        "dense net of the seed, on 10,000 test rows. Bytes on disk: lzma of the pickle of "
        "the compact form against 4 bytes for each of 266,610 parameters. Times: the bare "
        "forward pass of the dense net in torch over the whole predict. Random: the same "
        "training with weights drawn at random, at equal size. Learning rate, batch size, "
        "temperature and criterion were compared on 10,000 rows held out from the training "
        "rows.",
        ("LeNet-300-100",),
        measure_weights,
        weight_targets,
        weight_tables,
    ),
    "lenet-neurons": Section(
        "784-300-100-10 on MNIST: neurons",
        "10 epochs, then unit='neuron' and 10 more. From scratch: a net of the sizes that "
        "are left, for 20 epochs, or for as many as take the CPU seconds of both trainings.",
        ("LeNet-300-100",),
        measure_units,
        neuron_targets,
        unit_tables,
    ),
    "lenet5-channels": Section(
        "LeNet-5 on MNIST: channels",
        "20-50-500, 5 epochs, then unit='channel' and 5 more; the time is the bare forward "
        "pass of the dense net in torch over the whole predict, one thread.",
        ("LeNet-5",),
        measure_units,
        channel_targets,
        unit_tables,
    ),
}
