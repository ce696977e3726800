"""Write a fitted model as C99 source."""

import hashlib
from pathlib import Path

import numpy as np

import sklearn_prune
from sklearn_prune._atomic import written_whole
from sklearn_prune.persistence.export.c.plan import n_inputs, plan
from sklearn_prune.persistence.export.c.selftest import selftest
from sklearn_prune.persistence.export.c.stream import LEAF_BITS
from sklearn_prune.persistence.export.c.text import array, is_identifier
from sklearn_prune.persistence.export.c.writer import Program, body_of, calls
from sklearn_prune.predictors import Encoder, checked_path, dumps, member_of
from sklearn_prune.weight_pruning import compact_form

_OPTIONS = {
    "precision": ("double", "float"),
    "optimize": ("speed", "size"),
    "layout": ("auto", "arrays", "stream"),
}
_HEADER = """\
/* SPDX-License-Identifier: 0BSD
 *
 * Written by sklearn-prune {version}. SHA-256 of the model:
 * {digest}
{notes} */
#ifndef {UP}_H
#define {UP}_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {{
#endif

{body}
#ifdef {UP}_SELFTEST
/* 0, or the number of the first stored row that is not answered as by the model */
int {name}_selftest(void);
#endif

#ifdef __cplusplus
}}
#endif
#endif
"""
_SOURCE = """\
/* SPDX-License-Identifier: 0BSD */
#include "{name}.h"
#include <float.h>
{math}
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Compile without -ffast-math: comparisons must be those of IEEE 754."
#endif
#if defined(FLT_EVAL_METHOD) && (FLT_EVAL_METHOD == 1 || FLT_EVAL_METHOD == 2)
#error "Compile for floating point of the declared precision, such as -mfpmath=sse."
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
#ifndef {UP}_CONST /* may say where tables lie, as "const __flash" does */
#define {UP}_CONST const
#endif
typedef char {name}_{real}_has_{size}_bytes[sizeof({real}) == {size} ? 1 : -1];
"""


def to_c(
    model, path, *, precision="double", optimize="speed", layout="auto", leaf_bits=None
):
    """Write a fitted model as C99 source, which needs no library.

    Two files are written: `path`, and a header of the same stem beside it. The functions
    are ``NAME_predict``, ``NAME_predict_proba`` and ``NAME_decision_function``, where NAME
    is the stem. They allocate nothing and keep no state. Trees and forests call no
    function of a library. Links of scores call those of ``math.h``.

    Parameters
    ----------
    model : estimator
        Fitted: trees, forests, boosting, linear models, kernel machines and nets, pruned
        or not, alone or behind scalers, imputers and encoders in a Pipeline.
    path : str or PathLike
        The ``.c`` file. Its stem must be an identifier of C and C++.
    precision : {"double", "float"}, default="double"
        The widest type of numbers. With "double", rows are read and scores are computed in
        the types of the model. With "float", thresholds are rounded down to float, so that
        each row of floats reaches the same leaves. Scores have about 6 digits.
    optimize : {"speed", "size"}, default="speed"
        Whether nodes of trees hold the position of their children, or count it. "size"
        takes 1 to 2 bytes less for a node, and 5 to 20 % more time. In a stream it takes
        0.5 bytes less, in trees of more than 12 leaves.
    layout : {"auto", "arrays", "stream"}, default="auto"
        How trees are stored. "stream" is for boosting of 0.5 to 8 kB: bytes that are pairs
        of feature and threshold, or codes of rounded leaf values. Rows are then floats,
        and leaves are added up as integers. The scores are not those of the model, and
        neither are labels where two scores are almost equal. Where a model does not fit,
        the header gives the reason, and the trees are "arrays". "auto" never rounds: it is
        a stream of all leaf values where that takes less than arrays, of up to 8 kB or with
        ``optimize="size"``.
    leaf_bits : int or None, default=None
        With ``layout="stream"``: leaves are rounded to ``2 ** leaf_bits`` values, from 1 to
        7 bits. None is 5, which loses less than 0.1 points of accuracy in small boosting
        models.

    Raises
    ------
    TypeError
        If the model, or a step before it, has no form in C. The message names it. Also if
        labels are of several kinds, or hold a NUL.
    ValueError
        If an argument is not valid.

    See Also
    --------
    check_export : Compiles the source, and compares it with the model.
    to_onnx : The same for onnxruntime.

    Notes
    -----
    Labels are positions in ``NAME_labels``. Rows are checked neither for missing nor for
    infinite values: pass none where the model refuses them.

    A column of texts is read as codes: positions in ``NAME_categories_K``, where K is the
    number of the column. Other codes stand for unknown texts, NAN for a missing one. An
    unknown category that an encoder refuses gives zeros.

    With ``precision="float"``, steps compute as for rows of float32. Some of them then use
    double, as the model does.

    Forests and the raw scores of boosting are equal to the bit. Probabilities of boosting
    differ by up to 4 units in the last place, where the C library computes exponentials
    otherwise than numpy. Linear models and nets differ by the order of sums.

    The source needs IEEE 754 numbers, 32 or 64 bits, and a double of 8 bytes unless
    ``precision="float"``. It does not compile with ``-ffast-math``. Define ``NAME_CONST``
    to place the tables, and ``NAME_SELFTEST`` for the function ``NAME_selftest``, which
    replays some 30 stored rows. Cost: O(n log(n)) for n nodes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune.persistence import to_c
    >>> forest = RandomForestClassifier(10, random_state=0).fit(*load_iris(return_X_y=True))
    >>> with TemporaryDirectory() as folder:
    ...     to_c(forest, f"{folder}/iris.c")
    ...     header = Path(f"{folder}/iris.h").read_text()
    >>> [line for line in header.splitlines() if line.startswith("typedef")]
    ['typedef float iris_input;', 'typedef double iris_score;']
    """
    for option, value in (
        ("precision", precision),
        ("optimize", optimize),
        ("layout", layout),
    ):
        known = _OPTIONS[option]
        if value not in known:
            raise ValueError(
                f"{option} must be one of {', '.join(known)}. Got {value!r}. Write "
                f"{option}={known[0]!r}."
            )
    is_count = isinstance(leaf_bits, int | np.integer) and not isinstance(leaf_bits, bool)
    if leaf_bits is not None and not (is_count and 1 <= leaf_bits <= 7):
        raise ValueError(
            f"leaf_bits must be None or from 1 to 7. Got {leaf_bits!r}. Write leaf_bits=5."
        )
    if leaf_bits is not None and layout != "stream":
        raise ValueError(
            'leaf_bits needs layout="stream", since arrays hold all leaf values. Got '
            f'leaf_bits={leaf_bits!r} and layout={layout!r}. Write layout="stream".'
        )
    path = Path(checked_path(path))
    if path.suffix != ".c" or not is_identifier(path.stem):
        raise ValueError(
            "path must end in .c. Its stem must be an identifier of C and no keyword: a "
            "letter, then letters, digits and single _, at most 31 in all. Got "
            f"{str(path)!r}. Write path='model.c'."
        )
    compact = compact_form(model, "to_c")
    program = Program(path.stem, precision, optimize, layout, leaf_bits or LEAF_BITS)
    header, source = _texts(program, compact)
    for suffix, text in ((".h", header), (".c", source)):
        with written_whole(path.with_suffix(suffix)) as file:
            file.write(text.encode("ascii"))


def _texts(program, compact):
    """The header and the source."""
    name, UP = program.name, program.name.upper()
    stages, writer = plan(program, compact)
    if program.layout == "stream" and not hasattr(writer, "stream"):
        program.notes.append('The model has no trees, which layout="stream" is for.')
    reads = stages[0].reads if stages else writer.reads
    _write_raw(program, stages, writer)
    macros, functions = _functions(program, writer)
    labels = [*_labels(name, writer.classes), *program.public]
    tested = selftest(program, writer, compact, reads)
    declared = [
        f"#define {UP}_N_FEATURES {n_inputs(compact)}",
        *(f"#define {UP}_{macro} {value}" for macro, value in macros.items()),
        f"typedef {reads} {name}_input;",
        f"typedef {writer.score} {name}_score;",
        *(f"extern {text.partition(' = ')[0]};" for text in labels),
        *(f"{head};" for head in functions),
    ]
    header = _HEADER.format(
        UP=UP,
        name=name,
        version=sklearn_prune.__version__,
        digest=_digest(compact),
        notes="".join(f" *\n * {note}\n" for note in program.notes),
        body="\n".join(declared) + "\n",
    )
    bodies = "".join(f"\n{head}\n{{\n{body}}}\n" for head, body in functions.items())
    text = "\n".join([*labels, program.text(), bodies])
    reads_math = program.needs_math or "NAN" in text or "INFINITY" in text
    source = _SOURCE.format(
        UP=UP,
        name=name,
        math="#include <math.h>\n" if reads_math else "",
        real=program.precision,
        size={"double": 8, "float": 4}[program.precision],
    )
    return header, source + text + tested


def _write_raw(program, stages, writer):
    """Add ``raw(x, out)``: the stages, and then the predictor."""
    if not stages:
        writer.write("raw")
        return
    writer.write("scores_of")
    lines, source = calls(program, stages, "step")
    head = f"static void raw(const {stages[0].reads} *x, {writer.score} *out)"
    program.function(head, [*lines, f"scores_of({source}, out);"])


def _functions(program, writer):
    """Macros by name, and the bodies of public functions by their declarations."""
    name, score = program.name, f"{program.name}_score"
    rows = f"const {name}_input *x"
    room = f"{score} out[{max(writer.n_raw, 1)}];"
    macros, functions = {}, {}
    label, labels, numbers = writer.label(), writer.labels(), writer.numbers()
    if label is not None:
        macros["N_CLASSES"] = len(writer.classes)
        functions[f"int {name}_predict({rows})"] = body_of([room, *label])
    elif labels is not None:
        macros["N_OUTPUTS"], lines = labels
        functions[f"void {name}_predict({rows}, int *codes)"] = body_of([room, *lines])
    else:
        macros["N_OUTPUTS"], lines = numbers
        if macros["N_OUTPUTS"] > 1:
            functions[f"void {name}_predict({rows}, {score} *out)"] = body_of(lines)
        else:
            body = body_of([room, *lines, "return out[0];"])
            functions[f"{score} {name}_predict({rows})"] = body
    for answer, method, macro in (
        (writer.probabilities(), "predict_proba", "N_PROBABILITIES"),
        (writer.scores(), "decision_function", "N_SCORES"),
    ):
        if answer is not None:
            macros[macro], lines = answer
            functions[f"void {name}_{method}({rows}, {score} *out)"] = body_of(lines)
    return macros, functions


def _labels(name, classes):
    """Definitions of the arrays of labels."""
    if classes is None:
        return []
    many = isinstance(classes, list)
    found = []
    for number, labels in enumerate(classes if many else [classes]):
        labels = np.asarray(labels)
        if labels.dtype.kind == "O":
            labels = _of_one_kind(labels)
        if labels.dtype.kind in "biu":
            low, high = int(labels.min()), int(labels.max())
            kind = "int32_t" if low >= -(1 << 31) and high < 1 << 31 else "int64_t"
            if high >= 1 << 63:
                raise TypeError(
                    f"to_c writes integer labels below 2**63. Got {high}. Fit the model on "
                    "y.astype(str)."
                )
        else:
            kind = "double" if labels.dtype.kind == "f" else "char *const"
        own = f"{name}_labels_{number}" if many else f"{name}_labels"
        found.append(array(own, labels, kind, storage="const"))
    return found


def _of_one_kind(labels):
    """Labels of Python as an array of texts or numbers."""
    kinds = {type(label) for label in labels.tolist()}
    if kinds == {str}:
        return labels.astype(str)
    if kinds <= {int, bool}:
        return np.array(labels.tolist(), dtype=np.int64)
    if kinds <= {int, float, bool}:
        return np.array(labels.tolist(), dtype=np.float64)
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(
        f"Labels in C must be all texts, or all numbers. Got classes_ of {names}. Fit the "
        "model on y.astype(str)."
    )


def _digest(compact):
    """SHA-256 of what a file would hold of the model."""
    encoder = Encoder(None)
    document = encoder(compact)
    sums = hashlib.sha256(dumps([document, encoder.shared]))
    for values in encoder.arrays:
        _, parts = member_of(0, values)
        for part in parts:
            sums.update(part)
    return sums.hexdigest()
