"""The command line: ``sklearn-prune``, or ``python -m sklearn_prune``."""

import csv
import os
import sys
from dataclasses import asdict

import sklearn_prune
from sklearn_prune.predictors import (
    CommandError,
    Parser,
    add_check,
    add_inspect,
    add_max_bytes,
    check_saved,
    kind_of,
    load_file,
    print_result,
    progress,
    run,
    say,
)

PROG = "sklearn-prune"
_EXAMPLES = f"""\
examples:
  {PROG} inspect model.joblib
  {PROG} compact model.joblib -o model.skprune --allow-pickle
  {PROG} check model.skprune
  {PROG} export model.skprune -o model.onnx
  {PROG} check model.skprune model.onnx

The exit status is 0, 1 if a check fails, 2 for wrong arguments and for files that cannot
be read. Each command has its own help: {PROG} inspect --help
"""
_COMPACT_EXAMPLES = f"""\
examples:
  {PROG} compact model.joblib -o model.skprune --allow-pickle
  {PROG} compact model.skprune -o mapped.skprune --no-compress
"""
_EXPORT_EXAMPLES = f"""\
examples:
  {PROG} export model.skprune -o model.onnx
  {PROG} export model.skprune -o model.onnx --dtype float32 --precision single
  {PROG} export model.skprune -o model.c
  {PROG} export model.skprune -o model.c --layout stream --leaf-bits 5
"""
_CHECK_EXAMPLES = f"""\
examples:
  {PROG} check model.skprune
  {PROG} check model.skprune model.onnx
  {PROG} check model.skprune model.c --data rows.csv
  {PROG} check model.joblib model.skprune --allow-pickle
"""
_FOR_C = ("optimize", "layout", "leaf_bits")
_FOR_ONNX = ("features", "dtype", "opset")


def main(argv=None):
    """Run a command.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit status: 0, 1 if a check fails, 2 for wrong arguments and for files that
        cannot be read.
    """
    parser = Parser(
        prog=PROG,
        description="Inspect, compact, export and check files of fitted models.",
        epilog=_EXAMPLES,
    )
    version = f"{PROG} {sklearn_prune.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_inspect(commands, PROG)
    _add_compact(commands)
    _add_export(commands)
    _add_check(commands)
    return run(parser, argv)


def _add_compact(commands):
    parser = commands.add_parser(
        "compact",
        help="write the small predictor of a fitted model to a .skprune file",
        description="Write the small predictor of a fitted model to a file that holds no\n"
        "code. It gives the same labels, and scores that are equal to rounding. An\n"
        "existing file is replaced.",
        epilog=_COMPACT_EXAMPLES,
    )
    _add_model(parser, "file", "FILE")
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="where to write"
    )
    parser.add_argument(
        "--no-compress", action="store_true", help="align the arrays, to map the file"
    )
    parser.add_argument(
        "--no-witness", action="store_true", help="leave out the rows that check predicts"
    )
    parser.set_defaults(run=_compact)


def _add_export(commands):
    parser = commands.add_parser(
        "export",
        help="write a fitted model as C code or as an ONNX graph",
        description="Write a fitted model as C code (OUT.c, and a header beside it) or as\n"
        "an ONNX graph. An existing file is replaced.",
        epilog=_EXPORT_EXAMPLES,
    )
    _add_model(parser, "file", "FILE")
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="where to write"
    )
    parser.add_argument(
        "--to", choices=("c", "onnx"), help="the format (default: by the suffix of OUT)"
    )
    parser.add_argument(
        "--precision",
        choices=("double", "single"),
        default="double",
        help="what is computed in (default: double)",
    )
    group = parser.add_argument_group("options of --to c")
    group.add_argument("--optimize", metavar="GOAL", help="speed (default) or size")
    group.add_argument("--layout", help="auto (default) or stream, for tiny models")
    group.add_argument("--leaf-bits", metavar="N", type=int, help="bits of a leaf code")
    group = parser.add_argument_group("options of --to onnx")
    group.add_argument("--opset", metavar="N", type=int, help="version of the operators")
    group.add_argument(
        "--dtype", choices=("float32", "float64"), help="of the inputs (default: float64)"
    )
    group.add_argument(
        "--features",
        metavar="N",
        type=int,
        help="number of input columns, where the model does not know it",
    )
    parser.set_defaults(run=_export)


def _add_check(commands):
    parser = add_check(commands, PROG, "a .skprune, pickle or joblib file")
    parser.description = (
        "Without an artefact, predict the witness rows of a .skprune file: synthetic rows\n"
        "with the answers of the model that was saved. With one, run the artefact and\n"
        "compare it with the model, on rows made of the model: an ONNX graph, C code\n"
        "(which is compiled), or a .skprune file. The exit status is 1 if one differs."
    )
    parser.epilog = _CHECK_EXAMPLES
    parser.add_argument(
        "artefact", metavar="ARTEFACT", nargs="?", help="an .onnx, .c or .skprune file"
    )
    parser.add_argument(
        "--data", metavar="ROWS", help=".npy or .csv file of further rows to compare"
    )
    _add_allow_pickle(parser)
    parser.set_defaults(run=_check)


def _add_model(parser, name, metavar):
    parser.add_argument(name, metavar=metavar, help="a .skprune, pickle or joblib file")
    _add_allow_pickle(parser)
    add_max_bytes(parser)


def _add_allow_pickle(parser):
    parser.add_argument(
        "--allow-pickle",
        action="store_true",
        help="read a pickle or joblib file, which runs the code that it holds",
    )


def _read_model(path, arguments):
    kind = kind_of(path)
    if kind == "saved model":
        with progress(f"Reading {path}"):
            return load_file(path, arguments.max_bytes)
    if kind != "pickle":
        raise CommandError(f"{path} is no .skprune, pickle or joblib file")
    if not arguments.allow_pickle:
        raise CommandError(
            f"{path} is a pickle, and reading it can run any code. If you trust whoever "
            f"wrote it, add --allow-pickle. To see what it imports: {PROG} inspect {path}"
        )
    say(f"{PROG}: warning: reading {path} runs the code that it holds", file=sys.stderr)
    import joblib

    try:
        with progress(f"Reading {path}"):
            return joblib.load(path)
    except Exception as error:  # whatever its code raises
        raise CommandError(f"{path}: {type(error).__name__}: {error}") from error


def _compact(arguments):
    model = _read_model(arguments.file, arguments)
    from sklearn_prune.persistence import save

    before = os.path.getsize(arguments.file)
    with progress(f"Writing {arguments.output}"):
        save(
            model,
            arguments.output,
            compress=not arguments.no_compress,
            witness=not arguments.no_witness,
        )
    after = os.path.getsize(arguments.output)
    say(f"{arguments.file}: {before:,} bytes")
    smaller = f", {before / after:.1f} times smaller" if after < before else ""
    say(f"{arguments.output}: {after:,} bytes{smaller}")
    return 0


def _export(arguments):
    path = arguments.output
    suffix = os.path.splitext(path)[1]
    target = arguments.to or {".c": "c", ".onnx": "onnx"}.get(suffix)
    if target is None:
        raise CommandError(f"--to must be c or onnx, or OUT end in .c or .onnx. Got {path}")
    for name in _FOR_ONNX if target == "c" else _FOR_C:
        if getattr(arguments, name) is not None:
            other = "onnx" if target == "c" else "c"
            raise CommandError(f"--{name.replace('_', '-')} is an option of --to {other}")
    model = _read_model(arguments.file, arguments)
    from sklearn_prune import persistence

    with progress(f"Writing {path}"):
        if target == "c":
            options = {name: getattr(arguments, name) for name in _FOR_C}
            options = {name: value for name, value in options.items() if value is not None}
            precision = {"double": "double", "single": "float"}[arguments.precision]
            persistence.to_c(model, path, precision=precision, **options)
            written = [path, f"{os.path.splitext(path)[0]}.h"]
        else:
            from sklearn_prune._atomic import written_whole

            types = _input_types(model, arguments.features, arguments.dtype)
            graph = persistence.to_onnx(
                model,
                initial_types=types,
                target_opset=arguments.opset,
                precision=arguments.precision,
            )
            with written_whole(path) as file:
                file.write(graph.SerializeToString())
            written = [path]
    for each in written:
        say(f"{each}: {os.path.getsize(each):,} bytes")
    return 0


def _kinds(compact, n_features):
    """Whether each column that a model reads holds texts."""
    from sklearn_prune.persistence.export import values_of

    return [
        any(isinstance(value, str) for value in own)
        for own in values_of(compact, n_features)
    ]


def _input_types(model, n_features, dtype):
    """Inputs of a graph, as `to_onnx` gets them: by the names and values of the fit."""
    from sklearn_prune._lazy import import_or_raise
    from sklearn_prune.persistence.export import reads_texts
    from sklearn_prune.weight_pruning import compact_form

    kinds = import_or_raise("skl2onnx.common.data_types", "export --to onnx", extra="onnx")
    number = {"float32": kinds.FloatTensorType, "float64": kinds.DoubleTensorType}
    number, text = number[dtype or "float64"], kinds.StringTensorType
    compact = compact_form(model, "to_onnx")
    if reads_texts(compact):
        return [("X", text([None]))]
    shape = getattr(compact, "input_shape_", None)
    n_features = getattr(compact, "n_features_in_", n_features)
    if n_features is None and shape is not None:
        return [("X", number([None, *shape]))]
    if n_features is None:
        raise CommandError("the model has no number of columns: add --features N")
    texts = _kinds(compact, n_features)
    names = getattr(compact, "feature_names_in_", None)
    if names is None:
        return [("X", (text if any(texts) else number)([None, n_features]))]
    return [
        (str(name), (text if own else number)([None, 1]))
        for name, own in zip(names, texts, strict=True)
    ]


def _check(arguments):
    path, artefact = arguments.model, arguments.artefact
    if artefact is None and arguments.data is not None:
        raise CommandError("--data needs an ARTEFACT to compare")
    if artefact is None and kind_of(path) == "pickle":
        raise CommandError(f"{path} holds no witness rows: name an ARTEFACT to compare")
    if artefact is None:
        return check_saved(arguments)
    if kind_of(artefact) not in ("saved model", "ONNX graph", "C code"):
        raise CommandError(f"{artefact} is no .skprune file, ONNX graph or C code of to_c")
    model = _read_model(path, arguments)
    from sklearn_prune.persistence import check_export

    rows = None if arguments.data is None else _read_rows(arguments.data, model)
    with progress(f"Checking {artefact}"):
        report = check_export(model, artefact, rows, on_fail="ignore")
    found = {"model": path, "artefact": artefact, "equal": report.equal}
    text = f"{report.n_rows:,} rows compared"
    if report.n_different:
        text = f"{report.n_different:,} of {report.n_rows:,} rows differ"
    if report.n_nodes:
        text += f", on both sides of {report.n_nodes:,} nodes"
    text += f", scores within {report.largest_difference:.2g}"
    text += f" (allowed: {report.tolerance:.2g})"
    found |= {"result": f"{text}."} | asdict(report)
    return print_result(found, arguments.json)


def _read_rows(path, model):
    """Rows of a file, as the model reads them."""
    import numpy as np

    from sklearn_prune.persistence.export import reads_texts
    from sklearn_prune.predictors import rows_of
    from sklearn_prune.weight_pruning import compact_form

    compact = compact_form(model, "check_export")
    names = getattr(compact, "feature_names_in_", None)
    if path.endswith(".npy"):
        try:
            rows = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise CommandError(f"{path}: {error}") from error
        return rows if names is None else rows_of(list(rows.T), names, False)
    if not path.endswith(".csv"):
        raise CommandError(f"--data must be an .npy or .csv file. Got {path}")
    header, rows = _read_csv(path)
    if reads_texts(compact):
        return [row[0] for row in rows]
    if names is not None and header is not None:
        missing = [name for name in names if name not in header]
        if missing:
            raise CommandError(f"{path} has no column {missing[0]!r}")
        places = [header.index(name) for name in names]
    else:
        places = range(len(rows[0]))
    texts = _kinds(compact, len(places))
    columns = [
        _column([row[place] for row in rows], is_text, f"{path}, column {place + 1}")
        for place, is_text in zip(places, texts, strict=True)
    ]
    return rows_of(columns, names, False)


def _read_csv(path):
    """Names of columns, or None if the first line holds numbers, and the other lines."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path}: {error}") from error
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise CommandError(f"{path} must have lines of equally many columns")
    try:
        [float(cell) for cell in rows[0]]
    except ValueError:
        header, *rows = rows
    else:
        header = None
    if not rows:
        raise CommandError(f"{path} has no rows")
    return header, rows


def _column(cells, is_text, where):
    """An array of the cells of a column; empty ones are missing values."""
    import numpy as np

    if is_text:
        return np.array([cell or np.nan for cell in cells], dtype=object)
    try:
        return np.array([float(cell or "nan") for cell in cells])
    except ValueError as error:
        raise CommandError(f"{where}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
