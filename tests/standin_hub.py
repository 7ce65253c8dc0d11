"""A small hub on loopback: the HTTP calls that `huggingface_hub` and `datasets` really make, and ways to misbehave.

    GET  /api/{models|datasets}/ORG/NAME/revision/REV      what it is and which commit REV is
    GET  /api/{models|datasets}/ORG/NAME/tree/COMMIT       its files, in pages
    HEAD|GET [/datasets]/ORG/NAME/resolve/COMMIT/FILE      a file; large ones redirect to /cdn/…
    GET  /api/{models|datasets}/ORG/NAME/xet-read-token/…  where the Xet storage is, when large files are offered by it

Run by hand: `python -m tests.standin_hub FOLDER` with FOLDER/{models,datasets}/ORG/NAME/files….
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

LARGE = 2_000  # bytes from which a file is served as the hub serves its large ones: by a redirect


class StandInHub:
    """Repositories are folders; the commit of one is what `commits` says, else a hash of its files. `trouble` maps a
    part of a path to what goes wrong there: a status code, `slow`, `cut` or `short` (always), or `cut-once` or
    `short-once`: the body ends before its length, or its length is that of half. `xet` is the address
    of a Xet storage; when it is set, large files are offered by it too, as the real hub offers them. The stand-in
    itself has none that works: `{address}/cas` gives what `trouble` says, else 404."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trouble: dict[str, int | str] = {}
        self.gated: set[str] = set()
        self.commits: dict[str, str] = {}
        self.requests: list[str] = []
        self.address = ""
        self.xet = ""

    def commit(self, kind: str, name: str) -> str:
        if name in self.commits:
            return self.commits[name]
        folder = self.root / kind / name
        files = {p.relative_to(folder).as_posix(): self.etag(p) for p in sorted(folder.rglob("*")) if p.is_file()}
        return hashlib.sha1(json.dumps(files, sort_keys=True).encode()).hexdigest()

    def etag(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def trouble_at(self, path: str) -> int | str | None:
        for part, what in list(self.trouble.items()):
            if part in path:
                if isinstance(what, str) and what.endswith("-once"):
                    self.trouble[part] = "fine"
                    return what.removesuffix("-once")
                return what if what != "fine" else None
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, *, body: bool) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        trouble = self.hub.trouble_at(path)
        if isinstance(trouble, int):
            headers = {"Retry-After": "7"} if trouble == 429 else {}
            return self._send(trouble, b"trouble", headers, body)
        if trouble == "slow":
            time.sleep(60)
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            return self._api(parts[1], "/".join(parts[2:4]), parts[4:], body)
        if parts[0] == "cas":
            return self._send(200 if trouble == "cut" else 404, b'{"terms": [], "xorbs": {}}', {}, body, cut=True)
        if parts[0] == "cdn":
            file = self.hub.root.joinpath(*parts[1:])
            if trouble == "short":
                return self._send(200, file.read_bytes()[: file.stat().st_size // 2], {}, body)
            return self._file(file, {}, body, cut=trouble == "cut")
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        return self._resolve(kind, "/".join(parts[:2]), parts[3], "/".join(parts[4:]), body, cut=trouble == "cut")

    def _missing(self, kind: str, name: str, revision: str, body: bool) -> bool:
        """Whether the request was answered with what is wrong."""
        if name in self.hub.gated and "Authorization" not in self.headers:
            self._send(401, b"gated", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}, body)
        elif not (self.hub.root / kind / name).is_dir():
            self._send(404, b"no", {"X-Error-Code": "RepoNotFound"}, body)
        elif revision not in (self.hub.commit(kind, name), "main") and not revision.startswith("refs/"):
            self._send(404, b"no", {"X-Error-Code": "RevisionNotFound"}, body)
        else:
            return False
        return True

    def _api(self, kind: str, name: str, rest: list[str], body: bool) -> None:
        if self._missing(kind, name, "/".join(rest[1:]), body):
            return None
        folder = self.hub.root / kind / name
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if rest[0] == "xet-read-token":
            token = {"X-Xet-Cas-Url": self.hub.xet, "X-Xet-Access-Token": "t", "X-Xet-Token-Expiration": "9999999999"}
            return self._send(200, b"{}", token, body)
        if rest[0] == "revision":
            siblings = [{"rfilename": path.relative_to(folder).as_posix()} for path in files]
            document: object = {"id": name, "sha": self.hub.commit(kind, name), "siblings": siblings, "private": False,
                                "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0}  # fmt: skip
        else:
            document = [
                {
                    "type": "file",
                    "path": path.relative_to(folder).as_posix(),
                    "size": path.stat().st_size,
                    "oid": self.hub.etag(path)[:40],
                    **(self._large(path) if self.hub.xet and path.stat().st_size >= LARGE else {}),
                }
                for path in files
            ]
        return self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"}, body)

    def _large(self, path: Path) -> dict[str, object]:
        digest, size = self.hub.etag(path), path.stat().st_size
        return {"lfs": {"oid": digest, "size": size, "pointerSize": 130}, "xetHash": digest}

    def _resolve(self, kind: str, name: str, revision: str, file: str, body: bool, *, cut: bool) -> None:
        if self._missing(kind, name, revision, body):
            return
        path = self.hub.root / kind / name / file
        if not path.is_file():
            self._send(404, b"no", {"X-Error-Code": "EntryNotFound"}, body)
            return
        headers = {"X-Repo-Commit": self.hub.commit(kind, name), "ETag": f'"{self.hub.etag(path)}"'}
        size = path.stat().st_size
        if size >= LARGE:
            headers |= {
                "X-Linked-Etag": headers["ETag"],
                "X-Linked-Size": str(size),
                # another host, as the real one: the clients follow redirects within a host by themselves
                "Location": f"{self.hub.address.replace('127.0.0.1', 'localhost')}/cdn/{kind}/{name}/{file}",
            }
            if self.hub.xet:
                route = f"{self.hub.address}/api/{kind}/{name}/xet-read-token/{revision}"
                headers |= {"X-Xet-Hash": self.hub.etag(path), "X-Xet-Refresh-Route": route}
            self._send(302, b"", headers, body)
            return
        self._file(path, headers, body, cut=cut)

    def _file(self, path: Path, headers: dict[str, str], body: bool, *, cut: bool) -> None:
        data = path.read_bytes()
        headers = {"ETag": f'"{self.hub.etag(path)}"', "Accept-Ranges": "bytes", **headers}
        status = 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and body:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        self._send(status, data, headers, body, cut=cut)

    def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool, *, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()


@contextmanager
def serve(root: Path) -> Iterator[StandInHub]:
    """The hub on a free port of loopback, for as long as the block lasts."""
    hub = StandInHub(root)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is what some tests want
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serve(Path(sys.argv[1])) as running:
        print(running.address, flush=True)
        threading.Event().wait()
