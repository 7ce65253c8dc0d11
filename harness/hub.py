"""Fetches files from the Hugging Face hub, once, and reports in one line what went wrong.

The client libraries let a 429 or a 503 reach the caller as "file not found", a slow server as a time-out and a lost
connection as a protocol error, each after a page of warnings. So one plain request asks the hub about the repository
first; its answer is reported as it is, and the client is kept quiet.
What was fetched whole is noted in our cache and used from then on without asking anybody, so a dead hub costs nothing.
A revision that may move (`refs/…`) is the exception: the hub is asked each time which commit it is.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from harness.cache import cache_folder, remember
from harness.digests import digest_of
from harness.errors import HarnessError, MissingPart
from harness.extras import require
from harness.files import JsonObject

if TYPE_CHECKING:
    from httpx2 import Response

__all__ = ["HubError", "Repository", "Snapshot", "surplus_weights"]

_ASK_TIMEOUT = 20.0  # seconds for one small answer of the hub
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>\..*)$")
_OWN_NAME = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_MODULE_FOLDER = re.compile(r"\d+_\w+")  # where sentence-transformers keeps the weights of a module
_XET_PATIENCE = {
    "HF_XET_CLIENT_CONNECT_TIMEOUT": "6s",
    "HF_XET_CLIENT_READ_TIMEOUT": "8s",
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
    "HF_XET_CLIENT_RETRY_MAX_DURATION": "15s",
}
"""The Xet client's own patience is four minutes of silence. Plain HTTP, which resumes, is taken instead."""


class HubError(MissingPart):
    """The hub did not give what was asked for."""


class Snapshot(NamedTuple):
    """Files of a repository at a commit."""

    folder: Path
    commit: str


def _nobody(text: str) -> None:
    """Where a note goes that nobody reads."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at a revision: a commit, or `refs/…`, which may move. `note` tells the user what was done another
    way than asked."""

    name: str
    revision: str
    kind: Literal["model", "dataset"]
    note: Callable[[str], None] = _nobody

    @property
    def label(self) -> str:
        is_commit = _COMMIT.fullmatch(self.revision)
        return f"{self.name}@{self.revision[:8] if is_commit else self.revision}"

    def commit(self) -> str:
        """What the revision is now; when the hub cannot be asked, what it was last. Raises `HubError` when neither is
        known."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        last = cache_folder() / "hub" / "revisions" / digest_of([self.name, self.kind, self.revision])[:32]
        try:
            commit = str(self._ask(self.revision)["sha"])
        except HubError as error:
            known = next(filter(None, map(_commit_in, (last, self._reference_of_client()))), None)
            if known is None:
                raise
            self.note(f"{self.label}: taken at commit {known[:8]}, where it was last: {error}")
            return known
        remember(last, commit)
        return commit

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        """The files that match the patterns, without weights that nothing reads, from the cache where they are there
        whole.

        Raises `HubError`: not there, gated, too many requests, hub down or slow, connection cut, or offline."""
        constants = require("huggingface_hub", "huggingface_hub.constants")
        commit = self.commit()
        ask: JsonObject = {
            "repo_id": self.name,
            "repo_type": self.kind,
            "revision": commit,
            "allow_patterns": list(patterns),
        }
        note = cache_folder() / "hub" / f"{digest_of([constants.HF_HUB_CACHE, ask])[:32]}.json"
        if (kept := _kept(note)) is not None:
            return kept
        try:
            files = self._ask(commit)["siblings"]
        except HubError as refused:
            return self._from_client_cache(ask, refused)
        surplus = surplus_weights([str(file["rfilename"]) for file in files])
        folder = self._downloaded({**ask, "ignore_patterns": surplus})
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        if not names:
            raise HubError(
                f"{self.label}: holds none of {', '.join(patterns)}; is it the right repository and revision?"
            )
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"folder": str(folder), "files": names}), encoding="utf-8")
        return Snapshot(folder, commit)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, revision: str) -> JsonObject:
        """What the hub says of the repository at the revision: its commit (`sha`) and files (`siblings`). One request,
        no retries."""
        constants = require("huggingface_hub.constants")
        if constants.HF_HUB_OFFLINE:
            raise HubError(
                f"{self.label} is not in the local cache and HF_HUB_OFFLINE is set; fetch it on a connected machine "
                "(`harness fetch`), or unset HF_HUB_OFFLINE"
            )
        httpx = require("httpx2")
        address = f"{constants.ENDPOINT}/api/{self.kind}s/{self.name}/revision/{revision.replace('/', '%2F')}"
        try:
            answer = httpx.get(
                address,
                headers=require("huggingface_hub.utils").build_hf_headers(),
                timeout=_ASK_TIMEOUT,
                follow_redirects=True,
            )
        except httpx.HTTPError as error:
            raise _explained(error, self.label) from error
        if answer.status_code != 200:
            raise _refused(answer, self.label)
        try:
            document: JsonObject = answer.json()
            return {"sha": document["sha"], "siblings": document.get("siblings") or []}
        except (ValueError, KeyError, TypeError) as error:
            raise HubError(
                f"{self.label}: {urlsplit(address).netloc} does not answer as the hub does; check HF_ENDPOINT, and "
                "whether a proxy answers in its place"
            ) from error

    # ---- fetching ---------------------------------------------------------------------------------------------------

    def _downloaded(self, ask: JsonObject) -> Path:
        """Large files come from the Xet storage; when that fails, by plain HTTP, for the rest of this process. A file
        that came short is asked for once more."""
        hub = require("huggingface_hub")
        constants: Any = require("huggingface_hub.constants")
        for name, value in _XET_PATIENCE.items():
            os.environ.setdefault(name, value)  # read when the Xet client starts
        once_more = True
        while True:
            try:
                with _quiet():
                    return Path(hub.snapshot_download(**ask))
            except Exception as error:
                host = _failed_xet_host(error)
                if host is not None and not constants.HF_HUB_DISABLE_XET:
                    constants.HF_HUB_DISABLE_XET = True
                    self.note(
                        f"{self.label}: the Xet storage {host} does not give its files (blocked?); fetching by plain "
                        "HTTP instead. To do so at once: HF_HUB_DISABLE_XET=1"
                    )
                elif once_more and _came_short(error):
                    once_more = False
                else:
                    raise _explained(error, self.label) from error

    # ---- what the client's cache has --------------------------------------------------------------------------------

    def _reference_of_client(self) -> Path:
        """The file where the client notes which commit a moving revision was."""
        constants: Any = require("huggingface_hub.constants")
        layout: Any = require("huggingface_hub.file_download")
        folder: str = layout.repo_folder_name(repo_id=self.name, repo_type=self.kind)
        return Path(constants.HF_HUB_CACHE) / folder / "refs" / self.revision

    def _from_client_cache(self, ask: JsonObject, refused: HubError) -> Snapshot:
        """What somebody else fetched, if it is whole: by the list of files that the client keeps, where it keeps one,
        else by the numbers of the shards. Raises `refused` when there is nothing."""
        hub, errors = require("huggingface_hub"), require("huggingface_hub.errors")
        try:
            where = {key: ask[key] for key in ("repo_id", "repo_type", "revision")}
            listed = [file.path for file in hub.get_cached_repo_tree(**where)]
        except errors.CachedRepoTreeNotFoundError:
            listed = []
        try:
            folder = Path(hub.snapshot_download(**ask, ignore_patterns=surplus_weights(listed), local_files_only=True))
        except errors.IncompleteSnapshotError as error:
            raise HubError(f"{self.label}: the local cache holds only a part of it; {refused}") from error
        except errors.LocalEntryNotFoundError:
            raise refused from None
        if lacking := self._lacking(folder):
            raise HubError(f"{self.label}: the local cache holds {lacking}; {refused}")
        return Snapshot(folder, folder.name)

    def _lacking(self, folder: Path) -> str:
        """What there is of something that is not there whole; empty where nothing is known to be missing."""
        shards = [match for path in folder.rglob("*") if (match := _SHARD.match(path.name))]
        for match in shards:
            have = sum(other["stem"] == match["stem"] and other["count"] == match["count"] for other in shards)
            if have != int(match["count"]):
                return f"{have} of {int(match['count'])} shards of {match['stem']}"
        if self.kind == "model" and not any(folder.rglob("*.safetensors")):
            return "none of its weights"
        return ""


def surplus_weights(names: Sequence[str]) -> list[str]:
    """Of a model's files, the weights that transformers does not read: a second copy in another layout
    (`consolidated.safetensors`, `original/…`) or precision, where the model is there under its own name."""
    weights = [name for name in names if name.endswith(".safetensors")]
    own = [name for name in weights if _OWN_NAME.fullmatch(name)]
    if not own:
        return []
    if "model.safetensors" in own:  # read first, whatever shards lie beside it
        own = ["model.safetensors"]
    return [name for name in weights if name not in own and not _MODULE_FOLDER.fullmatch(name.split("/")[0])]


def _commit_in(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return text if _COMMIT.fullmatch(text) else None


def _kept(note: Path) -> Snapshot | None:
    """What was fetched whole before and is still all there; a note that cannot be read is none."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        folder, files = Path(kept["folder"]), list(kept["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Snapshot(folder, folder.name) if all((folder / name).is_file() for name in files) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """The client says nothing of its retries: what came of them is reported in one line. Its bars are for
    terminals."""
    if not sys.stderr.isatty():
        require("huggingface_hub.utils").disable_progress_bars()
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


# ---- what went wrong ------------------------------------------------------------------------------------------------


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it."""
    chain: list[BaseException] = []
    walk: BaseException | None = error
    while walk is not None and walk not in chain:
        chain.append(walk)
        walk = walk.__cause__ or walk.__context__
    return chain


def _failed_xet_host(error: BaseException) -> str | None:
    """The host of the Xet storage that failed; None for any other failure. The Xet client raises errors of its own or
    `RuntimeError`, which name an address; the hub's client raises neither."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if response is not None and "/xet-read-token/" in str(response.url):
            return urlsplit(str(response.url)).netloc
        if isinstance(each, RuntimeError) or type(each).__module__.partition(".")[0] == "hf_xet":
            address = re.search(r"https?://[^\s)'\"]+", str(each))
            return urlsplit(address[0]).netloc if address else _xet_host()
    return None


def _xet_host() -> str:
    """Where the hub said that its Xet storage is."""
    told = getattr(require("huggingface_hub.utils._xet"), "XET_CONNECTION_INFO_CACHE", {})  # the client's own note
    return next((urlsplit(info.endpoint).netloc for info in told.values()), "of the hub")


def _came_short(error: BaseException) -> bool:
    """A body that ended early although the server said that it was whole."""
    return isinstance(error, OSError) and "Consistency check failed" in str(error)


def _refused(answer: Response, label: str) -> HubError:
    code, hint = answer.status_code, answer.headers.get("x-error-code", "")
    if code in (401, 403):
        if hint == "GatedRepo":
            return HubError(f"{label} is gated: ask for access on its hub page, then run `hf auth login`")
        return HubError(
            f"{label}: the hub does not know it or you may not read it ({code}); check the name, or run `hf auth login`"
        )
    if code == 404:
        what = "has no such revision" if hint == "RevisionNotFound" else "has no such repository"
        return HubError(f"{label}: the hub {what}; check the entry's name and `revision`")
    if code == 429:
        wait = answer.headers.get("retry-after")
        when = f"after {wait} seconds" if wait else "later"
        return HubError(
            f"{label}: too many requests to the hub (429); try again {when}, or run `hf auth login` for a higher limit"
        )
    return HubError(f"{label}: the hub returned {code}; try again later, or set HF_HUB_OFFLINE=1 to use the cache")


def _explained(error: BaseException, label: str) -> HarnessError:
    """The line for what the clients raised; what is no failure of the hub is raised as it is."""
    httpx = require("httpx2")
    chain = _chain(error)
    for each in chain:
        answer = getattr(each, "response", None)
        if answer is not None and getattr(answer, "status_code", 200) >= 400:
            return _refused(answer, label)
    for each in chain:
        host = _host_of(each)
        if isinstance(each, httpx.TimeoutException):
            return HubError(
                f"{label}: {host} is too slow to answer; try again later, or set HF_HUB_OFFLINE=1 to use the cache"
            )
        if isinstance(each, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            return HubError(
                f"{label}: the connection to {host} was lost while fetching; run the same command again, it resumes"
            )
        if isinstance(each, httpx.ConnectError):
            return HubError(
                f"{label} is not in the local cache and {host} cannot be reached; connect, or fetch it on a connected "
                "machine (`harness fetch`)"
            )
    if _came_short(error):
        return HubError(f"{label}: a file came short twice; does a proxy cut large files? Run the same command again")
    if isinstance(error, OSError) and error.errno is not None:
        return HubError(f"{label}: cannot be written to the cache: {error.strerror}")
    raise error


def _host_of(error: BaseException) -> str:
    """`the hub`, or the host where it keeps large files."""
    hub = urlsplit(require("huggingface_hub.constants").ENDPOINT).netloc
    request = getattr(error, "_request", None)
    host = urlsplit(str(request.url)).netloc if request is not None else hub
    return "the hub" if host == hub else f"{host}, where the hub keeps large files,"
