"""Where a run happens: device, threads, precision. Nothing here is part of a result's key."""

import ctypes
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.files import ParamsError
from pipeline.params import RuntimeParams


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of its matrix products ("bf16" by autocast, or "fp32")."""

    device: torch.device
    precision: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def describe(self) -> str:
        """The device in words: the GPU's name, or the processor and its threads."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        threads = torch.get_num_threads()
        return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def resolve(runtime: RuntimeParams) -> Runtime:
    """Choose device and precision and set threads and, on a CPU, the allocator of this process.

    Raises ParamsError naming runtime.device where there is no such device, and runtime.compile where torch
    could not compile.
    """
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    name = runtime.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ParamsError(f"runtime.device: {name} asked for, {torch.cuda.device_count()} CUDA devices found")
    if runtime.compile and device.type == "cpu" and not _has_compiler():
        raise ParamsError("runtime.compile: torch.compile needs a C++ compiler (g++ or clang++) on a CPU")
    if device.type == "cpu":
        keep_freed_memory()
    precision = runtime.precision
    if precision == "auto":
        precision = "bf16" if _has_bf16(device) else "fp32"
    return Runtime(device, precision)


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, for the next step: activations of tens of MB would else go back to the
    system and come again page by page. Without glibc nothing changes.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Elsewhere torch emulates bf16, slower than fp32. There is no public query of the processor's units.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
