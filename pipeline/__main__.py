"""`python -m pipeline COMMAND`: one module per command, imported only when it is the one asked for."""

import argparse
import importlib
import sys
from importlib.util import find_spec

from pipeline import exits
from pipeline.files import InputError

# Command -> what it does. pipeline/orchestration/commands/COMMAND.py has add_arguments(parser) and
# main(arguments) -> exit status.
COMMANDS = {
    "run": "the pipeline once, stage by stage",
    "result": "the accuracies and the verdict of the last run, and where its report is",
    "sweep": "a grid or a search over params, as experiments",
    "embed-images": "features of the trained encoder for a folder of images",
    "export": "the trained encoder as a folder for model hubs, with ONNX",
    "dashboard": "start the page that shows runs and sweeps",
    "seeds": "compare settings over the seeds that they share",
    "study": "train a row of the published study again, and compare",
    "preset": "print a preset as flags of `dvc exp run`",
    "verify": "whether outputs, cache and states of training are whole",
}


COMPLETION = "--print-completion"
SHELLS = ("bash", "zsh")


def main() -> int:
    completion = COMPLETION in sys.argv[1:2]
    parser = argparse.ArgumentParser(prog="python -m pipeline", description="Runs and sweeps.")
    parser.add_argument(
        COMPLETION, choices=SHELLS, help='define the command sparsejepa, with completion: eval "$(...)"'
    )
    commands = parser.add_subparsers(dest="command", required=not completion, metavar="COMMAND")
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    command = None
    for name, text in COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == asked or completion:
            command = importlib.import_module(f"pipeline.orchestration.commands.{name.replace('-', '_')}")
            command.add_arguments(subparser)
    arguments = parser.parse_args()

    def work() -> int:
        if completion:
            print(completion_script(parser, arguments.print_completion))
            return 0
        assert command is not None
        return command.main(arguments)

    return exits.run(work, "the same command continues")


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What a shell evaluates: the function `sparsejepa`, as no shell completes the words after `python -m`.

    Raises InputError without shtab.
    """
    if find_spec("shtab") is None:
        raise InputError(f"{COMPLETION}: needs shtab: uv pip install shtab")
    import shtab

    parser.prog = "sparsejepa"
    function = 'sparsejepa() { python -m pipeline "$@"; }'
    return f"{shtab.complete(parser, shell)}\n{function}"


if __name__ == "__main__":
    sys.exit(main())
