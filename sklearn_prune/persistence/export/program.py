"""C source, compiled and run: rows go in by standard input, answers come back."""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sklearn_prune._lazy import has
from sklearn_prune.persistence.export.c import coded
from sklearn_prune.persistence.export.witnesses import as_whole

FLAGS = ("-O2", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-ffp-contract=off")
_COMPILE = {"seconds": 600, "memory": 8 << 30, "file": 1 << 30}
_RUN = {"seconds": 120, "memory": 1 << 30, "file": 0}
_BYTES_AT_ONCE = 1 << 24  # of rows

# What is compiled beside the model. It writes how large what comes is, the labels, and for
# each row what the functions of the header give.
_MAIN = """\
#include <stdio.h>
#include <string.h>
#include "NAME.h"

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))
#define PUT(value) put(&(value), sizeof(value))

static int failed = 0;

static void put(const void *values, size_t size)
{
    if (fwrite(values, 1, size, stdout) != size) failed = 1;
}

#ifdef LABELS
static void putlabels(LABEL_TYPE *labels, int32_t n)
{
    int32_t k;
    PUT(n);
    for (k = 0; k < n; k++) {
#ifdef TEXTS
        const int32_t size = (int32_t)strlen(labels[k]);
        PUT(size);
        put(labels[k], (size_t)size);
#else
        PUT(labels[k]);
#endif
    }
}
#endif

int main(void)
{
    static NAME_input x[UP_N_FEATURES];
    int32_t sizes[8] = {0};
    sizes[0] = COUNT(x);
    sizes[1] = (int32_t)sizeof x[0];
    sizes[2] = (NAME_input)1 / 2 != 0;
    sizes[3] = (int32_t)sizeof(NAME_score);
    sizes[4] = 1;
#ifdef UP_N_OUTPUTS
    sizes[4] = UP_N_OUTPUTS;
#endif
#ifdef UP_N_PROBABILITIES
    sizes[5] = UP_N_PROBABILITIES;
#endif
#ifdef UP_N_SCORES
    sizes[6] = UP_N_SCORES;
#endif
#ifdef WITNESSES
    sizes[7] = NAME_selftest();
#endif
    PUT(sizes);
#ifdef LABELS
    LABELS
#endif
    while (fread(x, sizeof x, 1, stdin) == 1) {
#if defined(UP_N_CLASSES)
        const int code = NAME_predict(x);
        PUT(code);
#elif defined(LABELS)
        int codes[UP_N_OUTPUTS];
        NAME_predict(x, codes);
        PUT(codes);
#elif UP_N_OUTPUTS > 1
        static NAME_score out[UP_N_OUTPUTS];
        NAME_predict(x, out);
        PUT(out);
#else
        const NAME_score out = NAME_predict(x);
        PUT(out);
#endif
#ifdef UP_N_PROBABILITIES
        static NAME_score probabilities[UP_N_PROBABILITIES];
        NAME_predict_proba(x, probabilities);
        PUT(probabilities);
#endif
#ifdef UP_N_SCORES
        static NAME_score scores[UP_N_SCORES];
        NAME_decision_function(x, scores);
        PUT(scores);
#endif
    }
    return failed;
}
"""
_LABEL_TYPES = {
    "int32_t": np.dtype(np.int32),
    "int64_t": np.dtype(np.int64),
    "double": np.dtype(np.float64),
    "char *const": None,
}


def is_source(path, content):
    """Whether this is the content of a file that `to_c` wrote."""
    return f'#include "{path.stem}.h"'.encode() in content


class Program:
    """The C source of a model, ready to run; any failure is raised as RuntimeError.

    `compact` is the predictor that it was written of, and `texts` are the numbers of its
    columns of texts.
    """

    kind, is_exact, rounded = "C source", True, False

    def __init__(self, path, compact, texts):
        name, header = path.stem, path.with_suffix(".h")
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or not header.is_file():
            raise ValueError(
                f"A C source to check must be as to_c wrote it, with {header.name} beside "
                f"{path.name}. Got {str(path)!r}. Pass the path of the source that to_c "
                "wrote."
            )
        self.compact, self.texts = compact, texts
        self._folder = TemporaryDirectory(prefix="sklearn_prune_")  # of mode 0700
        try:
            self._build(name, path.read_bytes(), header.read_bytes())
        except BaseException:
            self.close()
            raise

    def close(self):
        """Remove the folder with the program."""
        self._folder.cleanup()

    def _build(self, name, source, header):
        folder = Path(self._folder.name)
        labels = re.findall(
            rf"extern const ([\w *]+) ({name}_labels\w*)\[".encode(), header
        )
        labels = [(kind.decode(), array.decode()) for kind, array in labels]
        macros = []
        if labels:
            kind = labels[0][0]
            calls = " ".join(f"putlabels({array}, COUNT({array}));" for _, array in labels)
            macros += [f"#define LABELS {calls}", f"#define LABEL_TYPE const {kind}"]
            macros += ["#define TEXTS"] * (_LABEL_TYPES[kind] is None)
        if f"{name}_selftest(".encode() in source:
            macros.append("#define WITNESSES")
        words = {"NAME": name, "UP_": f"{name.upper()}_"}
        main = re.sub("NAME|UP_", lambda found: words[found[0]], _MAIN)
        (folder / f"{name}.c").write_bytes(source)
        (folder / f"{name}.h").write_bytes(header)
        (folder / "main.of.check.c").write_text("\n".join([*macros, main]))
        command = [_compiler(name), *FLAGS, f"-D{name.upper()}_SELFTEST"]
        command += ["main.of.check.c", f"{name}.c", "-o", "program", "-lm"]
        places = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(folder)}
        done = _called(command, folder, {**places, "LC_ALL": "C"}, _COMPILE)
        said = done.stderr.decode(errors="replace").splitlines()
        if done.returncode:
            why = next((line for line in said if "error" in line), "nothing")
            raise RuntimeError(f"the compiler says: {why[:300]}")
        self.warnings = [line[:300] for line in said if "warning:" in line] or said[:1]
        output = self._run(b"")
        sizes = np.frombuffer(output[:32], dtype=np.int32).tolist()
        self.n_features, n_bytes, is_float, of_score, n_outputs, *counts = sizes
        self.first_failed = counts.pop()
        self.input = np.dtype(f"{'f' if is_float else 'i'}{n_bytes}")
        self._labels, at = [], 32
        for kind, _ in labels:
            own, at = _labels_at(output, at, _LABEL_TYPES[kind])
            self._labels.append(own)
        self._start = at
        score = np.dtype(f"f{of_score}")
        parts = [("variable", score, n_outputs)]
        if labels:
            parts = [("label", np.dtype(np.intc), n_outputs)]
        names = ("probabilities", "scores")
        parts += [
            (n, score, count) for n, count in zip(names, counts, strict=True) if count
        ]
        self._row = np.dtype([(name, kind, (count,)) for name, kind, count in parts])

    @property
    def shape(self):
        """The shape of a row."""
        return (self.n_features,)

    @property
    def outputs(self):
        """Names of the answers."""
        return list(self._row.names)

    @property
    def dtypes(self):
        """Types of the columns, object for texts."""
        return [
            np.dtype(object) if column in self.texts else self.input
            for column in range(self.n_features)
        ]

    def last_step(self):
        """None: rows go in before the first step."""

    def as_read(self, X):
        """Rows with the numbers that the program reads."""
        kind = np.float64 if self.input.kind == "i" else self.input
        if isinstance(X, np.ndarray) and X.dtype.kind in "biuf":
            return self._numbers(X).astype(kind)
        if hasattr(X, "iloc") and self.input != np.float64:
            X = X.copy()
            for column, name in enumerate(X.columns):
                if column not in self.texts and X[name].dtype.kind in "biuf":
                    X[name] = self._numbers(X[name].to_numpy()).astype(kind)
        return X

    def answers(self, X):
        """The answers for rows, by name."""
        rows, parts = self._matrix(X), []
        n_rows = max(1, _BYTES_AT_ONCE // max(1, rows[:1].nbytes))
        for first in range(0, len(rows), n_rows):
            part = rows[first : first + n_rows]
            output = self._run(part.tobytes())[self._start :]
            if len(output) != len(part) * self._row.itemsize:
                raise RuntimeError(f"it gave {len(output)} bytes for {len(part)} rows.")
            parts.append(np.frombuffer(output, dtype=self._row))
        found = np.concatenate(parts) if parts else np.zeros(0, dtype=self._row)
        answers = {name: found[name] for name in self.outputs}
        if self._labels:
            answers["label"] = self._labels_of(answers["label"])
        if len(self._labels) > 1 and "probabilities" in answers:
            ends = np.cumsum([len(labels) for labels in self._labels])[:-1]
            for number, own in enumerate(np.split(answers.pop("probabilities"), ends, 1)):
                answers[f"probabilities_{number}"] = own
        return answers

    def _labels_of(self, codes):
        if codes.shape[1] > len(self._labels):  # which labels each row has
            return codes
        columns = []
        for own, labels in zip(codes.T, self._labels, strict=True):
            if ((own < 0) | (own >= len(labels))).any():
                raise RuntimeError(f"it gave a position outside its {len(labels)} labels.")
            columns.append(labels[own])
        return np.stack(columns, axis=1)

    def _numbers(self, values):
        """Numbers as the program reads them."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.input.kind == "i":
                return as_whole(np.rint(values), self.input)
            return np.asarray(values).astype(self.input)

    def _matrix(self, X):
        """Rows as the program reads them, texts by their codes."""
        return np.ascontiguousarray(self._numbers(coded(self.compact, X)))

    def _run(self, rows):
        folder = Path(self._folder.name)
        done = _called([str(folder / "program")], folder, {}, _RUN, rows)
        if done.returncode:
            raise RuntimeError(f"it ended with status {done.returncode}.")
        return done.stdout


def _labels_at(output, at, dtype):
    """An array of labels in what the program wrote, and where it ends."""
    count, at = int(np.frombuffer(output, np.int32, 1, at)[0]), at + 4
    if dtype is not None:
        return np.frombuffer(output, dtype, count, at), at + count * dtype.itemsize
    texts = []
    for _ in range(count):
        end = at + 4 + int(np.frombuffer(output, np.int32, 1, at)[0])
        texts.append(output[at + 4 : end].decode(errors="surrogatepass"))
        at = end
    return np.array(texts, dtype=object), at


def _compiler(name):
    """The path of a C compiler."""
    given = os.environ.get("CC")
    found = shutil.which(given) if given else shutil.which("gcc") or shutil.which("cc")
    if found is None:
        got = (
            f"CC={given!r}, which is no program" if given else "neither gcc nor cc in PATH"
        )
        raise FileNotFoundError(
            f"check_export needs a C compiler to run {name}.c. Got {got}. Install one, as "
            'by "apt install gcc", or set CC to the path of one.'
        )
    return os.path.abspath(found)


def _called(command, folder, environment, limits, rows=b""):
    """What a process answers that may take only so much of the machine."""
    options = {}
    if has("resource"):
        options["preexec_fn"] = partial(_limit, **limits)
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=rows,
            capture_output=True,
            timeout=limits["seconds"],
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"it did not end within {limits['seconds']} s.") from error


def _limit(seconds, memory, file):
    import resource

    for name, most in (("AS", memory), ("CPU", seconds), ("FSIZE", file), ("CORE", 0)):
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # macOS has no limit of the address space
            resource.setrlimit(number, (most, most))
