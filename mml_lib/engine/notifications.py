"""Notifications: messages at the end of a run to the services of a study.

The Apprise URL of a service, such as `mailto://…` or `slack://…`, contains secrets. A study therefore names environment
variables, and MML writes their values to no file.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from mml_lib.errors import MMLError

TIMEOUT = 20.0
"""Seconds to wait for a service."""


def check_services(variables: Sequence[str]) -> None:
    """Refuse services that no message can be sent to.

    Args:
        variables: names of environment variables with the URLs of services.

    Raises:
        MMLError: a variable is not set, or Apprise is missing.
    """
    if variables and find_spec("apprise") is None:
        raise MMLError("notify: the package apprise is missing; install mml[notify]")
    for name in variables:
        if not os.environ.get(name):
            raise MMLError(f"notify: the environment variable {name} is not set; export it, or leave it out")


def send(variables: Sequence[str], title: str, text: str, timeout: float = TIMEOUT) -> list[str]:
    """Send a message to services, each in a separate process, and return an error line for each that failed.

    Args:
        variables: names of environment variables with the URLs of services.
        title: title of the message.
        text: its text.
        timeout: seconds to wait for a service.
    """
    problems = []
    for name in variables:
        command = [sys.executable, "-m", "mml_lib.engine.notifications", name, title]
        try:
            answer = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            problems.append(f"notify: the service of {name} has not answered within {timeout:g} seconds")
            continue
        if answer.returncode:
            problems.append(f"notify: the service of {name} took no message; check its URL and the connection")
    return problems


def title_of_run(project: str, modes: Sequence[str], succeeded: bool) -> str:
    """Return the title of the message about a run."""
    mode = f", mode {', '.join(modes)}" if modes else ""
    return f"study {project}{mode} {'has finished' if succeeded else 'has failed'} on {socket.gethostname()}"


def _main(name: str, title: str) -> int:
    """Send the text of the standard input to the service of a variable."""
    import apprise

    service = apprise.Apprise()
    return 0 if service.add(os.environ[name]) and service.notify(title=title, body=sys.stdin.read()) else 1


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
