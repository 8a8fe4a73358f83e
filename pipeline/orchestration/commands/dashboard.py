"""`python -m pipeline dashboard`: the Prefect server that shows runs and sweeps."""

import argparse
from pathlib import Path

from pipeline.orchestration.prefect import server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=4200)
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 lets other machines in, who have the token that it shows"
    )


def main(arguments: argparse.Namespace) -> int:
    """Raises InputError where the host is none, the port is taken or the server does not start."""
    root = Path.cwd()
    if (url := server.running(root)) is not None:
        print(f"dashboard: already up at {server.page(url)}")
        return 0
    return server.serve(root, arguments.host, arguments.port)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 1 to 65535, got {number}")
    return number


_port.__name__ = "port"  # argparse names it: invalid port value: 'x'
