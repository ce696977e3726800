"""Faults from outside: fits that are cut off, workers that die, files that lie."""

import io
import json
import os
import pickle
import sys
import tempfile
import warnings
from contextlib import contextmanager
from functools import partial, wraps
from inspect import CO_GENERATOR
from itertools import count
from multiprocessing import current_process
from pathlib import Path
from unittest import mock
from zipfile import ZipFile

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn import get_config
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from sklearn_prune import PrunedClassifier, compare_pruning
from sklearn_prune._meta import last_step
from sklearn_prune.persistence import load, save
from sklearn_prune.predictors.storage.archive import write_archive
from sklearn_prune.weight_pruning._pruned_base import PrunedModel
from tests.faults import subjects
from tests.faults.inner import answers
from tests.persistence.damage import members_of

PACKAGE = f"{os.sep}sklearn_prune{os.sep}"


def calls_of_package(call, at=None, error=None):
    """Number of calls of functions of the package; at one of them an error is raised."""
    n_calls = 0

    def watch(frame, event, argument):
        nonlocal n_calls
        code = frame.f_code  # a generator that is closed ignores what is raised in it
        if event != "call" or code.co_flags & CO_GENERATOR:
            return
        if PACKAGE in code.co_filename:
            n_calls += 1
            if n_calls == at:
                raise error

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return n_calls


def surroundings(subject, X, y):
    """What a fit must leave as it was, in a form that can be compared."""
    params = subject.estimator.get_params(deep=True)
    models = [part for part in params.values() if hasattr(part, "get_params")]
    torch = sys.modules.get("torch")
    state = np.random.get_state()
    return {
        "parameters": repr(params),
        "attributes of models": [repr(vars(model)) for model in models],
        # Where a model without a seed of its own draws, scikit-learn does.
        "generator": "SVR" in subject.name or (state[1].tobytes(), *state[2:]),
        "threads": [pool["num_threads"] for pool in threadpool_info()],
        # scikit-learn's threads write texts as patterns.
        "warnings": [
            [getattr(part, "pattern", part) for part in entry] for entry in warnings.filters
        ],
        "configuration": get_config(),
        "torch": torch
        and (torch.get_num_threads(), torch.random.get_rng_state().numpy().tobytes()),
        "rows": (X.tobytes(), y.tobytes()),
    }


@contextmanager
def nothing_else_changes(subject, X, y):
    before = surroundings(subject, X, y)
    yield
    for name, value in surroundings(subject, X, y).items():
        assert value == before[name], f"{name} changed: {before[name]} to {value}"


def is_cut_off(call, at):
    """Whether a call was interrupted; one that swallows the interrupt is wrong."""
    try:
        n_calls = calls_of_package(call, at, KeyboardInterrupt())
    except KeyboardInterrupt:
        return True
    assert n_calls < at, "it has swallowed the interrupt"
    return False


@subjects.fault(43, "a fit that raises, is interrupted, or loses a worker")
def cut_off(subject):
    X, y = subject.rows()
    check_interrupts(subject, X, y)
    if subject.kind == "comparison":
        check_failing_variants(subject, X, y)
    elif subject.kind not in ("selector", "sampler"):
        check_failing_models(subject, X, y)
    if subject.name == "PrunedClassifier(LogisticRegression)":
        check_killed_worker_of_fit(subject, X, y)
    if subject.name == "compare_pruning(LogisticRegression)":
        check_killed_worker_of_comparison(subject, X, y)
    return subjects.RIGHT


def check_interrupts(subject, X, y):
    """An interrupted fit leaves the old fit, or none, and nothing else changed."""

    def fit(estimator):
        return lambda: estimator.fit(X, y)  # fit_resample goes on after it

    fitted = subject.fit(X[:30][::-1].copy(), y[:30][::-1].copy())
    before = subject.results(fitted, X)
    n_calls = calls_of_package(fit(subject.make()))
    with nothing_else_changes(subject, X, y):
        for share in (0.6, 0.97):
            estimator = subject.make()
            if is_cut_off(fit(estimator), int(share * n_calls)):
                subjects.assert_not_fitted(estimator)
        for share in (0.3, 0.97):
            if is_cut_off(fit(fitted), int(share * n_calls)):
                subjects.assert_same_results(subject.results(fitted, X), before)


@contextmanager
def failing(cls, error, at=1):
    """Let the fit of a class raise when it is called for the n-th time."""
    original, numbers = cls.fit, count(1)

    @wraps(original)
    def fit(self, *args, **kwargs):
        if next(numbers) == at:
            raise error
        return original(self, *args, **kwargs)

    with mock.patch.object(cls, "fit", fit):
        yield


def check_failing_models(subject, X, y):
    """What the inner model raises comes through, from the refit too."""
    role = "transformer" if subject.kind == "transformer" else "estimator"
    cls = type(last_step(getattr(subject.estimator, role)))
    for error, at in ((ValueError, 1), (MemoryError, 1), (KeyError, 2)):
        estimator, raised = subject.make(), None
        with nothing_else_changes(subject, X, y), failing(cls, error("no luck"), at):
            try:
                estimator.fit(X, y)
            except Exception as caught:
                raised = caught
        if raised is None:
            assert at == 2, "it has swallowed the error"
            continue
        assert type(raised) is error
        assert "no luck" in str(raised)
        subjects.assert_not_fitted(estimator)


def check_failing_variants(subject, X, y):
    """A variant that fails is reported and changes no other; without a baseline none."""
    whole = subject.run(X, y)
    with failing(PrunedModel, MemoryError("no luck")), nothing_else_changes(subject, X, y):
        found = subject.fit(X, y).comparison_
    assert found.failures.keys() == {"parameters"}
    assert "no luck" in found.failures["parameters"]
    assert [found.verdict(name) for name in ("all", "rows")] == list(whole["verdicts"][:2])
    estimator = subject.make()
    baseline = type(subject.estimator.variants["all"])
    wanted = pytest.raises(RuntimeError, match="the baseline 'all' .* no luck")
    with failing(baseline, MemoryError("no luck")), wanted:
        estimator.fit(X, y)
    subjects.assert_not_fitted(estimator)


# Where joblib misses the death of a worker, it waits for the others until they time out.
# joblib 1.4 takes no timeout here.
_OLD = tuple(map(int, joblib.__version__.split(".")[:2])) < (1, 5)
_TIMEOUT = {} if _OLD else {"idle_worker_timeout": 20}
LOKY = partial(parallel_config, "loky", **_TIMEOUT)


class Fatal(LogisticRegression):
    """Ends the process that it is fitted in, unless that is the first one."""

    def fit(self, X, y, sample_weight=None):
        if current_process().name != "MainProcess":
            os._exit(1)
        return super().fit(X, y, sample_weight)


def check_killed_worker_of_fit(subject, X, y):
    params = {"keep": "auto", "unit": "feature", "cv": 2}
    estimator = subject.make(estimator=Fatal(), n_jobs=2, **params)
    killed = pytest.raises(TerminatedWorkerError)
    with nothing_else_changes(subject, X, y), LOKY(), killed:
        estimator.fit(X, y)
    subjects.assert_not_fitted(estimator)
    again = subject.run(X, y, estimator=estimator.set_params(n_jobs=None))
    subjects.assert_same_results(again, subject.run(X, y, estimator=subject.make(**params)))


def check_killed_worker_of_comparison(subject, X, y):
    """What was finished before is kept in the store, and the comparison goes on there."""

    def compare(estimators, **params):
        found = compare_pruning(
            estimators, X, y, baseline="all", cv=3, margin=0.1, costs=(), **params
        )
        return found._scores("half", "accuracy")

    variants = {"all": LogisticRegression(), "half": PrunedClassifier(LogisticRegression())}
    with tempfile.TemporaryDirectory() as folder, LOKY():
        fatal = variants | {"fatal": PrunedClassifier(Fatal())}
        with nothing_else_changes(subject, X, y), pytest.raises(TerminatedWorkerError):
            compare(fatal, n_jobs=2, store=folder)
        assert not list(Path(folder).glob("*.tmp"))
        np.testing.assert_array_equal(compare(variants, store=folder), compare(variants))


class Bomb:
    """What a pickle makes of it would run code."""

    went_off = False

    def __reduce__(self):
        return setattr, (Bomb, "went_off", True)


def rewritten(content, change):
    """A zip with its members changed by a function of a dict of them."""
    with ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, part in change(members).items():
            archive.writestr(name, part)
    return buffer.getvalue()


def sealed(document, members):
    """A file of these parts with the digest that belongs to them."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    parts = [("model.json", [text]), *((name, [part]) for name, part in members.items())]
    buffer = io.BytesIO()
    write_archive(buffer, parts)
    return buffer.getvalue()


def flipped(content, share):
    """The content with a byte changed."""
    at = int(share * len(content))
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


def poisons(content):
    """Files that are not what `save` wrote, by what is wrong with them."""
    bomb = pickle.dumps(Bomb())
    objects = io.BytesIO()
    np.save(objects, np.array([Bomb()], dtype=object), allow_pickle=True)
    document, members = members_of(content)
    forged = {
        "a newer format": document | {"format": 99, "min_reader": 99},
        "no format": document | {"format": None},
        "no model": {"format": 2, "min_reader": 2},
        "no JSON": b"{",
        "a function in it": document | {"model": {"function": "os.system"}},
        "a class in it": document | {"model": {"form": "os.system"}},
    }
    return {
        "a pickle": bomb,
        "a joblib file": b"\x80\x04" + bomb,
        "empty": b"",
        "half": content[: len(content) // 2],
        "the end lost": content[:-5],
        "another zip": rewritten(content, lambda members: {"a.json": b"{}"}),
        "a member lost": rewritten(content, lambda parts: dict(list(parts.items())[:-1])),
        "a member added": rewritten(content, lambda parts: parts | {"b.npy": b"1"}),
        "a member that is not read": sealed(document, members | {"99.npy": b"1"}),
        "a wrong digest": content[:-1] + bytes([content[-1] ^ 1]),
        "a pickle in it": sealed(document, members | {"0.npy": objects.getvalue()}),
        "a way out": rewritten(content, lambda parts: parts | {"../../evil.npy": b"1"}),
        "a way to the root": rewritten(content, lambda parts: parts | {"/evil.npy": b"1"}),
        **{what: sealed(part, members) for what, part in forged.items()},
    }


@subjects.fault(44, "a file that is damaged, forged, too large, or not ours")
def poisoned_file(subject):
    X, y = subject.rows()
    if subject.kind == "comparison":
        return poisoned_store(subject, X, y)
    pytest.importorskip("skops")
    fitted = subject.fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skprune"
        if not subject.predicts:
            name = type(fitted).__name__
            cell = subjects.assert_refused(lambda: save(fitted, path), (name,))
            assert not path.exists()
            return cell
        save(fitted, path)
        loaded, content = load(path), path.read_bytes()
        methods = answers(loaded, X)
        warm = loaded.warm_up() if hasattr(loaded, "warm_up") else loaded
        compiled = answers(warm, X)
        for method, wanted in answers(fitted, X).items():
            np.testing.assert_array_equal(compiled[method], wanted)
        for what, bad in poisons(content).items():
            path.write_bytes(bad)
            subjects.assert_refused(lambda: load(path), ("file",), words=(str(path),))
            assert not Bomb.went_off, what
        for share in (0.2, 0.5, 0.8):  # some bytes of a zip mean nothing
            path.write_bytes(flipped(content, share))
            try:
                same = answers(load(path), X)
            except ValueError as error:
                subjects.check_error(error, ("file",), (str(path),))
            else:
                subjects.assert_same_results(same, methods)
        path.write_bytes(content)
        small = {"max_bytes": 500}
        subjects.assert_refused(
            lambda: load(path, **small), ("max_bytes",), words=(str(path),)
        )
        assert os.listdir(folder) == ["model.skprune"]
    return subjects.REFUSED


def poisoned_store(subject, X, y):
    """Fits in files that are not as they were written are made again."""
    names = ("all", "parameters")
    variants = {name: subject.estimator.variants[name] for name in names}

    def compare(X=X):
        found = compare_pruning(
            variants, X, y, cv=2, margin=0.1, costs=(), controls=(), store=folder
        )
        return np.array([found._scores(name, found.scorers[0]) for name in names])

    objects = io.BytesIO()
    np.savez(objects, plain=np.array([Bomb()], dtype=object))
    with tempfile.TemporaryDirectory() as folder:
        compare(X[::-1])
        files = sorted(Path(folder).glob("*.npz"))
        others = [file.read_bytes() for file in files]
    with tempfile.TemporaryDirectory() as folder:
        whole = compare()
        files = sorted(Path(folder).glob("*.npz"))
        assert len(files) == len(others) == 4
        contents = [file.read_bytes() for file in files]
        shares = zip(contents, (0.1, 0.3, 0.5, 0.7), strict=True)
        flips = [flipped(content, share) for content, share in shares]
        garbage = [pickle.dumps(Bomb()), objects.getvalue(), b"", contents[3][:-9]]
        swapped = [contents[1], contents[0], contents[3], contents[2]]
        for bad in (garbage, swapped, others, flips):
            for file, content in zip(files, bad, strict=True):
                file.write_bytes(content)
            np.testing.assert_array_equal(compare(), whole)
            assert not Bomb.went_off
            for file, content in zip(files, bad, strict=True):
                # Some bytes of a zip mean nothing.
                assert bad is flips or file.read_bytes() != content
        for name in ("comparison.json", next(Path(folder).glob("variant-*.json")).name):
            header = Path(folder) / name
            content = header.read_bytes()
            for bad in (pickle.dumps(Bomb()), b"", b"[]", content[:-20]):
                header.write_bytes(bad)
                cell = subjects.assert_refused(compare, ("store",), words=(name,))
            header.write_bytes(content)
    assert not Bomb.went_off
    return subjects.mixed({"what it is for": cell, "single fits": subjects.RIGHT})
