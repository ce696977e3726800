"""Check that an exported model gives the labels and scores of the model."""

import json
import os
import warnings
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier

from sklearn_prune._lazy import import_or_raise
from sklearn_prune.persistence.export.compare import Comparison, dense, quietly
from sklearn_prune.persistence.export.onnx import Session
from sklearn_prune.persistence.export.program import Program, is_source
from sklearn_prune.persistence.export.report import ExportReport
from sklearn_prune.persistence.export.witnesses import reads_texts, values_of
from sklearn_prune.predictors import LoadError, load
from sklearn_prune.weight_pruning import compact_form

_ZIP = b"PK\x03\x04"
_ANSWERS = {"probabilities": "predict_proba", "scores": "decision_function"}


def check_export(model, artefact, X=None, *, on_fail="raise"):
    """Compare an exported model with the model that it was made of.

    The artefact is executed: check only artefacts of trusted origin. Labels have to be
    equal, and scores as near as is promised, on rows that are made of the fitted model:
    values in the range of the fit, negative, zero, missing and extreme ones, known and
    unknown categories, texts of known and unknown terms. Of trees, three rows come to each
    node: with its threshold, and with the next numbers below and above it. Where missing
    values are read, a fourth has none.

    Parameters
    ----------
    model : estimator
        The fitted model that was exported.
    artefact : path, bytes, onnx.ModelProto, or predictor
        What was exported: the ``.c`` file of `to_c`, with its header beside it, an ONNX
        graph, a file of `save`, or what `load` made of one. The content of a file decides
        what it is, not its suffix.
    X : array-like, frame, or list of texts, default=None
        Further rows to compare.
    on_fail : {"raise", "warn", "ignore"}, default="raise"
        What to do if an answer differs.

    Returns
    -------
    ExportReport
        Numbers of rows, thresholds and differences, and the reasons. `equal` tells if
        there are none. Its text has a few lines.

    Raises
    ------
    ValueError
        If an answer differs and `on_fail="raise"`, or if an argument is not valid.
    FileNotFoundError
        If there is no such file, or no C compiler.
    ImportError
        If onnxruntime is not installed, for a graph.

    See Also
    --------
    to_c, to_onnx, save : Write the artefacts.

    Notes
    -----
    How near scores must be depends on the artefact. In C and in files, scores of trees,
    forests and boosting are equal to the bit, and 4 units in the last place apart where a
    function such as exp makes probabilities of them. Other scores differ by up to 1e-12 of
    the largest one, in single precision by 1e-6. In ONNX, scores of trees differ by up to
    1e-10, in single precision by 2e-6, other scores by 2e-5.

    C is compiled in a folder of its own by ``gcc`` or ``cc``, or by the compiler whose path
    is the environment variable ``CC``. Warnings of the compiler count as differences. The
    program runs in a process with limits on time, memory and files, and without an
    environment. Its self-test is called, too. So are the rows inside a file of `save`.

    Rows that the model refuses are left out. A label may differ where the model changes
    its own answer for rows that differ by rounding, as with equally far neighbours; this
    does not hold for trees. It takes some seconds for a forest of 20,000 nodes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune.persistence import check_export, save
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/iris.skprune")
    ...     report = check_export(model, f"{folder}/iris.skprune", X)
    >>> report.equal, report.labels_equal, report.largest_ulp
    (True, True, 0.0)
    >>> print(report)
    file: answers as the model does
    rows: ..., on both sides of ... thresholds
    labels: equal
    scores: within 0 (0 ulp), allowed 0
    """
    if on_fail not in ("raise", "warn", "ignore"):
        raise ValueError(
            f'on_fail must be "raise", "warn" or "ignore". Got {on_fail!r}. Write '
            'on_fail="raise".'
        )
    compact = compact_form(model, "check_export")
    report = ExportReport(_kind_of(artefact))
    try:
        with closing(_OPENERS[report.kind](artefact, compact)) as opened:
            report.reasons += opened.reasons
            Comparison(model, compact, opened, report).run(_checked(X, compact, opened))
    except (LoadError, RuntimeError) as error:
        where = " in onnxruntime" if report.kind == Session.kind else ""
        report.reasons.append(f"It does not run{where}: {error}")
    if report.reasons and on_fail != "ignore":
        message = (
            "The artefact must answer as the model does. "
            f"{' '.join(report.reasons)} Export the fitted model again."
        )
        if on_fail == "raise":
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=2)
    return report


class StoredModel:
    """A loaded predictor or transformer."""

    kind, is_exact, rounded, reasons = "predictor", True, False, ()

    def __init__(self, loaded, compact):
        self.loaded, self.compact = loaded, compact
        methods = {"transformed": "transform"}
        if hasattr(compact, "predict"):
            labels = hasattr(compact, "classes_") or is_classifier(compact)
            methods = {"label" if labels else "variable": "predict"}
            methods |= {
                name: own for name, own in _ANSWERS.items() if hasattr(compact, own)
            }
        self.outputs, self._methods = list(methods), methods

    def close(self):
        """Nothing is open."""

    def as_read(self, X):
        """The rows as they are."""
        return X

    @property
    def shape(self):
        """The shape of a row, empty for texts."""
        n_features = getattr(self.compact, "n_features_in_", None)
        if reads_texts(self.compact):
            return ()
        return self.compact.input_shape_ if n_features is None else (n_features,)

    @property
    def dtypes(self):
        """Types of the columns, object for texts."""
        if len(self.shape) != 1:
            return [np.dtype(np.float32 if self.shape else object)]
        texts = texts_of(self.compact)
        return [np.dtype(object if k in texts else float) for k in range(*self.shape)]

    def answers(self, X):
        """What the methods give for rows, by name."""
        found = {}
        for name, method in self._methods.items():
            answer = quietly(getattr(self.loaded, method), X)
            if isinstance(answer, list):
                found |= {f"{name}_{k}": np.asarray(own) for k, own in enumerate(answer)}
            else:
                found[name] = dense(answer)
        return found

    def last_step(self):
        """The predictor behind the steps."""
        inner = self.loaded.members_[0] if hasattr(self.loaded, "steps_") else self.loaded
        return StoredModel(inner, self.compact.members_[0])


def _kind_of(artefact):
    """What an artefact is: a key of _OPENERS."""
    path = isinstance(artefact, str | os.PathLike)
    if not path and not isinstance(artefact, bytes):
        if hasattr(artefact, "predict") or hasattr(artefact, "transform"):
            return StoredModel.kind
        if type(artefact).__name__ == "ModelProto":
            return Session.kind
        raise ValueError(
            "artefact must be a path, the bytes of a file, a graph of to_onnx, or what "
            f"load returned. Got {type(artefact).__name__!r}. Pass the path of the file."
        )
    content = Path(artefact).read_bytes() if path else artefact
    if path and is_source(Path(artefact), content):
        return Program.kind
    return "file" if content.startswith(_ZIP) else Session.kind


def _graph(artefact, compact):
    onnx = import_or_raise("onnx", "check_export", extra="onnx")
    if isinstance(artefact, onnx.ModelProto):
        return Session(artefact)
    from google.protobuf.message import DecodeError

    content = artefact if isinstance(artefact, bytes) else Path(artefact).read_bytes()
    try:
        return Session(onnx.load_from_string(content))
    except DecodeError as error:
        raise ValueError(
            "artefact must be a C source as to_c wrote it, an ONNX graph, or a file of "
            f"save. Got {len(content)} bytes of something else. Pass the path of the file."
        ) from error


def _file(artefact, compact):
    with TemporaryDirectory() as folder:
        if isinstance(artefact, bytes):
            content, artefact = artefact, Path(folder) / "bytes.skprune"
            artefact.write_bytes(content)
        opened = StoredModel(load(artefact), compact)
        with ZipFile(artefact) as archive:
            has_witness = "witness" in json.loads(archive.read("model.json"))
        if has_witness:
            try:
                quietly(load, artefact, verify=True)
            except LoadError as error:
                opened.reasons = [str(error)]
    return opened


def _source(artefact, compact):
    opened = Program(Path(artefact), compact, texts_of(compact))
    opened.reasons = [f"The compiler warns: {warning}" for warning in opened.warnings]
    if opened.first_failed:
        opened.reasons.append(f"Its self-test fails at row {opened.first_failed}.")
    return opened


_OPENERS = {
    Session.kind: _graph,
    Program.kind: _source,
    StoredModel.kind: StoredModel,
    "file": _file,
}


def texts_of(compact):
    """The texts that each column of texts is known to hold, by its number."""
    n_features = getattr(compact, "n_features_in_", None)
    if n_features is None or reads_texts(compact):
        return {}
    lists = [
        list(dict.fromkeys(value for value in own if isinstance(value, str)))
        for own in values_of(compact, n_features)
    ]
    return {number: own for number, own in enumerate(lists) if own}


def _checked(X, compact, opened):
    """X as dense rows; raise ValueError unless the artefact reads such rows."""
    X = X.toarray() if issparse(X) else X
    kinds, shape = opened.dtypes, np.shape(X)
    n_inputs = len(kinds) if len(kinds) > 1 else sum(opened.shape[:1])
    if X is None or len(opened.shape) > 1 or reads_texts(compact):
        return X
    if len(shape) != 2 or (n_inputs and shape[1] != n_inputs):
        raise ValueError(
            f"X must be rows of {n_inputs} columns, as the artefact reads them. Got shape "
            f"{shape}. Pass rows that the model can predict."
        )
    return X
