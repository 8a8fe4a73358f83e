"""Every job has a GPU or its share of the threads."""

import pytest

from pipeline.files import InputError
from pipeline.orchestration.processes import devices


def test_threads_are_divided_between_jobs_and_never_none():
    assert devices.slots(2, [], 8) == [{"OMP_NUM_THREADS": "4"}] * 2
    assert devices.slots(3, [], 2) == [{"OMP_NUM_THREADS": "1"}] * 3


def test_each_job_has_a_gpu_and_more_jobs_than_gpus_share_them():
    visible = [slot["CUDA_VISIBLE_DEVICES"] for slot in devices.slots(4, ["0", "2"], 8)]
    assert visible == ["0", "2", "0", "2"]


def test_fewer_jobs_than_gpus_have_several_each():
    visible = [slot["CUDA_VISIBLE_DEVICES"] for slot in devices.slots(2, ["0", "1", "2", "3"], 8)]
    assert visible == ["0,2", "1,3"]


def test_one_job_per_gpu_by_default_and_one_without():
    assert devices.default_jobs(["0", "1", "2"]) == 3
    assert devices.default_jobs([]) == 1


def test_a_scheduler_that_hid_devices_is_obeyed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5f")
    assert devices.gpus() == ["3", "GPU-5f"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.gpus() == []


def test_no_jobs_are_refused():
    with pytest.raises(InputError, match="--jobs: must be at least 1, got -1"):
        devices.slots(-1, [], 2)


def test_a_slot_is_taken_by_one_at_a_time():
    pool = devices.SlotPool([{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}])
    with pool.take() as first, pool.take() as second:
        assert first != second
    with pool.take() as third:
        assert third in (first, second)
