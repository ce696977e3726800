"""Parts of a file that have no form of this package: objects of scikit-learn, by skops."""

import io
import json
from copy import copy
from importlib.metadata import version
from types import BuiltinFunctionType, FunctionType
from zipfile import ZipFile, ZipInfo

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_prune._lazy import import_or_raise
from sklearn_prune.persistence._checks import check_parts
from sklearn_prune.persistence._parts_archive import SCHEMA, read_parts
from sklearn_prune.persistence._schema import foreign_types, forged_sharing, trusted_types
from sklearn_prune.persistence._stored import StoredModule, StoredPart, storable
from sklearn_prune.predictors import (
    DEFAULT_PATTERN,
    Compact,
    CompactModule,
    LoadError,
    Stored,
    not_ours,
    parse,
    word_of,
)

MEMBER = "parts.skops"
# Equal ones are the same, wherever they are.
_VALUES = ("DTypeNode", "FunctionNode", "JsonNode", "TupleNode", "TypeNode")
_LIBRARIES = ("scikit-learn", "skops")


class StoredForm:
    """Stands, inside a part of scikit-learn, for what has a form of this package."""

    def __init__(self, number):
        self.number = number


class ForeignParts:
    """Gathers what an `Encoder` has no form for."""

    def __init__(self):
        self.parts, self.inside, self.functions = [], [], []

    def __call__(self, value):
        """The part of the document for a value: its position among the parts."""
        if isinstance(value, CompactModule):
            return self.encoder(StoredModule.of(value))
        name = _function_name(value)
        if name is not None:
            self.needs(name)
            return {"function": name}
        if isinstance(value, Compact):
            cls = f"{type(value).__module__}.{type(value).__qualname__}"
            raise TypeError(
                "A predictor to save must be named in the FamilySpec of its family. Got "
                f"{cls}. Write predictors={(':'.join(cls.rsplit('.', 1)),)!r}."
            )
        small = storable(value)
        if small is not value and (small is None or word_of(type(small)) is not None):
            return self.encoder(small)
        self.parts.append(self._placed(small))
        return {"part": len(self.parts) - 1}

    def needs(self, name):
        """Note a function, or a pattern, that the caller of `load` must pass."""
        if name not in self.functions:
            self.functions.append(name)

    def _placed(self, part):
        """A copy in which forms of ours, and functions, are numbers."""
        if type(part) is np.ndarray and part.dtype == object:
            found = np.empty(part.shape, dtype=object)
            for place, value in np.ndenumerate(part):
                found[place] = self._placed(value)
            return found
        if isinstance(part, dict | BaseEstimator):
            small = copy(part)
            items = small if isinstance(part, dict) else vars(small)
            for name, value in list(items.items()):
                items[name] = self._placed(value)
            pattern = items.get("token_pattern")
            if isinstance(pattern, str) and pattern != DEFAULT_PATTERN:
                self.needs(pattern)
            return small
        if isinstance(part, list | tuple):
            values = map(self._placed, part)
            return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
        ours = isinstance(part, Stored | StoredPart) or type(part).__name__ == "NAType"
        if ours or _function_name(part) is not None:
            self.inside.append(self.encoder(part))
            return StoredForm(len(self.inside) - 1)
        return part

    def content(self):
        """The bytes of the parts, in the layout of skops."""
        skops = import_or_raise("skops.io", "save", extra="persist")
        try:
            content = skops.dumps(self.parts)
        except skops.exceptions.UnsupportedTypeException as error:
            raise Unstorable(str(error)) from error
        with ZipFile(io.BytesIO(content)) as archive:
            members = {part: archive.read(part) for part in archive.namelist()}
        schema = json.loads(members.pop(SCHEMA))
        foreign = foreign_types(schema)
        if foreign:
            raise Unstorable(", ".join(foreign))
        schema, members = _numbered(schema, members)
        return _zipped({SCHEMA: json.dumps(schema).encode(), **members})

    def header(self):
        """What the description of the file says of these parts."""
        found = {name: getattr(self, name) for name in ("functions", "inside")}
        found = {name: value for name, value in found.items() if value}
        if self.parts:
            import_or_raise("skops.io", "save", extra="persist")
            found["libraries"] = {name: version(name) for name in _LIBRARIES}
        return found


class Unstorable(Exception):
    """Names what a file cannot hold."""


def _function_name(value):
    """The name of a function that `load` is to be given, or None if it is none."""
    if not isinstance(value, FunctionType | BuiltinFunctionType):
        return None
    if not value.__name__.isidentifier():
        raise TypeError(
            "A function in a model to save needs a name. Got a lambda. Write it with def, "
            "and pass it to load(path, functions={'name': name})."
        )
    return value.__name__


def reader(archive, document, options):
    """A function of the number of a part, and a decoder, that gives the part."""
    path = archive.path
    skops = import_or_raise("skops.io", "load", extra="persist")
    members = read_parts(archive.read(MEMBER), path, options.max_bytes)
    schema, _ = parse(members[SCHEMA], path, options.max_bytes // 64)
    foreign = foreign_types(schema)
    if foreign:
        raise LoadError(
            "A file to load must hold forms of this package and estimators of scikit-learn "
            f"only. Got {', '.join(foreign)} in {path}. Save the model again."
        )
    sizes = {name: len(content) for name, content in members.items()}
    wrong = isinstance(schema, dict) and forged_sharing(schema, sizes, options.max_bytes)
    if wrong or not isinstance(schema, dict):
        raise not_ours(path, wrong or "its parts have no description")
    try:
        loaded = skops.loads(_zipped(members), trusted=trusted_types())
        check_parts(loaded, options.functions)
    except Exception as error:
        raise not_ours(path, f"{type(error).__name__}: {str(error)[:200]}") from error
    if type(loaded) is not list:
        raise not_ours(path, "its parts are no list")
    inside, made, known = document.get("inside", []), {}, {}

    def form(number, decoder):
        if type(number) is not int or not 0 <= number < len(inside):
            raise ValueError("a form inside a part")
        if number not in made:
            made[number] = None
            made[number] = (decoder(inside[number]),)
        if made[number] is None:
            raise ValueError("a form that contains itself")
        return made[number][0]

    def part(number, decoder):
        if type(number) is not int or not 0 <= number < len(loaded):
            raise ValueError("the number of a part")
        return _restored(loaded[number], lambda k: form(k, decoder), known)

    return part


def _restored(part, form, known):
    """A loaded object, changed in place, with forms in the place of their numbers."""
    if isinstance(part, StoredForm):
        return form(part.number)
    if id(part) in known:
        return known[id(part)][1]
    known[id(part)] = part, part
    if isinstance(part, dict):
        for key, value in part.items():
            part[key] = _restored(value, form, known)
    elif isinstance(part, list):
        part[:] = [_restored(value, form, known) for value in part]
    elif isinstance(part, tuple):
        values = [_restored(value, form, known) for value in part]
        found = type(part)(*values) if hasattr(part, "_fields") else tuple(values)
        known[id(part)] = part, found
        return found
    elif type(part) is np.ndarray and part.dtype == object:
        for place, value in np.ndenumerate(part):
            part[place] = _restored(value, form, known)
    elif isinstance(part, BaseEstimator):
        for name, value in list(vars(part).items()):
            setattr(part, name, _restored(value, form, known))
    return part


def _zipped(members):
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, content in members.items():
            # The same model makes the same file: there is no time in it.
            archive.writestr(ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()


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
    return schema, {number: members[name] for name, number in names.items()}
