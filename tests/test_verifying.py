"""A run folder is sealed: whatever byte of it is changed, `harness verify` says in which file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import harness as package
from harness.evaluation.folder import Run
from harness.evaluation.seal import broken_seal
from harness.store import Store
from tests.conftest import Finished
from tests.test_environments import OLD
from tests.test_store_and_runs import PLAN, parts, run

Harness = Callable[..., Finished]


@pytest.fixture
def finished(tmp_path: Path, store: Store) -> Run:
    return run(parts(), store, tmp_path / "results", replace(PLAN, limit=4))


def test_a_run_as_it_was_written_verifies(finished: Run) -> None:
    assert package.verify(finished.folder).differs == []


@pytest.mark.parametrize("seed", range(3))
def test_any_changed_byte_of_any_file_of_a_run_is_reported(finished: Run, seed: int) -> None:
    """100 seeded places of each file, each changed to another byte at random."""
    chance = random.Random(seed)
    for path in sorted(finished.folder.iterdir()):
        written = path.read_bytes()
        for _ in range(100):
            place = chance.randrange(len(written))
            changed = (
                written[:place] + bytes([(written[place] + chance.randrange(1, 256)) % 256]) + written[place + 1 :]
            )
            path.write_bytes(changed)
            lines = broken_seal(finished.folder)
            assert len(lines) == 1, (path.name, place, changed[place])
            assert path.name in lines[0]
        path.write_bytes(written)
    assert broken_seal(finished.folder) == []


@pytest.mark.parametrize("kind", ["samples", "results", "manifest"])
@pytest.mark.parametrize("damage", ["cut", "longer", "gone", "empty"])
def test_a_file_that_was_cut_lengthened_or_deleted_is_reported(finished: Run, kind: str, damage: str) -> None:
    (path,) = finished.folder.glob(f"{kind}*")
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-1], "longer": data + b"\n", "empty": b""}[damage])
    (line,) = broken_seal(finished.folder)
    assert path.name in line


def test_a_file_that_is_none_of_the_run_is_reported(finished: Run) -> None:
    """`results_*.json` is read by its pattern: another one could stand in for it."""
    (results,) = finished.folder.glob("results_*")
    shutil.copy(results, finished.folder / "results_a.json")
    (line,) = broken_seal(finished.folder)
    assert line.endswith("results_a.json: is no file of this run; move it away")


def test_the_digests_of_a_manifest_are_sha256_of_the_files(finished: Run) -> None:
    digests = json.loads((finished.folder / "manifest.json").read_text())["digests"]
    own = digests.pop("manifest.json")
    assert digests == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in finished.folder.glob("*_*")}
    unsealed = (finished.folder / "manifest.json").read_text().replace(own, "0" * 64)
    assert hashlib.sha256(unsealed.encode()).hexdigest() == own


def test_a_run_from_before_there_were_seals_is_told_to_be_run_again(finished: Run) -> None:
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    del manifest["digests"]
    (finished.folder / "manifest.json").write_text(json.dumps(manifest, indent=2))
    (line,) = package.verify(finished.folder).differs
    assert "was written before runs were sealed; run the same command again" in line


def test_running_again_seals_again(tmp_path: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        first = run(parts(), store, tmp_path / "results")
        (samples,) = first.folder.glob("samples_*")
        samples.write_text("")
        assert broken_seal(first.folder)
        run(parts(), store, tmp_path / "results")
    assert broken_seal(first.folder) == []


def test_the_command_exits_with_one_and_a_line_for_each_thing_that_differs(
    harness: Harness, entries: Path, pack: Path
) -> None:
    done = harness(
        "eval", "-t", "animals", "-M", "parrot", "--data", str(pack), "--include_path", str(entries),
        "--arm", "rag", "closed_book",
    )  # fmt: skip
    assert done.code == 0
    folders = sorted(path.parent for path in Path("results").rglob("manifest.json"))
    whole = harness("verify", *map(str, folders))
    assert (whole.code, whole.out) == (0, "2 runs as written\n")
    for path in folders[0].glob("*_*"):
        path.write_text(path.read_text().replace("worms", "wurms"))
    damaged = harness("verify", *map(str, folders))
    assert damaged.code == 1
    assert [line.split(": ")[1].split("/")[-1][:7] for line in damaged.err.splitlines()] == ["samples"]
    assert harness("verify", "results/nowhere").code == 1


# ---- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.torch
def test_a_changed_byte_of_local_weights_is_reported_even_if_the_times_of_the_file_are_the_old_ones(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    from tests.tiny import make_model

    folder = make_model(tmp_path / "tiny")
    (entries / "models" / "mini.yaml").write_text(
        f"model: mini\ndescription: d\npretrained: {folder}\ndtype: float32\nlicence: none\nmetadata: {{version: 1}}\n"
    )
    common = ("--include_path", str(entries))
    done = harness(
        "eval", "-t", "animals", "-M", "mini", "--data", str(pack), *common, "--limit", "1", "--device", "cpu"
    )
    assert done.code == 0, done.err
    (run_folder,) = [str(path.parent) for path in Path("results").rglob("manifest.json")]
    assert harness("verify", run_folder, *common).code == 0
    weights = folder / "model.safetensors"
    data, times = bytearray(weights.read_bytes()), os.stat(weights)
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = harness("verify", run_folder, *common)
    assert changed.code == 1
    assert "weights of mini: are not those that the run was made with" in changed.err
    shutil.rmtree(folder)
    gone = harness("verify", run_folder, *common)
    assert gone.code == 0
    assert "weights of mini: not here, so not checked" in gone.out
