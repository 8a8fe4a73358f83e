"""Runtime: what is asked for is what runs, or one line says why not."""

import pytest
import torch
from conftest import default_tree, override

from pipeline.files import ParamsError
from pipeline.params import RuntimeParams
from pipeline.training.runtime import resolve


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


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        assert resolve(params(device="cpu", threads=2)).describe().endswith("2 threads")
    finally:
        torch.set_num_threads(before)
