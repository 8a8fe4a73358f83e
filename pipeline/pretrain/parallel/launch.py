"""A stage that starts itself several times under torchrun, and one line for how they ended.

torchrun reports a failure with a page of text. Here its engine (torch.distributed.launcher) runs the
processes and keeps their standard errors apart, so that one line can quote the process that failed first.
"""

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files import InputError
from pipeline.params import Params
from pipeline.pretrain.parallel.ranks import check_world_size, started_by_torchrun

Main = Callable[[Params, Path], None]
NAMED = "error: "  # how a stage begins the line for a mistake that has a name
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class RankError(InputError):
    """Why the processes ended, with the exit status of the one that failed first."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def distributed(main: Main, module: str) -> Main:
    """`main` itself, or a function that starts runtime.processes processes if there are to be several and
    torchrun has not started them.

    Each is `python -m module` in the working folder, whose params.yaml it reads.
    """

    def start(params: Params, root: Path) -> None:
        if params.runtime.processes == 1 or started_by_torchrun():
            main(params, root)
        else:
            check_world_size(params, params.runtime.processes)
            launch(["-m", module], params.runtime.processes)

    return start


def launch(arguments: list[str], world_size: int) -> None:
    """Run `world_size` times `python <arguments>` as torchrun --standalone does, and wait for all.

    Standard output is the first process's; so is standard error, shown at the end. A signal is passed on to
    all. Raises RankError where one fails, after the others were stopped.
    """
    # Imported here: it takes a second that a single process need not wait for.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with tempfile.TemporaryDirectory(prefix="ranks.") as folder, _quiet_torchrun():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=world_size,
            run_id="ranks",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(
                log_dir=folder,
                redirects={rank: Std.ALL if rank else Std.ERR for rank in range(world_size)},
            ),
        )
        try:
            elastic_launch(config, sys.executable)(*arguments)
        except ChildFailedError as error:
            statuses = {rank: failure.exitcode for rank, failure in error.failures.items()}
            raise explain_failure(statuses, _standard_errors(Path(folder)), world_size) from None
        except SignalException as error:
            raise _stop_error(_standard_errors(Path(folder)), error.sigval) from None
        sys.stderr.write(_standard_errors(Path(folder)).get(0, ""))


def explain_failure(statuses: dict[int, int], errors: dict[int, str], world_size: int) -> RankError:
    """The one line for processes that ended with `statuses` (-n: by signal n) and wrote `errors`.

    The cause is looked for in this order: a mistake that has a name; a process that was killed; a traceback,
    shown whole; a stop. The later ones are often a consequence of the earlier: a process that loses another
    fails too, and the rest is told to stop.
    """
    lines = {rank: errors.get(rank, "").strip().rpartition("\n")[2] for rank in statuses}
    named = {rank for rank, line in lines.items() if line.startswith(NAMED)}
    stopped = {rank for rank in statuses if statuses[rank] in STOPPED or statuses[rank] == -signal.SIGTERM}
    for rank in sorted(named - stopped):
        return RankError(lines[rank].removeprefix(NAMED), statuses[rank])
    for rank in sorted(set(statuses) - stopped):
        if statuses[rank] < 0:
            name = signal.Signals(-statuses[rank]).name
            return RankError(
                f"process {rank} of {world_size} was killed by {name}"
                f"{' (out of memory?)' if name == 'SIGKILL' else ''}; the others were stopped; "
                "the same command continues from the last state",
                1,
            )
    for rank in sorted(set(statuses) - stopped):
        sys.stderr.write(errors.get(rank, ""))
        return RankError(f"process {rank} of {world_size} failed with exit status {statuses[rank]}", 1)
    return _stop_error({rank: errors.get(rank, "") for rank in named}, signal.SIGTERM)


def _stop_error(errors: dict[int, str], number: int) -> RankError:
    """The line of the lowest rank that printed one when it was stopped: it says where the state is."""
    for _, text in sorted(errors.items()):
        line = text.strip().rpartition("\n")[2]
        if line.startswith(NAMED):
            return RankError(line.removeprefix(NAMED), 128 + number)
    return RankError(f"stopped by {signal.Signals(number).name}; nothing half-written was kept", 128 + number)


def _standard_errors(folder: Path) -> dict[int, str]:
    """What each process wrote on standard error."""
    return {int(path.parent.name): path.read_text() for path in folder.glob("*/*/*/stderr.log")}


@contextmanager
def _quiet_torchrun() -> Iterator[None]:
    """Without torchrun's own log, which repeats failures at length, and without its signal handlers after."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.getsignal(number) for number in numbers}
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
