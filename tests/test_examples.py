import importlib.util
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
    monkeypatch.delitem(example.MODELS, "MLPClassifier")
    X, y = load_digits(return_X_y=True)
    frame = example.compare(X[:500], y[:500], n_splits=3)
    assert len(frame) == 3 * (1 + 4 * 3)
    assert set(frame["selector"]) == {"all rows", *example.SELECTORS}
    assert frame["accuracy"].between(0.4, 1).all()
    assert (frame["rows"] == (frame["keep"] * 334 + 0.5).astype(int)).all()
    lines = example.table(frame).to_string().splitlines()
    assert len(lines) == 2 + 3 * 4
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
    monkeypatch.setattr(example, "SHARES", (0.2,))
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
    assert sizes["keep=1.0"] > 2 * sizes["keep=0.2"]
    assert picture.stat().st_size > 10_000
