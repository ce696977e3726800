"""Models as C, for `runtimes.py`: what tools write, compiled and called in loops."""

import ctypes
import json
import re
import resource
import subprocess
import sys
from functools import cached_property

import numpy as np

GCC_LIMIT = 240  # CPU seconds
_ROOM = 1 << 20  # bytes of the stack that is looked at
# `label` and `scores` come before this.
_HARNESS = """
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#ifdef __cplusplus
extern "C" {
#endif
void labels_of(const input *x, long n, int *out)
{
    for (long i = 0; i < n; i++) out[i] = label(x + i * N_FEATURES);
}
void scores_of(const input *x, long n, double *out)
{
    for (long i = 0; i < n; i++) scores(x + i * N_FEATURES, out + i * N_CLASSES);
}
/* seconds of calls, each after other memory of `size` bytes was written */
void cold(const input *x, long n, long size, char *memory, double *seconds)
{
    volatile int found;
    for (long i = 0; i < n; i++) {
        struct timespec a, b;
        for (long k = 0; k < size; k += 64) memory[k]++;
        clock_gettime(CLOCK_MONOTONIC, &a);
        clock_gettime(CLOCK_MONOTONIC, &a);
        found = label(x + i * N_FEATURES);
        clock_gettime(CLOCK_MONOTONIC, &b);
        seconds[i] = (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec);
    }
    (void)found;
}
typedef struct { const input *x; unsigned char *stack; long used; } Asked;
static void *below(void *argument)
{
    Asked *a = (Asked *)argument;
    volatile unsigned char *top = (unsigned char *)__builtin_alloca(16), *p;
    volatile int found;
    for (p = a->stack + 16384; p < top; p++) *p = 0xA5;
    found = label(a->x);
    (void)found;
    for (p = a->stack + 16384; p < top && *p == 0xA5; p++) {}
    a->used = top - p;
    return 0;
}
/* bytes of the stack that one call uses */
long stack_of(const input *x, unsigned char *stack, long size)
{
    Asked a = {x, stack, -1};
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, (size_t)size);
    if (pthread_create(&thread, &attributes, below, &a) == 0) pthread_join(thread, 0);
    return a.used;
}
#ifdef __cplusplus
}
#endif
"""
_LARGEST = """
static int largest(const double *z)
{
    int k, best = 0;
    for (k = 1; k < N_CLASSES; k++)
        if (z[k] > z[best]) best = k;
    return best;
}
"""
_LINKED = ("-lm", "-lpthread", "-o", "model.so")
_WIDTHS = {"float": 4, "double": 8}
_WIDTHS |= {f"{u}int{8 * n}_t": n for u in ("", "u") for n in (1, 2, 4, 8)}
_TYPES = {"float": np.float32, "double": np.float64, "int16_t": np.int16}


def _limit_cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (GCC_LIMIT, GCC_LIMIT))


def child_seconds():
    """CPU seconds of processes that have ended."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


class CProgram:
    """A compiled model, and its sizes.

    `folder` holds ``model.c`` or ``model.cpp``, which a tool wrote, and ``calls.c``, which
    defines `input`, `label` and `scores` for it.
    """

    def __init__(self, folder):
        self.folder = folder

    def compile(
        self,
        model,
        kind,
        calls,
        *,
        optimize="-O2",
        language="c",
        scores=True,
        include=".",
        facts=(),
    ):
        """Compile, and the facts; `calls` are C functions `label` and `scores`."""
        head = (
            f"#include <stdint.h>\n#define N_FEATURES {model.n_features}\n"
            f"#define N_CLASSES {model.n_classes}\ntypedef {kind} input;\n{_LARGEST}"
        )
        if "void scores(" not in calls:
            calls += "static void scores(const input *x, double *z) { (void)x, (void)z; }\n"
        (self.folder / f"calls.{language}").write_text(head + calls + _HARNESS)
        gcc = ["g++", "-std=c++17"] if language == "cpp" else ["gcc", "-std=gnu99"]
        gcc += [optimize, "-fPIC", "-w", "-I", include]
        start = child_seconds()
        result = subprocess.run(
            [*gcc, "-c", f"model.{language}", "-o", "model.o"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            preexec_fn=_limit_cpu,
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error:" in line]
            late = f"{gcc[0]} {optimize} did not end within {GCC_LIMIT} CPU seconds"
            raise RuntimeError(errors[0] if errors else late)
        seconds = child_seconds() - start
        subprocess.run(
            [*gcc, "-O2", "-shared", f"calls.{language}", "model.o", *_LINKED],
            cwd=self.folder,
            check=True,
        )
        facts = {"compiler": seconds, "type": kind, "scores": scores, **dict(facts)}
        return facts | sections(self.folder)


def sections(folder, file="model.o"):
    """Bytes of flash and of static memory that an object file takes."""
    command = ["size", "-A", file]
    text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found = {"flash": 0, "static": 0}
    for line in text.stdout.splitlines():
        name, *rest = line.split() or [""]
        if name.startswith((".text", ".rodata", ".data.rel.ro")):
            found["flash"] += int(rest[0])
        elif name.startswith((".data", ".bss")):
            found["static"] += int(rest[0])
    return found


class CRuntime:
    """Calls a compiled model through ctypes; loops over rows are in C."""

    def __init__(self, model, folder, facts):
        self.model, self.has_scores = model, facts["scores"]
        self.dtype = np.dtype(_TYPES[facts["type"]])
        self.library = ctypes.CDLL(str(folder / "model.so"))

    def rows(self, X):
        """Rows as the program reads them."""
        X = np.rint(X) if self.dtype == np.int16 else X
        return np.ascontiguousarray(X, dtype=self.dtype)

    def __call__(self, X):
        """Labels of rows."""
        out = np.empty(len(X), dtype=np.int32)
        self.library.labels_of(_pointer(X), ctypes.c_long(len(X)), _pointer(out))
        return out

    labels = __call__

    def probabilities(self, X):
        if not self.has_scores:
            return None
        out = np.empty((len(X), self.model.n_classes))
        self.library.scores_of(_pointer(X), ctypes.c_long(len(X)), _pointer(out))
        return out

    def cold(self, X, memory):
        """Seconds of single rows after other memory was written."""
        seconds = np.empty(len(X))
        sizes = ctypes.c_long(len(X)), ctypes.c_long(memory.nbytes)
        self.library.cold(_pointer(X), *sizes, _pointer(memory), _pointer(seconds))
        return seconds

    @cached_property
    def stack(self):
        """Bytes of the stack that a call uses."""
        room = np.zeros(_ROOM + 4096, dtype=np.uint8)
        room = room[-room.ctypes.data % 4096 :][:_ROOM]
        x = self.rows(self.model.rows[:1])
        self.library.stack_of.restype = ctypes.c_long
        return self.library.stack_of(_pointer(x), _pointer(room), ctypes.c_long(_ROOM))


def _pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def write_ours(model, folder, **options):
    """What to_c writes."""
    from sklearn_prune.persistence import to_c

    to_c(model.fitted, folder / "model.c", **options)
    header, source = ((folder / f"model.{end}").read_text() for end in "hc")
    tables = re.findall(r"^static MODEL_CONST (\w+) (\w+)\[(\d+)\]", source, re.MULTILINE)
    tables = {
        name: int(length) * _WIDTHS[kind]
        for kind, name, length in tables
        if not name.startswith("test_")
    }
    kind = "float" if "typedef float model_input;" in header else "double"
    real = "float" if "typedef float model_score;" in header else "double"
    calls = f"""#include "model.h"
static int label(const input *x) {{ return model_predict(x); }}
static void scores(const input *x, double *z)
{{
    {real} out[N_CLASSES];
    model_predict_proba(x, out);
    for (int k = 0; k < N_CLASSES; k++) z[k] = out[k];
}}
"""
    return kind, calls, {"facts": {"tables": tables}}


def write_m2cgen(model, folder):
    """What m2cgen writes, with -O1: gcc takes minutes for it."""
    import m2cgen

    estimator = model.estimator
    if model.kind == "xgboost":  # it reads base_score, which is None unless it was set
        config = estimator.get_booster().save_config()
        base = json.loads(config)["learner"]["learner_model_param"]["base_score"]
        estimator.base_score = float(base.strip("[]"))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        text = m2cgen.export_to_c(estimator)
    finally:
        sys.setrecursionlimit(limit)
    (folder / "model.c").write_text(text)
    probabilities = model.kind != "logistic"  # of which it gives the scores
    if "double score(double * input)" in text:
        calls = """double score(double *);
static void scores(const input *x, double *z)
{
    z[1] = score((double *)x);
    z[0] = 1 - z[1];
}
static int label(const input *x) { return score((double *)x) > 0; }
"""
        return "double", calls, {"optimize": "-O1"}
    calls = """void score(double *, double *);
static void scores(const input *x, double *z) { score((double *)x, z); }
static int label(const input *x) { double z[N_CLASSES]; scores(x, z); return largest(z); }
"""
    return "double", calls, {"optimize": "-O1", "scores": probabilities}


def write_emlearn(model, folder, *, method, dtype, leaf_bits=None):
    """What emlearn writes; its header has everything."""
    import emlearn
    from emlearn.common import get_include_dir

    options = {} if leaf_bits is None else {"leaf_bits": leaf_bits}
    kind = {"float": "float", "int16_t": "int16_t"}[dtype]
    if model.kind == "mlp":
        written = emlearn.convert(model.estimator, method=method)
        written.save(name="em", file=str(folder / "em.h"))
    else:
        written = emlearn.convert(model.estimator, method=method, dtype=dtype, **options)
        written.save(name="em", file=str(folder / "em.h"), inference=[method])
    ask = "em_regress" if model.kind == "mlp" else "em_predict_proba"
    (folder / "model.c").write_text(f"""#include <stdint.h>
#include <stdbool.h>
#include "em.h"
int em_label(const {kind} *x) {{ return em_predict(x, {model.n_features}); }}
void em_scores(const {kind} *x, float *z)
{{
    {ask}(x, {model.n_features}, z, {model.n_classes});
}}
""")
    calls = f"""int em_label(const {kind} *);
void em_scores(const {kind} *, float *);
static int label(const input *x) {{ return em_label(x); }}
static void scores(const input *x, double *z)
{{
    float out[N_CLASSES];
    em_scores(x, out);
    for (int k = 0; k < N_CLASSES; k++) z[k] = out[k];
}}
"""
    optimize = "-O1" if method == "inline" and model.kind != "mlp" else "-O2"
    return kind, calls, {"optimize": optimize, "include": get_include_dir()}


def write_ydf(model, folder):
    """The standalone C++ of YDF."""
    import ydf

    text = ydf.from_sklearn(model.estimator).to_standalone_cc(name="ydf_model")
    (folder / "model.hpp").write_text(text)
    (folder / "model.cpp").write_text("""#include <cstring>
#include "model.hpp"
int ydf_label(const float *x)
{
    ydf_model::Instance row;
    std::memcpy(&row, x, sizeof row);
    return static_cast<int>(ydf_model::Predict(row));
}
""")
    calls = """int ydf_label(const float *);
static int label(const input *x) { return ydf_label(x); }
"""
    return "float", calls, {"language": "cpp", "scores": False}
