"""A full disk, a folder that nobody may write to, damaged files, processes with one id: a line, and nothing lost."""

from __future__ import annotations

import ctypes
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import harness.api.runs  # noqa: F401  once, and not in each process anew
from harness.cache import Derived, _check, build_once, remembered_digest
from harness.campaign import PreparedRun, execute
from harness.cli import main
from harness.digests import digest_of, digest_of_file
from harness.errors import StorageError, StoreError
from harness.evaluation.run import Context
from harness.evaluation.stages import retrieve
from harness.files import write_atomically, write_json
from harness.records import Document, Question
from harness.retrieval.base import Chunks
from harness.retrieval.bm25 import Bm25Retriever
from harness.retrieval.chunk_store import ChunkStore
from harness.retrieval.chunking import Chunker
from harness.store import Store
from harness.store.salvage import salvage
from tests.conftest import Finished, Silent
from tests.test_store_and_runs import HOST, PLAN, parts


def forked(action: Callable[[], int | None], limit: int | None = None, obey: bool = False) -> Callable[[], Finished]:
    """Begins the action in a process of its own; what is returned waits for it. `limit`: no file may grow beyond so
    many bytes, which is what a full disk looks like to it (an error of writing, with another number). `obey`:
    permissions hold for a superuser too."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    if not (child := os.fork()):
        code = 1
        try:
            for end, standard in ((out_end, 1), (err_end, 2)):
                os.dup2(end, standard)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            if obey:
                give_up_overrides()
            code = action() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(out_end)
    os.close(err_end)

    def finished() -> Finished:
        _, status = os.waitpid(child, 0)
        with open(out) as said, open(err) as complained:
            return Finished(os.waitstatus_to_exitcode(status), said.read(), complained.read())

    return finished


def give_up_overrides() -> None:
    """A superuser's rights to write and read where nobody may (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    libc, header, rights = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, rights)
    rights[0] &= ~0b110  # effective
    rights[1] &= ~0b110  # permitted
    libc.capset(header, rights)


def command(*arguments: object, limit: int | None = None, obey: bool = False) -> Finished:
    return forked(lambda: main([str(each) for each in arguments]), limit, obey)()


def one_line(done: Finished, *named: object) -> None:
    """Exit code 2, no traceback, and the last line names these."""
    assert "Traceback" not in done.err, done.err
    assert done.code == 2, done.err
    last = done.err.strip().splitlines()[-1]
    assert all(str(name) in last for name in named), last


def eval_arguments(entries: Path, pack: Path, store: Path, output: Path) -> list[str]:
    return [
        "eval", "--task", "animals", "--model", "parrot", "--data", str(pack), "--include_path", str(entries),
        "--store", str(store), "--output_path", str(output),
    ]  # fmt: skip


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


# ---- a full disk ----------------------------------------------------------------------------------------------------


def test_a_store_on_a_full_disk_keeps_what_was_stored_and_says_so_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    def fill() -> None:
        with Store(path) as store:
            for n in range(10_000):
                store.put("answers", {f"key {n}": {"text": "x" * 500}})
                print(n)

    done = forked(fill, limit=400_000)()
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith(f"harness.errors.StoreError: {path}: cannot be used as a store (")
    assert "make room on its disk" in last
    stored = len(done.out.split())
    assert stored > 20
    with Store(path) as store:
        keys = [f"key {n}" for n in range(stored)]
        assert store.get("answers", keys) == {key: {"text": "x" * 500} for key in keys}
        store.put("answers", {"new": 1})  # and it goes on


@pytest.mark.parametrize("limit", [0, 600, 20_000, 34_000, 60_000, 130_000])
def test_a_run_on_a_full_disk_is_a_line_and_goes_on_when_there_is_room(
    tmp_path: Path, entries: Path, pack: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is met: in the notes and indexes of the cache, in the store or in the run folder."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    arguments = eval_arguments(entries, pack, tmp_path / "s", tmp_path / "out")
    done = command(*arguments, limit=limit)
    if done.code != 0:
        one_line(done, tmp_path, "make room")
    assert command(*arguments).code == 0
    assert command(*eval_arguments(entries, pack, tmp_path / "s2", tmp_path / "out2")).code == 0
    for path in (tmp_path / "out2").rglob("*_*.json*"):
        assert (tmp_path / "out" / path.relative_to(tmp_path / "out2")).read_bytes() == path.read_bytes()


def test_a_file_on_a_full_disk_is_a_line_and_the_one_before_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before")
    done = forked(lambda: write_atomically(page, "x" * 9_999), limit=5_000)()
    assert f"StorageError: {page}: cannot be written (File too large); what was there before is kept" in done.err
    assert page.read_text() == "before"
    assert os.listdir(tmp_path) == ["page.md"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_standard_output_is_a_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "list", "tasks"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    one_line(Finished(done.returncode, "", done.stderr.decode()), "standard output", "No space left")


# ---- folders that cannot be written to ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["cache", "store", "output"])
def test_a_run_with_a_folder_that_cannot_be_written_to_is_a_line(
    tmp_path: Path, entries: Path, pack: Path, closed: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in ("cache", "store", "output")} | {what: closed}
    monkeypatch.setenv("HARNESS_CACHE", str(places["cache"]))
    done = command(*eval_arguments(entries, pack, places["store"] / "s", places["output"]), obey=True)
    one_line(done, closed, "folder that you can write to" if what != "output" else "name another folder")
    assert not list(tmp_path.glob("output/*"))
    assert what != "output" or not places["store"].exists()  # found before anything was computed


def test_a_store_that_cannot_be_written_to_is_found_before_anything_is_computed(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "s"
    with Store(path) as store:
        store.put("answers", {"k": 1})
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    done = forked(lambda: Store(path).close(), obey=True)()
    path.parent.chmod(0o755)
    assert f"StoreError: {path}: cannot be used as a store (" in done.err
    assert "folder that you can write to" in done.err


def test_a_leaderboard_whose_folder_cannot_be_written_to_is_a_line(
    entries: Path, pack: Path, tmp_path: Path, harness: Callable[..., Finished]
) -> None:
    assert harness(*eval_arguments(entries, pack, tmp_path / "s", tmp_path / "out")).code == 0
    (entries / "leaderboards").chmod(0o555)
    done = command("leaderboard", "zoo", "--include_path", entries, "--output_path", tmp_path / "out", obey=True)
    (entries / "leaderboards").chmod(0o755)
    one_line(done, entries / "leaderboards", "Permission denied")


def test_a_file_whose_folder_is_a_file_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (write_atomically, write_json):
        with pytest.raises(StorageError, match="file/x: cannot be written"):
            write(tmp_path / "file" / "x", "text")
    with pytest.raises(StoreError, match="pass --store"):
        Store(tmp_path / "file" / "s")
    with pytest.raises(StorageError, match="things: cannot be written"):
        build_once(tmp_path / "file", "things", {}, lambda folder: None)


# ---- a damaged store ------------------------------------------------------------------------------------------------


RECORDS = {f"{n:064x}": {"text": f"answer {n} " * (n % 40), "prompt_tokens": n} for n in range(400)}


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "s"
    with Store(path) as store:
        store.put("answers", RECORDS)
        store.put("scores", {key: {"score": 3} for key in RECORDS})
    return path.read_bytes()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A page or less of zeros, of noise or of another place of the file; or the end cut off."""
    at, length = chance.randrange(len(content)), chance.choice([1, 16, 500, 4_096, 20_000])
    match chance.randrange(4):
        case 0:
            other = bytes(length)
        case 1:
            other = chance.randbytes(length)
        case 2:
            start = chance.randrange(len(content))
            other = content[start : start + length]
        case _:
            return content[:at]
    return (content[:at] + other + content[at + len(other) :])[: len(content)]


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_store_is_a_line_serves_nothing_wrong_and_is_salvaged(
    tmp_path: Path, whole_store: bytes, seed: int
) -> None:
    """25 damages a seed: what is read is what was stored, or the store is refused, or the record is not there."""
    chance = random.Random(seed)
    refused = salvaged = 0
    for n in range(25):
        path, new = tmp_path / f"{n}.sqlite", tmp_path / f"{n}.new.sqlite"
        path.write_bytes(damaged(whole_store, chance))
        if (fault := fault_of(path)) is None:
            continue
        refused += 1
        assert str(path) in fault
        assert "harness salvage" in fault or "written by another version" in fault
        with suppress(StoreError):  # the first page is gone, which says where the tables are
            salvage(path, new)
            with Store(new) as store:
                copied = store.get("answers", RECORDS)
            assert copied == {key: RECORDS[key] for key in copied}
            salvaged += len(copied)
    assert refused > 5
    assert salvaged > 400


def fault_of(path: Path) -> str | None:
    """Why the store is refused when it is read and written to; None: what it gave is what was stored. A record whose
    key is damaged is not found, and computed again."""
    try:
        with Store(path) as store:
            store.put("answers", {"new": 1})
            records = store.get("answers", [*RECORDS, "new"])
        assert records == {key: {**RECORDS, "new": 1}[key] for key in records}
        assert len(records) > 300
    except StoreError as error:
        return str(error)
    return None


def test_a_record_whose_text_was_changed_is_not_served(tmp_path: Path) -> None:
    """SQLite itself does not notice: the page is still well formed."""
    path = tmp_path / "s"
    with Store(path) as store:
        store.put("answers", {"one": {"text": "PARIS"}, "two": {"text": "Rome"}})
    path.write_bytes(path.read_bytes().replace(b"PARIS", b"LYONS"))
    with Store(path) as store:
        assert store.get("answers", ["two"]) == {"two": {"text": "Rome"}}
        with pytest.raises(StoreError, match=r"it is damaged .*the record one is not what was stored"):
            store.get("answers", ["one", "two"])


def test_salvage_copies_what_is_whole_and_leaves_the_damaged_store_as_it_is(
    tmp_path: Path, harness: Callable[..., Finished]
) -> None:
    path = tmp_path / "s"
    with Store(path) as store:
        store.put("answers", {"one": {"text": "PARIS"}, "two": {"text": "Rome"}})
    content = path.read_bytes().replace(b"PARIS", b"LYONS")
    path.write_bytes(content)
    done = harness("salvage", str(path), "new")
    assert done.out == "new: 0 passages, 0 prompts, 1 answers, 0 scores, 0 plans\n"
    assert path.read_bytes() == content
    with Store(tmp_path / "new") as store:
        assert store.get("answers", ["one", "two"]) == {"two": {"text": "Rome"}}
    assert harness("salvage", str(path), "new").code == 2
    assert "already exists" in harness("salvage", str(path), "new").err


def test_a_store_that_lost_a_table_is_refused_and_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.put("answers", {"k": 1})
    connection = sqlite3.connect(tmp_path / "s")
    connection.execute("ALTER TABLE answers RENAME TO answors")
    connection.close()
    with pytest.raises(StoreError, match="has no table answers"):
        Store(tmp_path / "s")


def test_records_of_format_two_are_read_without_a_seal(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s")
    for kind in ("passages", "prompts", "answers", "scores", "plans"):
        connection.execute(f"CREATE TABLE {kind} (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    connection.execute("INSERT INTO answers VALUES ('k', '{\"text\": \"old\"}')")
    connection.execute("PRAGMA user_version=2")
    connection.commit()
    connection.close()
    with Store(tmp_path / "s") as store:
        assert store.get("answers", ["k"]) == {"k": {"text": "old"}}


def test_no_further_run_is_paid_for_when_the_store_cannot_be_written_to(tmp_path: Path) -> None:
    first, second = parts(), parts()
    with Store(tmp_path / "s") as store:
        other = sqlite3.connect(tmp_path / "s")
        other.execute("CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(FAIL, 'full'); END")
        other.close()
        context = Context(store, tmp_path / "out", Silent(), HOST)
        with pytest.raises(StoreError):
            execute([PreparedRun(None, first), PreparedRun(None, second)], context)  # type: ignore[arg-type]
    assert first.adapter.requests  # type: ignore[attr-defined]
    assert second.adapter.requests == []  # type: ignore[attr-defined]


# ---- damaged derived files ------------------------------------------------------------------------------------------


DOCUMENTS = [Document(f"d{n}", "", f"word{n} word{n + 1} and word{n * 7 % 40} of {n}") for n in range(40)]
ASKED = [Question(f"q{n}", f"word{n} word{n + 1}", ("x",), (f"d{n}",)) for n in range(30)]


def ranker(cache: Path) -> Bm25Retriever:
    """As `build_retriever` makes it, with new objects."""
    identity = {"corpus": "forty documents"}
    files = Derived(cache, "chunks", identity, lambda folder: ChunkStore.build(folder, DOCUMENTS, Chunker()))
    chunks = Chunks(identity, lambda: ChunkStore(files.folder()), files.contents)
    return Bm25Retriever(chunks, {"kind": "bm25", "variant": "lucene", "k1": 1.5, "b": 0.75, "delta": 0.5}, cache)


def passages(cache: Path, store: Path) -> list[Any]:
    with Store(store) as opened:
        return retrieve(PLAN, ASKED, ranker(cache), opened, Silent())


def cut(file: Path) -> None:
    file.write_bytes(b"")


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zero(file: Path) -> None:
    """The same size and time of change, as a copy that was cut short and filled up may have them."""
    status = file.stat()
    if file.suffix == ".npy":
        header = file.read_bytes()[:128]
        file.write_bytes(header + bytes(status.st_size - len(header)))
    else:
        file.write_bytes(bytes(status.st_size))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("damage", [cut, halve, zero, Path.unlink])
@pytest.mark.parametrize("kind", ["chunks", "indexes"])
def test_a_damaged_index_is_made_again_with_a_note_and_gives_the_same_passages(
    tmp_path: Path, kind: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    expected = passages(tmp_path, tmp_path / "first.sqlite")
    names = sorted(path.name for path in (tmp_path / kind).glob("*/*"))
    for name in names:
        caplog.clear()
        (file,) = (tmp_path / kind).glob(f"*/{name}")
        damage(file)
        assert passages(tmp_path, tmp_path / f"{name}.sqlite") == expected
        (note,) = [record.getMessage() for record in caplog.records if record.name == "harness.cache"]
        assert name in note
        assert note.endswith("it is made again")
    assert len(list((tmp_path / kind).iterdir())) == 1  # nothing is left beside it


def test_passages_of_an_index_that_was_made_anew_with_other_contents_are_not_served(tmp_path: Path) -> None:
    """Somebody's hand changed the index and its list of digests alike: nothing can tell. The store keeps bad passages.
    Once the index is deleted and made again, they are not served any more, though their key is the same."""
    expected = passages(tmp_path, tmp_path / "good.sqlite")
    (scores,) = (tmp_path / "indexes").glob("*/data.csc.index.npy")
    zero(scores)
    rewrite_list(scores.parent)
    bad = passages(tmp_path, tmp_path / "s")
    assert bad != expected
    assert passages(tmp_path, tmp_path / "s") == bad
    shutil.rmtree(tmp_path / "indexes")
    build_all(tmp_path)
    assert passages(tmp_path, tmp_path / "s") == expected


def rewrite_list(folder: Path) -> None:
    note = json.loads((folder / "MANIFEST").read_text())
    for name, written in note["files"].items():
        written["sha256"] = digest_of_file(folder / name)
    (folder / "MANIFEST").write_text(json.dumps({"digest": digest_of(note["files"]), "files": note["files"]}))


def build_all(cache: Path) -> None:
    passages(cache, cache / "other.sqlite")


def test_passages_are_not_stored_from_an_index_that_is_damaged_while_it_is_read(tmp_path: Path) -> None:
    passages(tmp_path, tmp_path / "first.sqlite")
    retriever = ranker(tmp_path)
    with Store(tmp_path / "s") as store:
        retrieve(PLAN, ASKED[:1], retriever, store, Silent())
        (scores,) = (tmp_path / "indexes").glob("*/data.csc.index.npy")
        with scores.open("rb+") as stream:  # in place: the open index sees it
            stream.seek(128)
            stream.write(bytes(scores.stat().st_size - 128))
        with pytest.raises(StorageError, match=r"data\.csc\.index\.npy .* run the same command again"):
            retrieve(PLAN, ASKED, retriever, store, Silent())
    assert passages(tmp_path, tmp_path / "s") == passages(tmp_path, tmp_path / "first.sqlite")


def test_stored_passages_need_no_index(tmp_path: Path) -> None:
    expected = passages(tmp_path, tmp_path / "s")
    shutil.rmtree(tmp_path / "indexes")
    shutil.rmtree(tmp_path / "chunks")
    assert passages(tmp_path, tmp_path / "s") == expected
    assert not (tmp_path / "indexes").exists()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """By its note: one that says something else is believed, so it was not read."""
    big = tmp_path / "big"
    big.write_bytes(bytes(1_000))
    os.utime(big, (1, 1))
    wait_until_old(big)
    assert remembered_digest(big, tmp_path) == digest_of_file(big)
    (note,) = (tmp_path / "digests").iterdir()
    note.write_text(f"{'a' * 64} {_check(note, 'a' * 64)}")
    assert remembered_digest(big, tmp_path) == "a" * 64


def wait_until_old(file: Path) -> None:
    while time.time_ns() - file.stat().st_ctime_ns < 150_000_000:
        time.sleep(0.02)


@pytest.mark.parametrize("content", ["", "0" * 64, "zz", "\0" * 81, "a" * 64 + " " + "b" * 16])
def test_a_damaged_note_of_a_digest_is_not_believed(tmp_path: Path, content: str) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"weights")
    wait_until_old(big)
    remembered_digest(big, tmp_path)
    (note,) = (tmp_path / "digests").iterdir()
    note.write_text(content)
    assert remembered_digest(big, tmp_path) == digest_of_file(big)


# ---- several processes ----------------------------------------------------------------------------------------------


def test_processes_with_one_id_share_a_cache(tmp_path: Path) -> None:
    """As in containers: each believes that it is process 7."""

    def build(folder: Path) -> None:
        (folder / "a").write_text("a" * 50)

    def work() -> None:
        os.getpid = lambda: 7
        while not (tmp_path / "go").exists():
            pass
        for n in range(60):
            write_atomically(tmp_path / "page.md", str(n) * 2_000)
            (tmp_path / f"file{n % 5}").touch()
            remembered_digest(tmp_path / f"file{n % 5}", tmp_path)
            folder = build_once(tmp_path, "things", {"n": n}, build)
            assert (folder / "a").read_text() == "a" * 50

    crowd = [forked(work) for _ in range(3)]
    (tmp_path / "go").touch()
    assert [each() for each in crowd] == [Finished(0, "", "")] * 3
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert len(list((tmp_path / "things").iterdir())) == 60
