"""Runtime: what is asked for is what runs, or one line says why not."""

import platform
import subprocess
import sys

import pytest
import torch
from conftest import REPOSITORY, default_tree, override

from pipeline.files import ParamsError
from pipeline.params import RuntimeParams
from pipeline.runtime import resolve


def params(**changes: object) -> RuntimeParams:
    return RuntimeParams.model_validate(override(default_tree()["runtime"], {"threads": 1} | changes))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_is_that_of_matrix_products(precision, dtype):
    runtime = resolve(params(device="cpu", precision=precision))
    with runtime.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_auto_precision_follows_the_hardware(monkeypatch):
    for supported, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda answer=supported: answer)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert resolve(params(device="cpu")).precision == precision


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ParamsError, match=r"^runtime\.device: cuda:99 asked for, \d+ CUDA devices found"):
        resolve(params(device="cuda:99"))


def test_compile_without_a_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ParamsError, match=r"^runtime\.compile: .* needs a C\+\+ compiler"):
        resolve(params(device="cpu", compile=True))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone")
def test_freed_memory_is_used_again_without_page_faults():
    code = """
import resource, sys, torch
from pipeline.runtime import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(2**25 // 4).add_(1)  # 32 MiB, 8,192 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given = faults()
keep_freed_memory()
faults()
print(given, faults())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    given, kept = map(int, done.stdout.split())
    assert kept < 1000 < given


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        assert resolve(params(device="cpu", threads=2)).describe().endswith("2 threads")
    finally:
        torch.set_num_threads(before)
