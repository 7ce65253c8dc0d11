"""Fetches files from the Hugging Face hub, once, and reports in one line what went wrong.

The client libraries let a 429 or a 503 reach the caller as "file not found", a slow server as a time-out and a lost
connection as a protocol error. So one plain request asks the hub about the repository first; its answer is reported
as it is.
What was fetched whole is noted in our cache and used from then on without asking anybody, so a dead hub costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.cache import cache_folder, remember
from harness.digests import digest_of
from harness.errors import HarnessError, MissingPart
from harness.extras import require
from harness.files import JsonObject

if TYPE_CHECKING:
    from httpx2 import Response

__all__ = ["HubError", "Snapshot", "snapshot"]

_ASK_TIMEOUT = 20.0  # seconds for one small answer of the hub
_SHARD = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>\..*)$")


class HubError(MissingPart):
    """The hub did not give what was asked for."""


class Snapshot(NamedTuple):
    """Files of a repository at a commit."""

    folder: Path
    commit: str


def snapshot(repository: str, revision: str, patterns: Sequence[str], kind: Literal["model", "dataset"]) -> Snapshot:
    """The files of a repository at a revision that match the patterns, from the cache where they are there whole.

    Raises `HubError`: not there, gated, too many requests, hub down or slow, connection cut, or offline."""
    hub, constants = require("huggingface_hub"), require("huggingface_hub.constants")
    label = f"{repository}@{revision[:8] if re.fullmatch('[0-9a-f]{40}', revision) else revision}"
    ask: JsonObject = {
        "repo_id": repository,
        "repo_type": kind,
        "revision": revision,
        "allow_patterns": list(patterns),
    }
    note = cache_folder() / "hub" / f"{digest_of([constants.HF_HUB_CACHE, ask])[:32]}.json"
    if (kept := _kept(note)) is not None:
        return kept
    if constants.HF_HUB_OFFLINE:
        return _offline(hub, label, ask)
    _ask_hub(label, repository, revision, kind)
    try:
        folder = Path(hub.snapshot_download(**ask))
    except Exception as error:
        raise _explained(error, label) from error
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if not files:
        raise HubError(f"{label}: holds none of {', '.join(patterns)}; is it the right repository and revision?")
    remember(note, json.dumps({"folder": str(folder), "files": files}))
    return Snapshot(folder, folder.name)


def _kept(note: Path) -> Snapshot | None:
    """What was fetched whole before and is still all there."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        folder = Path(kept["folder"])
    except (OSError, ValueError, LookupError, TypeError):  # none there, or damaged
        return None
    return Snapshot(folder, folder.name) if all((folder / name).is_file() for name in kept["files"]) else None


def _offline(hub: ModuleType, label: str, ask: JsonObject) -> Snapshot:
    """A cache that somebody else filled, taken if no numbered shard of it is missing."""
    try:
        folder = Path(hub.snapshot_download(**ask, local_files_only=True))
    except require("huggingface_hub.errors").LocalEntryNotFoundError as error:
        raise HubError(
            f"{label} is not in the local cache and HF_HUB_OFFLINE is set; fetch it on a connected machine "
            "(`harness fetch`), or unset HF_HUB_OFFLINE"
        ) from error
    shards = [match for path in folder.rglob("*") if (match := _SHARD.match(path.name))]
    for match in shards:
        have = sum(other["stem"] == match["stem"] and other["count"] == match["count"] for other in shards)
        if have != int(match["count"]):
            raise HubError(f"{label}: the local cache holds {have} of {int(match['count'])} shards of {match['stem']}")
    return Snapshot(folder, folder.name)


def _ask_hub(label: str, repository: str, revision: str, kind: str) -> None:
    """One request, no retries: does the hub have this, and may we read it?"""
    httpx = require("httpx2")
    endpoint = require("huggingface_hub.constants").ENDPOINT
    address = f"{endpoint}/api/{kind}s/{repository}/revision/{revision.replace('/', '%2F')}"
    try:
        answer = httpx.get(
            address,
            headers=require("huggingface_hub.utils").build_hf_headers(),
            timeout=_ASK_TIMEOUT,
            follow_redirects=True,
        )
    except httpx.HTTPError as error:
        raise _explained(error, label) from error
    if answer.status_code != 200:
        raise _refused(answer, label)


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
    chain: list[BaseException] = []
    walk: BaseException | None = error
    while walk is not None and walk not in chain:
        chain.append(walk)
        walk = walk.__cause__ or walk.__context__
    for each in chain:
        answer = getattr(each, "response", None)
        if answer is not None and getattr(answer, "status_code", 200) >= 400:
            return _refused(answer, label)
    for each in chain:
        if isinstance(each, httpx.TimeoutException):
            return HubError(
                f"{label}: the hub is too slow to answer; try again later, or set HF_HUB_OFFLINE=1 to use the cache"
            )
        if isinstance(each, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            return HubError(
                f"{label}: the connection to the hub was lost while fetching; run the same command again, it resumes"
            )
        if isinstance(each, httpx.ConnectError):
            return HubError(
                f"{label} is not in the local cache and the hub cannot be reached; connect, or fetch it on a connected "
                "machine (`harness fetch`)"
            )
    if isinstance(error, OSError) and error.errno is not None:
        return HubError(f"{label}: cannot be written to the cache: {error.strerror}")
    raise error
