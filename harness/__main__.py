"""`python -m harness` and the `harness` command."""

import sys

from harness.cli import main as cli_main


def main() -> None:
    """Runs the command line."""
    sys.exit(cli_main(sys.argv[1:]))


if __name__ == "__main__":
    main()
