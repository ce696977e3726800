"""Boosting in C: sums of trees, and the links of the libraries."""

import numpy as np

from sklearn_prune.persistence.export.c.text import number
from sklearn_prune.persistence.export.c.trees import TreeWriter
from sklearn_prune.persistence.export.c.writer import loop
from sklearn_prune.predictors import TINY

_LARGEST_SUM = """\
int32_t sum, top = leaf_sum(x, 0);
int best = 0;
(void)out;
for (k = 1; k < {n}; k++) {{
    sum = leaf_sum(x, (unsigned)k);
    if (sum > top) {{
        top = sum;
        best = k;
    }}
}}
return best;"""


class _Boosting(TreeWriter):
    def prepare(self):
        super().prepare()
        self.start = self.compact.start_
        self.score = self.program.real(self.start.dtype)
        self.tiny = TINY if self.compact.dialect.tiny_is_zero else 0.0

    @property
    def classes(self):
        classes = super().classes
        codes = classes is not None and self.compact.dialect.predicts_codes
        return np.arange(len(classes)) if codes else classes

    def prepared(self, steps, rows):
        compact, program = self.compact, self.program
        lines, mark = [], compact.missing_
        computed = np.dtype(np.float32 if self.reads == "float" else np.float64)
        for place, known in (compact.categories_ or {}).items():
            origin, known = rows.origins[place], np.asarray(known)
            if compact.dialect.encodes_arrays:
                made = steps.code_of(known, origin, computed)
                lines += [f"if (k == {int(place)}) {{", *made, "}"]
            elif origin >= 0:
                steps.reads_codes(known, origin)
        if not np.isnan(mark):
            lines.append(f"if (v == {number(mark, self.reads)}) v = NAN;")
        zeros, tiny = compact.zeros_missing_, number(TINY, self.reads)
        if zeros is not None:
            program.table("zero_is_missing", np.isin(np.arange(rows.width), zeros))
            near = f"v <= {tiny} && v >= -{tiny}"
            lines.append(f"if (zero_is_missing[k] && {near}) v = NAN;")
        return steps.map(rows, lines, computed=computed) if lines else rows

    def _linked(self):
        """Statements that make of the raw scores what they mean."""
        compact, n, link = self.compact, self.n_raw, self.compact.link_
        lines = ["raw(x, out);"]
        if compact.divisor_ != 1:
            lines += loop(n, [f"out[k] /= {compact.divisor_};"])
        if link == "softmax":
            self.program.use("softmax", self.score)
            lines.append(f"softmax(out, {n});")
        elif link == "sqrt":
            lines += loop(n, ["out[k] *= out[k] < 0 ? -out[k] : out[k];"])
        elif link == "log":
            lines += loop(n, [f"out[k] = {self.function('exp')}(out[k]);"])
        elif link == "log1p":
            exp, log = self.function("exp"), self.function("log1p")
            lines += loop(n, [f"out[k] = {log}({exp}(out[k]));"])
        elif link != "identity":
            self.program.use("expit", self.score)
            slope = compact.slope_
            factor = "" if slope == 1.0 else f"{self.constant(slope)} * "
            lines += loop(n, [f"out[k] = expit({factor}out[k]);"])
        return lines

    def label(self):
        if not hasattr(self.compact, "classes_"):
            return None
        dialect = self.compact.dialect
        by_scores = dialect.decides_by_scores or self.is_rounded
        adds_whole = self.is_rounded and self.reads_rows and self.stream.width == 1
        if self.n_raw > 1 and adds_whole and self.stream.is_ordered:
            return _LARGEST_SUM.format(n=self.n_raw).splitlines()
        if self.n_raw > 1:
            self.program.use("largest", self.score)
            lines = ["raw(x, out);"] if by_scores else self._linked()
            return [*lines, f"return largest(out, {self.n_raw});"]
        sign = ">=" if dialect.zero_is_positive else ">"
        if adds_whole:
            return ["(void)out;", f"return leaf_sum(x) {sign} 0;"]
        least = 0.0 if by_scores else self._boundary()
        return ["raw(x, out);", f"return out[0] {sign} {self.constant(least)};"]

    def _boundary(self):
        """The largest raw score whose probability is not above one half."""
        dtype = np.float32 if self.score == "float" else np.float64
        low, high = dtype(-self.compact.divisor_), dtype(self.compact.divisor_)
        while True:
            middle = (low + high) / 2
            if middle in (low, high):
                return low
            above = self.compact._values(np.array([[middle]]))[0, 0] > 0.5
            low, high = (low, middle) if above else (middle, high)

    def numbers(self):
        return None if hasattr(self.compact, "classes_") else (self.n_raw, self._linked())

    def probabilities(self):
        if "predict_proba" not in self.compact.methods_:
            return None
        if self.n_raw > 1:
            return self.n_raw, self._linked()
        return 2, [*self._linked(), "out[1] = out[0];", "out[0] = 1 - out[1];"]

    def scores(self):
        if "decision_function" not in self.compact.methods_:
            return None
        return self.n_raw, ["raw(x, out);"]


WRITERS = {"CompactBoosting": _Boosting}
