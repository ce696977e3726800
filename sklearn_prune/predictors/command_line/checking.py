"""Load a saved model, and compare its answers with those of the model that was saved."""

import json
import re

from .terminal import CommandError, plain, progress, say

_EXAMPLES = """\
examples:
  {prog} check model.skprune
  {prog} check model.skprune --json
"""


def add_check(commands, prog, reads="a .skprune file"):
    """Add the command to a parser, and return its own parser."""
    parser = commands.add_parser(
        "check",
        help="compare the answers of a file with those of its model",
        description="Load a file and predict its witness rows: synthetic rows that it\n"
        "holds, with the answers of the model that was saved. The exit status is 1 if\n"
        "a label differs.",
        epilog=_EXAMPLES.format(prog=prog),
    )
    parser.add_argument("model", metavar="MODEL", help=reads)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_max_bytes(parser)
    parser.set_defaults(run=lambda arguments: check_saved(arguments))
    return parser


def add_max_bytes(parser):
    """Add the option for large files."""
    parser.add_argument(
        "--max-bytes",
        metavar="N",
        type=int,
        default=2**30,
        help="what a .skprune file may unpack to (default: 2**30)",
    )


def check_saved(arguments):
    """Predict the witness rows of a file, print the result, and return the exit status."""
    from .. import DifferentAnswers

    path, found = arguments.model, {"model": arguments.model}
    with progress(f"Checking {path}"):
        try:
            model = load_file(path, arguments.max_bytes, verify=True)
            found |= {"equal": True, "result": model.verification_}
        except DifferentAnswers as error:
            found |= {"equal": False, "result": str(error)}
    return print_result(found, arguments.json)


def print_result(found, as_json):
    """Print what was found, and return the exit status.

    `found` has the names `model`, `equal` and `result`, a sentence, and may have
    `artefact` and `reasons`, a list of sentences.
    """
    if as_json:
        say(json.dumps(plain(found)))
    else:
        verdict = "passed" if found["equal"] else "FAILED"
        say(f"{found.get('artefact', found['model'])}: {verdict}. {found['result']}")
        for reason in found.get("reasons", ()):
            say(f"  {reason}")
    return 0 if found["equal"] else 1


def load_file(path, max_bytes, *, verify=False):
    """Load a .skprune file; errors name the option of the command line."""
    from .. import DifferentAnswers, LoadError, load

    try:
        return load(path, max_bytes=max_bytes, verify=verify)
    except DifferentAnswers:
        raise
    except LoadError as error:
        text = re.sub(
            r"write load\(path, max_bytes=([\d_]+)\)",
            lambda found: f"add --max-bytes {found[1].replace('_', '')}",
            str(error),
            flags=re.IGNORECASE,
        )
        raise CommandError(text) from error
