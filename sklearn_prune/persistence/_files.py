"""Save fitted models in files that hold no code."""

import json

import sklearn_prune
from sklearn_prune._atomic import written_whole
from sklearn_prune.persistence._stored import why_whole
from sklearn_prune.persistence._witness import witness_of
from sklearn_prune.persistence.parts import MEMBER, ForeignParts, Unstorable
from sklearn_prune.predictors import (
    Encoder,
    LoadError,
    checked_path,
    dumps,
    load,
    member_of,
    write_archive,
)
from sklearn_prune.weight_pruning import compact_form

__all__ = ["LoadError", "load", "save"]


def save(model, path, *, metadata=None, compress=True, witness=True):
    """Save what predicts of a fitted model, in a file without code.

    The file is a zip of a description in JSON and of arrays. numpy is enough to load it,
    except for parts that have no form of this package. It is written beside its place and
    then renamed, so that a file that was there stays whole if writing is cut off.

    Parameters
    ----------
    model : estimator
        Fitted: a `Pruned*` or `SampleSubset*` model, its `compact_`, a model of
        scikit-learn, LightGBM or XGBoost that has a compact form, a skorch net, a
        transformer, or a pipeline or container of these.
    path : str or PathLike
        Where to write. The usual suffix is ``.skprune``.
    metadata : dict or None, default=None
        Names, versions, metrics, licenses: whatever JSON holds. It becomes `metadata_` of
        the loaded model. None keeps the `metadata_` of a model that was loaded.
    compress : bool, default=True
        Whether to compress the arrays. If False, they are aligned, and
        ``load(path, mmap_mode="r")`` maps them.
    witness : bool, default=True
        Whether to add some 32 synthetic rows with the answers of the model, which
        ``load(path, verify=True)`` compares. They take about 1 kB. No row is from training
        data.

    Raises
    ------
    TypeError
        If a part of the model has no compact form and no description in JSON: classes of
        your own, functions without a name, search trees of neighbours, decision trees
        inside models that have no family. The part is named.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImportError
        If the model has parts without a form of this package, and skops is not installed.

    See Also
    --------
    load : The way back.
    to_onnx : The same for other languages.

    Notes
    -----
    What is stored predicts; training rows, selectors, parameters of the fit, optimizers
    and generators of random numbers are not. joblib keeps whole objects, for files that
    nobody else can write. Functions are stored by their names, and `load` gets them as
    ``functions={"name": function}``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.persistence import load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> model = PrunedClassifier(forest, keep=0.5, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/iris.skprune", metadata={"version": 3})
    ...     loaded = load(f"{folder}/iris.skprune", verify=True)
    >>> bool((loaded.predict_proba(X) == model.predict_proba(X)).all())
    True
    >>> loaded.metadata_
    {'version': 3}
    >>> loaded.verification_
    '33 witness rows: labels equal, scores within 0 ulp'
    """
    path = checked_path(path)
    for name, value in (("compress", compress), ("witness", witness)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be a bool. Got {value!r}. Write {name}=True.")
    compact = compact_form(model)
    if metadata is None:
        metadata = getattr(compact, "metadata_", None)
    members = _members(model, compact, _plain_json(metadata), compress, witness)
    with written_whole(path, durable=True) as file:
        write_archive(file, members, compress=compress)


def _plain_json(metadata):
    """The metadata as JSON gives it back."""
    try:
        found = json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(
            "metadata must hold what JSON holds: dicts with texts as keys, lists, texts, "
            f"finite numbers, bools and None. Got {metadata!r}: {error}."
        ) from error
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(
            f"metadata must be a dict. Got {metadata!r}. Write metadata={{'name': 'a'}}."
        )
    return found


def _members(model, compact, metadata, compress, witness):
    """Name and content of each member of the file."""
    foreign = ForeignParts()
    foreign.encoder = encoder = Encoder(foreign, mapped=not compress)
    model_part = encoder(compact)
    document = {"format": encoder.format, "min_reader": encoder.format}
    document |= {"writer": sklearn_prune.__version__, "model": model_part}
    if metadata is not None:
        document["metadata"] = metadata
    rows = witness_of(compact) if witness else None
    if rows is not None:
        document["witness"] = encoder(rows)
    if encoder.shared:
        document["shared"] = encoder.shared
    document |= foreign.header()
    members = [member_of(k, array) for k, array in enumerate(encoder.arrays)]
    if foreign.parts:
        try:
            members.append((MEMBER, [foreign.content()]))
        except Unstorable as error:
            raise _refused(model, compact, str(error)) from error
    return [("model.json", [dumps(document)]), *members]


def _refused(model, compact, foreign):
    why = why_whole(model, compact)
    if "Write " not in why:
        why += " Use another model, or joblib for files that nobody else can write."
    return TypeError(
        "A model to save must have a compact form, or be one of scikit-learn's whose parts "
        f"are numbers and texts. Got {type(model).__name__}, which holds {foreign}. "
        f"{why.strip()}"
    )
