"""What is inside a file: a saved model, a pickle, an ONNX graph or C code.

Nothing of the file runs, and no model is built.
"""

import json
import os
import re

from .pickles import NotAPickle, is_pickle, is_usual, read_pickle
from .terminal import CommandError, escaped, plain, progress, say, sha256_of_path

_MOST_BYTES = 1 << 28  # of a header of C
_N_SHOWN = 12  # entries of a list that are printed
_WIDTH = 300  # characters of a value that are printed
_EXAMPLES = """\
examples:
  {prog} inspect model.skprune
  {prog} inspect model.joblib         what it would import, without importing it
  {prog} inspect model.skprune --json
"""


def add_inspect(commands, prog):
    """Add the command to a parser."""
    parser = commands.add_parser(
        "inspect",
        help="say what is in a file, without running any of it",
        description="Say what is in a file: a model that sklearn-prune saved, a pickle or\n"
        "joblib file, an ONNX graph, or C code of to_c. Nothing of the file runs.\n"
        "Globals of a pickle that are outside of numpy, scikit-learn and sklearn-prune\n"
        "have a '!' before them. A list without any is no proof that the file is safe.",
        epilog=_EXAMPLES.format(prog=prog),
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON, nothing cut")
    parser.set_defaults(run=_inspect)


def _inspect(arguments):
    path = arguments.file
    kind = kind_of(path)
    if kind is None:
        raise CommandError(
            f"{path} is no .skprune file, pickle, joblib file, ONNX graph or C code of to_c"
        )
    sha256, n_bytes = sha256_of_path(path)
    facts = {"file": path, "kind": kind, "bytes": n_bytes, "sha256": sha256}
    facts |= {
        name: value
        for name, value in _READERS[kind](path).items()
        if value not in (None, "", [], {}, 0)
    }
    if arguments.json:
        say(json.dumps(facts, allow_nan=False))
    else:
        _print(facts)
    return 0


def kind_of(path):
    """What a file is by its first bytes: one of `_READERS`, or None."""
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(b"PK"):
        return "saved model"
    if head.startswith(b"/*"):
        return "C code"
    if head.startswith(b"\x08") or (head and os.fspath(path).endswith(".onnx")):
        return "ONNX graph"
    return "pickle" if is_pickle(path) else None


def _saved_model(path):
    from .. import describe

    return {name: plain(value) for name, value in describe(path).items()}


def _pickle(path):
    try:
        with progress(f"Following the opcodes of {path}"):
            content = read_pickle(path)
    except NotAPickle as error:
        raise CommandError(f"{path} cannot be read as a pickle: {error}") from error
    names = sorted(content.globals, key=lambda key: (is_usual(*key), key))
    return {
        "kind": "joblib file" if content.by_joblib else "pickle",
        "compression": content.compression,
        "protocol": content.protocol,
        "pickles": content.n_pickles if content.n_pickles > 1 else None,
        "ends_in_other_bytes": content.trailing or None,
        "array_bytes": content.array_bytes,
        "persistent_references": content.n_persistent,
        "globals": [
            {"module": module, "name": name, "outside": not is_usual(module, name)}
            for module, name in names
        ],
    }


def _onnx_graph(path):
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportError(
            "inspect needs onnx for ONNX graphs. Type: pip install onnx"
        ) from error
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise CommandError(f"{path} is no ONNX graph: {error}") from error

    def tensors(values):
        kind = onnx.TensorProto.DataType
        for value in values:
            tensor = value.type.tensor_type
            dims = [dim.dim_param or dim.dim_value or "n" for dim in tensor.shape.dim]
            shape = ", ".join(map(str, dims))
            yield f"{value.name}: {kind.Name(tensor.elem_type).lower()} ({shape})"

    metadata = {each.key: each.value for each in model.metadata_props}
    n_witness_rows = _n_witness_rows(metadata.get("witness_rows"))
    if n_witness_rows:
        del metadata["witness_rows"]
    return {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "ir_version": model.ir_version,
        "opsets": {each.domain or "ai.onnx": each.version for each in model.opset_import},
        "inputs": list(tensors(model.graph.input)),
        "outputs": list(tensors(model.graph.output)),
        "nodes": len(model.graph.node),
        "witness_rows": n_witness_rows,
        "metadata": metadata,
    }


def _n_witness_rows(text):
    """Number of the rows that to_onnx writes into the metadata of a graph."""
    try:
        return len(next(iter(json.loads(text)["inputs"].values()))["values"])
    except (AttributeError, KeyError, RecursionError, StopIteration, TypeError, ValueError):
        return 0


_DEFINED = re.compile(r"#define \w+?_(N_\w+) (\d+)")


def _c_code(path):
    """From the header, which stands beside the code."""
    header = f"{os.path.splitext(path)[0]}.h"
    with open(header if os.path.exists(header) else path, encoding="utf-8") as file:
        text = file.read(_MOST_BYTES)
    comment = text.partition("*/")[0]
    version = re.search(r"sklearn-prune (\d\S*)", comment)
    if version is None:
        raise CommandError(f"{path} was not written by to_c, or its header is missing")
    digest = re.search(r"\b[0-9a-f]{64}\b", comment)
    facts = {"writer": version[1].rstrip(",.;"), "model_sha256": digest and digest[0]}
    types = re.search(r"typedef (\w+) (\w+)_input;", text)
    if types is not None:
        facts |= {"name": types[2], "reads": types[1]}
    facts |= {name.lower(): int(number) for name, number in _DEFINED.findall(text)}
    facts["functions"] = re.findall(r"^\w+ (\w+\([^()\n]*\));", text, re.MULTILINE)
    return facts


_READERS = {
    "saved model": _saved_model,
    "pickle": _pickle,
    "ONNX graph": _onnx_graph,
    "C code": _c_code,
}


def _print(facts):
    """One line for each fact; lists of parts below it."""
    for name, value in facts.items():
        label = f"{name.removeprefix('n_').replace('_', ' '):<21} "
        if name == "globals":
            say(f"{label}{len(value)}")
            for each in value:
                mark = "!" if each["outside"] else " "
                say(f"  {mark} {each['module']} {each['name']}")
        elif name == "parts":
            say(label.rstrip())
            for each in value:
                say(f"  {each['bytes']:>14,}  {_cut(each['part'])}")
        elif name == "metadata" and facts["kind"] == "ONNX graph":
            say(label.rstrip())
            for key, text in value.items():
                say(f"    {_cut(key)}: {_cut(text)}")
        else:
            say(f"{label}{_text(value)}")


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        few = [_cut(str(each)) for each in value[:_N_SHOWN]]
        more = f", ... ({len(value):,} in all)" if len(value) > _N_SHOWN else ""
        return ", ".join(few) + more
    if isinstance(value, dict):
        return _cut(json.dumps(value, ensure_ascii=False))
    return _cut(str(value))


def _cut(text):
    text = escaped(text)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
