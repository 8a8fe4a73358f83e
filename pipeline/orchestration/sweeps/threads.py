"""Jobs of a sweep in threads of this process, each with its slot of the machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

from pipeline.orchestration.processes import devices
from pipeline.orchestration.processes.listen import Listener
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.sweeps.console import Console
from pipeline.orchestration.sweeps.job import Job, Outcome, run_job
from pipeline.orchestration.sweeps.sweep import RunJobs


def in_threads(count: int) -> RunJobs:
    """Run `count` jobs at a time. Raises InputError where that is less than one."""
    pool = devices.SlotPool(devices.slots(count, devices.gpus(), devices.cores()))

    def run_jobs(jobs: list[Job], ended: Callable[[Outcome], None], console: Console) -> None:
        stop = Stop()

        def run(job: Job) -> Outcome:
            if stop.event.is_set():
                return Outcome(job.name, "stopped", 0.0, reason="stopped before it began")
            with pool.take() as slot:
                console.started(job.title)
                return run_job(job, slot, stop, Listener())

        with ThreadPoolExecutor(count) as executor:
            try:
                for future in as_completed([executor.submit(run, job) for job in jobs]):
                    ended(future.result())
            finally:  # after Ctrl-C: the cells save their state and end
                stop.request()

    return run_jobs
