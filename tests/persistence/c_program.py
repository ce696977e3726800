"""Compile what to_c wrote, and ask it through ctypes."""

import ctypes
import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from sklearn_prune.persistence import to_c

FLAGS = ("-O2", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
_TYPES = {"float": np.float32, "double": np.float64, "int16_t": np.int16}
_ASK = """
#include "{name}.h"
#ifdef __cplusplus
extern "C"
#endif
void ask_{method}(const {name}_input *x, long n, {kind} *out)
{{
    long i;
    for (i = 0; i < n; i++) {{
        const {name}_input *row = x + i * {UP}_N_FEATURES;
        {call};
    }}
}}
"""
_METHODS = {"predict_proba": "N_PROBABILITIES", "decision_function": "N_SCORES"}


class CProgram:
    """A model as C, compiled without a warning.

    Attributes
    ----------
    macros : dict of str -> int
        What the header defines.
    input, score : numpy dtype
        Types of rows and of scores.
    sections : dict of str -> int
        Bytes of the object file.
    """

    def __init__(
        self, model, folder, name="model", *, compiler="gcc", flags=FLAGS, **options
    ):
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        self.name, self.UP, self.folder = name, name.upper(), Path(folder)
        self.compiler, self.flags = compiler, flags
        to_c(model, self.folder / f"{name}.c", **options)
        self.header = (self.folder / f"{name}.h").read_text()
        self.source = (self.folder / f"{name}.c").read_text()
        found = re.findall(rf"#define {self.UP}_(N_\w+) (\d+)", self.header)
        self.macros = {macro: int(value) for macro, value in found}
        found = re.findall(rf"typedef (\w+) {name}_(input|score);", self.header)
        kinds = {which: np.dtype(_TYPES[kind]) for kind, which in found}
        self.input, self.score = kinds["input"], kinds["score"]
        self.library = self._library()

    def compile(self, *arguments):
        """Call the compiler in the folder."""
        command = [self.compiler, *self.flags, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert not done.returncode, done.stderr[:3000]

    def _library(self):
        name, UP = self.name, self.UP
        texts = []
        codes = "int *codes" in self.header
        if "N_CLASSES" in self.macros:
            call, kind, width = f"out[i] = {name}_predict(row)", "int", 1
        else:
            width = self.macros["N_OUTPUTS"]
            kind = "int" if codes else f"{name}_score"
            call = f"{name}_predict(row, out + {width} * i)"
            if width == 1 and not codes:
                call = f"out[i] = {name}_predict(row)"
        asked = {"predict": (call, kind, width)}
        for method, macro in _METHODS.items():
            if macro in self.macros:
                width = self.macros[macro]
                call = f"{name}_{method}(row, out + {width} * i)"
                asked[method] = (call, f"{name}_score", width)
        for method, (call, kind, _) in asked.items():
            texts.append(_ASK.format(name=name, UP=UP, method=method, call=call, kind=kind))
        self.widths = {
            method: (np.dtype(np.intc) if kind == "int" else self.score, width)
            for method, (_, kind, width) in asked.items()
        }
        (self.folder / f"ask_{name}.c").write_text("".join(texts))
        self.n_libraries = getattr(self, "n_libraries", 0) + 1
        library = self.folder / f"{name}_{self.n_libraries}.so"
        shared = ("-shared", "-fPIC", f"-D{UP}_SELFTEST", f"{name}.c", f"ask_{name}.c")
        self.compile(*shared, "-lm", "-o", library.name)
        return ctypes.CDLL(str(library))

    def ask(self, method, X):
        """What a method gives for rows."""
        X = np.ascontiguousarray(X, dtype=self.input)
        dtype, width = self.widths[method]
        out = np.empty((len(X), width), dtype=dtype)
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (X, out)]
        function = getattr(self.library, f"ask_{method}")
        function(pointers[0], ctypes.c_long(len(X)), pointers[1])
        return out

    def selftest(self):
        """What the function of that name returns."""
        return getattr(self.library, f"{self.name}_selftest")()

    @cached_property
    def sections(self):
        """Bytes of the sections of the object file, the frames of exceptions left out."""
        done = subprocess.run(
            ["size", "-A", f"{self.name}.o"],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        found = dict.fromkeys((".text", ".rodata", ".data.rel.ro", ".data", ".bss"), 0)
        for section, size in re.findall(r"^(\.\S+)\s+(\d+)", done.stdout, re.M):
            for kind in found:
                if section == kind or section.startswith(f"{kind}."):
                    found[kind] += int(size)
                    break
        return found

    @property
    def flash(self):
        """Bytes of code and tables."""
        sizes = self.sections
        return sizes[".text"] + sizes[".rodata"] + sizes[".data.rel.ro"]
