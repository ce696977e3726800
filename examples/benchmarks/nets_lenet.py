"""LeNet-300-100 and LeNet-5 on MNIST: weights, bytes, neurons, channels."""

import pickle
import time
from copy import deepcopy
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from families_measure import Section, Target, check, curve_table, fastest, mean_sd, squeezed
from nets_data import Dense, LeNet5, annealed, fitted, mnist, net, torch_forward
from sklearn.frozen import FrozenEstimator
from torch import nn
from torch.nn.utils import prune

from sklearn_prune import PrunedClassifier
from sklearn_prune.persistence import save
from sklearn_prune.weight_pruning import MagnitudeCriterion, Quantizer, RandomCriterion

DENSE_EPOCHS, REFIT_EPOCHS = 10, 60
REFIT = {"max_epochs": REFIT_EPOCHS, "lr": 2e-3, "batch_size": 256}
REFIT |= {"callbacks": annealed(REFIT_EPOCHS)}
KEEPS = (0.1, 0.03, 0.027, 0.0215, 0.01, 0.005)
ONE_SHOT_KEEPS = (0.2, 0.1, 0.05, 0.02)
RANDOM_KEEPS = (0.0215,)
FILE_KEEPS = (0.03, 0.027, 0.0215)
FLOAT_BYTES = 4 * 266_610  # of LeNet-300-100 in single precision
MODELS = Path(gettempdir()) / "sklearn_prune_nets" / "models"
UNIT_EPOCHS, CHANNEL_EPOCHS = 10, 2


def points(model, part):
    """Accuracy in per cent on the test rows."""
    return 100 * np.mean(model.predict(part.X_test) == part.y_test)


def n_weights(compact):
    """How many weights, biases apart, are not zero."""
    values = compact.full_values().values()
    return sum(np.count_nonzero(value) for value in values if value.ndim > 1)


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
    keep_net(dense, seed, "dense")
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
        yield variant, "fewer weights", 266_200 / n_weights(compact)
        yield variant, "smaller on disk", FLOAT_BYTES / squeezed(rounded)
        yield variant, "smaller on disk, float32", FLOAT_BYTES / squeezed(compact)
        yield variant, "refit CPU s", seconds
        keep_net(model, seed, variant)


def keep_net(model, seed, variant):
    """Store a net for the sections that may run later and alone."""
    MODELS.mkdir(parents=True, exist_ok=True)
    path = MODELS / f"{seed} {variant}.pickle"
    path.write_bytes(pickle.dumps(model, protocol=5))


def kept_net(seed, variant):
    return pickle.loads((MODELS / f"{seed} {variant}.pickle").read_bytes())


def file_bytes(model):
    """Size of the file of a net, without witness rows."""
    path = MODELS / "file.skprune"
    save(model, path, witness=False)
    return path.stat().st_size


def measure_files(name, seed):
    """Files of the nets of the section before, whose weights share some values."""
    part = mnist()
    full = points(kept_net(seed, "dense"), part)
    for keep in FILE_KEEPS:
        model = kept_net(seed, f"magnitude@{keep}")
        whole = FrozenEstimator(model.estimator_)
        for n_values in (16, 8, 6):
            quantizer = Quantizer("codebook", n_values=n_values)
            fitted_values = PrunedClassifier(
                whole, keep=1.0, refit=False, quantize=quantizer, random_state=seed
            ).fit(part.X, part.y)
            rounded = model.compact_.quantized(quantizer)
            for label, small in (("fitted", fitted_values), ("k-means", rounded)):
                variant = f"{n_values} values, {label}@{keep}"
                yield variant, "points", points(small, part) - full
                yield variant, "smaller on disk", FLOAT_BYTES / file_bytes(small)


def file_targets(frame):
    means = frame.groupby(["variant", "quantity"])["value"].mean().unstack()
    means = means[means.index.str.contains("fitted@")]
    for loss, bound in ((0.03, 125), (0.2, 150)):
        text = f"LeNet-300-100, file: at least {bound}x smaller at -{loss} points"
        fine = means[means["points"] >= -loss]
        if fine.empty:
            yield Target(text, "no size within the points", False)
            continue
        best = fine["smaller on disk"].idxmax()
        ratio, lost = fine.loc[best, "smaller on disk"], fine.loc[best, "points"]
        reached = f"{ratio:.3g} at {lost:.2g} ({best})"
        yield Target(text, reached, bool(ratio >= bound))


def measure_one_shot(name, seed):
    """Weights pruned without any training, beside magnitude and random masks."""
    part = mnist()
    path = MODELS / f"{seed} dense.pickle"
    if not path.exists():
        keep_net(fitted(net(Dense, epochs=DENSE_EPOCHS), part, seed)[0], seed, "dense")
    dense = kept_net(seed, "dense")
    yield "", "dense points", points(dense, part)
    criteria = {
        "one-shot": None,
        "magnitude, least squares": MagnitudeCriterion(scope="adaptive"),
        "random, least squares": RandomCriterion(),
    }
    for keep in ONE_SHOT_KEEPS:
        for label, criterion in criteria.items():
            start = time.process_time()
            model = frozen(dense, seed, criterion, unit="weight", keep=keep, refit=False)
            model.fit(part.X, part.y)
            seconds = time.process_time() - start
            yield f"{label}@{keep}", "points", points(model, part)
            yield f"{label}@{keep}", "CPU s", seconds
            yield f"{label}@{keep}", "weights", n_weights(model.compact_)
        plain = deepcopy(dense)
        layers = [m for m in plain.module_.modules() if isinstance(m, nn.Linear)]
        prune.global_unstructured(
            [(layer, "weight") for layer in layers], prune.L1Unstructured, amount=1 - keep
        )
        yield f"magnitude, torch's prune@{keep}", "points", points(plain, part)


def one_shot_targets(frame):
    for keep, bound in ((0.05, 96), (0.02, 94)):
        found = points_of(frame, f"one-shot@{keep}")
        text = f"LeNet-300-100 without training, keep={keep}: at least {bound} points"
        yield check(text, found, at_least=bound)
    seconds = frame[frame["variant"].str.startswith("one-shot@")]
    seconds = seconds[seconds["quantity"] == "CPU s"].groupby(["data", "seed"])["value"]
    text = "the same, at each size: at most 3 CPU s"
    yield check(text, seconds.max(), at_most=3)


def one_shot_tables(frame):
    for name in ("points", "CPU s", "weights"):
        yield name, curve_table(frame, name)


def measure_speed(name, seed):
    """The nets of the section before, against the bare forward pass of the dense one."""
    part = mnist()
    dense = kept_net(seed, "dense")
    forward, full = torch_forward(dense), points(dense, part)
    for keep in KEEPS:
        variant = f"magnitude@{keep}"
        model = kept_net(seed, variant)
        yield variant, "points", points(model, part) - full
        for n_rows in (1, 1000):
            rows = part.X_test[:n_rows]
            times = fastest(
                {
                    "torch": lambda rows=rows: forward(rows),
                    "skorch": lambda rows=rows: dense.predict(rows),
                    "ours": lambda rows=rows, model=model: model.predict(rows),
                }
            )
            for other in ("torch", "skorch"):
                yield variant, f"{n_rows:,} rows, {other}", times[other] / times["ours"]


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


def speed_targets(frame):
    best, values = best_within(frame, "1,000 rows, torch", "points", 0.2)
    text = "LeNet-300-100, 1,000 rows: at least 3x over torch's forward pass at 0.2 points"
    if best is None:
        yield Target(text, "no size within 0.2 points", False)
        return
    speed = values["1,000 rows, torch"]
    reached = f"{mean_sd(speed)} at {mean_sd(values['points'])} ({best})"
    yield Target(text, reached, bool(speed.mean() >= 3))


def weight_tables(frame):
    names = ("points", "points, codebook", "fewer weights", "smaller on disk")
    names += ("smaller on disk, float32", "refit CPU s")
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
    epochs = CHANNEL_EPOCHS if convolves else UNIT_EPOCHS
    dense, dense_seconds = fitted(net(module, epochs=epochs), part, seed)
    full = points(dense, part)
    yield "", "dense points", full
    forward, rows = torch_forward(dense), part.X_test[:1000]
    shares = (0.5, 0.35) if convolves else (0.5, 0.25)
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
    for keep in (0.5, 0.35):
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
        "784-300-100-10, 10 epochs of Adam under a falling rate; then unit='auto': weights "
        "are cut along a cubic while the net trains on for 60 epochs, its dense self as "
        "a teacher. Float32, or a codebook of 16 values for each layer. Points: less those "
        "of the dense net of the seed, on 10,000 test rows. Bytes on disk: lzma of the "
        "pickle of the compact form against 4 bytes for each of 266,610 parameters. "
        "Random: the same training with random weights, as many; where a unit has lost "
        "all that it reads it goes, so that fewer are left. Learning rate, batch size, "
        "temperature and criterion were compared on 10,000 rows held out from the training "
        "rows.",
        ("LeNet-300-100",),
        measure_weights,
        weight_targets,
        weight_tables,
    ),
    "lenet-files": Section(
        "LeNet-300-100 on MNIST: files",
        "The nets of the section before, as save writes them without witness rows, for "
        "load with numpy alone, against 4 bytes for each of 266,610 parameters. Shared "
        "values of each layer by k-means, and fitted by least squares on 1,000 training "
        "rows. Points: less those of the dense net.",
        ("LeNet-300-100",),
        measure_files,
        file_targets,
        lambda frame: [
            (name, curve_table(frame, name)) for name in ("points", "smaller on disk")
        ],
    ),
    "lenet-one-shot": Section(
        "LeNet-300-100 on MNIST: without training",
        "The dense nets of the section before, pruned by unit='weight' and refit=False: "
        "no epoch of training. Least squares: the same with the weights that a criterion "
        "keeps. torch's prune: global_unstructured by magnitude, values as they were. "
        "Points: accuracy in per cent on 10,000 test rows.",
        ("LeNet-300-100",),
        measure_one_shot,
        one_shot_targets,
        one_shot_tables,
    ),
    "lenet-speed": Section(
        "LeNet-300-100 on MNIST: time",
        "The nets of the section before, in float32: how many times faster the whole "
        "predict is than the bare forward pass of the dense net in torch and than skorch's "
        "predict.",
        ("LeNet-300-100",),
        measure_speed,
        speed_targets,
        lambda frame: [
            (name, curve_table(frame, name))
            for name in sorted({name for name in frame["quantity"] if " rows, " in name})
        ],
    ),
    "lenet-neurons": Section(
        "784-300-100-10 on MNIST: neurons",
        "10 epochs, then unit='neuron' and 10 more. From scratch: a net of the sizes that "
        "are left, for 20 epochs, or for as many as take the CPU time of both trainings.",
        ("LeNet-300-100",),
        measure_units,
        neuron_targets,
        unit_tables,
    ),
    "lenet5-channels": Section(
        "LeNet-5 on MNIST: channels",
        "20-50-500, 2 epochs, then unit='channel' and 2 more; the time is the bare forward "
        "pass of the dense net in torch over the whole predict, one thread.",
        ("LeNet-5",),
        measure_units,
        channel_targets,
        unit_tables,
    ),
}
