"""Trains the network of an alignment judge and writes its entry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from harness.api.session import PathLike, Session
from harness.auditing.alignment_examples import Example, examples_of, materials_of
from harness.auditing.fitted import fitted_file, write_fitted
from harness.auditing.fitting import training_rows
from harness.auditing.handwritten import hard_questions
from harness.build.encoders import EMBEDDED_ENCODER, build_encoder
from harness.build.sources import whole_source
from harness.digests import digest_of_file, digest_of_question
from harness.entries.catalog import shipped_catalog
from harness.entries.checking import JUDGE, check
from harness.errors import DataError, UsageError
from harness.extras import require
from harness.files import JsonObject, make_folder, whole_file, write_atomically

__all__ = ["POOLS", "fit_alignment_judge"]

POOLS = ("bioasq", "nq", "qasper")
"""The tasks whose fine-tuning pools are learnt from."""
_SEEN = ("evouna_nq", "qa_feedback_asqa_half")
"""People's judgements that the judge was made with: the first trained it, by the second its formula for long references
was chosen. A card reports on neither."""
_RESERVED = 5
"""One question of a pool in so many is left to cards."""


def fit_alignment_judge(
    name: str,
    *,
    data: PathLike,
    packs: PathLike,
    seed: int = 0,
    short_judge: str = "calibrated",
    short_words: int = 4,
    output: PathLike = "judges",
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
) -> Path:
    """Trains on the fine-tuning pools of `bioasq`, `nq` and `qasper` in the folder `packs` and on people's judgements
    in the folder `data`; returns the entry's file, beside which weights and digests of the questions are written. Left
    out are questions that a task evaluates on, those of the hard answers, and a fifth of each pool, for cards.
    References of at most `short_words` words are left to `short_judge`."""
    path = Path(output) / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path}: already exists; choose another name, or move the file")
    require("torch", "transformers", "sklearn")
    from harness.auditing.alignment_fitting import examples_of_people, train
    from harness.judging.alignment.network import save

    session = Session.open(include_path, progress)
    session.catalog.judge(short_judge)
    examples, evaluated = _pool_examples(session, Path(packs), seed)
    people, _ = training_rows(Path(data), None, seed, evaluated)
    examples += examples_of_people(people, seed)
    encoder = build_encoder(EMBEDDED_ENCODER, session.resources)
    trained = train(examples, encoder.folder(), seed, session.progress)
    weights = path.parent / "weights" / f"{name}.safetensors"
    make_folder(weights.parent)
    with whole_file(weights) as part:
        save(trained.network, part)
    values: JsonObject = {
        "judge": name,
        "description": "Whether answer and reference agree, read from how their words align; for any length.",
        "kind": "alignment",
        "encoder": EMBEDDED_ENCODER.model_dump(exclude_unset=True),
        "weights": f"weights/{name}.safetensors",
        "weights_sha256": digest_of_file(weights),
        "scales": {"right": list(trained.scales[0]), "stated": list(trained.scales[1])},
        "short_judge": short_judge,
        "short_words": short_words,
        "fitted_on": {"data": list(_SEEN), "pools": list(POOLS), **trained.record},
        "metadata": {"version": 1},
    }
    check(JUDGE, values, str(path))
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_atomically(
        path, f"# Written by `harness fit-judge {name} --kind alignment`; fit it again rather than edit it.\n{text}"
    )
    write_fitted(fitted_file(path), (example.question for example in examples))
    return path


def _pool_examples(session: Session, packs: Path, seed: int) -> tuple[list[Example], dict[str, frozenset[str]]]:
    """Examples from the pools, and digests of the questions that each task evaluates on."""
    if missing := [name for name in POOLS if not (packs / name).is_dir()]:
        raise DataError(f"--packs {packs}: holds no folder {missing[0]}, the data pack of the task")
    sources = {name: whole_source(session.catalog.task(name), packs / name, session.resources) for name in POOLS}
    evaluated = {
        name: frozenset(digest_of_question(q.text) for q in source.questions(session.catalog.task(name).test_split))
        for name, source in sources.items()
    }
    of_tasks = frozenset().union(*evaluated.values())
    examples: list[Example] = []
    for name, source in sources.items():
        hard = hard_questions(shipped_catalog() / "judges" / "hard" / f"{name}.jsonl")
        pool = [
            question
            for question in source.questions(session.catalog.task(name).training_split)
            if question.id not in hard
            and (digest := digest_of_question(question.text)) not in of_tasks
            and int(digest[:8], 16) % _RESERVED
        ]
        examples += examples_of(materials_of(pool, source.documents()), seed)
    return examples, evaluated
