"""The jobs that `--runner slurm` submits: dask-jobqueue writes the script, and a worker in each runs cells.

Options are those of dask_jobqueue.SLURMCluster, by `--cluster key=value` or in Dask's own configuration
(jobqueue.slurm in ~/.config/dask).
"""

import difflib
import inspect
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from pipeline.files import InputError

OURS = {"cores": 1, "processes": 1}


def cluster_options(texts: tuple[str, ...]) -> dict[str, Any]:
    """Arguments of SLURMCluster. A value in brackets is a list, a whole number a number, all else text.

    Raises InputError for an option that the cluster does not have or that is ours, and where no memory is
    named.
    """
    from dask import config
    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

    kinds = (SLURMJob, Job, JobQueueCluster)
    known = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters}
    known -= {"self", "base_class_kwargs", "job_kwargs", "scheduler", "job_cls", "n_workers", "asynchronous"}
    options: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not value:
            raise InputError(f"--cluster {text}: an option is key=value")
        if key in OURS:
            raise InputError(
                f"--cluster {key}: a worker takes one cell at a time; job_cpu says how many processors"
            )
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise InputError(
                f"--cluster {key}: no such option{f'; did you mean `{near[0]}`?' if near else ''}"
            )
        options[key] = _value(key, value)
    if not options.get("memory") and not config.get("jobqueue.slurm.memory", None):
        raise InputError("--cluster memory=16GB: a Slurm job needs it, here or in Dask's configuration")
    logs = {"log_directory": str(Path(".sweeps/slurm").resolve())}
    return OURS | logs | options


def check(options: dict[str, Any]) -> None:
    """Ask Slurm whether it would take such a job: Dask would wait for ever for a job that was refused.

    Raises InputError with Slurm's own line.
    """
    from dask_jobqueue.slurm import SLURMCluster

    if shutil.which("sbatch") is None:
        raise InputError("--runner slurm: there is no sbatch here; start the sweep where jobs are submitted")
    cluster: Any = SLURMCluster(**options)
    with cluster, tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(cluster.job_script())
        file.flush()
        done = subprocess.run(["sbatch", "--test-only", file.name], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"--runner slurm: {(done.stderr.strip().splitlines() or ['sbatch failed'])[-1]}")


def _value(key: str, text: str) -> Any:
    if text.startswith("["):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--cluster {key}: {text} is not a list") from None
    return int(text) if text.isdigit() else text
