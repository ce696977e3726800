"""Save fitted models in files that hold no code, and load them."""

import io
import json
import sys
import warnings
from importlib.metadata import version
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from zipfile import ZipFile

import sklearn_prune
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.persistence._archive import (
    SCHEMA,
    not_ours,
    parse_json,
    read_members,
    write_members,
)
from sklearn_prune.persistence._checks import check_parts
from sklearn_prune.persistence._schema import foreign_types, forged_sharing, trusted_types
from sklearn_prune.persistence._stored import (
    StoredModule,
    compact_form,
    name_of,
    restored,
    storable,
    why_whole,
)
from sklearn_prune.predictors import Compact, LoadError
from sklearn_prune.weight_pruning import checks, predictor_names

FORMAT = 1
# Equal ones are the same, wherever they are.
_VALUES = ("DTypeNode", "FunctionNode", "JsonNode", "TupleNode", "TypeNode")
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")


def save(model, path):
    """Save what predicts of a fitted model, in a file without code.

    The file is a zip in the layout of skops: a description in JSON and arrays, compressed,
    each with its SHA-256. It is written beside its place and then renamed, so that a file
    that was there stays whole if writing is cut off.

    Parameters
    ----------
    model : estimator
        Fitted: a `Pruned*` or `SampleSubset*` model, its `compact_`, a model of
        scikit-learn, LightGBM or XGBoost that has a compact form, a skorch net, a
        transformer, or a pipeline or container of these.
    path : str or PathLike
        Where to write.

    Raises
    ------
    TypeError
        If a part of the model has no compact form and no description in JSON: classes
        and functions of your own, search trees of neighbours, decision trees inside
        models that have no family. The part is named.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : The way back.
    to_onnx : The same for other languages.

    Notes
    -----
    What is stored predicts; training rows, selectors, parameters of the fit, optimizers
    and generators of random numbers are not. joblib keeps whole objects, for files that
    nobody else can write.

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
    ...     save(model, f"{folder}/iris.skops")
    ...     loaded = load(f"{folder}/iris.skops")
    >>> bool((loaded.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    path = _checked_path(path)
    skops = import_or_raise("skops.io", "save", extra="persist")
    name, compact = type(model).__name__, compact_form(model)
    try:
        content = skops.dumps(storable(compact))
    except TypeError:
        raise
    except skops.exceptions.UnsupportedTypeException as error:
        raise _refused(model, compact, str(error)) from error
    with ZipFile(io.BytesIO(content)) as archive:
        members = {part: archive.read(part) for part in archive.namelist()}
    schema = json.loads(members.pop(SCHEMA))
    foreign = foreign_types(schema, predictor_names(registered=True))
    if foreign:
        unnamed = tuple(each for each in foreign if _is_predictor(each))
        if unnamed:
            paths = tuple(":".join(each.rsplit(".", 1)) for each in unnamed)
            raise TypeError(
                "A predictor to save must be named in the FamilySpec of its family. Got "
                f"{', '.join(unnamed)}. Write predictors={paths!r}."
            )
        raise _refused(model, compact, ", ".join(foreign))
    schema, members = _numbered(schema, members)
    members = {SCHEMA: json.dumps(schema).encode(), **members}
    versions = {"sklearn-prune": sklearn_prune.__version__}
    versions |= {library: version(library) for library in _LIBRARIES}
    write_members(path, members, {"format": FORMAT, "model": name, "versions": versions})


def load(path, *, max_bytes=2**30, modules=(), forms=()):
    """Load what `save` wrote.

    No code of the file runs. Only predictors of `sklearn_prune.predictors`, numbers, texts
    and scikit-learn's own estimators are made, after the whole file was checked. Positions
    in arrays that compiled code follows are checked too.

    Parameters
    ----------
    path : str or PathLike
        The file.
    max_bytes : int, default=2**30
        What the file may unpack to; nothing is unpacked if it claims more.
    modules : sequence of torch.nn.Module classes, default=()
        Classes that skorch nets in the file may be made of. Their constructors are called
        with the numbers and texts of the file.
    forms : sequence of classes, default=()
        Predictors from outside this package that the file may hold. Their attributes are
        set to numbers, texts and arrays of the file.

    Returns
    -------
    predictor or transformer
        Predicts, or transforms, to the bit as what was saved.

    Raises
    ------
    LoadError
        If the file is damaged, too large, of a newer version, or holds other types. It is
        a ValueError.
    FileNotFoundError
        If there is no such file.
    ImportError
        If skops is not installed.

    Warns
    -----
    UserWarning
        If the file was written by another version of this package.

    See Also
    --------
    save : Writes the file, with an example.

    Notes
    -----
    The SHA-256 of the parts detect damage. They are in the file itself, so they say
    nothing about who wrote it.
    """
    path = _checked_path(path)
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, Integral) or max_bytes < 1:
        raise ValueError(
            f"max_bytes must be a positive int. Got {max_bytes!r}. Write max_bytes=2**30."
        )
    modules = _checked_classes("modules", modules, "torch.nn.Module classes", "MyModule")
    forms = _checked_classes("forms", forms, "classes of predictors", "MyPredictor")
    skops = import_or_raise("skops.io", "load", extra="persist")
    members, header = read_members(path, int(max_bytes))
    if header["format"] > FORMAT:
        raise LoadError(
            f"A file to load must have the format {FORMAT} or an older one. Got "
            f"{header['format']} in {path}, written by sklearn-prune "
            f"{header['versions'].get('sklearn-prune', 'unknown')}. Upgrade sklearn-prune."
        )
    schema = parse_json(members[SCHEMA], path)
    foreign = foreign_types(schema, forms)
    if foreign:
        raise LoadError(
            "A file to load must hold predictors of this package and estimators of "
            f"scikit-learn only. Got {', '.join(foreign)} in {path}. Write load(path, "
            "forms=[MyPredictor]) for your own predictors, or save the model again."
        )
    sizes = {name: len(content) for name, content in members.items()}
    wrong = isinstance(schema, dict) and forged_sharing(schema, sizes, int(max_bytes))
    if wrong:
        raise not_ours(path, wrong)
    _warn_of_versions(path, header["versions"])
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    checks()  # names in a FamilySpec that lead nowhere raise here: the file is not damaged
    try:
        loaded = skops.loads(buffer.getvalue(), trusted=trusted_types(forms))
        found = check_parts(loaded, int(max_bytes), tuple(forms.values()))
    except Exception as error:
        raise not_ours(path, f"{type(error).__name__}: {str(error)[:200]}") from error
    for name in sorted(part.module for part in found if isinstance(part, StoredModule)):
        if name not in modules:
            raise LoadError(
                f"The file {path} holds weights of the module {name}, whose class must be "
                f"allowed. Got modules={list(modules.values())}. Write "
                f"load(path, modules=[{name.rpartition('.')[2]}])."
            )
    try:
        return restored(loaded, modules)
    except ImportError:
        raise
    except Exception as error:
        raise not_ours(path, f"{type(error).__name__}: {str(error)[:200]}") from error


def _checked_path(path):
    if not isinstance(path, str | PathLike) or not isinstance(fspath(path), str):
        raise TypeError(
            f"path must be a str or PathLike. Got {type(path).__name__}. Write the name of "
            "a file, such as 'model.skops'."
        )
    if not fspath(path) or "\0" in fspath(path) or Path(path).is_dir():
        raise ValueError(
            f"path must name a file. Got {fspath(path)!r}. Write the name of a file, such "
            "as 'model.skops'."
        )
    return Path(path)


def _checked_classes(name, classes, kind, example):
    """The allowed classes by name."""
    several = isinstance(classes, list | tuple | set | frozenset)
    if not several or not all(isinstance(each, type) for each in classes):
        raise TypeError(
            f"{name} must be a sequence of {kind}. Got {classes!r}. Write "
            f"{name}=[{example}]."
        )
    return {name_of(each): each for each in classes}


def _is_predictor(name):
    """Whether ``module.Class`` is a class of predictors."""
    module, _, name = name.rpartition(".")
    cls = getattr(sys.modules.get(module), name, None)
    return isinstance(cls, type) and issubclass(cls, Compact)


def _refused(model, compact, foreign):
    why = why_whole(model, compact)
    if "Write " not in why:
        why += " Use another model, or joblib for files that nobody else can write."
    return TypeError(
        "A model to save must have a compact form, or be one of scikit-learn's whose parts "
        f"are numbers and texts. Got {type(model).__name__}, which holds {foreign}. "
        f"{why.strip()}"
    )


def _numbered(schema, members):
    """The description in order, with numbered members: equal models are equal files.

    skops names members by addresses in memory, and keeps attributes as they were set.
    """
    numbers, names = {}, {}

    def visit(part):
        if isinstance(part, list):
            return [visit(value) for value in part]
        if not isinstance(part, dict):
            return part
        part = dict(part)
        if "__loader__" in part:
            if part["__loader__"] == "ObjectNode" and isinstance(part.get("content"), dict):
                attributes = dict(part["content"])
                if isinstance(attributes.get("content"), dict):
                    attributes["content"] = dict(sorted(attributes["content"].items()))
                part["content"] = attributes
            if part["__loader__"] in _VALUES:
                part.pop("__id__", None)
            if "__id__" in part:
                part["__id__"] = numbers.setdefault(part["__id__"], len(numbers) + 1)
            if isinstance(part.get("file"), str):
                suffix = part["file"].rpartition(".")[2]
                part["file"] = names.setdefault(part["file"], f"{len(names)}.{suffix}")
        return {key: visit(value) for key, value in part.items()}

    schema = visit(schema)
    return schema, {names[name]: content for name, content in members.items()}


def _warn_of_versions(path, versions):
    written = versions.get("sklearn-prune", "unknown")
    if written != sklearn_prune.__version__:
        warnings.warn(
            f"{path} was written by sklearn-prune {written}, and this is "
            f"{sklearn_prune.__version__}. It is loaded; compare what it predicts with "
            "what you know, and save it again.",
            UserWarning,
            stacklevel=3,
        )
