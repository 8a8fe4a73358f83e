"""The task runners a sweep can use: threads of this machine, a Dask or a Ray cluster, jobs of Slurm."""

import os
from importlib.util import find_spec
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline.files import InputError
from pipeline.orchestration.processes.devices import cores
from pipeline.orchestration.sweeps.sweep import Request


def runner(request: Request, jobs: int) -> TaskRunner[Any]:
    """A runner to enter. Without an address Dask and Ray start `jobs` workers on this machine.

    Raises InputError where the runner's package is not installed.
    """
    name, address = request.runner, request.address
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=jobs)
    if name == "slurm":
        return _slurm(request.cluster, jobs)
    if find_spec(f"prefect_{name}") is None:
        raise InputError(f"--runner {name}: needs prefect-{name}: uv pip install 'prefect-{name}'")
    if address is None:  # workers on this machine inherit it
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // jobs)))
    if name == "dask":
        from prefect_dask.task_runners import DaskTaskRunner

        if address:
            return DaskTaskRunner(address=address)
        return DaskTaskRunner(
            cluster_kwargs={"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
        )
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")  # 30 are too few on a busy machine
    os.environ.setdefault("RAY_agent_register_timeout_ms", "300000")
    from prefect_ray.task_runners import RayTaskRunner  # Ray reads these when it is imported

    if address:
        return RayTaskRunner(address=address)
    return RayTaskRunner(init_kwargs={"num_cpus": jobs, "include_dashboard": False, "logging_level": "ERROR"})


def _slurm(options: tuple[str, ...], jobs: int) -> TaskRunner[Any]:
    """Dask workers, each a job of Slurm that takes one cell at a time."""
    for module, package in (("prefect_dask", "prefect-dask"), ("dask_jobqueue", "dask-jobqueue")):
        if find_spec(module) is None:
            raise InputError(f"--runner slurm: needs {package}: uv pip install {package}")
    from prefect_dask.task_runners import DaskTaskRunner

    from pipeline.orchestration.prefect.slurm import check, cluster_options

    cluster = cluster_options(options)
    check(cluster)
    return DaskTaskRunner(
        cluster_class="dask_jobqueue.SLURMCluster", cluster_kwargs=cluster | {"n_workers": jobs}
    )
