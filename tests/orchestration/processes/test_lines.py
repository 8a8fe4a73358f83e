"""What is read out of DVC's and the stages' own lines."""

from pipeline.orchestration.processes.lines import Reading


def reading(*lines: str) -> Reading:
    found = Reading()
    for line in lines:
        found.read(line)
    return found


def test_stages_that_ran_and_that_did_not():
    found = reading(
        "Stage 'prepare' didn't change, skipping",
        "Stage 'embed' is cached - skipping run, checking out outputs",
        "Running stage 'pretrain':",
        "> python -m stages.pretrain",
    )
    assert found.ran == ["pretrain"] and found.skipped == ["prepare", "embed"]


def test_progress_is_that_of_the_last_line():
    found = reading("pretrain: step 30/120, loss 0.5, 1,000 images/s, 1:05 left")
    assert found.percent == 25.0 and found.latest == "loss 0.5, 1,000 images/s, 1:05 left"


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
