"""``python -m sklearn_prune_runtime``: inspect files, and check saved models."""

import sys

from . import Parser, add_check, add_inspect, run

PROG = f"python -m {__package__}"


def main(argv=None):
    """Run a command and return the exit status."""
    parser = Parser(prog=PROG, description="Inspect and check files of sklearn-prune.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_inspect(commands, PROG)
    add_check(commands, PROG)
    return run(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
