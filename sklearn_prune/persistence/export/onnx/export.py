"""Write a fitted model as an ONNX graph, without what has pruned it."""

import json
import warnings
from itertools import zip_longest

import numpy as np
from sklearn.base import is_classifier, is_clusterer

from sklearn_prune._lazy import has, import_or_raise
from sklearn_prune.persistence._stored import why_whole
from sklearn_prune.persistence.export import (
    Comparison,
    ExportReport,
    is_missing,
    reads_texts,
    unwrapped,
    values_of,
)
from sklearn_prune.persistence.export.onnx.graph import GraphWriter, Value
from sklearn_prune.persistence.export.onnx.inline import TENSOR_TYPES, NeedsOlderOperators
from sklearn_prune.persistence.export.onnx.rows import Rows
from sklearn_prune.persistence.export.onnx.session import ROUNDED, Session
from sklearn_prune.persistence.export.onnx.witness import KEY, witness_json
from sklearn_prune.persistence.export.onnx.writer import Translation
from sklearn_prune.predictors import CompactModule
from sklearn_prune.weight_pruning import compact_form

# The newest that the oldest onnxruntime of pyproject.toml and skl2onnx both know.
_DEFAULT, _DEFAULT_ML = 22, 5
_N_NODES = 1000  # of trees that are tried


def to_onnx(
    model,
    X=None,
    *,
    initial_types=None,
    target_opset=None,
    name="sklearn_prune",
    zipmap=False,
    raw_scores=False,
    precision="double",
    witness=True,
):
    """Write a fitted model as an ONNX graph.

    The graph holds what is left of the model, not what pruned it: the wrapper, and all
    that is not needed for a prediction, is gone. It computes as `predict` does, so that
    labels are equal and scores differ by rounding only.

    Parameters
    ----------
    model : estimator
        Fitted: a pruned model, a model on fewer rows, a compact form, a model of
        scikit-learn, LightGBM or XGBoost, a skorch net, or a Pipeline around one.
    X : array-like or frame of shape (n_samples, ...), or list of texts, default=None
        Some rows, of which the type and shape are read. Of a frame each column is an input
        by its name, of shape (n_samples, 1). Where all values of a column are missing, its
        type comes from the fitted encoder. Of a dict for a net each entry is an input.
    initial_types : list of (str, type) or None, default=None
        Names and types of the inputs, as for ``skl2onnx.to_onnx``; in place of X.
    target_opset : int, dict of str -> int, or None, default=None
        Version of the operators, from 15 to the newest that skl2onnx knows, or a version
        for each domain ("" and "ai.onnx.ml"). The default is 22, and 5 for "ai.onnx.ml", in
        which trees take a third of the room that they take in version 3. onnxruntime reads
        such trees from 1.24 on. Write {"": 21, "ai.onnx.ml": 3} for versions from 1.19 on.
    name : str, default="sklearn_prune"
        Name of the graph.
    zipmap : bool, default=False
        Whether probabilities are a sequence of dictionaries by label, as skl2onnx gives
        them, rather than an array.
    raw_scores : bool, default=False
        Whether a classifier gives the scores of `decision_function` in place of
        probabilities.
    precision : {"double", "single"}, default="double"
        What is computed in: "double" as scikit-learn does, whatever the type of the inputs;
        "single" takes half the time and room and rounds scores to about 6 digits, for
        runtimes without double precision. Nets keep the precision that they were trained
        in.
    witness : bool, default=True
        Whether to add some 16 synthetic rows with the answers of the model, as JSON under
        the key "witness_rows" of `metadata_props`, unless a part of the graph computes in
        single precision. No row is from training data.

    Returns
    -------
    onnx.ModelProto
        With the outputs "label" and "probabilities" (or "scores", where there are no
        probabilities) of a classifier, "variable" of a regressor, in the shapes that the
        model predicts. Scores have the type of the inputs, float or double, or float with
        single precision. Of several outputs, probabilities are "probabilities_0",
        "probabilities_1", ...

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    TypeError
        If the model, or a step of it, cannot be written, or if its graph answers otherwise
        than it does; the message names it, and gives the reason of onnxruntime.
    ValueError
        If an argument is not valid.

    Warns
    -----
    UserWarning
        If a transformer computes in single precision, although double was asked for,
        because its converter has no other.

    See Also
    --------
    sklearn_prune.persistence.check_export : Compares a graph with the model.
    sklearn_prune.persistence.save : Stores a model for Python.

    Notes
    -----
    Where onnxruntime is installed, each transformer and the whole graph are compared with
    the model, on rows made of the fitted objects. Texts and categories are encoded by
    transformers in a Pipeline. The text "nan" stands for a missing text, "None" for None.
    A model refuses rows that scikit-learn refuses, with infinite values for example; a
    graph does not. Which of several equally far neighbours counts may differ.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.persistence import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(RandomForestClassifier(50, random_state=0), keep=0.2)
    >>> graph = to_onnx(model.fit(X, y), X[:1])
    >>> [output.name for output in graph.graph.output]
    ['label', 'probabilities']
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> labels, probabilities = session.run(None, {"X": X})
    >>> bool((labels == model.predict(X)).all())
    True
    """
    import_or_raise("skl2onnx", "to_onnx", extra="onnx")
    if precision not in ("double", "single"):
        raise ValueError(
            'precision must be "double" or "single". Got '
            f'{precision!r} instead. Write precision="double".'
        )
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"name must be a text that is not empty. Got {name!r}. Write "
            'name="sklearn_prune".'
        )
    compact = compact_form(model, "to_onnx")
    if is_clusterer(compact) or not hasattr(compact, "predict"):
        raise TypeError(
            "to_onnx writes classifiers and regressors. Got "
            f"{type(model).__name__}. Pass it to skl2onnx.to_onnx."
        )
    inputs = _inputs(compact, X, initial_types)
    opset, ml_opset = _opsets(target_opset)
    options = (name, zipmap, raw_scores, precision)
    try:
        try:
            found = _written(compact, inputs, opset, ml_opset, *options)
        except NeedsOlderOperators:
            found = _written(compact, inputs, opset, min(ml_opset, 3), *options)
        for key, value in getattr(compact, "metadata_", {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            found.metadata_props.add(key=key, value=text)
        rows = witness_json(compact, found) if witness else None
        if rows is not None and all(each.key != KEY for each in found.metadata_props):
            found.metadata_props.add(key=KEY, value=rows)
        return found
    except TypeError as error:
        why = why_whole(model, compact, str(error))
        if why:
            raise TypeError(f"{error} {why}") from error
        raise


def _written(compact, inputs, opset, ml_opset, name, zipmap, raw_scores, precision):
    graph = GraphWriter(
        opset,
        ml_opset,
        np.float64 if precision == "double" else np.float32,
        [label for label, *_ in inputs],
    )
    values = []
    for label, dtype, shape in inputs:
        values.append(Value(graph, label, dtype, len(shape), tuple(shape)))
    rows = Rows(values, [label for label, *_ in inputs] if len(values) > 1 else None)
    types = {value.dtype for value in values if value.dtype.kind == "f"}
    float_type = np.float32 if types == {np.dtype(np.float32)} else np.float64
    if precision == "single":
        float_type = np.float32
    translation = Translation(graph, compact)
    outputs = _outputs(translation, compact, rows, raw_scores, np.dtype(float_type))
    taken = {label for label, _ in outputs} & {label for label, *_ in inputs}
    if taken:
        raise ValueError(
            f"Columns must not have the name of an output. Got {min(taken)!r}. Rename the "
            "column before fit, or pass an array, as in to_onnx(model, X.to_numpy())."
        )
    if zipmap and len(outputs) == 2 and outputs[1][0] == "probabilities":
        outputs[1] = ("probabilities", _by_label(graph, compact, outputs[1][1]))
    from onnx import checker, helper

    found = graph.model(values, outputs, name=name)
    if precision == "single" or graph.notes:
        helper.set_model_props(found, {ROUNDED: "True"})
    checker.check_model(found)
    _try(compact, found)
    if precision == "double":
        for note in dict.fromkeys(graph.notes):
            warnings.warn(note[0].upper() + note[1:], UserWarning, stacklevel=3)
    return found


def _try(compact, found):
    """Raise TypeError if the graph answers otherwise than the predictor."""
    several = isinstance(compact, CompactModule) and len(found.graph.input) > 1
    if not has("onnxruntime") or several:  # of which no rows can be made
        return
    report = ExportReport()
    try:
        Comparison(compact, compact, Session(found), report, most=_N_NODES).run()
    except RuntimeError as error:
        report.reasons.append(f"It does not run in onnxruntime: {error}")
    if report.reasons:
        raise TypeError(
            "to_onnx writes graphs that answer as the model does. Got a graph of "
            f"{type(compact).__name__} that does not. {' '.join(report.reasons)} Use "
            "save() and load() instead."
        )


def _outputs(translation, compact, rows, raw_scores, float_type):
    """Names and values of what the graph gives."""
    predicted = translation.ask(compact, "predict", rows)
    if not hasattr(compact, "classes_") and not is_classifier(compact):
        return [("variable", predicted.as_float().cast(float_type))]
    outputs = [("label", predicted)]
    gives = translation.writer(compact).gives
    if gives("predict_proba") and not raw_scores:
        found = translation.ask(compact, "predict_proba", rows)
        if isinstance(found, list):
            return outputs + [
                (f"probabilities_{number}", each.cast(float_type))
                for number, each in enumerate(found)
            ]
        return [*outputs, ("probabilities", found.cast(float_type))]
    if gives("decision_function"):
        found = translation.ask(compact, "decision_function", rows)
        return [*outputs, ("scores", found.as_float().cast(float_type))]
    if raw_scores:
        raise ValueError(
            "raw_scores=True needs a classifier with a decision_function. Got "
            f"{type(compact).__name__}. Write raw_scores=False."
        )
    return outputs


def _by_label(graph, compact, probabilities):
    """Probabilities as dictionaries."""
    classes = np.asarray(compact.classes_)
    key = {"classlabels_strings": [str(label) for label in classes]}
    if classes.dtype.kind in "biu":
        key = {"classlabels_int64s": [int(label) for label in classes]}
    return graph.node(
        "ZipMap", [probabilities.cast(np.float32)], domain="ai.onnx.ml", **key
    )


def _opsets(target_opset):
    import skl2onnx

    newest = skl2onnx.__max_supported_opset__
    if target_opset is None:
        return _DEFAULT, _DEFAULT_ML
    given = {"": target_opset} if not isinstance(target_opset, dict) else dict(target_opset)
    opset = given.pop("", _DEFAULT)
    valid = isinstance(opset, int) and 15 <= opset <= newest
    ml_opset = given.pop("ai.onnx.ml", _DEFAULT_ML if valid and opset >= 22 else 3)
    valid = valid and not given
    if not valid or ml_opset not in (3, 4, 5):
        raise ValueError(
            f"target_opset must be from 15 to {newest}, and that of ai.onnx.ml from 3 "
            f"to 5. Got {target_opset!r}. Write target_opset=None."
        )
    return opset, ml_opset


def _inputs(compact, X, initial_types):
    """Names, types and shapes of the inputs."""
    if (X is None) == (initial_types is None):
        got = "neither" if X is None else "both"
        raise ValueError(
            "to_onnx needs some rows X or initial_types to know the inputs. Got "
            f"{got}. Write to_onnx(model, X[:1])."
        )
    found = _of_types(initial_types) if X is None else _of_rows(X, compact)
    _check_names(compact, found)
    return found


def _of_types(initial_types):
    found, pairs = [], isinstance(initial_types, list | tuple) and len(initial_types) > 0
    if not pairs or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in initial_types
    ):
        raise ValueError(
            f"initial_types must be a list of (name, type). Got {initial_types!r}. Write "
            '[("X", FloatTensorType([None, n]))].'
        )
    for label, kind in initial_types:
        if type(kind).__name__ not in TENSOR_TYPES:
            raise ValueError(
                f"initial_types must be tensors of {', '.join(TENSOR_TYPES)}. Got "
                f"{type(kind).__name__} for {label!r}. Write FloatTensorType([None, n])."
            )
        dtype = np.dtype(TENSOR_TYPES[type(kind).__name__])
        found.append((label, dtype, list(kind.shape)))
    return found


def _of_rows(X, compact):
    known = values_of(compact, getattr(compact, "n_features_in_", None) or 1)
    if hasattr(X, "columns"):
        return [
            (str(label), _dtype_of(np.asarray(X[label]), own or ()), [None, 1])
            for label, own in zip_longest(X.columns, known[: len(X.columns)])
        ]
    if isinstance(X, dict):  # inputs of a net by name
        arrays = {str(label): np.asarray(value) for label, value in X.items()}
        return [
            (label, _dtype_of(value, ()), [None, *value.shape[1:]])
            for label, value in arrays.items()
        ]
    X = X if hasattr(X, "shape") else np.asarray(X)
    first = X[0] if len(X.shape) == 1 and isinstance(X, np.ndarray) and len(X) else None
    if isinstance(first, dict):
        step = next((step for _, step in getattr(compact, "steps_", ())), compact)
        raise TypeError(
            "to_onnx writes graphs that read rows or texts. Got dicts, for "
            f"{type(unwrapped(step)).__name__}. Fit the model on a frame, or use save() "
            "and load()."
        )
    if len(X.shape) == 1 and reads_texts(compact):
        return [("X", np.dtype(object), [None])]
    if len(X.shape) < 2 and reads_texts(compact):
        raise ValueError(
            "X must be a list of texts. Got one text. Write to_onnx(model, [text])."
        )
    if len(X.shape) < 2:
        raise ValueError(
            f"X must be rows, of two dimensions or more. Got shape {tuple(X.shape)}. Write "
            "to_onnx(model, X[:1])."
        )
    return [
        ("X", _dtype_of(X, [value for own in known for value in own]), [None, *X.shape[1:]])
    ]


def _dtype_of(array, known):
    """The type of an input; where all is missing, that of the values known from the fit."""
    dtype = getattr(array, "dtype", None)
    if dtype is None or not isinstance(dtype, np.dtype):
        dtype = np.asarray(array).dtype
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize >= 8 else np.float32)
    if dtype.kind in "iu":
        return np.dtype(np.int64)
    if dtype.kind == "b":
        return dtype
    values = [each for each in np.asarray(array).ravel().tolist() if not is_missing(each)]
    if not values:
        numbers = [each for each in known if isinstance(each, (int, float))]
        texts = any(isinstance(each, str) for each in known)
        return np.dtype(np.float64 if numbers and not texts else object)
    if all(isinstance(each, (bool, int, float)) for each in values):
        return np.dtype(np.float64)
    return np.dtype(object)


def _check_names(compact, inputs):
    """Raise where columns are not those of fit, in their order, or share a name."""
    labels = [label for label, *_ in inputs]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ValueError(
            f"Each column must have a name of its own. Got {twice!r} twice. Rename a "
            "column, or pass an array, as in to_onnx(model, X.to_numpy())."
        )
    known = getattr(compact, "feature_names_in_", None)
    width = getattr(compact, "n_features_in_", None)
    if len(inputs) > 1:
        if known is not None and list(known) != labels:
            raise ValueError(
                f"The inputs must be the columns of fit, {list(known)[:5]}. Got "
                f"{labels[:5]}. Pass the columns that the model was fitted on."
            )
        n_inputs = len(inputs)
    else:
        shape = inputs[0][2]
        n_inputs = shape[1] if len(shape) == 2 else None
    if width is not None and n_inputs is not None and n_inputs != width:
        raise ValueError(
            f"The inputs must have {width} columns, as in fit. Got {n_inputs}. Pass rows "
            "that the model can predict."
        )
