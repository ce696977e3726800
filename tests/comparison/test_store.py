import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from sklearn_prune import SampleSubsetClassifier, compare_pruning
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune.comparison.run import store as stores
from sklearn_prune.comparison.run.store import Store
from sklearn_prune.sample_selection import HerdingSelector

CV = KFold(4, shuffle=True)
STATE = {"fits": 0, "interrupt_at": None, "failing": None}


class Counting(ClassifierMixin, BaseEstimator):
    """A model that counts its fits and can be interrupted in one."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        STATE["fits"] += 1
        if STATE["fits"] == STATE["interrupt_at"]:
            raise KeyboardInterrupt
        if STATE["failing"] == self.C:
            raise OSError("no memory left")
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.fixture
def models():
    STATE.update(fits=0, interrupt_at=None, failing=None)
    model = Counting()
    return {"all": model} | {
        f"rows {keep}": SampleSubsetClassifier(model, HerdingSelector(), keep=keep)
        for keep in (0.5, 0.2)
    }


def test_an_interrupted_run_goes_on_and_gives_the_same(classes, models, tmp_path):
    whole = compare_pruning(models, *classes, cv=CV)
    n_fits = STATE["fits"]
    STATE.update(fits=0, interrupt_at=n_fits // 2)
    with pytest.raises(KeyboardInterrupt):
        compare_pruning(models, *classes, cv=CV, store=tmp_path)
    STATE.update(fits=0, interrupt_at=None)
    resumed = compare_pruning(models, *classes, cv=CV, store=tmp_path)
    assert STATE["fits"] < n_fits - 2
    assert canonical_json(resumed.manifest) == canonical_json(whole.manifest)
    STATE["fits"] = 0
    again = compare_pruning(models, *classes, cv=CV, store=tmp_path)
    assert STATE["fits"] == 0
    assert again.manifest == whole.manifest
    first, second = (one.frame().set_index("measure") for one in (resumed, again))
    assert first.loc["predict_latency"].equals(second.loc["predict_latency"])
    assert again.verdicts().equals(whole.verdicts())


def test_new_estimators_are_added(classes, models, tmp_path):
    compare_pruning(models, *classes, cv=CV, store=tmp_path, costs=("nbytes",))
    STATE["fits"] = 0
    models["rows 0.1"] = SampleSubsetClassifier(Counting(), HerdingSelector(), keep=0.1)
    added = compare_pruning(models, *classes, cv=CV, store=tmp_path, costs=("nbytes",))
    n_fits = STATE["fits"]
    whole = compare_pruning(models, *classes, cv=CV)
    assert added.manifest == whole.manifest
    assert n_fits == 4 + 4  # its own and its controls'


def test_margins_may_change_afterwards(classes, models, tmp_path):
    compare_pruning(models, *classes, cv=CV, store=tmp_path)
    STATE["fits"] = 0
    wide = compare_pruning(models, *classes, cv=CV, store=tmp_path, margin=0.5)
    assert STATE["fits"] == 0
    assert wide.verdict("rows 0.2") == "not worse"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("X", "X: rows"),
        ("y", "y"),
        ("parameter", r"estimators\['all'\].params.C was 1.0, is 2.0"),
        ("cv", "fold"),
        ("seed", "seed"),
        ("scoring", "scoring"),
        ("controls", "controls"),
        ("version", "1.99"),
    ],
)
def test_a_changed_input_is_noticed(
    classes, models, tmp_path, monkeypatch, change, message
):
    X, y = (part.copy() for part in classes)
    options = {"cv": CV, "store": tmp_path}
    compare_pruning(models, X, y, **options)
    if change == "X":
        X[5, 1] += 1
    elif change == "y":
        y[5] = 1 - y[5]
    elif change == "parameter":
        models["all"] = Counting(C=2.0)
    elif change == "cv":
        options["cv"] = KFold(3)
    elif change == "version":
        monkeypatch.setattr(np, "__version__", "1.99")
    else:
        options |= {
            "seed": {"random_state": 1},
            "scoring": {"scoring": "f1"},
            "controls": {"controls": ()},
        }[change]
    with pytest.raises(ValueError, match=f"store must .* same input.*{message}") as caught:
        compare_pruning(models, X, y, **options)
    assert "\n" not in str(caught.value)


def test_fits_without_a_log_loss_are_made_again(classes, models, tmp_path, monkeypatch):
    models = {"all": LogisticRegression(), "strong": LogisticRegression(C=0.01)}
    options = {"cv": CV, "baseline": "all", "store": tmp_path}
    plain = stores._PLAIN
    monkeypatch.setattr(
        stores, "_PLAIN", tuple(name for name in plain if name != "log_loss")
    )
    compare_pruning(models, *classes, **options)
    monkeypatch.setattr(stores, "_PLAIN", plain)
    again = compare_pruning(models, *classes, **options)
    assert np.isfinite(again.summary()["log_loss"]).all()
    monkeypatch.setattr(LogisticRegression, "fit", None)
    stored = compare_pruning(models, *classes, **options)
    assert stored.summary()["log_loss"].equals(again.summary()["log_loss"])
    assert repr(stored) == repr(again)


def test_damaged_files_are_made_again(classes, models, tmp_path):
    whole = compare_pruning(models, *classes, cv=CV, store=tmp_path)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 12
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    files[2].write_bytes(os.urandom(500))
    (tmp_path / ".123.part").write_bytes(b"half")
    again = compare_pruning(models, *classes, cv=CV, store=tmp_path)
    assert again.manifest == whole.manifest
    (tmp_path / "comparison.json").write_text("{")
    with pytest.raises(ValueError, match="comparison.json cannot be read"):
        compare_pruning(models, *classes, cv=CV, store=tmp_path)


def test_a_store_must_be_a_folder(classes, models, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="store must be a folder"):
        compare_pruning(models, *classes, cv=CV, store=tmp_path / "file")


def test_fits_that_failed_are_tried_again(classes, tmp_path):
    models = {"all": Counting(), "strong": Counting(C=0.1)}
    options = {"cv": CV, "controls": (), "costs": ("nbytes",)}
    STATE.update(fits=0, interrupt_at=None, failing=0.1)
    broken = compare_pruning(models, *classes, baseline="all", store=tmp_path, **options)
    assert "no memory left" in broken.failures["strong"]
    STATE.update(fits=0, failing=None)
    mended = compare_pruning(models, *classes, baseline="all", store=tmp_path, **options)
    assert STATE["fits"] == 4
    assert not mended.failures
    whole = compare_pruning(models, *classes, baseline="all", **options)
    assert mended.manifest == whole.manifest


INPUTS = {"environment": {"numpy": "2.0"}, "data": {"X": "a"}, "design": {"seed": 0}}


def test_runs_at_the_same_time_add_their_variants(tmp_path, monkeypatch):
    # All three look before any of them writes.
    monkeypatch.setattr(Path, "exists", lambda path: False)
    Store(tmp_path, INPUTS, {"a": {"C": 1}})
    Store(tmp_path, INPUTS, {"b": {"C": 2}})
    with pytest.raises(ValueError, match=r"estimators\['a'\].C was 1, is 3"):
        Store(tmp_path, INPUTS, {"a": {"C": 3}})
    with pytest.raises(ValueError, match="seed"):
        Store(tmp_path, INPUTS | {"design": {"seed": 1}}, {"c": {}})
    monkeypatch.undo()
    Store(tmp_path, INPUTS, {"a": {"C": 1}, "b": {"C": 2}, "c": {"C": 4}})
    assert not list(tmp_path.glob("*.part"))


def test_a_refused_run_adds_no_variant(tmp_path):
    Store(tmp_path, INPUTS, {"a": {}})
    with pytest.raises(ValueError, match="same input"):
        Store(tmp_path, INPUTS | {"data": {"X": "b"}}, {"c": {"C": 1}})
    Store(tmp_path, INPUTS, {"c": {"C": 2}})


def test_a_variant_of_another_library_may_be_added(tmp_path):
    Store(tmp_path, INPUTS, {"a": {}})
    more = INPUTS | {"environment": {"numpy": "2.0", "torch": "2.9"}}
    Store(tmp_path, more, {"a": {}, "net": {}})
    Store(tmp_path, INPUTS, {"a": {}})
    other = INPUTS | {"environment": {"numpy": "2.0", "torch": "3.0"}}
    with pytest.raises(ValueError, match="torch"):
        Store(tmp_path, other, {"net": {}})


def test_a_folder_without_links_is_a_store_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    Store(tmp_path, INPUTS, {"a": {"C": 1}})
    with pytest.raises(ValueError, match="C was 1, is 2"):
        Store(tmp_path, INPUTS, {"a": {"C": 2}})
    assert not list(tmp_path.glob("*.part"))


SCRIPT = """
import sys, time
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from sklearn_prune import SampleSubsetClassifier, compare_pruning

X, y = make_classification(n_samples=150, random_state=0)
net = MLPClassifier((8,), max_iter=40)
models = {"all": net} | {
    f"rows {keep}": SampleSubsetClassifier(net, keep=keep) for keep in (0.7, 0.5, 0.3)
}
store = sys.argv[2] if sys.argv[2:] else None
found = compare_pruning(models, X, y, cv=10, store=store, n_jobs=int(sys.argv[1]))
print(found.manifest["sha256"])
"""


def test_a_killed_run_resumes_to_the_same_hashes(tmp_path):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", SCRIPT, "1"]
    killed = subprocess.Popen([*command, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*.npz"))) < 10 and time.monotonic() < deadline:
        assert killed.poll() is None, "it was over before it could be killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    n_done = len(list(tmp_path.glob("*.npz")))
    assert 10 <= n_done < 40
    run = {"env": environment, "capture_output": True, "text": True, "check": True}
    resumed = subprocess.run([*command, str(tmp_path)], **run).stdout
    assert len(list(tmp_path.glob("*.npz"))) == 40
    assert resumed == subprocess.run(command, **run).stdout


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_runs_killed_at_random_moments_resume_to_the_same_hashes(tmp_path, n_jobs):
    """Kill whole process groups, again and again, wherever they are."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", SCRIPT, str(n_jobs)]
    run = {"env": environment, "capture_output": True, "text": True, "check": True}
    whole = subprocess.run(command, **run).stdout
    random = np.random.default_rng(n_jobs)
    for repeat in range(6):
        store = tmp_path / str(repeat)
        done = []
        for _ in range(5):
            killed = subprocess.Popen(
                [*command, str(store)],
                env=environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
            )
            wanted = sum(done[-1:]) + random.integers(8)
            while len(list(store.glob("*.npz"))) < wanted and killed.poll() is None:
                time.sleep(0.002)
            time.sleep(random.uniform(0, 0.1))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
            done.append(len(list(store.glob("*.npz"))))
        resumed = subprocess.run([*command, str(store)], **run).stdout
        print(f"n_jobs={n_jobs}: fits in the store after each kill {done}, then 40")
        assert resumed == whole
        assert len(list(store.glob("*.npz"))) == 40
