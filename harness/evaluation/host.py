"""What a manifest records of where and when: command, date, versions, commit, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import harness
from harness.files import JsonObject

__all__ = ["host_facts"]

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


def host_facts(command: str) -> JsonObject:
    """All that may differ between two runs with the same results."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "host": {"platform": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
    }
