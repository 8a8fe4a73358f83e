"""`python -m pipeline COMMAND`: one module per command, imported only when it is the one asked for."""

import argparse
import importlib
import sys

from pipeline.files import InputError

# command -> (module with add_arguments(parser) and main(arguments) -> exit status, what it does)
COMMANDS = {
    "run": (
        "pipeline.orchestration.commands.run",
        "the pipeline once, stage by stage",
    ),
    "sweep": (
        "pipeline.orchestration.sweeps.sweep",
        "a grid of lambda, groups and seeds, as experiments",
    ),
    "dashboard": ("pipeline.orchestration.prefect.dashboard", "start the page that shows runs and sweeps"),
    "seeds": ("pipeline.orchestration.commands.seeds", "compare settings over the seeds that they share"),
    "preset": ("pipeline.orchestration.commands.preset", "print a preset as flags of `dvc exp run`"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description="Runs and sweeps.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    command = None
    for name, (module, text) in COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == asked:
            command = importlib.import_module(module)
            command.add_arguments(subparser)
    arguments = parser.parse_args()
    assert command is not None
    try:
        return command.main(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("error: stopped; the same command continues", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
