"""What is kept can be seen, and what no run needs can go; nothing that a run needs ever does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DataError, UsageError
from harness.evaluation.keeping import _needed_parts, collect, holdings, run_folders
from harness.store import Store
from tests.conftest import Finished
from tests.test_environments import OLD
from tests.test_store_and_runs import PLAN, make_old, parts, result_files, run

Harness = Callable[..., Finished]


def counts(store: Store, cache: Path, results: Path) -> dict[tuple[str, str], int]:
    return {(each.name, each.why.split(" (")[0]): each.items for each in holdings(store, cache, [results])}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_records_of_a_run_that_is_gone_can_go_and_those_that_another_run_needs_stay(
    tmp_path: Path, cache: Path, store: Store
) -> None:
    """The first 10 questions are of both runs, the next 30 of the larger one alone; two criteria, three repeats."""
    results = tmp_path / "results"
    small = run(parts(), store, results, replace(PLAN, limit=10))
    large = run(parts(), store, results)
    written = result_files(small.folder)
    shutil.rmtree(large.folder)
    found = counts(store, cache, results)
    assert found["store: answers", "needed by a run"] == 10
    assert found["store: answers", "of a run that is gone"] == 30
    assert found["store: scores", "of a run that is gone"] >= 180
    collect(store, cache, [results], ["records"])
    found = counts(store, cache, results)
    assert (found["store: answers", "needed by a run"], found["store: answers", "of a run that is gone"]) == (10, 0)
    again = parts()
    shutil.rmtree(small.folder)
    run(again, store, results, replace(PLAN, limit=10))
    assert again.adapter.requests == again.judge.judged == []  # type: ignore[attr-defined]
    assert again.retriever.searched == 0  # type: ignore[attr-defined]
    assert result_files(small.folder) == written


def test_records_that_no_run_is_on_record_for_are_kept(tmp_path: Path, cache: Path, store: Store) -> None:
    """Those of an audit, or of a run that was interrupted and will be resumed."""
    store.put("scores", {"ab" * 32: {"score": 1}})
    run(parts(), store, tmp_path / "results", replace(PLAN, limit=1))
    assert counts(store, cache, tmp_path / "results")["store: scores", "of no run on record"] == 1
    collect(store, cache, [tmp_path / "results"], ["records"])
    assert store.get("scores", ["ab" * 32])


def test_nothing_is_deleted_of_a_store_that_does_not_know_what_a_run_needs(tmp_path: Path, cache: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        run(parts(), store, tmp_path / "results")
    make_old(tmp_path / "s", 2)
    with Store(tmp_path / "s") as store:
        with pytest.raises(UsageError, match="--delete records: the store does not know what some runs need"):
            collect(store, cache, [tmp_path / "results"], ["records"])
        run(parts(), store, tmp_path / "results")  # nothing is computed, and it is on record now
        assert collect(store, cache, [tmp_path / "results"], ["records"]) == []


def test_without_a_run_or_with_a_broken_one_nothing_is_deleted(tmp_path: Path, cache: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    for results, error in ((tmp_path / "nowhere", UsageError), (tmp_path / "empty", UsageError)):
        with pytest.raises(error, match=r"there is no (such folder|finished run)"):
            collect(store, cache, [results], ["records"])
    made = run(parts(), store, tmp_path / "results", replace(PLAN, limit=1))
    (made.folder / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="what it needs cannot be told"):
        collect(store, cache, [tmp_path / "results"], ["records"])


def build(cache: Path, kind: str, depends_on: dict[str, object]) -> Path:
    folder = cache / kind / str(len(list(cache.glob("*/*"))))
    folder.mkdir(parents=True)
    (folder / "depends_on.json").write_text(json.dumps(depends_on))
    (folder / "data").write_bytes(b"x" * 1_000)
    return folder


def test_indexes_that_no_run_needs_can_go(tmp_path: Path, cache: Path, store: Store) -> None:
    run(parts(), store, tmp_path / "results", replace(PLAN, limit=1))  # its ranking: {"kind": "fixed"}
    needed = build(cache, "indexes", {"format": 1, "retriever": {"kind": "fixed"}})
    other = build(cache, "indexes", {"format": 1, "retriever": {"kind": "other"}})
    hybrid = {"retriever": {"kind": "hybrid", "parts": [{"kind": "part"}]}}
    assert {"retriever": {"kind": "part"}} in list(_needed_parts({"retriever": hybrid}))
    unclear = build(cache, "indexes", {})
    (unclear / "depends_on.json").unlink()
    old, new = cache / "indexes" / ".building-old", cache / "indexes" / ".building-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    found = counts(store, cache, tmp_path / "results")
    assert (found["indexes", "needed by a run"], found["indexes", "needed by no run"]) == (2, 1)
    collect(store, cache, [tmp_path / "results"], ["indexes", "unfinished"])
    assert sorted((cache / "indexes").iterdir()) == sorted([needed, unclear, new])
    assert not other.exists()


def test_a_real_index_and_its_chunks_are_needed_by_the_run_that_made_them(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "own"))
    common = ("-t", "animals", "--data", str(pack), "--include_path", str(entries))
    assert harness("eval", *common, "-M", "parrot").code == 0
    table = harness("gc").out
    for kind in ("indexes", "chunks"):
        assert sum(line.startswith(f"|{kind} ") and "needed by a run" in line for line in table.splitlines()) == 1
    assert "needed by no run" not in table
    kept = sorted(path for path in (tmp_path / "own").rglob("*") if "store" not in path.name)
    done = harness("gc", "--delete", "records", "indexes", "chunks", "weights", "vectors", "unfinished")
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing to delete: a run needs all of it, or there is none")
    assert sorted(path for path in (tmp_path / "own").rglob("*") if "store" not in path.name) == kept


def test_a_dry_run_deletes_nothing_and_without_delete_nothing_goes(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    common = ("-t", "animals", "--data", str(pack), "--include_path", str(entries), "--store", "s.sqlite")
    assert harness("eval", *common, "-M", "parrot").code == 0
    assert harness("eval", *common, "-M", "parrot", "--arm", "closed_book").code == 0
    (gone,) = Path("results/parrot").glob("animals-closed_book-*")
    shutil.rmtree(gone)
    planned = harness("gc", "--store", "s.sqlite", "--delete", "records", "--dry_run").out
    assert "would be deleted: store: answers, of a run that is gone: 4, " in planned
    for flags in ((), ("--dry_run",), ("--delete", "records", "--dry_run")):
        assert harness("gc", "--store", "s.sqlite", *flags).code == 0
    done = harness("gc", "--store", "s.sqlite", "--delete", "records").out
    assert "\ndeleted: store: answers, of a run that is gone: 4, " in done
    assert "nothing to delete" in harness("gc", "--store", "s.sqlite", "--delete", "records").out


def test_the_store_gives_the_space_back(tmp_path: Path, cache: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.put("answers", {f"{n:064x}": {"text": "x" * 10_000} for n in range(1, 101)})
        store.remember("gone", {"answers": [0]})
        before = (tmp_path / "s").stat().st_size + (tmp_path / "s-wal").stat().st_size
        store.forget([])
        assert store.get("answers", [f"{1:064x}"]) == {}  # the first 64 bits of all these keys are 0
        assert before > 1_000_000
        assert (tmp_path / "s").stat().st_size < 200_000


def test_runs_are_listed_with_what_they_are_and_those_that_are_not_whole(
    harness: Harness, entries: Path, pack: Path
) -> None:
    common = ("-t", "animals", "--data", str(pack), "--include_path", str(entries), "--arm", "rag", "closed_book")
    assert harness("eval", *common, "-M", "parrot").code == 0
    (broken,) = Path("results/parrot").glob("animals-closed_book-*")
    (broken / "manifest.json").unlink()
    whole = next(each.run for each in run_folders(Path("results")) if each.run is not None)
    lines = harness("runs").out.splitlines()
    date = str(whole.manifest["date"])[:10]
    (complete,) = [line for line in lines if "complete" in line]
    cells = [cell.strip() for cell in complete.strip("|").split("|")]
    assert cells[:6] == ["animals", "parrot", "rag", "marks", date, "4"]
    assert cells[7:] == ["complete", whole.folder.name]
    (partial,) = [line for line in lines if "not whole" in line]
    assert broken.name in partial
    assert harness("runs", "-o", "nowhere").code == 2
