"""Files that appear whole or not at all, names that can be a file's, and JSON that is read with one line for what is
wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import DataError, StorageError, is_full_disk

__all__ = [
    "JsonObject",
    "json_lines",
    "make_folder",
    "numbered_rows",
    "parse_json",
    "read_json",
    "safe_name",
    "sync",
    "unique_part",
    "whole_file",
    "write_atomically",
    "write_json",
    "write_lines_atomically",
]

JsonObject = dict[str, Any]
"""A JSON object as `json.loads` gives it. What reads one checks what it takes out."""


def safe_name(name: str) -> str:
    """A name that can be a file's or folder's, made as lm-eval makes it; of controls and of dots alone, too."""
    return re.sub(r"[\"<>:/|\\?*\[\]\x00-\x1f]+|^\.+$", "__", name)


def unique_part(path: Path) -> Path:
    """A hidden name in the same folder that nobody else has. Containers that share a folder can have one process id,
    so that is not part of it."""
    return path.with_name(f".{path.name[:50]}.{os.urandom(8).hex()}")


def make_folder(path: Path, remedy: str | None = None) -> None:
    """The folder and those above it. Raises `StorageError`, with the remedy if one is given."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.of(path, error, remedy) from error


def sync(path: Path) -> None:
    """A file or folder is on the disk, and not only promised to be."""
    if not path.is_dir():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
        return
    with suppress(OSError):  # not every system and file system can do it with a folder
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Another name to write the file under; it gets its own when it is whole and on the disk. Raises `StorageError`;
    then what was there before is there still."""
    part = unique_part(path)
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    except Exception as error:
        if not isinstance(error, OSError) and not is_full_disk(error):
            raise
        raise StorageError.of(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """The whole file or none of it. Raises `StorageError`."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_lines_atomically(path: Path, lines: Iterable[str]) -> str:
    """As `write_atomically`, of lines with their ends as they come: a file of gigabytes is never in memory whole.
    Returns the SHA-256 of what it wrote. Raises `StorageError`."""
    digest = hashlib.sha256()
    with whole_file(path) as part, part.open("wb") as stream:
        for line in lines:
            data = line.encode()
            digest.update(data)
            stream.write(data)
    return digest.hexdigest()


def write_json(path: Path, value: object) -> None:
    """Indented JSON with sorted keys, atomically. Raises `ValueError` for NaN and infinities."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n")


_MAY_BE_INFINITE = re.compile(r"\d[eE]\+?\d{3}|\d{300}")
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def parse_json(text: str) -> Any:
    """JSON as the standard has it, of text that can be written again. Raises `ValueError` for NaN, infinities and half
    characters, which Python would accept, and for what is nested too deep for it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not valid JSON")

    def finite(digits: str) -> float:
        if math.isinf(number := float(digits)):
            raise ValueError(f"{digits[:40]} is too large a number")
        return number

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=finite if _MAY_BE_INFINITE.search(text) else float)
        if _MAY_BE_HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except UnicodeEncodeError:
        raise ValueError("it has half a character (a lone surrogate)") from None
    return value


def read_json(path: Path, remedy: str) -> JsonObject:
    """The JSON object in a file. Raises `DataError` with the remedy when there is none."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); {remedy}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: is not a JSON object; {remedy}")
    return value


def json_lines(path: Path) -> Iterator[JsonObject]:
    """The objects of a JSON-lines file, one a line. Raises `OSError` or `ValueError`, with the line's number."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                value = parse_json(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            if not isinstance(value, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield value


def numbered_rows(path: Path, problems: list[str]) -> Iterator[tuple[int, JsonObject]]:
    """The objects of a JSON-lines file by the numbers of their lines, for a file that people write: a line that is no
    object goes to `problems`, an empty one is passed over. Raises `DataError` for a file that is not text."""
    try:
        with path.open(encoding="utf-8-sig") as stream:  # some editors put a mark in front
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    row = parse_json(line)
                except ValueError as error:
                    problems.append(f"{path}:{number}: is not valid JSON ({error})")
                    continue
                if isinstance(row, dict):
                    yield number, row
                else:
                    problems.append(f"{path}:{number}: is not a JSON object")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error}); write it in UTF-8") from error
