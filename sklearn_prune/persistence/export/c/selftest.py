"""Stored rows with the answers of the model, which the C source replays on demand."""

import warnings

import numpy as np

from sklearn_prune.persistence._witness import is_sure, witness_of
from sklearn_prune.persistence.export.c.plan import coded
from sklearn_prune.persistence.export.c.text import number
from sklearn_prune.predictors import METHODS, rows_of

_TIE = {"double": 1e-9, "float": 1e-4}  # of scores, below which a row is left out
_TOLERANCE = {"double": 1e-12, "float": 1e-5}  # of scores, relative where above 1
# A step of the scores, as of trees. Smaller ones are rounding that the row makes larger.
_JUMP = 1e5
_FUNCTION = """
int {name}_selftest(void)
{{
    uint32_t row, k, i = 0;
    for (row = 0; row < {n_rows}u; row++) {{
        {name}_input x[{width}];
{declared}
        for (k = 0; k < {width}u; k++) x[k] = test_base[k];
        for (; i < test_end[row]; i++) x[test_column[i]] = test_value[i];
{compared}
    }}
    return 0;
}}
"""


def selftest(program, writer, model, reads):
    """Rows, and the function that compares answers, for compilation on demand."""
    found = _answered(program, writer, model, reads)
    name, UP = program.name, program.name.upper()
    if found is None:
        text = f"\nint {name}_selftest(void) {{ return 0; }}\n"
        return f"\n#ifdef {UP}_SELFTEST{text}#endif\n"
    rows, codes, scores, method = found
    mark = len(program.parts)
    base = rows[-1]
    same = (rows == base) | (np.isnan(rows) & np.isnan(base))
    program.table("test_base", base, reads)
    program.table("test_end", np.cumsum((~same).sum(axis=1)))
    program.table("test_column", np.nonzero(~same)[1])
    program.table("test_value", rows[~same], reads)
    declared, compared = [], []
    if codes is not None:
        program.table("test_label", codes.ravel())
        if codes.ndim == 1:
            compared.append(f"if ({name}_predict(x) != (int)test_label[row]) break;")
        else:
            n = codes.shape[1]
            declared.append(f"int codes[{n}];")
            compared += [
                f"{name}_predict(x, codes);",
                f"for (k = 0; k < {n}u; k++)",
                f"    if (codes[k] != (int)test_label[{n}u * row + k]) break;",
                f"if (k < {n}u) break;",
            ]
    if scores is not None:
        program.table("test_score", scores.ravel(), writer.score)
        n = scores.shape[1]
        declared.append(f"{name}_score out[{n}];")
        single = method == "predict" and n == 1
        least = number(_TOLERANCE[writer.score], writer.score)
        call = f"out[0] = {name}_predict(x);" if single else f"{name}_{method}(x, out);"
        compared += [
            call,
            f"for (k = 0; k < {n}u; k++) {{",
            f"    const {writer.score} want = test_score[{n}u * row + k];",
            f"    const {writer.score} size = want > 1 ? want : want < -1 ? -want : 1;",
            f"    const {writer.score} most = size * {least}, off = out[k] - want;",
            "    if (!(off <= most && off >= -most)) break;",
            "}",
            f"if (k < {n}u) break;",
        ]
    tables = "".join(program.parts[mark:])
    del program.parts[mark:]
    text = _FUNCTION.format(
        name=name,
        n_rows=len(rows),
        width=rows.shape[1],
        declared="\n".join(f"        {line}" for line in declared),
        compared="\n".join(f"        {line}" for line in compared),
    ).replace("    return 0;", f"    return row < {len(rows)}u ? (int)row + 1 : 0;")
    return f"\n#ifdef {UP}_SELFTEST\n#include <math.h>\n{tables}{text}#endif\n"


def _answered(program, writer, model, reads):
    """Rows in the type that the C reads, positions of labels, scores and their method."""
    witness = witness_of(model)
    if witness is None:
        return None
    dtype = np.float32 if reads == "float" else np.float64
    columns = witness["columns"]
    columns = columns.T if isinstance(columns, np.ndarray) else columns
    columns = [own.astype(dtype) if own.dtype.kind == "f" else own for own in columns]
    finite = [~np.isinf(own) for own in columns if own.dtype.kind == "f"]
    finite = np.all(finite, axis=0) if finite else slice(None)
    columns = [own[finite] for own in columns]
    asked = _rows(model, columns, witness["shape"])
    rows = coded(model, asked).astype(dtype)
    model = writer.answering(model)
    fine = np.ones(len(rows), dtype=bool)
    scores = codes = None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        labels, method = np.asarray(model.predict(asked)), "predict"
        if writer.classes is not None or writer.labels() is not None:
            method = next((name for name in METHODS if hasattr(model, name)), None)
        if method is not None:
            parts = _scores(model, method, asked)
            scores = np.hstack(parts)
            near = [
                np.nextafter(own, dtype(0)) if own.dtype.kind == "f" else own
                for own in columns
            ]
            moved = np.hstack(_scores(model, method, _rows(model, near, witness["shape"])))
            off = np.abs(moved - scores) / np.maximum(1, np.abs(scores))
            least = _TOLERANCE[writer.score]
            kind = np.float32 if writer.score == "float" else np.float64
            fine = np.isfinite(scores.astype(kind)).all(axis=1)
            fine &= ~((off > least / 8) & (off < _JUMP * least)).any(axis=1)
            if method != "predict":
                fine &= is_sure([part.squeeze() for part in parts], _TIE[writer.score])
    if method != "predict":
        codes = _positions(labels, writer.classes)
    if not fine.any():
        return None
    rows = rows[fine]
    codes = None if codes is None else codes[fine]
    return rows, codes, None if scores is None else scores[fine], method


def _rows(model, columns, shape):
    """Columns as rows that the model reads."""
    rows = rows_of(columns, getattr(model, "feature_names_in_", None), False)
    return rows.reshape(-1, *shape) if shape else rows


def _scores(model, method, rows):
    """What a method gives, as a list with an array of columns for each output."""
    answer = getattr(model, method)(rows)
    parts = answer if isinstance(answer, list) else [answer]
    return [np.asarray(part, dtype=np.float64).reshape(len(rows), -1) for part in parts]


def _positions(labels, classes):
    """Positions of labels among classes, or the labels where each is 0 or 1."""
    if labels.ndim == 1:
        place = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
        return np.array([place[label] for label in labels.tolist()])
    if not isinstance(classes, list):
        return labels.astype(np.int64)
    pairs = zip(labels.T, classes, strict=True)
    return np.stack([_positions(own, known) for own, known in pairs], axis=1)
