"""`--runner slurm`: the job script that dask-jobqueue writes of our options, and a sweep on a stand-in.

The stand-in is two commands, sbatch and scancel, which start and end the submitted script on this machine.
"""

import os
import sys
from pathlib import Path

import pytest

from pipeline.files import InputError
from tests.orchestration.mini_project import pipeline
from tests.orchestration.prefect.test_dashboard import project as project
from tests.orchestration.sweeps.test_sweep import experiments

jobqueue = pytest.importorskip("dask_jobqueue")
slurm = pytest.importorskip("pipeline.orchestration.prefect.slurm")

SBATCH = """#!{shell}
folder={folder}
if [ "$1" = --test-only ]; then
  grep -q "SBATCH -p none" "$2" && echo "sbatch: error: invalid partition specified: none" >&2 && exit 1
  exit 0
fi
cp "$1" "$folder/script-$$"
setsid bash "$folder/script-$$" > "$folder/job-$$.out" 2>&1 &
echo $! > "$folder/pid-$$"
echo "Submitted batch job $$"
"""
SCANCEL = """#!{shell}
kill -TERM -- -$(cat {folder}/pid-$1)
echo $1 >> {folder}/cancelled
"""
OPTIONS = ("queue=gpu", "walltime=04:00:00", "memory=2GB", "job_cpu=8", "account=vision")


def test_the_job_script_asks_for_what_was_named_and_starts_a_worker_of_one_cell_at_a_time(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = slurm.cluster_options((*OPTIONS, "job_extra_directives=['--gres=gpu:1']"))
    with jobqueue.SLURMCluster(**options) as cluster:
        script = cluster.job_script()
    wanted = ("-p gpu", "-A vision", "-t 04:00:00", "--cpus-per-task=8", "--mem=2G", "--gres=gpu:1")
    for line in wanted:
        assert f"#SBATCH {line}\n" in script
    assert f"{sys.executable} -m distributed.cli.dask_worker" in script
    assert "--nthreads 1 " in script and "--nworkers" not in script
    assert f"{tmp_path}/.sweeps/slurm" in script


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("queue",), "--cluster queue: an option is key=value"),
        (("queu=gpu", "memory=2GB"), "--cluster queu: no such option; did you mean `queue`?"),
        (("cores=4", "memory=2GB"), "--cluster cores: a worker takes one cell at a time; job_cpu says"),
        (("job_extra_directives=[", "memory=2GB"), "--cluster job_extra_directives: [ is not a list"),
        (("queue=gpu",), "--cluster memory=16GB: a Slurm job needs it"),
    ],
)
def test_options_that_slurm_jobs_do_not_have_are_refused(options, reason):
    with pytest.raises(InputError) as error:
        slurm.cluster_options(options)
    assert str(error.value).startswith(reason)


def stand_in(folder: Path) -> None:
    """sbatch and scancel in the folder, where they also keep what they were given."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text.format(shell="/usr/bin/env bash", folder=folder))
        (folder / name).chmod(0o755)


@pytest.mark.slow
def test_a_sweep_runs_in_jobs_that_are_cancelled_at_its_end(project, tmp_path):
    commands = tmp_path / "commands"
    commands.mkdir()
    stand_in(commands)
    options = [word for option in (*OPTIONS[:3], "interface=lo") for word in ("--cluster", option)]
    words = ("sweep", "--lambda", "0,1", "--name", "slurm", "--runner", "slurm", "--jobs", "2", *options)
    done = pipeline(project, *words, PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
    outputs = "".join(path.read_text() for path in commands.glob("job-*.out"))
    assert done.returncode == 0, done.stdout + done.stderr + outputs
    assert len([name for name in experiments(project) if name.startswith("slurm")]) == 2
    assert len(list(commands.glob("script-*"))) == 2
    assert len((commands / "cancelled").read_text().split()) == 2


def test_where_no_job_can_be_submitted_or_slurm_refuses_it_its_reason_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(InputError, match="there is no sbatch here"):
        slurm.check(slurm.cluster_options(OPTIONS))
    stand_in(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    slurm.check(slurm.cluster_options(OPTIONS))
    with pytest.raises(
        InputError, match=r"^--runner slurm: sbatch: error: invalid partition specified: none$"
    ):
        slurm.check(slurm.cluster_options(("queue=none", "memory=2GB")))
    assert not list(tmp_path.glob("script-*"))  # nothing was submitted
