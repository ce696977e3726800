"""Faults planted into exported models: a threshold, a label, the way of missing values."""

import re
from copy import copy
from dataclasses import replace

import numpy as np

from sklearn_prune import compact
from sklearn_prune.persistence import save, to_c, to_onnx
from sklearn_prune.predictors import FlatTrees


class AsFile:
    """A file of `save`, made again from other trees, so that its digest is right.

    `thresholds` are those of the places at which faults are planted, here of the nodes.
    """

    def __init__(self, model, rows, folder):
        self.folder, self.compact = folder, compact(model)
        self.arrays = self.compact.trees_.to_arrays()
        inner = np.flatnonzero(self.arrays.left >= 0)
        self.places = inner[self.arrays.category[inner] < 0]
        self.thresholds = self.arrays.threshold[self.places]

    def _saved(self, predictor):
        path = self.folder / "fault.skprune"
        save(predictor, path)
        return path

    def _with(self, **arrays):
        trees, other = self.compact.trees_, copy(self.compact)
        other.trees_ = FlatTrees.build(
            replace(self.arrays, **arrays),
            trees.n_features,
            exact_float64_thresholds=trees.dtype == np.float64,
            n_outputs=trees.n_outputs,
            output_column=trees.output_column,
            category_sets=trees.columns.category_sets(),
        )
        return self._saved(other)

    def whole(self):
        return self._with()

    def moved(self, place, to):
        threshold = self.arrays.threshold.copy()
        at = self.places[place]
        kind = self.compact.trees_.dtype.type
        threshold[at] = np.nextafter(kind(threshold[at]), kind(to))
        return self._with(threshold=threshold)

    def missing_elsewhere(self, place):
        missing = self.arrays.missing.copy()
        missing[self.places[place]] = 1 - missing[self.places[place]]
        return self._with(missing=missing)

    def labels_swapped(self):
        other = copy(self.compact)
        other.classes_ = other.classes_[[1, 0, *range(2, len(other.classes_))]]
        return self._saved(other)


class AsGraph:
    """An ONNX graph."""

    def __init__(self, model, rows, folder):
        self.graph = to_onnx(model, rows[:1])
        self.thresholds = self._attribute(self.graph, "nodes_splits")[1]

    def _attribute(self, graph, name):
        from onnx import numpy_helper

        node = next(node for node in graph.graph.node if node.op_type == "TreeEnsemble")
        found = next((part for part in node.attribute if part.name == name), None)
        if found is None or found.ints:
            return found, np.array(found.ints if found else [0])
        return found, numpy_helper.to_array(found.t)

    def whole(self):
        other = type(self.graph)()
        other.CopyFrom(self.graph)
        return other

    def moved(self, place, to):
        from onnx import numpy_helper

        other = self.whole()
        attribute, values = self._attribute(other, "nodes_splits")
        values = values.copy()
        values[place] = np.nextafter(values[place], values.dtype.type(to))
        attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
        return other

    def missing_elsewhere(self, place):
        other = self.whole()
        attribute, values = self._attribute(other, "nodes_missing_value_tracks_true")
        values[place] = 1 - values[place]
        attribute.ints[:] = values.tolist()
        return other

    def labels_swapped(self):
        other = self.whole()
        for tensor in other.graph.initializer:
            if tensor.string_data:
                tensor.string_data[:] = [
                    *tensor.string_data[1::-1],
                    *tensor.string_data[2:],
                ]
        return other


class AsSource:
    """C source; its places are the different thresholds of the columns."""

    def __init__(self, model, rows, folder):
        self.path = folder / "model.c"
        to_c(model, self.path, layout="arrays")
        self.text = self.path.read_text()
        self.thresholds = self._table("edge")[1]

    def _table(self, name):
        """Where the items of an array stand in the text, and their values."""
        start, end = re.search(rf" {name}\[\d+\] = {{([^}}]*)}}", self.text).span(1)
        items = [item.strip() for item in self.text[start:end].split(",") if item.strip()]
        if name == "edge":
            self.single = items[0].endswith("f")
            items = [item.removesuffix("f").replace("INFINITY", "inf") for item in items]
            return (start, end), np.array(items, dtype=np.float32 if self.single else float)
        return (start, end), items

    def _with(self, name, items):
        (start, end), _ = self._table(name)
        text = f"{self.text[:start]}{','.join(map(str, items))}{self.text[end:]}"
        self.path.write_text(text)
        return self.path

    def whole(self):
        self.path.write_text(self.text)
        return self.path

    def moved(self, place, to):
        _, values = self._table("edge")
        values[place] = np.nextafter(values[place], values.dtype.type(to))
        end = "f" if self.single else ""
        texts = [f"{value:.17e}{end}".replace(f"inf{end}", "INFINITY") for value in values]
        return self._with("edge", texts)

    def missing_elsewhere(self, place):
        _, kinds = self._table("kind")
        kinds[place] = 1 - int(kinds[place])
        return self._with("kind", kinds)

    def labels_swapped(self):
        _, labels = self._table("model_labels")
        return self._with("model_labels", [labels[1], labels[0], *labels[2:]])


FORMATS = {"file": AsFile, "graph": AsGraph, "source": AsSource}
