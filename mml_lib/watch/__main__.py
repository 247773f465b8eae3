"""Serve a page about a project while its study runs: `python -m mml_lib.watch demo`. Nothing is written."""

import argparse
import secrets
import sys

from mml_lib.deployment.access import open_project
from mml_lib.errors import MMLError
from mml_lib.watch.page_server import DEFAULT_PORT, open_server
from mml_lib.watch.project_view import ProjectView


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; write a number from 0 (any free port) to 65535")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m mml_lib.watch",
        description="Show a project in a browser while its study runs: steps, curves, results so far, logs.",
    )
    parser.add_argument("project", help="name of a project below the results root, or its folder (with a slash)")
    parser.add_argument("--results", help="results root; default: MML_RESULTS_PATH, or ./results")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help=f"default: {DEFAULT_PORT}; 0: any free port")
    options = parser.parse_args(arguments)
    try:
        with open_project(options.project, options.results) as fm:
            server = open_server(ProjectView(fm), options.port, secrets.token_urlsafe(12))
            print(f"project {fm.proj_path}: {server.address}", flush=True)
            print("open this address in a browser on this machine; Ctrl-C ends the server", flush=True)
            with server:
                server.serve_forever()
    except MMLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
