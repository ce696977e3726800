"""Models written as C, compiled together, and asked through ctypes."""

import ctypes
import re
import secrets
import shutil
import subprocess

import numpy as np

from sklearn_prune import compact
from sklearn_prune.persistence import to_c
from sklearn_prune.persistence.export.c import coded

GCC = shutil.which("gcc")
FLAGS = ["-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic"]
_TYPES = {"float": np.float32, "double": np.float64, "int": np.int32}
_MACROS = {"predict_proba": "N_PROBABILITIES", "decision_function": "N_SCORES"}


class CModel:
    """A model in C: what its header says, and its answers for many rows."""

    def __init__(self, name, folder):
        self.name, header = name, (folder / f"{name}.h").read_text()
        self.header = header
        self.macros = {
            key: int(value)
            for key, value in re.findall(rf"#define {name.upper()}_(\w+) (\d+)", header)
        }
        found = re.findall(rf"typedef (\w+) {name}_(input|score);", header)
        self.types = {what: kind for kind, what in found}
        self.methods = [
            method
            for method in ("predict", *_MACROS)
            if re.search(rf" {name}_{method}\(", header)
        ]

    def loops(self):
        """Functions that answer many rows."""
        return "".join(self._loop(method) for method in self.methods)

    def selftest(self):
        """What the function of that name returns."""
        return getattr(self.library, f"{self.name}_selftest")()

    def _kind(self, method):
        if method == "predict" and "N_CLASSES" in self.macros:
            return 1, "int", True
        if method == "predict" and "int *codes" in self.header:
            return self.macros["N_OUTPUTS"], "int", False
        size = self.macros[_MACROS.get(method, "N_OUTPUTS")]
        return size, f"{self.name}_score", method == "predict" and size == 1

    def _loop(self, method):
        size, kind, returns = self._kind(method)
        name, width = self.name, self.macros["N_FEATURES"]
        call = f"{name}_{method}(x + i * {width}"
        call = f"out[i] = {call})" if returns else f"{call}, out + i * {size})"
        return (
            f"void many_{name}_{method}(const {name}_input *x, long n, {kind} *out)\n"
            f"{{ long i; for (i = 0; i < n; i++) {call}; }}\n"
        )

    def __call__(self, method, X):
        """Answers of a method, with one row of numbers for each row."""
        size, kind, _ = self._kind(method)
        X = np.ascontiguousarray(X, dtype=_TYPES[self.types["input"]])
        kind = self.types["score"] if kind != "int" else kind
        out = np.full((len(X), size), 77, dtype=_TYPES[kind])
        function = getattr(self.library, f"many_{self.name}_{method}")
        function(
            X.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_long(len(X)),
            out.ctypes.data_as(ctypes.c_void_p),
        )
        return out


def compiled(models, folder, *, flags=("-O0",), **options):
    """Models by name in C, compiled without a warning, in one library."""
    found = {}
    for name, model in models.items():
        to_c(model, folder / f"{name}.c", **options)
        found[name] = CModel(name, folder)
    text = "".join(f'#include "{name}.h"\n' for name in models)
    (folder / "loops.c").write_text(text + "".join(own.loops() for own in found.values()))
    names = [f"{name}.c" for name in models]
    library = folder / f"{secrets.token_hex(8)}.so"  # one that is open stays as it is
    defined = [f"-D{name.upper()}_SELFTEST" for name in models]
    command = [GCC, *FLAGS, *flags, *defined, "-shared", "-fPIC", *names, "loops.c"]
    run = subprocess.run(
        [*command, "-lm", "-o", library], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[:3000]
    loaded = ctypes.CDLL(str(library))
    for own in found.values():
        own.library = loaded
    return found


def agree(own, model, X, *, atol, rtol=0.0):
    """Assert that C answers as the model does, but for labels at a tie."""
    form = compact(model)
    rows = coded(form, X)
    classifies = hasattr(form, "classes_")
    assert own.selftest() == 0
    sure = np.ones(len(rows), dtype=bool)
    for method in own.methods:
        found = own(method, rows)
        if method == "predict" and classifies:
            continue
        wanted = getattr(form, method)(X)
        if isinstance(wanted, list):
            wanted = np.hstack(wanted)
        wanted = np.asarray(wanted).reshape(len(rows), -1)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
        if classifies and wanted.shape[1] > 1:
            top = np.sort(wanted, axis=1)[:, -2:]
            sure &= np.ptp(top, axis=1) > 2 * atol
        elif classifies:
            sure &= np.abs(wanted[:, 0]) > 2 * atol
    if classifies and "N_CLASSES" in own.macros:
        codes = own("predict", rows)[:, 0]
        wanted = np.asarray(form.predict(X))
        np.testing.assert_array_equal(np.asarray(form.classes_)[codes][sure], wanted[sure])
    elif classifies:
        found, wanted = own("predict", rows), np.asarray(form.predict(X))
        np.testing.assert_array_equal(found[sure], wanted[sure])
