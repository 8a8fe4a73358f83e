"""What is read from the lines that DVC prints, and from the `error: ` lines of stages."""

from pipeline.orchestration.processes.lines import Reading


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
