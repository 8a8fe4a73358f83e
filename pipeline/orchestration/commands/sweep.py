"""`python -m pipeline sweep`: a grid of experiments; the same command again does what is not done."""

import argparse
from collections.abc import Callable
from pathlib import Path

from pipeline.files import InputError
from pipeline.orchestration.prefect import server
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps.grid import Grid
from pipeline.orchestration.sweeps.sweep import (
    RUNNERS,
    Request,
    Sweep,
    exclusive,
    finish,
    num_jobs,
    open_sweep,
    run_cells,
)
from pipeline.orchestration.sweeps.threads import in_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lambda", dest="lambdas", type=_list(float), default=(), metavar="0,0.01,0.1")
    parser.add_argument("--groups", type=_list(int), default=(), metavar="4,8,16")
    parser.add_argument("--seeds", type=_list(int), default=(), metavar="0,1,2")
    parser.add_argument(
        "--grid",
        dest="more",
        action="append",
        default=[],
        metavar="section.key=a,b,c",
        help="one more axis, of any param; may be repeated",
    )
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--preset", help="a file of presets/ without .yaml")
    parser.add_argument("--name", default="sweep", help="of the sweep; begins the experiments' names")
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=0,
        help="cells at a time; more than GPUs share them (default: one per GPU, or one)",
    )
    parser.add_argument(
        "--together",
        type=_positive,
        default=0,
        metavar="N",
        help="pretrain up to N cells in one process, for a GPU",
    )
    parser.add_argument(
        "--optuna",
        type=_positive,
        default=0,
        metavar="N",
        help="Optuna chooses N points of the axes and ranges, by --objective",
    )
    parser.add_argument(
        "--objective", metavar="METRIC", help="a number of reports/metrics/summary.json, on validation images"
    )
    parser.add_argument(
        "--range",
        dest="ranges",
        action="append",
        default=[],
        metavar="section.key=lo:hi[:log]",
        help="numbers that Optuna draws from; may be repeated",
    )
    parser.add_argument("--runner", choices=RUNNERS, default="threads")
    parser.add_argument("--address", help="dask, ray: of the cluster; without it one is started here")
    parser.add_argument(
        "--cluster",
        action="append",
        default=[],
        metavar="key=value",
        help="slurm: of its jobs, such as queue=gpu, walltime=04:00:00, memory=16GB, job_cpu=8",
    )
    parser.add_argument("--git", metavar="URL", help="what cells clone and push to; default: this repository")
    parser.add_argument("--remote", metavar="NAME", help="DVC remote through which machines share the cache")
    parser.add_argument("--dry-run", action="store_true", help="print the cells and which are done")


def main(arguments: argparse.Namespace) -> int:
    """Raises InputError or ParamsError before the first cell starts; what fails later is in the tables."""
    request = request_of(arguments)
    root = Path.cwd()
    sweep = open_sweep(request, root)
    if arguments.dry_run:
        print_plan(sweep)
        return 0
    if sweep.finished():
        return finish(sweep)
    if server.connect(root) is not None:
        from pipeline.orchestration.prefect import sweep_flow

        return sweep_flow.run(request)
    if request.runner != "threads":
        raise InputError(
            f"--runner {request.runner}: needs the dashboard, at an address that its workers reach"
        )
    with exclusive(sweep), terminated():
        run_cells(sweep, in_threads(num_jobs(request)))
    return finish(sweep)


def request_of(arguments: argparse.Namespace) -> Request:
    return Request(
        name=arguments.name,
        grid=Grid(
            arguments.lambdas,
            arguments.groups,
            arguments.seeds,
            tuple(arguments.settings),
            arguments.preset,
            tuple(arguments.more),
            tuple(arguments.ranges),
        ),
        jobs=arguments.jobs,
        runner=arguments.runner,
        address=arguments.address,
        git=arguments.git,
        remote=arguments.remote,
        together=arguments.together,
        optuna=arguments.optuna,
        objective=arguments.objective,
        cluster=tuple(arguments.cluster),
    )


def print_plan(sweep: Sweep) -> None:
    """The cells, and which are done."""
    for cell in sweep.cells:
        print(f"{'done   ' if cell.name in sweep.done else 'to run '} {cell.title}  {cell.name}")
    print(f"sweep {sweep.request.name}: {len(sweep.cells)} cells, {len(sweep.waiting())} to run")
    if sweep.study:
        print(f"sweep {sweep.request.name}: {sweep.study.summary()}")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


_positive.__name__ = "number"  # argparse names it: invalid number value: 'x'


def _list(kind: type) -> Callable[[str], tuple]:
    def parse(text: str) -> tuple:
        return tuple(kind(part) for part in text.split(",") if part.strip())

    parse.__name__ = f"list of {kind.__name__}"
    return parse
