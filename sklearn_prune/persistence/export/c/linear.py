"""Linear models in C: products with the coefficients that are not zero."""

import numpy as np

from sklearn_prune.persistence.export.c.writer import Writer, loop
from sklearn_prune.predictors import QuantizedArray

_ZEROS = 0.3  # share of zeros from which only the other coefficients are stored


class _Linear(Writer):
    def prepare(self):
        self.reads = self.score = self.program.real(np.float64)
        self.weights = self.compact._full_weights()
        self.weights = self.weights.reshape(len(self.weights), -1).T
        self.n_raw = len(self.weights)

    def write(self, name):
        program, real, n_raw = self.program, self.reads, self.n_raw
        weights, intercept = self.weights, self.compact.intercept_
        program.table("intercept", np.broadcast_to(intercept, n_raw), real)
        columns = np.arange(weights.shape[1]) if self.columns is None else self.columns
        mask = weights != 0
        used = mask.any(axis=0)
        width = int(used.sum())
        if not width:  # an array of C has at least one entry
            used[:1], width = True, 1
        few = int(mask.sum()) < (1 - _ZEROS) * n_raw * width
        if few:
            columns = np.asarray(columns)[np.nonzero(mask)[1]]
            program.table("end", np.cumsum(mask.sum(axis=1)))
        else:
            columns = np.asarray(columns)[used]
        begin, end = ("", "end[k]") if few else ("i = 0", f"{width}u")
        place = f"{width}u * k + i" if n_raw > 1 and not few else "i"
        at = "i"
        if few or not np.array_equal(columns, np.arange(width)):
            program.table("column", columns)
            at = "column[i]"
        kept = weights[mask] if few else weights[:, used]
        rounded = isinstance(self.compact.weights_, QuantizedArray) or real == "float"
        program.table("weight", kept, "float" if rounded else "double")
        program.add(f"""
static void {name}(const {real} *x, {real} *out)
{{
    uint32_t k, i{" = 0" * few};
    for (k = 0; k < {n_raw}u; k++) {{
        {real} sum = 0;
        for ({begin}; i < {end}; i++) sum += x[{at}] * weight[{place}];
        out[k] = sum + intercept[k];
    }}
}}
""")


class _Regressor(_Linear):
    def numbers(self):
        lines = ["raw(x, out);"]
        if self.compact.logarithmic_:
            lines += loop(self.n_raw, [f"out[k] = {self.function('exp')}(out[k]);"])
        return self.n_raw, lines


class _Classifier(_Linear):
    def label(self):
        if self.n_raw == 1:
            return ["raw(x, out);", "return out[0] > 0;"]
        self.program.use("largest", self.score)
        return ["raw(x, out);", f"return largest(out, {self.n_raw});"]

    def scores(self):
        return self.n_raw, ["raw(x, out);"]

    def probabilities(self):
        kind, n = self.compact.probability_, self.n_raw
        if kind is None:
            return None
        lines = ["raw(x, out);"]
        if n > 1 and kind == "softmax":
            self.program.use("softmax", self.score)
            return n, [*lines, f"softmax(out, {n});"]
        if kind == "clip":
            lines += loop(
                n,
                [
                    "out[k] = out[k] < -1 ? -1 : out[k] > 1 ? 1 : out[k];",
                    "out[k] = (out[k] + 1) / 2;",
                ],
            )
        else:
            self.program.use("expit", self.score)
            lines += loop(n, ["out[k] = expit(out[k]);"])
        if n == 1:
            return 2, [*lines, "out[1] = out[0];", "out[0] = 1 - out[1];"]
        self.program.use("sum_of", self.score)
        self.program.use("sums_to_one", self.score)
        return n, [*lines, f"sums_to_one(out, {n});"]


class _Multilabel(_Classifier):
    def label(self):
        return None

    def labels(self):
        return self.n_raw, ["raw(x, out);", *loop(self.n_raw, ["codes[k] = out[k] > 0;"])]


WRITERS = {
    "CompactLinearRegressor": _Regressor,
    "CompactLinearClassifier": _Classifier,
    "CompactMultilabelClassifier": _Multilabel,
}
