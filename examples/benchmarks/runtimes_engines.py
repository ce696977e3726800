"""Runtimes for `runtimes.py`: how each stores a model, and how it is called.

An engine writes a model to a folder of its own, and loads it from there. What it loads is
a function of rows.
"""

import pickle
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import runtimes_c as c


@dataclass(frozen=True)
class Engine:
    """One runtime.

    Parameters
    ----------
    name : str
    needs : tuple of str
        Modules that must be installed.
    kinds : tuple of str
        Kinds of models that it takes.
    write : callable
        Takes a `StoredModel` and a folder, and writes files. May return facts to store.
    load : callable
        Takes a `StoredModel`, the folder and the facts; returns a `Runtime`.
    files : str or None
        Pattern of the files that are shipped.
    takes_pruned : bool
        Whether it takes pruned models that the inner class cannot hold.
    threads : int or None
        None is the runtime's own number.
    same_files_as : str or None
        Name of the engine that wrote the files.
    language : {"Python", "C"}
        What it is called from.
    most_nodes : int
        Larger trees are not written.
    """

    name: str
    needs: tuple
    kinds: tuple
    write: object
    load: object
    files: str
    takes_pruned: bool = False
    threads: int | None = 1
    same_files_as: str | None = None
    language: str = "Python"
    most_nodes: float = np.inf

    @property
    def is_fast(self):
        """Whether a model is written at once."""
        return self.most_nodes == np.inf and self.language == "Python"

    @property
    def folder_name(self):
        return (self.same_files_as or self.name).replace(" ", "_").replace(",", "")

    def missing(self):
        """Modules that are not installed."""
        return [module for module in self.needs if find_spec(module) is None]

    def takes(self, model):
        """Whether it can hold a model."""
        if model.kind not in self.kinds or model.n_nodes > self.most_nodes:
            return False
        if not model.is_pruned or self.takes_pruned:
            return True
        return model.kind != "lightgbm" and model.estimator is not None


@dataclass
class Runtime:
    """A loaded model."""

    call: object  # of rows; gives probabilities
    dtype: np.dtype

    def __call__(self, X):
        return self.call(X)

    def rows(self, X):
        return np.ascontiguousarray(X, dtype=self.dtype)

    def probabilities(self, X):
        found = np.asarray(self.call(self.rows(X)), dtype=np.float64)
        found = found.reshape(len(X), -1)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def labels(self, X):
        """Positions of the largest probabilities, the first of equal ones."""
        return self.probabilities(X).argmax(axis=1)


FORESTS = ("forest",)
BOOSTING = ("lightgbm", "xgboost", "hgb")
LIBRARIES = ("lightgbm", "xgboost")  # which have a format of their own
ALL = (*FORESTS, *BOOSTING, "logistic", "mlp")
BRANCHES = 20_000  # nodes as if and else that gcc compiles in a few minutes


# sklearn_prune


def write_skprune(model, folder):
    from sklearn_prune import compact
    from sklearn_prune.persistence import save

    save(compact(model.fitted), folder / "model.skprune", witness=False)


def load_compiled(model, folder, facts):
    import numba  # noqa: F401  (kernels run where it is imported)

    from sklearn_prune.predictors import load

    return Runtime(load(folder / "model.skprune").predict_proba, model.dtype)


def load_numpy(model, folder, facts):
    """The same predictor as it computes where numba is not installed."""
    from sklearn_prune.predictors import load

    form = load(folder / "model.skprune")
    if hasattr(form, "trees_"):
        form.trees_._kernels_for = lambda X: None
    return Runtime(form.predict_proba, model.dtype)


# The libraries themselves


def write_estimator(model, folder):
    (folder / "model.pkl").write_bytes(pickle.dumps(model.estimator, protocol=5))


def load_estimator(model, folder, facts):
    estimator = pickle.loads((folder / "model.pkl").read_bytes())
    return Runtime(estimator.predict_proba, model.dtype)


def write_library(model, folder):
    name = "booster.ubj" if model.kind == "xgboost" else "booster.txt"
    (folder / name).write_bytes((model.folder / name).read_bytes())


def load_library(model, folder, facts):
    if model.kind == "xgboost":
        from xgboost import Booster

        booster = Booster(model_file=folder / "booster.ubj")
        booster.set_param("nthread", 1)
        return Runtime(booster.inplace_predict, model.dtype)
    from lightgbm import Booster

    booster = Booster(model_file=folder / "booster.txt")
    return Runtime(partial(booster.predict, num_threads=1), model.dtype)


# onnxruntime


def write_our_graph(model, folder):
    from sklearn_prune.persistence import to_onnx

    graph = to_onnx(model.fitted, model.rows[:2])
    (folder / "model.onnx").write_bytes(graph.SerializeToString())


def write_other_graph(model, folder):
    if model.kind == "lightgbm":
        from onnxmltools import convert_lightgbm as convert
    elif model.kind == "xgboost":
        from onnxmltools import convert_xgboost as convert
    else:
        from skl2onnx import to_onnx

        options = {"zipmap": False}
        graph = to_onnx(model.estimator, model.rows[:2].astype(np.float32), options=options)
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        return
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, model.n_features]))]
    more = {"zipmap": False} if model.kind == "lightgbm" else {}
    graph = convert(model.estimator, initial_types=types, **more)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())


def load_onnx(model, folder, facts, *, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[1].name]
    kind = session.get_inputs()[0].type
    dtype = np.dtype("float64" if "double" in kind else "float32")
    return Runtime(lambda X: session.run(outputs, {name: X})[0], dtype)


# treelite and tl2cgen


def treelite_model(model):
    import treelite

    if model.kind == "lightgbm":
        return treelite.frontend.from_lightgbm(model.estimator.booster_)
    if model.kind == "xgboost":
        return treelite.frontend.from_xgboost(model.estimator.get_booster())
    return treelite.sklearn.import_model(model.estimator)


def write_treelite(model, folder):
    treelite_model(model).serialize(folder / "model.treelite")


def load_treelite(model, folder, facts):
    import treelite

    held = treelite.Model.deserialize(folder / "model.treelite")
    return Runtime(lambda X: treelite.gtil.predict(held, X, nthread=1), model.dtype)


def write_tl2cgen(model, folder):
    import tl2cgen

    tl2cgen.export_lib(
        treelite_model(model),
        toolchain="gcc",
        libpath=folder / "model.so",
        params={"parallel_comp": 8},
        nthread=1,
    )
    return c.sections(folder, "model.so")


def load_tl2cgen(model, folder, facts):
    import tl2cgen

    held = tl2cgen.Predictor(folder / "model.so", nthread=1)
    dtype = str(model.dtype)
    return Runtime(lambda X: held.predict(tl2cgen.DMatrix(X, dtype=dtype)), model.dtype)


# YDF


def write_ydf(model, folder):
    import ydf

    ydf.from_sklearn(model.estimator).save(str(folder / "model"))


def load_ydf(model, folder, facts):
    import ydf

    held = ydf.load_model(str(folder / "model"))

    def call(X):
        return held.predict({"features": X}, num_threads=1)

    return Runtime(call, np.dtype("float32"))


# lleaves


def write_lleaves(model, folder):
    import lleaves

    lleaves.Model(str(model.folder / "booster.txt")).compile(cache=str(folder / "model.o"))
    return c.sections(folder)


def load_lleaves(model, folder, facts):
    import lleaves

    held = lleaves.Model(str(model.folder / "booster.txt"))
    held.compile(cache=str(folder / "model.o"))
    return Runtime(partial(held.predict, n_jobs=1), model.dtype)


# C


def _in_c(
    name, kinds, write, *, needs=(), takes_pruned=False, most_nodes=np.inf, **options
):
    """An engine of which `write` gives the type of rows, C functions and options of gcc."""

    def written(model, folder):
        kind, calls, how = write(model, folder, **options)
        return c.CProgram(folder).compile(model, kind, calls, **how)

    return Engine(
        name,
        ("sklearn", *needs),
        kinds,
        written,
        c.CRuntime,
        "model.o",
        takes_pruned=takes_pruned,
        language="C",
        most_nodes=most_nodes,
    )


def _our_c(precision, optimize):
    return _in_c(
        f"to_c, {precision}, {optimize}",
        ALL if optimize == "speed" else (*FORESTS, *BOOSTING),  # of which it lays out nodes
        c.write_ours,
        needs=("sklearn_prune",),
        takes_pruned=True,
        precision=precision,
        optimize=optimize,
    )


def _onnx(graph, write, threads, needs, takes_pruned=False):
    same = f"onnxruntime, {graph}"
    return Engine(
        same if threads else f"{same}, default threads",
        ("onnxruntime", *needs),
        ALL,
        write,
        partial(load_onnx, threads=threads),
        "model.onnx",
        takes_pruned=takes_pruned,
        threads=threads,
        same_files_as=None if threads else same,
    )


def _ours(name, load, same=None, needs=()):
    return Engine(
        name,
        ("sklearn_prune", *needs),
        ALL,
        write_skprune,
        load,
        "model.skprune",
        takes_pruned=True,
        same_files_as=same,
    )


_OTHERS_GRAPH = "skl2onnx's or onnxmltools's graph"
ENGINES = [
    _ours("sklearn-prune, numpy", load_numpy),
    _ours("sklearn-prune, compiled", load_compiled, "sklearn-prune, numpy", ("numba",)),
    Engine(
        "scikit-learn",
        ("sklearn",),
        ("forest", "hgb", "logistic", "mlp"),
        write_estimator,
        load_estimator,
        "model.pkl",
    ),
    Engine(
        "LightGBM", ("lightgbm",), ("lightgbm",), write_library, load_library, "booster.*"
    ),
    Engine("XGBoost", ("xgboost",), ("xgboost",), write_library, load_library, "booster.*"),
    _onnx("our graph", write_our_graph, 1, ("sklearn_prune", "skl2onnx"), True),
    _onnx("our graph", write_our_graph, None, ("sklearn_prune", "skl2onnx"), True),
    _onnx(_OTHERS_GRAPH, write_other_graph, 1, ("skl2onnx", "onnxmltools")),
    _onnx(_OTHERS_GRAPH, write_other_graph, None, ("skl2onnx", "onnxmltools")),
    Engine(
        "treelite",
        ("treelite", "sklearn"),
        (*FORESTS, *BOOSTING),
        write_treelite,
        load_treelite,
        "model.treelite",
    ),
    Engine(
        "tl2cgen",
        ("tl2cgen", "treelite", "sklearn"),
        (*FORESTS, *BOOSTING),
        write_tl2cgen,
        load_tl2cgen,
        "model.so",
        most_nodes=BRANCHES,
    ),
    Engine("YDF", ("ydf", "sklearn"), FORESTS, write_ydf, load_ydf, "model/**/*"),
    Engine("lleaves", ("lleaves",), ("lightgbm",), write_lleaves, load_lleaves, "model.o"),
    *(_our_c(p, o) for p in ("double", "float") for o in ("speed", "size")),
    _in_c(
        "m2cgen",
        (*FORESTS, *LIBRARIES, "logistic"),
        c.write_m2cgen,
        needs=("m2cgen",),
        most_nodes=BRANCHES,
    ),
    _in_c(
        "emlearn, inline float",
        FORESTS,
        c.write_emlearn,
        needs=("emlearn",),
        most_nodes=BRANCHES,
        method="inline",
        dtype="float",
    ),
    _in_c(
        "emlearn, inline float, leaves of 8 bits",
        FORESTS,
        c.write_emlearn,
        needs=("emlearn",),
        most_nodes=BRANCHES,
        method="inline",
        dtype="float",
        leaf_bits=8,
    ),
    _in_c(
        "emlearn, loadable int16",
        FORESTS,
        c.write_emlearn,
        needs=("emlearn",),
        method="loadable",
        dtype="int16_t",
    ),
    _in_c(
        "emlearn, net",
        ("mlp",),
        c.write_emlearn,
        needs=("emlearn",),
        method="inline",
        dtype="float",
    ),
    _in_c("YDF, standalone C++", FORESTS, c.write_ydf, needs=("ydf",)),
]


def shipped_files(folder: Path, engine):
    """The files of a model that a runtime needs."""
    return sorted(path for path in folder.glob(engine.files) if path.is_file())
