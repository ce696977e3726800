"""A folder of finished fits, from which an interrupted comparison goes on."""

import json
import os
import secrets
from dataclasses import fields
from pathlib import Path

import numpy as np

from sklearn_prune._atomic import written_whole
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune._meta import in_one_line
from sklearn_prune.comparison.provenance import digest, first_difference
from sklearn_prune.comparison.run.fold import FoldResult, KeptUnits

_FORMAT = 3


class Store:
    """Fits on disk: one file for each variant and fold, and what they were made with.

    Files hold numbers and text only, and nothing in them runs. They are written aside and
    then renamed; one that is damaged, or was made for another input, counts as not there.
    Hashes show damage, and not who wrote a file.

    `inputs` is the part of the manifest that is known before any fit, `estimators` the
    descriptions of the variants. A folder that was made with other inputs, or holds other
    variants of these names, raises ValueError. Variants that it does not know are added.
    """

    def __init__(self, folder, inputs, estimators):
        self.folder = Path(folder)
        self._made_with = digest([inputs["data"], inputs["design"]])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                "store must be a folder, or a path where one can be made. Got "
                f"{str(folder)!r} ({error.strerror}). Name another."
            ) from error
        try:
            self._compare("comparison.json", {"format": _FORMAT, **inputs})
            # Each variant has a file that is written once: runs at the same time add
            # theirs without a lock, and one that is killed leaves none behind.
            for name, described in estimators.items():
                wanted = {
                    "environment": inputs["environment"],
                    "estimators": {name: described},
                }
                self._compare(f"variant-{digest(name)[:40]}.json", wanted)
        except OSError as error:
            raise ValueError(
                f"store must be a folder that can be written to. Got {str(folder)!r} "
                f"({error.strerror}). Name another."
            ) from error

    def _compare(self, filename, wanted):
        """Write what is wanted into a file, or raise if another thing is there."""
        path = self.folder / filename
        if not path.exists():
            _write(path, wanted)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            # Packages that only other variants need are no difference.
            both = [name for name in wanted["environment"] if name in found["environment"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                "store must be a folder that a comparison has made, or a new one. Got "
                f"{str(self.folder)!r}, whose {filename} cannot be read. Name another."
            ) from error
        found, wanted = (
            header | {"environment": {name: header["environment"][name] for name in both}}
            for header in (found, wanted)
        )
        difference = first_difference(found, wanted)
        if difference is not None:
            raise ValueError(
                "store must have been made with the same input. Got "
                f"{str(self.folder)!r}, where {difference}. Name another folder, or go "
                "back to what it was made with."
            )

    def load(self, key):
        """The fit of this key, or None."""
        try:
            with (
                open(self._path(key), "rb") as file,
                np.load(file, allow_pickle=False) as content,
            ):
                arrays = dict(content)
            seal = arrays.pop("seal").tobytes()
            return _from_arrays(arrays) if seal == self._seal(key, arrays) else None
        except Exception:  # zipfile, zlib and numpy say of damage what they like
            return None

    def save(self, key, fit):
        """Keep a fit under its key."""
        arrays = _to_arrays(fit)
        arrays["seal"] = np.frombuffer(self._seal(key, arrays), dtype=np.uint8)
        with written_whole(self._path(key)) as file:
            np.savez_compressed(file, **arrays)

    def _seal(self, key, arrays):
        """A hash of what was stored, for which fit, and of what it was made with."""
        return digest([self._made_with, key, arrays]).encode()

    def _path(self, key):
        return self.folder / f"{key[:40]}.npz"


def check_folder(store):
    """Raise unless it is None, or the path of a folder as text or a Path."""
    try:
        named = store is None or b"\0" not in os.fsencode(store) != b""
    except (TypeError, UnicodeEncodeError):
        named = False
    if not named or isinstance(store, bytes):
        raise ValueError(
            "store must be a folder, or a path where one can be made. Got "
            f"{in_one_line(store)[:200]}. Write store='comparison', or '.' for this folder."
        )


def _write(path, content):
    """Write a file as a whole; of two at a time the first one stays."""
    aside = path.with_name(f".{secrets.token_hex(8)}.part")
    aside.write_text(canonical_json(content), encoding="utf-8")
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


_PLAIN = ("error", "scores", "costs", "log_loss", "seed_churn", "fit_time", "score_time")
_PLAIN += ("n_rules", "n_features")
_ARRAYS = ("predictions", "by_class", "margins", "importances", "seed_importances")


def _to_arrays(fit, prefix=""):
    """Named arrays without objects; what is no array is JSON in one of bytes."""
    plain = {name: getattr(fit, name) for name in _PLAIN}
    plain["kept"] = [[kept.unit, kept.n_units] for kept in fit.kept]
    plain["controls"] = {
        name: control is not None for name, control in fit.controls.items()
    }
    arrays = {f"{prefix}plain": np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)}
    for position, kept in enumerate(fit.kept):
        arrays[f"{prefix}kept_{position}"] = kept.mask
    for name in _ARRAYS:
        if getattr(fit, name) is not None:
            arrays[f"{prefix}{name}"] = getattr(fit, name)
    for number, (_, control) in enumerate(fit.controls.items()):
        if control is not None:
            arrays |= _to_arrays(control, f"{prefix}control_{number}_")
    return arrays


def _from_arrays(arrays, prefix=""):
    plain = json.loads(arrays[f"{prefix}plain"].tobytes())
    kept = [
        KeptUnits(unit, n_units, arrays[f"{prefix}kept_{position}"])
        for position, (unit, n_units) in enumerate(plain.pop("kept"))
    ]
    controls = {
        name: _from_arrays(arrays, f"{prefix}control_{number}_") if defined else None
        for number, (name, defined) in enumerate(plain.pop("controls").items())
    }
    of_arrays = {name: arrays.get(f"{prefix}{name}") for name in _ARRAYS}
    known = {field.name for field in fields(FoldResult)}
    if not set(plain) <= known:
        raise ValueError("unknown fields")
    return FoldResult(**plain, **of_arrays, kept=kept, controls=controls)
