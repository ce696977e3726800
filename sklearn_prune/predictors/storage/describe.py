"""What a file says of its model, read without building the model."""

import json
import sys

import numpy as np

from ..base import LoadError
from .archive import FIRST, Archive, not_ours
from .decode import _PARTS, Decoder, parse
from .forms import FORMS
from .load import LoadOptions, check_header

_MOST_BYTES = 1 << 28  # of a member that is read
_N_PARTS = 8  # attributes that are named, the largest ones
# Parts of trees and of weights, which say little of a model.
_INNER = ("columns", "values", "shares", "sparse", "quantized", "sparse-weights")


def describe(path):
    """What a file says of its model.

    Returns
    -------
    dict
        Of what JSON holds, and of arrays. `parts` are the bytes of each part in the file,
        as they are compressed; they add up to its size. `array_bytes` are those of the
        arrays before compression.

    Raises
    ------
    LoadError
        If the file is damaged, or of a newer format.
    """
    with open(path, "rb") as file:
        try:
            return _Description(_Small(file, path, sys.maxsize)).facts()
        except LoadError:
            raise
        except Exception as error:  # a description that `save` does not write
            raise not_ours(path, f"{type(error).__name__}: {str(error)[:200]}") from error


class _Small(Archive):
    """Reads members only if they are not large."""

    def read(self, name):
        if self.places.get(name, (0, 0))[1] > _MOST_BYTES:
            raise not_ours(self.path, f"its member {name} is too large to be described")
        return super().read(name)


class _Description:
    """The description of an archive, and what is made of its parts."""

    def __init__(self, archive):
        self.archive = archive
        self.document, n_parts = parse(archive.read(FIRST), archive.path, _PARTS)
        check_header(self.document, archive.path)
        options = LoadOptions(_MOST_BYTES, None, {}, (), ())
        self.decoder = Decoder(archive, self.document, n_parts, options)
        self.model = self.resolved(self.document["model"])
        self.counted = set()  # names of arrays

    def facts(self):
        word, places = self.model["form"], self.archive.places
        found = {"model": FORMS.get(word, word), "form": word, "contents": self.contents()}
        for name, attribute in (
            ("classes", "classes_"),
            ("n_features", "n_features_in_"),
            ("feature_names", "feature_names_in_"),
        ):
            found[name] = self.decoder(self.attribute(attribute))
        if word == "pipeline":
            found["steps"] = [f"{name}: {self.form(part)}" for name, part in self.members()]
        found["parts"] = self.parts()
        found["array_bytes"] = sum(places[name][1] for name in places if name != FIRST)
        for name in ("format", "min_reader", "writer", "libraries", "functions"):
            found[name] = self.document.get(name)
        found["witness_rows"] = self.n_witness_rows()
        return found | {"metadata": self.document.get("metadata")}

    def resolved(self, part):
        """A part, or the shared part that it refers to."""
        for _ in range(60):
            if not (isinstance(part, dict) and part.keys() == {"same"}):
                return part
            part = self.document["shared"][part["same"]]
        raise ValueError("a part refers to itself")

    def form(self, part):
        return self.resolved(part).get("form", "of scikit-learn")

    def attribute(self, name):
        """An attribute of the model, or the classes of what it delegates to."""
        model = self.model
        while isinstance(model, dict) and name not in model and name == "classes_":
            inner = model.get("inner_", model.get("members_"))
            model = self.resolved(inner[-1] if isinstance(inner, list) else inner)
        return model.get(name) if isinstance(model, dict) else None

    def members(self):
        """Name and part of each step and member of the model."""
        for step in self.model.get("steps_", ()):
            name, part = step["tuple"]
            yield str(name), part
        members = self.model.get("members_", ())
        for number, part in enumerate(members if isinstance(members, list) else ()):
            is_last = "steps_" in self.model and len(members) == 1
            yield "predictor" if is_last else f"member {number}", part

    def contents(self):
        """How many trees and nodes there are, and which other forms."""
        counts, pending, seen, sizes = {}, [self.model], set(), []
        while pending:
            part = pending.pop()
            if isinstance(part, list):
                pending.extend(part)
            elif isinstance(part, dict) and part.keys() == {"same"}:
                if part["same"] not in seen:
                    seen.add(part["same"])
                    pending.append(self.document["shared"][part["same"]])
            elif isinstance(part, dict):
                pending.extend(part.values())
                word = part.get("form")
                if "form" in part and "raw" in part:
                    pending.append(self.decoder.unpacked(part["raw"]).document["state"])
                if word == "trees" and "sizes" in part:
                    sizes.extend(np.asarray(self.decoder(part["sizes"])).tolist())
                elif word == "trees":
                    starts = np.asarray(self.decoder(part["node_start"]), dtype=np.int64)
                    sizes.extend(np.diff(starts).tolist())
                elif word is not None and part is not self.model and word not in _INNER:
                    counts[word] = counts.get(word, 0) + 1
        texts = [f"{len(sizes):,} trees", f"{sum(sizes):,} inner nodes"] if sizes else []
        texts += [word if n == 1 else f"{n} {word}" for word, n in sorted(counts.items())]
        return ", ".join(texts)

    def n_witness_rows(self):
        if self.document.get("witness") is None:
            return 0
        columns = self.document["witness"]["dict"]["columns"]
        return len(self.decoder(columns[0] if isinstance(columns, list) else columns))

    def n_bytes(self, part):
        """Bytes of a part: its text, and the arrays that were not counted before."""
        total, pending = len(json.dumps(part, separators=(",", ":"))), [part]
        while pending:
            part = pending.pop()
            if isinstance(part, list):
                pending.extend(part)
            elif isinstance(part, dict):
                pending.extend(part.values())
                for word, kind in (("npy", "npy"), ("json", "npy"), ("raw", "raw")):
                    name = f"{part.get(word)}.{kind}"
                    if name in self.archive.places and name not in self.counted:
                        self.counted.add(name)
                        total += self.archive.places[name][2]
        return total

    def parts(self):
        """Name and bytes of each part of the file."""
        found = [
            (f"{name} ({self.form(part)})", self.n_bytes(part))
            for name, part in self.members()
        ]
        for name, value in self.model.items():
            if name in ("steps_", "members_"):
                continue
            value = {"raw": value} if name == "raw" else value
            inside = value.items() if isinstance(value, dict) and "form" in value else ()
            found += [(f"{name}.{own}", self.n_bytes(each)) for own, each in inside]
            if not inside:
                found.append((name, self.n_bytes(value)))
        found.sort(key=lambda each: -each[1])
        others = sum(size for _, size in found[_N_PARTS:])
        found = found[:_N_PARTS] + [("other attributes", others)] * (others > 0)
        for name in ("shared", "witness", "metadata"):
            if name in self.document:
                found.append((name, self.n_bytes(self.document[name])))
        if "parts.skops" in self.archive.places:
            found.append(("parts.skops", self.archive.places["parts.skops"][2]))
        found.append(("zip and names", self.archive.size - sum(n for _, n in found)))
        return [{"part": name, "bytes": size} for name, size in found]
