"""The command line, mostly in this process."""

import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import sklearn_prune
from sklearn_prune.__main__ import main
from sklearn_prune.persistence import load, save
from sklearn_prune.predictors import Archive, escaped, progress, write_archive
from tests.persistence.alone import BLOCKED

ROOT = Path(__file__).parents[1]
STORED = sorted((ROOT / "tests/persistence/artefacts").glob("*/*.skprune"))
X, y = load_iris(return_X_y=True)
COMPRESSIONS = [0, *((name, 3) for name in ("zlib", "gzip", "bz2", "xz", "lzma"))]


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, y)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out_of(capsys, *arguments, status=0):
    """What a command prints; its errors are lines of the program."""
    assert main(list(arguments)) == status
    out, err = capsys.readouterr()
    assert all(line.startswith("sklearn-prune: ") for line in err.splitlines())
    return out


def error_of(capsys, *arguments):
    """The error of a command: one line, and nothing else."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sklearn-prune: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def inspected(capsys, path):
    return json.loads(out_of(capsys, "inspect", str(path), "--json"))


def rewritten(path, change):
    """Change the description of a saved model, and write the file again."""
    with open(path, "rb") as file:
        archive = Archive(file, str(path), 2**30)
        members = {name: archive.read(name) for name in archive.places}
    document = json.loads(members["model.json"])
    change(document)
    members["model.json"] = json.dumps(document).encode()
    with open(path, "wb") as file:
        write_archive(file, [(name, [content]) for name, content in members.items()])


class Evil:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


# ---------------------------------------------------------------- inspect


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_parts_of_stored_files_add_up_to_their_size(path, capsys):
    found = inspected(capsys, path)
    assert found["kind"] == "saved model"
    assert sum(each["bytes"] for each in found["parts"]) == os.path.getsize(path)
    assert min(each["bytes"] for each in found["parts"]) > 0


def test_inspect_tells_what_the_model_tells(forest, capsys):
    names = pytest.importorskip("pandas").DataFrame(X, columns=["a", "b", "c", "d"])
    labels = np.array(["no", "yes", "so"])[y]
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2))
    save(model.fit(names, labels), "m.skprune", metadata={"name": "iris"})
    found = inspected(capsys, "m.skprune")
    assert found["classes"] == ["no", "so", "yes"]
    assert found["feature_names"] == ["a", "b", "c", "d"]
    assert found["n_features"] == 4
    assert found["steps"] == ["standardscaler: standard-scaler", "predictor: forest"]
    assert found["metadata"] == {"name": "iris"}
    assert found["writer"] == sklearn_prune.__version__
    assert found["contents"].startswith("1 trees, 2 inner nodes")
    loaded = load("m.skprune", sha256=found["sha256"], verify=True)
    assert loaded.verification_.startswith(f"{found['witness_rows']} witness rows")


@pytest.mark.parametrize("compress", [True, False])
def test_inspect_counts_trees_and_nodes(forest, compress, capsys):
    save(forest, "m.skprune", compress=compress, witness=False)
    found = inspected(capsys, "m.skprune")
    nodes = sum((tree.tree_.children_left >= 0).sum() for tree in forest.estimators_)
    assert found["contents"] == f"5 trees, {nodes} inner nodes"
    assert "witness_rows" not in found


def test_inspect_refuses_descriptions_that_save_does_not_write(forest, capsys):
    for change in (
        lambda document: document.update(model=[]),
        lambda document: document.update(model={"same": 0}, shared=[{"same": 0}]),
        lambda document: document["model"].update(classes_={"f8": "no"}),
        lambda document: document["witness"].pop("dict"),
        lambda document: document.pop("format"),
    ):
        save(forest, "m.skprune")
        rewritten("m.skprune", change)
        assert "m.skprune" in error_of(capsys, "inspect", "m.skprune")


# ---------------------------------------------------------------- what is printed


HOSTILE = "\x1b[31mred\x1b]0;title\x07\r\u202eright\x9b5m\ud800\n"


def test_texts_of_files_cannot_control_the_terminal(capsys):
    pandas = pytest.importorskip("pandas")
    names = [f"{HOSTILE[:-2]}{k}" for k in range(4)]
    labels = np.array(["a\x1b[2J", "b\x07", "c\u2028"])[y]
    tree = DecisionTreeClassifier(max_depth=2).fit(
        pandas.DataFrame(X, columns=names), labels
    )
    save(tree, "m\x1b.skprune", metadata={"a\x1b[5m": "b\u202e\x1b"})
    evil = "\x1b]0;evil\x07"
    Path("m.pkl").write_bytes(b"\x80\x04\x8c\x02os\x8c\x09" + evil.encode() + b"\x93.")
    for arguments in (
        ["inspect", "m\x1b.skprune"],
        ["inspect", "m\x1b.skprune", "--json"],
        ["check", "m\x1b.skprune"],
        ["inspect", "m.pkl"],
        ["compact", "m.pkl", "-o", "a", "--allow-pickle"],
        ["inspect", HOSTILE],
        ["check", "m\x1b.skprune", "--data", HOSTILE],
        [HOSTILE],
    ):
        main(arguments)
        out, err = capsys.readouterr()
        assert out + err
        assert (out + err).replace("\n", "").isprintable()


def test_escaped():
    assert escaped("naïve 日本") == "naïve 日本"
    assert escaped("a\x1b[0m\n\u202e\ud800") == "a\\x1b[0m\\n\\u202e\\ud800"


# ---------------------------------------------------------------- compact


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
def test_compact_reads_joblib_files(forest, compress, capsys):
    joblib.dump(forest, "m.joblib", compress=compress)
    out = out_of(capsys, "compact", "m.joblib", "-o", "m.skprune", "--allow-pickle")
    before, after = (os.path.getsize(path) for path in ("m.joblib", "m.skprune"))
    assert out.startswith(f"m.joblib: {before:,} bytes\nm.skprune: {after:,} bytes")
    found = load("m.skprune", verify=True)
    assert (found.predict_proba(X) == forest.predict_proba(X)).all()


def test_compact_warns_that_a_pickle_runs_code(capsys):
    with open("m.pkl", "wb") as file:
        pickle.dump(LinearRegression().fit(X, y), file)
    assert main(["compact", "m.pkl", "-o", "m.skprune", "--allow-pickle"]) == 0
    assert capsys.readouterr().err == (
        "sklearn-prune: warning: reading m.pkl runs the code that it holds\n"
    )


@pytest.mark.parametrize("command", ["compact", "export", "check"])
def test_pickles_are_read_with_consent_only(forest, command, capsys):
    save(forest, "m.skprune")
    with open("m.pkl", "wb") as file:
        pickle.dump(Evil(), file)
    rest = ["m.skprune"] if command == "check" else ["-o", "out.onnx"]
    assert "--allow-pickle" in error_of(capsys, command, "m.pkl", *rest)
    assert not os.path.exists("evil")


def test_compact_keeps_metadata_and_replaces_files(forest, capsys):
    save(forest, "m.skprune", metadata={"version": 3}, compress=False)
    Path("out.skprune").write_text("old")
    out_of(capsys, "compact", "m.skprune", "-o", "out.skprune", "--no-witness")
    found = inspected(capsys, "out.skprune")
    assert found["metadata"] == {"version": 3}
    assert "witness_rows" not in found
    assert sorted(os.listdir()) == ["m.skprune", "out.skprune"]


def test_compact_leaves_the_old_file_where_it_fails(capsys):
    for thing in (LinearRegression(), {"a": 1}, int):
        joblib.dump(thing, "m.joblib")
        Path("out.skprune").write_text("old")
        assert main(["compact", "m.joblib", "-o", "out.skprune", "--allow-pickle"]) == 2
        assert capsys.readouterr().err.count("\n") == 2
        assert Path("out.skprune").read_text() == "old"


# ---------------------------------------------------------------- check and export


def test_check_replays_the_witness_rows(forest, capsys):
    save(forest, "m.skprune")
    out = out_of(capsys, "check", "m.skprune")
    assert re.fullmatch(
        r"m\.skprune: passed\. \d+ witness rows: labels equal, scores within 0 ulp\n", out
    )
    found = json.loads(out_of(capsys, "check", "m.skprune", "--json"))
    assert found["equal"] is True


def test_check_fails_where_a_label_differs(forest, capsys):
    save(forest, "m.skprune")

    def swap(document):
        labels = document["witness"]["dict"]["labels"]
        labels[0] = {"i8": [1, 0, 2]}

    rewritten("m.skprune", swap)
    assert "FAILED" in out_of(capsys, "check", "m.skprune", status=1)
    found = json.loads(out_of(capsys, "check", "m.skprune", "--json", status=1))
    assert found["equal"] is False


def test_check_needs_witness_rows(forest, capsys):
    save(forest, "m.skprune", witness=False)
    assert "witness" in error_of(capsys, "check", "m.skprune")


def test_errors_name_options_of_the_command_line(forest, capsys):
    save(forest, "m.skprune")
    error = error_of(capsys, "check", "m.skprune", "--max-bytes", "10")
    enough = re.search(r"add (--max-bytes) (\d+)", error)
    out_of(capsys, "check", "m.skprune", *enough.groups())


@pytest.fixture
def graphs():
    pytest.importorskip("skl2onnx")
    return pytest.importorskip("onnxruntime")


def test_exported_graphs_answer_as_the_model(forest, graphs, capsys):
    save(forest, "m.skprune", metadata={"name": "iris"})
    out = out_of(capsys, "export", "m.skprune", "-o", "m.onnx")
    assert out == f"m.onnx: {os.path.getsize('m.onnx'):,} bytes\n"
    assert "m.onnx: passed" in out_of(capsys, "check", "m.skprune", "m.onnx")
    found = inspected(capsys, "m.onnx")
    assert found["inputs"] == ["X: double (n, 4)"]
    assert found["metadata"] == {"name": "iris"}
    onnx = pytest.importorskip("onnx")
    graph = onnx.load("m.onnx")
    metadata = {"witness_rows": '{"inputs":{"X":{"values":[[1],[2],[3]]}}}', "a": "b"}
    onnx.helper.set_model_props(graph, metadata)
    onnx.save(graph, "m.onnx")
    found = inspected(capsys, "m.onnx")
    assert (found["witness_rows"], found["metadata"]) == (3, {"a": "b"})
    onnx.helper.set_model_props(graph, {"witness_rows": "mine"})
    onnx.save(graph, "m.onnx")
    assert inspected(capsys, "m.onnx")["metadata"] == {"witness_rows": "mine"}
    single = ("--dtype", "float32", "--precision", "single", "--opset", "18")
    out_of(capsys, "export", "m.skprune", "-o", "m.onnx", *single)
    found = inspected(capsys, "m.onnx")
    assert found["inputs"] == ["X: float (n, 4)"]
    assert found["opsets"]["ai.onnx"] == 18


@pytest.fixture
def colours():
    """A fitted pipeline, and its frame."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"colour": ["red", "blue", "blue", "red"], "size": [1.0, 2.5, 3.0, 1.5]}
    )
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]), remainder="passthrough"
    )
    return make_pipeline(encode, LogisticRegression()).fit(frame, [0, 1, 1, 0]), frame


def test_exported_graphs_have_the_inputs_of_the_fit(colours, graphs, capsys):
    save(colours[0], "m.skprune")
    out_of(capsys, "export", "m.skprune", "--to", "onnx", "-o", "graph")
    shutil.move("graph", "m.onnx")
    found = inspected(capsys, "m.onnx")
    assert found["inputs"] == ["colour: string (n, 1)", "size: double (n, 1)"]
    texts = ["a cat", "a dog", "cats and dogs", "the cat"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1, 0])
    save(model, "m.skprune")
    out_of(capsys, "export", "m.skprune", "-o", "m.onnx")
    assert inspected(capsys, "m.onnx")["inputs"] == ["X: string (n)"]
    out_of(capsys, "check", "m.skprune", "m.onnx")


def test_check_compares_rows_of_files(colours, graphs, capsys):
    model, frame = colours
    save(model, "m.skprune")
    out_of(capsys, "export", "m.skprune", "-o", "m.onnx")

    def n_rows(*arguments):
        out = out_of(capsys, "check", "m.skprune", "m.onnx", "--json", *arguments)
        return json.loads(out)["n_rows"]

    before = n_rows()
    mixed = frame[["size", "colour"]].assign(target=1)
    mixed.loc[1, "size"] = mixed.loc[2, "colour"] = None
    mixed.dropna().to_csv("rows.csv", index=False)
    assert n_rows("--data", "rows.csv") == before + 2
    for content, reason in (
        ("size\n1\n", "no column 'colour'"),
        ("size,colour\nlarge,red\n", "could not convert"),
        ("size,colour\n1\n", "equally many columns"),
        ("size,colour\n", "no rows"),
        ("", "equally many"),
        ("\xff", "utf-8"),
    ):
        Path("rows.csv").write_text(content, encoding="latin-1")
        error = error_of(capsys, "check", "m.skprune", "m.onnx", "--data", "rows.csv")
        assert reason in error


def test_check_compares_rows_of_arrays(forest, graphs, capsys):
    save(forest, "m.skprune")
    out_of(capsys, "export", "m.skprune", "-o", "m.onnx")
    command = ("check", "m.skprune", "m.onnx", "--json")
    before = json.loads(out_of(capsys, *command))["n_rows"]
    np.save("rows.npy", X)
    np.savetxt("rows.csv", X, delimiter=",")
    for path in ("rows.npy", "rows.csv"):
        found = json.loads(out_of(capsys, *command, "--data", path))
        assert found["n_rows"] == before + len(X)
    np.save("rows.npy", np.array([{}], dtype=object))
    for data in ("rows.npy", "rows.txt"):
        assert data in error_of(capsys, *command[:3], "--data", data)


def test_exported_c_is_inspected(forest, capsys):
    save(forest, "m.skprune")
    out = out_of(capsys, "export", "m.skprune", "-o", "m.c")
    sizes = [f"{path}: {os.path.getsize(path):,} bytes" for path in ("m.c", "m.h")]
    assert out.splitlines() == sizes
    for path in ("m.c", "m.h"):
        found = inspected(capsys, path)
        assert (found["name"], found["writer"]) == ("m", sklearn_prune.__version__)
        assert (found["n_features"], found["n_classes"]) == (4, 3)
        assert re.fullmatch("[0-9a-f]{64}", found["model_sha256"])
        assert "m_predict(const m_input *x)" in found["functions"]
    os.remove("m.h")
    assert "header" in error_of(capsys, "inspect", "m.c")


def test_exported_c_answers_as_the_model(forest, capsys):
    if shutil.which("cc") is None:
        pytest.skip("no compiler")
    save(forest, "m.skprune")
    out_of(capsys, "export", "m.skprune", "-o", "m.c", "--precision", "single")
    out_of(capsys, "export", "m.skprune", "-o", "m.c")
    assert "m.c: passed" in out_of(capsys, "check", "m.skprune", "m.c")


def test_check_fails_for_the_graph_of_another_model(forest, graphs, capsys):
    save(forest, "m.skprune")
    save(DecisionTreeClassifier(max_depth=2).fit(X[::-1], 2 - y), "other.skprune")
    out_of(capsys, "export", "other.skprune", "-o", "m.onnx")
    out = out_of(capsys, "check", "m.skprune", "m.onnx", status=1)
    assert out.startswith("m.onnx: FAILED. ")
    found = json.loads(out_of(capsys, "check", "m.skprune", "m.onnx", "--json", status=1))
    assert found["equal"] is False
    assert found["n_different"] > 0
    assert found["reasons"]


# ---------------------------------------------------------------- errors and exit status


@pytest.mark.parametrize(
    ("command", "reason"),
    {
        "": "COMMAND",
        "shrink a": "shrink",
        "inspect": "FILE",
        "inspect none": "none: No such file",
        "inspect .": "irectory",
        "inspect text": "no .skprune file",
        "inspect empty": "no .skprune file",
        "inspect zip": "zip",
        "inspect torn.joblib.gz": "unpacked",
        "inspect lz4": "lz4",
        "inspect m.skprune --js": "--js",
        "compact m.skprune": "-o",
        "compact none -o a": "none: No such file",
        "compact text -o a": "no .skprune, pickle or joblib file",
        "compact m.skprune -o none/a": "folder",
        "compact m.skprune -o .": "file",
        "compact wrong.pkl -o a --allow-pickle": "wrong.pkl: ModuleNotFoundError",
        "export m.skprune": "-o",
        "export m.skprune -o a": "--to",
        "export m.skprune -o a.onnx --layout stream": "--layout is an option of --to c",
        "export m.skprune -o a.c --opset 18": "--opset is an option of --to onnx",
        "export m.skprune -o a.c --layout tree": "layout",
        "export m.skprune -o a.onnx --opset 1": "opset",
        "export m.skprune -o a.onnx --precision half": "half",
        "check": "MODEL",
        "check none": "none: No such file",
        "check text": "text",
        "check m.skprune none": "none: No such file",
        "check m.skprune text": "text is no .skprune file",
        "check m.skprune good.pkl": "good.pkl is no .skprune file",
        "check m.skprune --data rows.csv": "ARTEFACT",
        "check good.pkl": "ARTEFACT",
        "check m.skprune --max-bytes many": "many",
        "check m.skprune --max-bytes 0": "max_bytes",
    }.items(),
    ids=lambda value: value.split(".")[0],
)
def test_errors_are_one_line(forest, command, reason, capsys):
    if "opset 1" in command:
        pytest.importorskip("skl2onnx")
    save(forest, "m.skprune")
    Path("text").write_text("Just a text.\n")
    Path("empty").touch()
    Path("zip").write_bytes(b"PK\3\4" + bytes(99))
    Path("lz4").write_bytes(b"\x04\x22\x4d\x18" + bytes(99))
    joblib.dump(forest, "torn.joblib.gz")
    Path("torn.joblib.gz").write_bytes(Path("torn.joblib.gz").read_bytes()[:-500])
    Path("wrong.pkl").write_bytes(b"\x80\x04cno_such_module\nThing\n.")
    Path("good.pkl").write_bytes(pickle.dumps(forest))
    if "--allow-pickle" in command:
        assert main(shlex.split(command)) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 2
        assert reason in lines[1]
    else:
        assert reason in error_of(capsys, *shlex.split(command))


def test_missing_libraries_are_named(forest, monkeypatch, capsys):
    save(forest, "m.skprune")
    Path("m.onnx").write_bytes(b"\x08\x0a")
    for library, command in (
        ("skl2onnx", "export m.skprune -o m.onnx"),
        ("onnx", "inspect m.onnx"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            error = error_of(capsys, *shlex.split(command))
        assert library in error
        assert "pip install" in error


def test_progress_is_shown_on_terminals_only(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda end=is_terminal: end)
        with progress("Reading [red]\x1b", 10) as advance:
            advance(10)
        out, err = capsys.readouterr()
        assert out == ""
        assert ("Reading [red]\\x1b" in err) == is_terminal
        assert (err == "") != is_terminal


def test_unexpected_errors_are_one_line(forest, monkeypatch, capsys):
    save(forest, "m.skprune")

    def fail(*args, **options):
        raise RuntimeError("one\ntwo")

    monkeypatch.setattr("sklearn_prune.persistence.save", fail)
    error = error_of(capsys, "compact", "m.skprune", "-o", "a")
    assert "RuntimeError: one two (test_command_line.py, line" in error


def test_interrupted_commands_end_quietly(forest, monkeypatch, capsys):
    save(forest, "m.skprune")
    for error, status in ((KeyboardInterrupt, 130), (BrokenPipeError, 141)):

        def fail(*args, error=error, **options):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("sklearn_prune.persistence.save", fail)
            patch.setattr("os.dup2", lambda *args: None)
            assert main(["compact", "m.skprune", "-o", "a"]) == status
        assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", [[], ["inspect"], ["compact"], ["export"], ["check"]])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    examples = re.findall(r"^  sklearn-prune (\w+) ", out, re.MULTILINE)
    assert examples
    if command:
        assert set(examples) == set(command)


# ---------------------------------------------------------------- other processes


def ran(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, **options
    )


def test_help_imports_no_library():
    run = ran("-X", "importtime", "-m", "sklearn_prune", "compact", "--help")
    assert run.returncode == 0
    assert "--allow-pickle" in run.stdout
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"numpy", "sklearn", "rich", "joblib", "pickletools"}


def test_the_module_is_the_command():
    run = ran("-m", "sklearn_prune", "--version")
    assert (run.returncode, run.stdout) == (
        0,
        f"sklearn-prune {sklearn_prune.__version__}\n",
    )
    run = ran("-m", "sklearn_prune", "inspect", "none")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "sklearn-prune: error: none: No such file or directory\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_closed_pipe_is_no_error(forest):
    save(forest, "m.skprune")
    for command in ("inspect m.skprune", "--help"):
        line = f"{shlex.quote(sys.executable)} -m sklearn_prune {command}"
        script = f"trap '' PIPE; ({line}; echo $? >&2) | true"
        run = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        assert run.stderr.strip() in ("141", "0")


@pytest.mark.parametrize("package", ["sklearn_prune", "sklearn_prune_runtime"])
def test_inspect_and_check_need_numpy_only(forest, package, folder):
    save(forest, "m.skprune")
    joblib.dump(forest, "m.joblib")
    source = ROOT / "sklearn_prune"
    source = source if package == "sklearn_prune" else source / "predictors"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    blocker = (
        "import runpy, sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {BLOCKED}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"sys.argv = ['x', *sys.argv[1:]]\n"
        f"runpy.run_module({package!r}, run_name='__main__', alter_sys=True)\n"
    )
    for arguments, text in (
        (["inspect", "m.skprune"], "model                 CompactForestClassifier"),
        (["inspect", "m.joblib"], "sklearn.tree._tree Tree"),
        (["check", "m.skprune"], "m.skprune: passed."),
        (["--help"], "inspect"),
    ):
        run = ran("-c", blocker, *arguments, env=os.environ | {"PYTHONPATH": str(folder)})
        assert run.returncode == 0, run.stderr
        assert text in run.stdout


# ---------------------------------------------------------------- the page


def test_the_page_shows_what_is_printed(graphs, capsys):
    """Python blocks run; each command of the others prints what stands below it."""
    page = (ROOT / "docs/command_line.md").read_text()
    blocks = re.findall(r"^```(python|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for kind, block in blocks:
        if kind == "python":
            exec(block, {})
            continue
        for part in block.split("$ sklearn-prune ")[1:]:
            command, _, wanted = part.partition("\n")
            main(shlex.split(command))
            out, err = capsys.readouterr()
            assert OutputChecker().check_output(wanted, err + out, ELLIPSIS), err + out
