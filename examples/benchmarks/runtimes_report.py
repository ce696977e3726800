"""The page of `runtimes.py`."""

import json
import platform
import subprocess

import runtimes
from runtimes_engines import BRANCHES, ENGINES
from runtimes_models import FITTED, N_COMPARED, SHARE_OF_NOISE, StoredModel

ABOUT = f"""
Models are trained on 70 % of the rows; trees have the defaults of their library, 100 of
them (or 100 iterations). Names with a suffix are those of pruned models,
`PrunedClassifier(model, keep=...)`. Other runtimes get these where the inner class can hold
them, which is not so after a refit of leaves. "numpy" is our predictor as it computes
without numba, "compiled" with it.

*live*: bytes that a second copy of the model allocates in a process, after its first row;
for tl2cgen and lleaves also the bytes of their code. *xz*: the file that is shipped,
compressed; of C the stripped object file. Our files are written with `witness=False`.

Rows are new to the models and differ from call to call: the entries of two training rows
mixed, {100 * SHARE_OF_NOISE:.0f} % of them with noise. Times are those of `predict_proba`,
in C of the label, of rows in the type that the runtime reads, on one thread: CPU time, the
best of several rounds in which all runtimes of a model take turns in one process. With
default threads it is wall time. *cold* is the median wall time of calls, before each of
which 64 MB of other memory are written. In C, rows are answered one by one in a loop that
is C too; 100 rows and 10,000 rows are one call through ctypes. The machine has two cores
and ran other programs too: compare within a table.

*equal* is the share of {N_COMPARED:,} rows with the label of the model; in brackets, where
it is not 100 %, that of the rows with each number replaced by the next smaller one: there
`x < t`, which emlearn and YDF compare, is `x <= t`, which scikit-learn compares. *off* is
the largest difference of a probability. With precision="float", C reads rows as float, so
that values of double precision beside a threshold may be rounded to its other side.

*convert* is the CPU time of writing the model for a runtime, *gcc* that of compiling it.
*flash* is .text, .rodata and .data.rel.ro of the object file on x86-64, compiled with -O2
-fPIC; m2cgen and emlearn inline with -O1, since gcc takes long for them. *RAM* is static
memory + the stack of one call. m2cgen, tl2cgen and emlearn inline write branches for each
node; they are left out for more than {BRANCHES:,} nodes.
"""
PACKAGES = (
    *("sklearn-prune", "scikit-learn", "lightgbm", "xgboost-cpu", "numpy", "numba"),
    *("onnxruntime", "skl2onnx", "onnxmltools", "treelite", "tl2cgen", "ydf", "m2cgen"),
    *("emlearn", "lleaves", "llvmlite"),
)
PYTHON = (
    *("runtime", "live kB", "xz kB", "1 row us", "cold us", "100 rows us", "cold us"),
    *("10,000 rows ms", "equal %", "off", "convert s"),
)
C = (
    *("C", "flash B", "xz B", "RAM B", "1 row us", "cold us", "100 rows us"),
    *("10,000 rows ms", "equal %", "off", "convert s", "gcc s"),
)
LEAVES = ("value", "leaf_id", "share", "value_start", "value_column", "level")
EXACT_C = ("to_c, double, speed", "to_c, double, size")


def number(value, digits=3):
    """A number in few digits, without exponent where it is readable."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}g}"


def written(folder, name):
    """What is stored about the files of a model for a runtime."""
    engine = next(engine for engine in ENGINES if engine.name == name)
    return json.loads((folder / engine.folder_name / "facts.json").read_text())


def results(store):
    """Figures by model and runtime of all environments, those of the first one first."""
    found = {name: {} for name in FITTED}
    folders = sorted((store / "results").glob("*"), key=lambda path: path.name != "main")
    for folder in folders:
        for name in FITTED:
            path = folder / f"{name}.json"
            if not path.exists():
                continue
            for engine, figures in json.loads(path.read_text()).items():
                figures |= written(store / name, engine)
                if engine in found[name]:
                    engine = f"{engine} (in the environment {folder.name})"
                found[name][engine] = figures
    return {name: figures for name, figures in found.items() if figures}


def table(head, rows):
    """Lines of Markdown."""
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def percent(share):
    return f"{100 * share:.2f}".rstrip("0").rstrip(".")


def common(f):
    equal = percent(f["equal"])
    if "equal below" in f:
        equal += f" ({percent(f['equal below'])})"
    off = f"{f['difference']:.0e}" if f.get("difference") else "0"
    return equal, off if "difference" in f else ""


def python_row(name, f):
    live = (f.get("live", 0) + f.get("flash", 0)) / 1000
    return (
        name,
        *(number(value) for value in (live, f["xz"] / 1000)),
        *(number(1e6 * f[key]) for key in ("1 rows", "1 rows, cold")),
        *(number(1e6 * f[key]) for key in ("100 rows", "100 rows, cold")),
        number(1e3 * f["10000 rows"]),
        *common(f),
        number(f["conversion"], 2),
    )


def c_row(name, f):
    return (
        name,
        *(f"{f[key]:,}" for key in ("flash", "xz")),
        f"{f['static']} + {f['stack']}",
        *(number(1e6 * f[key]) for key in ("1 rows", "1 rows, cold", "100 rows")),
        number(1e3 * f["10000 rows"]),
        *common(f),
        *(number(f[key], 2) for key in ("conversion", "compiler")),
    )


def verdict(value, must, stretch, *, above=False):
    """Whether a target is reached."""
    if stretch is not None and (value >= stretch if above else value <= stretch):
        return "stretch reached"
    return "reached" if (value >= must if above else value <= must) else "MISSED"


def targets(store, found):
    """Rows (target, figure, verdict)."""
    digits = found.get("digits-forest", {})
    size = digits.get("to_c, double, size")
    if size:
        if other := digits.get("m2cgen"):
            ratio = other["flash"] / size["flash"]
            figure = f"{ratio:.1f}x ({other['flash']:,} / {size['flash']:,} B)"
            text = "flash, forest of 100 trees on the digits: m2cgen / ours, at least 20x"
            yield text, figure, verdict(ratio, 20, None, above=True)
        for name, other in digits.items():
            if name.startswith("emlearn"):
                ratio = other["flash"] / size["flash"]
                figure = f"{ratio:.1f}x; equal {common(other)[0]} %"
                is_exact = other.get("equal below", other["equal"]) == 1
                met = verdict(ratio, 3, None, above=True) if is_exact else "not exact"
                yield f"the same, {name} / ours, at least 3x of an exact one", figure, met
    for name, figures in found.items():
        kind, _, keep = FITTED[name]
        if EXACT_C[0] not in figures:
            continue
        us = 1e6 * min(figures[own]["1 rows"] for own in EXACT_C if own in figures)
        if kind == "forest" and keep is None:
            text = f"one row in C, {name}: at most 25 us, stretch 15"
            yield text, f"{us:.2f} us", verdict(us, 25, 15)
        if kind == "lightgbm" and keep is not None:
            text = f"one row in C, {name}: at most 1 us, stretch 0.2"
            yield text, f"{us:.2f} us", verdict(us, 1, 0.2)


def bytes_of_nodes(store, found):
    """Rows of what to_c takes for each inner node."""
    for name, figures in found.items():
        model = StoredModel.read(store, name)
        if not model.n_nodes:
            continue
        for engine in ("to_c, double, speed", "to_c, double, size", "to_c, float, size"):
            if engine not in figures:
                continue
            f = figures[engine]
            leaves = sum(f["tables"].get(table, 0) for table in LEAVES)
            edges = f["tables"].get("edge", 0)
            code = f["flash"] - sum(f["tables"].values())
            rest = (f["flash"] - leaves) / model.n_nodes
            yield (
                name,
                engine.removeprefix("to_c, "),
                f"{model.n_nodes:,}",
                *(f"{value:,}" for value in (f["flash"], leaves, edges, code)),
                f"{f['flash'] / model.n_nodes:.2f}",
                f"{rest:.2f}",
                f"{(f['flash'] - leaves - edges) / model.n_nodes:.2f}",
                verdict(rest, 6, 4.5),
            )


def left_out(store, name):
    """Why runtimes are missing."""
    for engine in ENGINES:
        path = store / name / engine.folder_name / "facts.json"
        if path.exists() and not engine.same_files_as:
            error = json.loads(path.read_text()).get("error")
            if error:
                yield f"- {engine.name} is left out: {error.replace('|', '/')}"


def versions(store):
    """Versions of packages, of all environments."""
    for path in sorted((store / "results").glob("*/versions.json")):
        known = json.loads(path.read_text())
        listed = ", ".join(f"{name} {known[name]}" for name in PACKAGES if name in known)
        yield f"- Environment {path.parent.name}: Python {known['python']}, {listed}."


def page(store):
    """The page as text."""
    found = results(store)
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout
    lines = ["# Predictors beside other runtimes", ""]
    lines += [
        "Output of `examples/benchmarks/runtimes.py`.",
        *runtimes.__doc__.splitlines()[2:],
    ]
    lines += [
        ABOUT,
        *versions(store),
        f"- {gcc.splitlines()[0]}, {platform.machine()}.",
        "",
    ]
    lines += ["## Targets", "", *table(("target", "figure", ""), targets(store, found))]
    head = ("model", "to_c", "nodes", "flash", "leaves", "thresholds", "code", "B a node")
    head += ("without leaves", "without both", "at most 6, stretch 4.5")
    lines += [
        "",
        "Bytes of each inner node. *leaves*: tables of what leaves add; *thresholds*: the",
        "distinct ones; *code*: all but tables. The target is 6 B a node beside the values",
        "of leaves; distinct thresholds of double precision take 8 B each.",
        "",
        *table(head, bytes_of_nodes(store, found)),
    ]
    in_c = {engine.name for engine in ENGINES if engine.language == "C"}
    for name, figures in found.items():
        model = StoredModel.read(store, name)
        nodes = f", {model.n_nodes:,} inner nodes" if model.n_nodes else ""
        lines += [
            "",
            f"## {name}",
            "",
            f"{model.n_features} features, {model.n_classes} classes{nodes}; accuracy "
            f"{100 * model.test_score:.1f} % on test rows.",
            "",
        ]
        lines += table(
            PYTHON, [python_row(k, f) for k, f in figures.items() if k not in in_c]
        )
        rows = [c_row(k, f) for k, f in figures.items() if k in in_c]
        if rows:
            lines += ["", *table(C, rows)]
        if missing := list(left_out(store, name)):
            lines += ["", *missing]
    return "\n".join(lines) + "\n"
