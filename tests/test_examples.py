import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_digits_example_compares_every_model_with_its_baseline(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from sklearn.datasets import load_digits

    example = load("plot_compare_digits")
    for slow in ("MLPClassifier", "RandomForest"):
        monkeypatch.delitem(example.MODELS, slow)
    X, y = load_digits(return_X_y=True)
    comparisons = {
        name: example.compare(model, X[:500], y[:500], n_repeats=1)
        for name, model in example.MODELS.items()
    }
    frame = example.tidy(comparisons)
    assert len(frame) == 2 * (1 + 4 * 3)
    assert set(frame["selector"]) == {"all rows", *example.SELECTORS}
    assert frame["accuracy"].between(0.4, 1).all()
    assert (frame["rows"] == (frame["keep"] * 400 + 0.5).astype(int)).all()
    lines = example.table(frame).to_string().splitlines()
    assert len(lines) == 2 + 2 * 4
    for comparison in comparisons.values():
        assert len(comparison.chains) == 4
        passed = "not worse" in set(comparison.verdicts()["verdict"])
        assert ("No variant met" in comparison.conclusion("n_samples")) is not passed
        # The random rows are the control of every other selector.
        summary = comparison.summary()
        for keep in example.KEEPS:
            own = summary.loc[f"random, keep={keep}", "accuracy"]
            for label in example.SELECTORS:
                assert summary.loc[f"{label}, keep={keep}", "accuracy_random"] == own
    example.plot(frame, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_both_trainings_of_the_net_start_from_equal_parameters(monkeypatch):
    pytest.importorskip("skorch")
    example = load("plot_mnist_mlp")
    starts = []
    reload = example.ReloadParameters.on_train_begin

    def spy(callback, net, **kwargs):
        reload(callback, net, **kwargs)
        starts.append({k: v.numpy().copy() for k, v in net.module_.state_dict().items()})

    monkeypatch.setattr(example.ReloadParameters, "on_train_begin", spy)
    rng = np.random.default_rng(0)
    X = rng.random((300, 20)).astype(np.float32)
    y = (X[:, 0] > X[:, 1]).astype(np.int64)
    runs = list(example.train_twice(X, y, X, y, max_epochs=2))
    assert [run[0] for run in runs] == ["all rows", "each row deleted with p = 0.5"]
    assert runs[0][2] == 300
    assert 110 < runs[1][2] < 190
    assert len(starts) == 2
    for name, values in starts[0].items():
        assert np.array_equal(values, starts[1][name]), name
    ends = [run[-1].estimator_.module_.state_dict() for run in runs]
    assert not np.array_equal(ends[0]["0.weight"], ends[1]["0.weight"])
    again = list(example.train_twice(X, y, X, y, max_epochs=2))
    assert [run[1] for run in again] == [run[1] for run in runs]


@pytest.mark.slow
def test_the_net_learns_mnist_from_half_of_it(mnist_path):
    pytest.importorskip("skorch")
    example = load("plot_mnist_mlp")
    all_rows, half = example.train_twice(*example.load(mnist_path))
    assert all_rows[1] >= 0.97
    assert half[1] >= 0.96


def test_forest_example_says_that_the_compact_form_is_exact(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    example = load("plot_compact_forest")
    monkeypatch.setattr(example, "SHARES", (0.05,))
    picture = tmp_path / "picture.png"
    monkeypatch.setattr("sys.argv", ["plot_compact_forest.py", "--picture", str(picture)])
    example.main()
    printed = capsys.readouterr().out
    assert "equal to the bit: True" in printed
    sizes = {
        line[:14].strip(): int(line[14:26].replace(",", ""))
        for line in printed.splitlines()[1:5]
    }
    assert sizes["scikit-learn"] > 50 * sizes["keep=1.0"]
    assert sizes["keep=1.0"] > 2 * sizes["keep=0.05"]
    assert picture.stat().st_size > 10_000


def small_digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return X[:600], y[:600].astype(np.int64), X[600:900], y[600:900].astype(np.int64)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_net_of_mnist_is_pruned_in_every_way():
    pytest.importorskip("skorch")
    example = load("plot_mnist_mlp")
    runs = {run[0]: run for run in example.prune(*small_digits(), max_epochs=3)}
    assert list(runs) == list(example.PRUNINGS)
    full = runs["all weights"]
    for label, (_, accuracy, stored, _, model) in runs.items():
        if label != "all weights":
            before, after = model.report_.before, model.report_.after
            assert after["nonzero"] < 0.12 * before["parameters"], label
            assert stored < 0.25 * full[2], label
        assert 0 < accuracy <= 1
    rounded = runs["large weights, 16 shared values"]
    assert rounded[2] < 0.6 * runs["large weights, cut while training"][2]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lenet_is_compressed(monkeypatch, tmp_path):
    pytest.importorskip("skorch")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = load("plot_lenet_compression")
    monkeypatch.setattr(example, "KEEPS", (0.1, 0.02))
    points = list(example.compress(*small_digits(), epochs=1, refit_epochs=1))
    sizes = [stored for _, _, stored, _ in points]
    assert sizes[0] > 25 * sizes[1] > 50 * sizes[2]
    example.plot(points, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5_000


def test_channels_are_cut_from_a_net_with_augmented_rows(monkeypatch):
    pytest.importorskip("skorch")
    example = load("plot_channels")
    monkeypatch.setitem(sys.modules, "plot_channels", example)  # where pickle looks
    monkeypatch.setattr(example, "KEEPS", (0.5,))
    (_, whole, _, _), (_, left, accuracy, _) = example.measure(2, 1)
    assert left < 0.35 * whole
    assert 0.1 < accuracy <= 1
