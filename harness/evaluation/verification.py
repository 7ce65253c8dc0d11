"""Whether a finished run is still what was written: its files by their digests, and the weights that it was made with
where they are on this machine, read anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.adapters.weights import LoraCheckpoint
from harness.build.encoders import is_local
from harness.build.models import build_weights
from harness.build.resources import Resources
from harness.digests import digest_of_file
from harness.entries.catalog import Catalog
from harness.entries.checking import MODEL, check
from harness.entries.model import TransformersModelEntry
from harness.errors import DataError, HarnessError, MissingPart
from harness.evaluation.folder import Run, read_run
from harness.evaluation.seal import broken_seal
from harness.interfaces import Progress

__all__ = ["Verification", "verify_runs"]


@dataclass(frozen=True, slots=True)
class Verification:
    """`differs`: a line for each thing that is not as it was; `unchecked`: for each that could not be looked at here,
    such as weights of another machine or of the hub."""

    differs: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def verify_runs(folders: Sequence[Path], catalog: Catalog, progress: Progress) -> Verification:
    """Of all the run folders. Weights are read once, however many runs they made."""
    found = Verification()
    with tempfile.TemporaryDirectory() as fresh:  # no digest that is remembered from before counts
        resources = Resources(cache=Path(fresh), progress=progress)
        for folder in folders:
            broken = broken_seal(folder)
            found.differs.extend(broken)
            if not broken:
                _check(folder, catalog, resources, found)
    return found


def _check(folder: Path, catalog: Catalog, resources: Resources, found: Verification) -> None:
    try:
        run = read_run(folder)
        _ = run.rows
    except DataError as error:
        found.differs.extend(error.problems)
        return
    try:
        weights = list(_weights(run, catalog, resources))
    except HarnessError as error:  # an entry of another version, or one that cannot be used any more
        found.unchecked.extend(f"{folder}: weights: not checked ({problem})" for problem in error.problems)
        return
    for what, recorded, look in weights:
        try:
            if look() != recorded:
                found.differs.append(f"{folder}: {what}: are not those that the run was made with")
        except (MissingPart, OSError) as error:
            found.unchecked.append(f"{folder}: {what}: not here, so not checked ({str(error).splitlines()[0]})")
        except HarnessError as error:
            found.differs.extend(f"{folder}: {what}: {problem}" for problem in error.problems)


Look = Any
"""A function that digests weights as they are now."""


def _weights(run: Run, catalog: Catalog, resources: Resources) -> Iterator[tuple[str, object, Look]]:
    """What the run was made with and can be on this machine: (what, its recorded digest, its digest today)."""
    identities, entries = run.manifest["identities"], run.manifest["entries"]
    model, judge = identities["model"], entries.get("judge", {})
    if "weights" in model:
        values = {key: value for key, value in entries["model"].items() if key not in ("base", "peft")}
        entry = check(MODEL, values, f"{run.folder}/manifest.json")
        yield from _base_weights(f"weights of {run.model}", model["weights"], entry, resources)
    if "lora" in model:
        path = Path(run.manifest["model"]["model_args"]["peft"])
        yield f"LoRA checkpoint {path}", model["lora"], lambda: LoraCheckpoint(path, resources.cache).identity["lora"]
    if judge.get("kind") == "alignment":
        file = Path(judge["weights"])
        yield f"weights of the judge {run.judge}", judge["weights_sha256"], lambda: digest_of_file(file)
    judge_model = identities["judge"].get("model")
    if judge.get("model") and isinstance(judge_model, Mapping) and "weights" in judge_model:
        name = judge["model"]
        if name in catalog.files("models"):
            entry = catalog.resolved_model(name).entry
            yield from _base_weights(f"weights of the judge's model {name}", judge_model["weights"], entry, resources)


def _base_weights(
    what: str, recorded: object, entry: object, resources: Resources
) -> Iterator[tuple[str, object, Look]]:
    """Of a folder or a file; what the hub holds at a commit does not change."""
    if isinstance(entry, TransformersModelEntry) and (entry.gguf is not None or is_local(str(entry.pretrained))):
        yield what, recorded, lambda: dict(build_weights(entry, resources).identity)
