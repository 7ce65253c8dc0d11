"""Finds entries by name. The folder is the registry: `tasks/telecom.yaml` holds the task `telecom`.

Looks in the user's `--include_path` folders first, then in the shipped catalogue. A file whose name begins with `_`
is not an entry but a part that others include.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import harness
from harness.errors import EntryError, HarnessError, UnknownEntry, UsageError
from harness.schema import KINDS, Entry, GroupEntry, JudgeEntry, LeaderboardEntry, ModelEntry, TaskEntry, check
from harness.yaml_files import read_entry, where

__all__ = ["FOLDERS", "Catalog", "shipped_catalog"]

FOLDERS = {"task": "tasks", "group": "tasks", "model": "models", "judge": "judges", "leaderboard": "leaderboards"}

E = TypeVar("E", TaskEntry, GroupEntry, ModelEntry, JudgeEntry, LeaderboardEntry)


def shipped_catalog() -> Path:
    """The folder that holds `tasks/`, `models/`, `judges/` and `leaderboards/`: the wheel's copy, else the checkout's.

    From `harness.__file__`, since a search of site-packages finds a stale copy in editable installs."""
    package = Path(harness.__file__).resolve().parent
    copied = package / "_catalog"
    return copied if copied.is_dir() else package.parent


class Catalog:
    """The entries of some folders; the first folder that has a name wins."""

    def __init__(self, include_paths: Sequence[Path] = ()) -> None:
        for path in include_paths:
            if not any((path / folder).is_dir() for folder in FOLDERS.values()):
                raise UsageError(f"--include_path {path}: holds none of {', '.join(sorted(set(FOLDERS.values())))}/")
        self.roots = (*include_paths, shipped_catalog())

    # ---- files ------------------------------------------------------------------------------------------------------

    def files(self, folder: str) -> dict[str, Path]:
        """Entry name to file, over all roots; sorted by name."""
        found: dict[str, Path] = {}
        for root in self.roots:
            for path in sorted((root / folder).glob("*.yaml")):
                if not path.name.startswith("_"):
                    found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def _load(self, kind: type[E], key: str, path: Path) -> E:
        values = read_entry(path)
        entry, problems = check(kind, values, where(path))
        if entry is not None and getattr(entry, key) != path.stem:
            problems = [f"{where(path)}: {key}: is {getattr(entry, key)!r}; it must be the file's name, {path.stem!r}"]
        if entry is None or problems:
            raise EntryError(*problems)
        return entry

    def _get(self, kind: type[E], key: str, name: str) -> E:
        files = self.files(FOLDERS[key])
        if name not in files:
            raise UnknownEntry.of(key, name, files)
        return self._load(kind, key, files[name])

    # ---- entries ----------------------------------------------------------------------------------------------------

    def path_of(self, kind: str, name: str) -> Path:
        """The file of an entry. Raises `UnknownEntry`."""
        files = self.files(FOLDERS[kind])
        if name not in files:
            raise UnknownEntry.of(kind, name, files)
        return files[name]

    def model(self, name: str) -> ModelEntry:
        return self._get(ModelEntry, "model", name)

    def judge(self, name: str) -> JudgeEntry:
        return self._get(JudgeEntry, "judge", name)

    def leaderboard(self, name: str) -> LeaderboardEntry:
        return self._get(LeaderboardEntry, "leaderboard", name)

    def task_or_group(self, name: str) -> TaskEntry | GroupEntry:
        path = self.path_of("task", name)
        return (
            self._load(GroupEntry, "group", path)
            if "group" in read_entry(path)
            else self._load(TaskEntry, "task", path)
        )

    def task(self, name: str) -> TaskEntry:
        entry = self.task_or_group(name)
        if isinstance(entry, GroupEntry):
            raise UnknownEntry(f"{name!r} is a group of tasks ({', '.join(entry.task)}), and one task is needed here")
        return entry

    def expand_tasks(self, names: Sequence[str], _inside: tuple[str, ...] = ()) -> tuple[list[str], list[GroupEntry]]:
        """Task names with groups and tags opened, each once, in the order given; and the groups among them. Raises
        `EntryError` for a group that holds itself."""
        tasks: list[str] = []
        groups: list[GroupEntry] = []
        for name in names:
            if name not in self.files("tasks") and (tagged := self.tagged(name)):
                tasks += tagged
                continue
            entry = self.task_or_group(name)
            if isinstance(entry, GroupEntry):
                if name in _inside:
                    circle = " -> ".join((*_inside, name))
                    raise EntryError(f"tasks/{name}.yaml: task: the group holds itself: {circle}")
                inner_tasks, inner_groups = self.expand_tasks(entry.task, (*_inside, name))
                tasks += inner_tasks
                groups += [entry, *inner_groups]
            else:
                tasks.append(name)
        return list(dict.fromkeys(tasks)), groups

    def tagged(self, tag: str) -> list[str]:
        """The tasks with that tag. Broken files are passed over here; `validate` names them."""
        names = []
        for name, path in self.files("tasks").items():
            try:
                tags = read_entry(path).get("tag", [])
            except EntryError:
                continue
            if tag in (tags if isinstance(tags, list) else [tags]):
                names.append(name)
        return names

    # ---- validation -------------------------------------------------------------------------------------------------

    def all_entries(self) -> Iterator[tuple[str, str, Path, Entry | None, list[str]]]:
        """Every entry of every root: kind, name, file, the entry or None, and what is wrong with it."""
        for folder in sorted(set(FOLDERS.values())):
            for name, path in self.files(folder).items():
                kind = folder[:-1]
                try:
                    kind = "group" if folder == "tasks" and "group" in read_entry(path) else kind
                    entry: Entry = self._load(KINDS[kind], kind, path)  # type: ignore[type-var]
                except HarnessError as error:
                    yield kind, name, path, None, list(error.problems)
                else:
                    yield kind, name, path, entry, []

    def problems(self) -> list[str]:
        """One line for each thing that is wrong with any entry, references between entries included."""
        lines: list[str] = []
        names = {folder: set(self.files(folder)) for folder in set(FOLDERS.values())}
        for _, _, path, entry, problems in self.all_entries():
            lines += problems
            for key, folder, wanted in _references(entry):
                if wanted not in names[folder] and not (folder == "tasks" and self.tagged(wanted)):
                    lines.append(f"{where(path)}: {key}: {UnknownEntry.of(folder[:-1], wanted, names[folder])}")
        return lines or self._deeper_problems()

    def _deeper_problems(self) -> list[str]:
        """What shows only when all entries are sound: groups in a circle, LoRA checkpoints on one another."""
        lines: list[str] = []
        for _, name, path, entry, _ in self.all_entries():
            if isinstance(entry, GroupEntry):
                try:
                    self.expand_tasks([name])
                except EntryError as error:
                    lines += error.problems
            if isinstance(entry, JudgeEntry):
                lines += [
                    f"{where(path)}: jury: {member!r} is itself a jury; name judges that are none"
                    for member in entry.jury or ()
                    if self.judge(member).jury
                ]
            if isinstance(entry, ModelEntry) and entry.base and self.model(entry.base).base:
                lines.append(f"{where(path)}: base: {entry.base!r} is itself a LoRA checkpoint; name its base")
        return lines


def _references(entry: Entry | None) -> list[tuple[str, str, str]]:
    """(key, folder, name) of every other entry that an entry names."""
    match entry:
        case TaskEntry():
            return [("judge", "judges", entry.judge)]
        case GroupEntry():
            return [("task", "tasks", name) for name in entry.task]
        case ModelEntry(base=str(base)):
            return [("base", "models", base)]
        case JudgeEntry(model=str(model)):
            return [("model", "models", model)]
        case JudgeEntry(jury=list(members)):
            return [("jury", "judges", name) for name in members]
        case LeaderboardEntry():
            return [
                *(("tasks", "tasks", name) for name in entry.tasks),
                *(("models", "models", name) for name in entry.models),
                ("judge", "judges", entry.judge),
                *([("baseline", "models", entry.baseline)] if entry.baseline else []),
            ]
    return []
