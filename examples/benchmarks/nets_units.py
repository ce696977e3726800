"""Measure nets without some of their channels and neurons, beside Torch-Pruning.

``python examples/benchmarks/nets_units.py [section ...] [--seeds 3]``

Sections: accuracy, embeddings, removed, seconds, report. Each finished row is added to
``--store`` and is not measured again. The page ``nets_units.md`` is written from them into
``--out``. MNIST as for ``nets.py``. Needs torch, skorch, torch-pruning and torchvision.
"""

import argparse
import json
import sys
import time
import warnings
from copy import deepcopy
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from nets_data import mnist
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from threadpoolctl import threadpool_limits

from sklearn_prune import PrunedClassifier
from sklearn_prune.models.nets.torch_cut import cut, safe_units
from sklearn_prune.models.nets.torch_parts import plain_copy
from sklearn_prune.models.nets.torch_training import distil
from sklearn_prune.models.nets.torch_units import around, with_new_statistics
from sklearn_prune.weight_pruning import (
    ActivationCriterion,
    MagnitudeCriterion,
    TaylorCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext

sys.path.append(str(Path(__file__).parents[2]))
from tests.models.nets import vision, zoo

_ROWS, _TEST_ROWS, _EPOCHS, _REFIT = 1500, 2000, 8, 4
_NETS = {
    "residual": zoo.Residual,
    "concatenating": zoo.Concatenating,
    "squeeze and excite": zoo.Squeezing,
}
_CRITERIA = {
    "activation": ActivationCriterion(),
    "adaptive magnitude": MagnitudeCriterion(scope="adaptive"),
    "Taylor": TaylorCriterion(),
}
HEAD = """# Nets without some of their units

Output of `examples/benchmarks/nets_units.py`. Nets lose channels or neurons, and are
trained on. Torch-Pruning 1.6.1 removes by group magnitude, the same share of each layer,
until about as many parameters are left. Both small nets get new statistics of the batch
norms and are refitted alike: the same rows, epochs, optimizer and teacher. Mean ± standard
deviation over seeds. One thread, CPU seconds.
"""


def net_of(module, epochs, **params):
    """A net that learns by Adam."""
    settings = {"criterion": torch.nn.CrossEntropyLoss, "optimizer": torch.optim.Adam}
    settings |= {"lr": 3e-3, "batch_size": 64, "train_split": None, "verbose": 0}
    settings |= {"iterator_train__shuffle": True, "max_epochs": epochs}
    return NeuralNetClassifier(module, **settings | params)


def n_parameters(module):
    return sum(value.numel() for value in module.parameters())


def accuracy(store, seeds):
    """Accuracy at equal parameters and epochs, of three small nets on MNIST."""
    split = mnist(flat=False)
    X_test, y_test = split.X_test[:_TEST_ROWS], split.y_test[:_TEST_ROWS]
    for seed in range(seeds):
        rows = np.random.default_rng(seed).choice(len(split.X), _ROWS, replace=False)
        X, y = split.X[rows], split.y[rows]
        for name, module in _NETS.items():
            if store.has("accuracy", name, seed):
                continue
            torch.manual_seed(seed)
            dense = net_of(module, _EPOCHS).fit(X, y)
            whole = n_parameters(dense.module_)
            found = [("dense", 1.0, whole, dense.score(X_test, y_test))]
            for keep in (0.7, 0.5):
                sizes = []
                for label, criterion in _CRITERIA.items():
                    model = PrunedClassifier(
                        FrozenEstimator(dense),
                        criterion,
                        unit="channel",
                        keep=keep,
                        refit={"max_epochs": _REFIT},
                        random_state=seed,
                    ).fit(X, y)
                    size = n_parameters(model.estimator_.module_)
                    sizes.append(size)
                    found.append((label, keep, size, model.score(X_test, y_test)))
                small = removed_by_peer(dense.module_, X[:2], int(np.mean(sizes)))
                peer = refitted(dense, small, X, y, seed)
                size, score = n_parameters(small), peer.score(X_test, y_test)
                found.append(("Torch-Pruning", keep, size, score))
            store.add(section="accuracy", net=name, seed=seed, rows=found)


def removed_by_peer(module, X, size):
    """The module by Torch-Pruning, with about as many parameters."""
    low, high = 0.0, 0.95
    for _ in range(12):
        share = (low + high) / 2
        small = by_peer(module, X, share)
        if n_parameters(small) > size:
            low = share
        else:
            high = share
    return small


def by_peer(module, X, share):
    """The module without a share of each layer, by Torch-Pruning."""
    import torch_pruning

    small = deepcopy(module).eval()
    last = [part for part in small.modules() if isinstance(part, torch.nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        small,
        torch.as_tensor(X),
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        pruning_ratio=share,
        ignored_layers=[last],
    )
    pruner.step()
    return small


def refitted(dense, small, X, y, seed):
    """A net around a smaller module, trained as ours are."""
    net = around(clone(dense), small).set_params(max_epochs=_REFIT)
    torch.manual_seed(seed)
    net.initialize()
    with_new_statistics(net, PruningContext(FrozenEstimator(dense), X, y, seed=seed))
    distil(net, dense, 0.5)
    return net.partial_fit(X, y)


def texts(n, seed):
    """Texts of 20 words on four topics."""
    rng = np.random.default_rng(seed)
    topic = np.random.default_rng(99).permutation(400).reshape(4, 100)
    y, X = rng.integers(0, 4, n), rng.integers(0, 400, (n, 20))
    own = rng.random(X.shape) < 0.22
    words = topic[y][np.arange(n)[:, None], rng.integers(0, 100, X.shape)]
    return np.where(own, words, X), y


def embeddings(store, seeds):
    """The mean of embeddings, at half of its neurons."""
    for seed in range(seeds):
        if store.has("embeddings", "words", seed):
            continue
        (X, y), (X_test, y_test) = texts(3000, seed), texts(5000, seed + 100)
        torch.manual_seed(seed)
        dense = net_of(zoo.Words, 12).fit(X, y)
        found = [("dense", 1.0, n_parameters(dense.module_), dense.score(X_test, y_test))]
        for keep in (0.5, 0.25):
            model = PrunedClassifier(
                FrozenEstimator(dense), unit="neuron", keep=keep, random_state=seed
            ).fit(X, y)
            size = n_parameters(model.estimator_.module_)
            found.append(("activation", keep, size, model.score(X_test, y_test)))
        store.add(section="embeddings", net="words", seed=seed, rows=found)


def removed(store, seeds):
    """Parameters that are left with half of each layer, beside Torch-Pruning."""
    for name in ("resnet18", "densenet121", "mobilenet_v2"):
        if store.has("removed", name, 0):
            continue
        torch.manual_seed(0)
        module, X = vision.make(name).eval(), torch.randn(2, 3, 64, 64)
        units = safe_units(module, lambda module, X: module(X), X)
        groups = [np.flatnonzero(units.groups == g) for g in range(len(units.kinds))]
        kept = np.sort(np.concatenate([own[: len(own) // 2] for own in groups]))
        ours = n_parameters(cut(module, units, kept))
        theirs = n_parameters(by_peer(module, X, 0.5))
        store.add(section="removed", net=name, seed=0, rows=[ours, theirs])


def seconds(store, seeds):
    """CPU seconds to find all units of a net and to prove that they can go."""
    cases = {name: (make, rows) for name, (make, rows) in zoo.ZOO.items()}
    for name in ("vgg11", "vgg11_bn", "densenet121", "mobilenet_v3_small", "googlenet"):
        cases[name] = (
            lambda name=name: vision.make(name),
            lambda: (torch.randn(32, 3, 64, 64),),
        )
    for name, (make, rows) in cases.items():
        if store.has("seconds", name, 0):
            continue
        torch.manual_seed(0)
        module, rows = make().eval(), rows()
        start = time.process_time()
        module = plain_copy(module)
        few = tuple(part[:2] for part in rows)
        units = safe_units(module, lambda module, X: module(*X), few, proof=rows)
        spent = time.process_time() - start
        found = [len(units), len(units.kinds), n_parameters(module), spent]
        store.add(section="seconds", net=name, seed=0, rows=found)


class Store:
    """Finished rows as lines of JSON."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else ()
        self.rows = [json.loads(line) for line in lines]

    def has(self, section, net, seed):
        known = [(row["section"], row["net"], row["seed"]) for row in self.rows]
        return (section, net, seed) in known

    def add(self, **row):
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)

    def of(self, section):
        return [row for row in self.rows if row["section"] == section]


def report(store, out):
    """The page of what has been measured."""
    lines = [HEAD]
    for section, title in (
        ("accuracy", f"MNIST: {_ROWS:,} rows, {_EPOCHS} epochs, {_REFIT} of refit"),
        ("embeddings", "Texts: the mean of embeddings"),
    ):
        lines += [
            f"## {title}\n",
            "| net | criterion | keep | seeds | parameters | accuracy |",
        ]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        cells = {}
        for row in store.of(section):
            for label, keep, size, score in row["rows"]:
                cells.setdefault((row["net"], keep, label), []).append((size, score))
        for (net, keep, label), found in sorted(cells.items(), key=lambda cell: cell[0][0]):
            sizes, scores = np.array(found).T
            lines.append(
                f"| {net} | {label} | {keep} | {len(found)} | {sizes.mean():,.0f} | "
                f"{scores.mean():.4f} ± {scores.std():.4f} |"
            )
        lines.append("")
    lines += ["## Parameters left with half of each layer\n"]
    lines += [
        "| net | sklearn-prune | Torch-Pruning | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for row in store.of("removed"):
        ours, theirs = row["rows"]
        lines.append(f"| {row['net']} | {ours:,} | {theirs:,} | {ours / theirs:.3f} |")
    lines += ["\n## CPU seconds to find the units and to prove the cut\n"]
    lines += ["Images of 64 x 64 pixels for the nets of torchvision; 32 rows.\n"]
    lines += [
        "| net | parameters | units | layers | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in store.of("seconds"):
        units, groups, size, spent = row["rows"]
        lines.append(f"| {row['net']} | {size:,} | {units:,} | {groups} | {spent:.2f} |")
    (out / "nets_units.md").write_text("\n".join(lines) + "\n")


SECTIONS = {part.__name__: part for part in (accuracy, embeddings, removed, seconds)}


def main():
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help="of these: " + ", ".join(SECTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    store = Path(gettempdir()) / "sklearn_prune_nets_units"
    parser.add_argument("--store", type=Path, default=store, help="where raw rows are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    args.store.mkdir(parents=True, exist_ok=True)
    store = Store(args.store / "rows.jsonl")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name in args.sections or SECTIONS:
            if name in SECTIONS:
                SECTIONS[name](store, args.seeds)
    report(store, args.out)


if __name__ == "__main__":
    main()
