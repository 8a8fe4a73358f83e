"""What is read from the lines that DVC prints, and from the `error: ` lines of stages."""

from pipeline.orchestration.processes.lines import Reading, tells


def reading(*lines: str) -> Reading:
    read = Reading()
    for line in lines:
        read.read(line)
    return read


def test_stages_that_ran_and_that_did_not():
    read = reading(
        "Stage 'prepare' didn't change, skipping",
        "Stage 'embed' is cached - skipping run, checking out outputs",
        "Running stage 'pretrain':",
        "> python -m stages.pretrain",
    )
    assert read.ran == ["pretrain"] and read.skipped == ["prepare", "embed"]


def test_the_reason_is_the_stages_own_line_before_dvcs():
    dvc = "ERROR: failed to reproduce 'pretrain': failed to run: python -m stages.pretrain, exited with 1"
    assert reading("error: sparsity.lambda: must be >= 0", dvc).reason() == "sparsity.lambda: must be >= 0"
    crash = (
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ZeroDivisionError: division by zero",
    )
    assert reading(*crash, dvc).reason() == "ZeroDivisionError: division by zero"
    assert reading("Running stage 'pretrain':", dvc).reason() == dvc.removeprefix("ERROR: ")
    assert reading().reason() == "no output"


def test_a_run_that_blocks_another_is_named():
    read = reading(
        "ERROR: failed to reproduce 'prepare': '/tmp/a/prepare.json' is busy, it is being blocked by:",
        "  (PID 3604): /tmp/a/.venv/lib/python3.11/site-packages/dvc/__main__.py exp run",
        "If there are no processes with such PIDs, you can manually remove '/tmp/a/.dvc/tmp/rwlock'",
    )
    assert read.reason() == "process 3604 runs stages in this folder; wait for it, or end it"


def test_what_dvc_hints_after_every_stage_tells_nothing():
    hints = (
        "Updating lock file 'dvc.lock'",
        "",
        "To track the changes with git, run:",
        "\tgit add dvc.lock reports/metrics/probe.json",
        "To enable auto staging, run:",
        "\tdvc config core.autostage true",
        "Use `dvc push` to send your updates to remote storage.",
    )
    assert not any(map(tells, hints))
    assert tells("Running stage 'probe':") and tells("ERROR: failed to reproduce 'probe'")
