"""Globals of pickles that are listed are those that are imported, and nothing runs."""

import json
import os
import pickle
import re

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from sklearn_prune.predictors import read_pickle
from sklearn_prune.predictors.__main__ import main

pytestmark = pytest.mark.sampled(2)

X, y = load_iris(return_X_y=True)
COMPRESSIONS = [0, *((name, 3) for name in ("zlib", "gzip", "bz2", "xz", "lzma"))]
SYSTEM = os.mkdir.__module__  # posix


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, y)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Evil:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


def objects(forest):
    """All kinds of arrays, and what else a pickle may hold."""
    return {
        "model": forest,
        "objects": np.array(["x", None, {1: 2}], dtype=object),
        "empty": np.zeros((0, 3)),
        "one": np.array(3.0),
        "texts": np.array(["abc", "d"]),
        "times": np.array(["2020-01-01"], dtype="M8[D]"),
        "records": np.zeros(3, dtype=[("a", "f8"), ("b", "U3")]),
        "records of objects": np.zeros(2, dtype=[("a", "O"), ("b", "i4")]),
        "columns first": np.asfortranarray(np.ones((3, 4))),
        "function": os.path.join,
        "scalar": np.float64(3),
        "bytes": b"x" * 100_000,
        "text": "y" * 100_000,
        "masked": np.ma.array([1, 2]),
        "complex": 3 + 2j,
        "set": {1, 2},
        "floats": [0.5, -1, 1 << 80, True],
    }


def imported_by(path, monkeypatch):
    """What joblib imports while it reads a file."""
    seen, found = set(), pickle._Unpickler.find_class

    def find_class(self, module, name):
        module = module.replace("__builtin__", "builtins").replace("copy_reg", "copyreg")
        seen.add((module, name))
        return found(self, module, name)

    def load(file, **options):  # which joblib calls for arrays of objects
        return pickle._Unpickler(file, **options).load()

    with monkeypatch.context() as patch:
        patch.setattr(pickle._Unpickler, "find_class", find_class)
        patch.setattr(pickle, "load", load)
        joblib.load(path)
    return seen


def listed(content):
    renamed = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    return {(renamed.get(module, module), name) for module, name in content.globals}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
def test_globals_of_joblib_files_are_those_that_joblib_imports(
    forest, compress, protocol, monkeypatch
):
    joblib.dump(objects(forest), "m.joblib", compress=compress, protocol=protocol)
    content = read_pickle("m.joblib")
    assert listed(content) == imported_by("m.joblib", monkeypatch)
    assert (os.path.join.__module__, "join") in listed(content)
    assert (content.n_pickles, content.trailing) == (1, False)
    assert content.protocol in (max(protocol, 2), 5)  # of arrays of objects
    assert content.array_bytes > 100 * 8


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_globals_of_several_pickles_are_found(forest, protocol, monkeypatch):
    with open("m.pkl", "wb") as file:
        pickle.dump(objects(forest), file, protocol=protocol)
    wanted = imported_by("m.pkl", monkeypatch)
    with open("m.pkl", "ab") as file:
        pickle.dump(Evil(), file, protocol=protocol)
        file.write(b"\0 something else")
    content = read_pickle("m.pkl")
    assert (content.n_pickles, content.trailing) == (2, True)
    assert listed(content) == wanted | {(SYSTEM, "mkdir")}


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
def test_inspect_marks_other_globals_and_runs_nothing(forest, compress, capsys):
    joblib.dump([forest, Evil()], "m.joblib", compress=compress)
    assert main(["inspect", "m.joblib"]) == 0
    out = capsys.readouterr().out
    marked = re.findall(r"^  ! (.*)", out, re.MULTILINE)
    assert marked == [f"{SYSTEM} mkdir"]
    assert "    sklearn.tree._tree Tree\n" in out
    assert not os.path.exists("evil")


# Opcodes by hand: (content, globals).
BY_HAND = {
    "texts from the memo": (
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x30\x30h\0h\1\x93.",
        {("os", "system")},
    ),
    "a computed name": (
        b"\x80\x04\x8c\x02os\x8c\x05numpy\x8c\x01f\x93)R\x93.",
        {("numpy", "f"), ("(a name that is computed)", "?")},
    ),
    "an attribute of a module": (
        b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93.",
        {("numpy", "os.system")},
    ),
    "an extension": (b"\x80\x02\x82\x07.", {("copyreg extension", "7")}),
    "an old class": (b"(S'a'\nios\nsystem\n.", {("os", "system")}),
    "popped marks": (b"(K\1(0cos\nsystem\n1K\1.", {("os", "system")}),
    "duplicates": (b"\x8c\x02os\x8c\x06system\x932K\1\x85R0.", {("os", "system")}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_globals_of_unusual_opcodes_are_found_and_marked(name, folder, capsys):
    content, wanted = BY_HAND[name]
    (folder / "m.pkl").write_bytes(b"\x80\x04" + content)
    assert read_pickle("m.pkl").globals.keys() == wanted
    assert main(["inspect", "m.pkl", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["globals"]
    outside = {(each["module"], each["name"]) for each in found if each["outside"]}
    assert outside == wanted - {("numpy", "f")}


def test_pickles_that_joblib_would_read_otherwise_are_refused(folder, capsys):
    """Opcodes behind an array of joblib could hide as its bytes."""
    joblib.dump(np.arange(8.0), "m.joblib", protocol=4)
    content = (folder / "m.joblib").read_bytes()
    at = content.index(b"\x95")
    frame = int.from_bytes(content[at + 1 : at + 9], "little")
    # The frame is longer: joblib would go on reading in it.
    longer = content[: at + 1] + (frame + 30).to_bytes(8, "little") + content[at + 9 :]
    (folder / "m.joblib").write_bytes(longer)
    assert main(["inspect", "m.joblib"]) == 2
    assert "inside a frame" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("compress", [0, 3], ids=str)
def test_damaged_pickles_are_listed_or_refused(compress, protocol, folder):
    some = objects(LinearRegression().fit(X, y)) | {"bytes": b"x", "text": "y"}
    joblib.dump(some, "m.joblib", compress=compress, protocol=protocol)
    content = (folder / "m.joblib").read_bytes()
    rng, wrong = np.random.default_rng(0), folder / "wrong.joblib"
    for _ in range(100):
        at = int(rng.integers(len(content)))
        cut = content[:at]
        flipped = cut + bytes(rng.integers(0, 256, 2, dtype=np.uint8)) + content[at + 2 :]
        for each in (cut, flipped):
            wrong.write_bytes(each)
            assert main(["inspect", str(wrong)]) in (0, 2)
