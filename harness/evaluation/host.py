"""What a manifest records of where and when, and what the store records beside each batch: the environment that
computed it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import harness
from harness.files import JsonObject

__all__ = ["environment", "host_facts"]

_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "sentence-transformers",
    "bm25s",
    "faiss-cpu",
    "faiss-gpu-cu12",
)
_LIMITS = ("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")
"""Variables that change which instructions compute, and so the last bits of what is computed."""


@cache
def _versions() -> dict[str, str]:
    versions = {"harness": harness.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git(*arguments: str) -> str | None:
    """Output of git in the checkout that holds this code; None outside one."""
    folder = Path(harness.__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def _code() -> JsonObject:
    """The commit of this code, as it was when it was first asked for."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


@cache
def _processor() -> JsonObject:
    """Model and widest vector instructions, found without torch, so that a process that does not load it computes in
    the same environment as one that does."""
    fields: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    except OSError:  # not Linux
        return {"model": platform.processor() or platform.machine(), "capability": None}
    flags = fields.get("flags", "").split()
    capability = "AVX512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "default"
    return {"model": fields.get("model name") or platform.machine(), "capability": capability}


def _device() -> str:
    """The GPU, if this process has begun to use one; torch is not loaded for the question."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return "cpu"
    return str(cuda.get_device_name())


def environment() -> JsonObject:
    """What computes here and now: all that can change the last bits of a result, or by a fault more than those."""
    return {
        "versions": _versions(),
        **_code(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count()),
        "limits": {name: os.environ[name] for name in _LIMITS if os.environ.get(name)},
        "device": _device(),
    }


def host_facts(command: str) -> JsonObject:
    """Of the process that writes a manifest; what computed the records is under `environments` there."""
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        **_code(),
        "host": {"platform": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
    }
