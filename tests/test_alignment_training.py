"""The alignment judge's network, the word vectors that it reads, and its training. The encoder is the real one."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from harness.auditing.alignment_examples import Example
from harness.auditing.alignment_fitting import TrainedNetwork, examples_of_people, is_held_out, train
from harness.auditing.cached_judge import Case
from harness.auditing.fitted import fitted_file, read_fitted
from harness.auditing.people import Binary
from harness.build.encoders import EMBEDDED_ENCODER, build_encoder
from harness.build.judges import build_judge
from harness.build.resources import ModelOptions, Resources
from harness.digests import digest_of_question
from harness.entries.catalog import Catalog
from harness.errors import DataError
from harness.interfaces import SingleJudge
from harness.judging.alignment.encoder import WordEncoder
from harness.judging.alignment.features import EncodedText
from harness.judging.alignment.network import (
    MOST_WORDS,
    AlignmentNetwork,
    Pair,
    batch_of,
    feature_rows,
    load,
    save,
    score_pairs,
)
from harness.judging.alignment.planning import TextPair
from harness.judging.alignment.reader import Reader
from harness.judging.alignment.words import words
from harness.records import JudgeItem, Question, Score
from tests.conftest import Finished, Silent, write_entries, write_pack
from tests.test_alignment_judge import ENTRY
from tests.test_judge_making import write_judgements

pytestmark = pytest.mark.torch


def text_of(text: str, dimensions: int = 6) -> EncodedText:
    """Vectors drawn by the word alone, of length 1."""
    rows = []
    for word in words(text):
        drawn = np.random.default_rng(int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)).normal(size=dimensions)
        rows.append(drawn / np.linalg.norm(drawn))
    vectors = np.array(rows, dtype=np.float32)
    whole = vectors.mean(axis=0)
    return EncodedText(text, vectors, whole / np.linalg.norm(whole))


def pair_of(premise: str, hypothesis: str, question: str = "Why is it so?") -> Pair:
    return Pair(text_of(question), text_of(premise), text_of(hypothesis))


PAIRS = [
    pair_of("The pump is red.", "It is red."),
    pair_of("The gene IDH1 increases it.", "The gene IDH2 decreases it, as it was said by many of them in 1999."),
    pair_of("Yes", "No, never."),
    pair_of("All of the pumps that stand near the weir are loud at night and hum by day.", "Hum"),
    pair_of("14", "fourteen"),
]


def network_of(seed: int = 0) -> AlignmentNetwork:
    torch.manual_seed(seed)
    network = AlignmentNetwork(6, len(feature_rows(PAIRS)[0]))
    network.means += 0.5
    network.deviations *= 0.5
    return network.eval()


# ---- network --------------------------------------------------------------------------------------------------------


def test_a_pairs_score_does_not_depend_on_what_it_is_padded_beside() -> None:
    network = network_of()
    together = score_pairs(network, PAIRS)
    alone = np.concatenate([score_pairs(network, [pair]) for pair in PAIRS])
    assert together.shape == (5, 2)
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3, "other pairs have other scores"


def test_scores_come_in_the_order_of_the_pairs() -> None:
    network = network_of()
    backwards = score_pairs(network, PAIRS[::-1])
    assert np.abs(backwards[::-1] - score_pairs(network, PAIRS)).max() < 1e-5
    assert score_pairs(network, []).shape == (0, 2)


def test_the_padding_of_a_batch_is_masked() -> None:
    batch = batch_of(PAIRS[:3], feature_rows(PAIRS[:3]))
    lengths = [len(words(pair.hypothesis.text)) for pair in PAIRS[:3]]
    assert batch.hypothesis_mask.sum(dim=1).tolist() == lengths
    assert batch.hypothesis.shape == (3, max(lengths), 6)
    assert not batch.hypothesis[0, lengths[0] :].any()


def test_words_beyond_the_90th_are_not_read() -> None:
    pair = pair_of("It is so.", " ".join(f"word{n}" for n in range(150)))
    assert batch_of([pair], feature_rows([pair])).hypothesis.shape[1] == MOST_WORDS == 90


def test_a_feature_is_standardised_and_clipped_at_five_deviations() -> None:
    """With mean 0.5 and deviation 0.5, the values 3 and 100 are both 5 deviations up or more."""
    network = network_of()
    values = feature_rows(PAIRS[:1])
    scores = []
    for value in (3.0, 100.0, 1.0):
        values[0, 0] = value
        with torch.inference_mode():
            scores.append(network(batch_of(PAIRS[:1], values)))
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])


def test_a_saved_network_gives_the_same_scores_to_sixteen_bits(tmp_path: Path) -> None:
    network = network_of()
    save(network, tmp_path / "n.safetensors")
    loaded = load(tmp_path / "n.safetensors")
    assert np.abs(score_pairs(loaded, PAIRS) - score_pairs(network, PAIRS)).max() < 0.02
    other = network_of(seed=1)
    assert np.abs(score_pairs(other, PAIRS) - score_pairs(network, PAIRS)).max() > 0.05
    save(loaded, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "n.safetensors").read_bytes()


def write_text(path: Path) -> None:
    path.write_text("no tensors")


def write_other_tensors(path: Path) -> None:
    save_file({"weight": torch.zeros(2, 2)}, str(path))


def write_network_without_a_layer(path: Path) -> None:
    tensors = {name: value for name, value in network_of().state_dict().items() if name != "decide.3.bias"}
    save_file(tensors, str(path))


def write_network_of_other_features(path: Path) -> None:
    save(AlignmentNetwork(6, 3), path)


@pytest.mark.parametrize(
    "write", [write_text, write_other_tensors, write_network_without_a_layer, write_network_of_other_features]
)
def test_a_file_of_something_else_is_one_clear_line(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "w.safetensors"
    write(path)
    with pytest.raises(DataError) as refused:
        load(path)
    assert str(refused.value) == f"{path}: holds no alignment network; fit the judge again (harness fit-judge)"


# ---- word vectors ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    return build_encoder(EMBEDDED_ENCODER, Resources(cache, Silent())).folder()


@pytest.fixture(scope="module")
def encoder(folder: Path) -> WordEncoder:
    return WordEncoder(folder)


def test_each_word_has_a_unit_vector_and_so_has_the_text(encoder: WordEncoder) -> None:
    texts = ["The antidisestablishmentarian R132H-mutant pump is red.", "?!", "word " * 300]
    long, none, many = encoder.encode(texts)
    assert long.words == ["The", "antidisestablishmentarian", "R132H-mutant", "pump", "is", "red"]
    assert long.vectors.shape == (6, 384)
    assert none.words == ["x"]
    assert len(many.words) == 200
    for text in (long, none, many):
        assert np.allclose(np.linalg.norm(text.vectors, axis=1), 1, atol=1e-4)
        assert np.linalg.norm(text.whole) == pytest.approx(1, abs=1e-4)


def test_words_behind_the_256th_token_have_no_vector(encoder: WordEncoder) -> None:
    (text,) = encoder.encode(["antidisestablishmentarianism " * 100])
    assert 0 < len(text.vectors) == len(text.words) < 100


def test_a_words_vector_is_nearer_to_its_like(encoder: WordEncoder) -> None:
    physician, doctor, lorry = (
        text.vectors[1] for text in encoder.encode(["the physician", "the doctor", "the lorry"])
    )
    assert physician @ doctor > physician @ lorry + 0.1


# ---- training -------------------------------------------------------------------------------------------------------

COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
THINGS = ("pump", "lid", "gate", "wheel", "boat", "door", "lamp", "mill", "roof", "cup")
OWNERS = ("Marla", "Hugo", "Tilda", "Oskar", "Ines")


def tiny_pool(seed: int = 0) -> list[Example]:
    """Eight examples each of 50 questions for a colour, half of them right."""
    rng = random.Random(seed)
    examples = []
    for owner in OWNERS:
        for thing in THINGS:
            colour = rng.choice(COLOURS)
            for n in range(8):
                said = colour if n % 2 else rng.choice([each for each in COLOURS if each != colour])
                premise, question = f"The {thing} of {owner} is {colour}.", f"Which colour is the {thing} of {owner}?"
                hypothesis = rng.choice([f"It is {said}.", said, f"{owner} has a {said} {thing}."])
                right = said == colour
                examples.append(Example(question, question, premise, hypothesis, right, right, "tiny"))
    return examples


@pytest.fixture(scope="module")
def trained(folder: Path) -> TrainedNetwork:
    return train(tiny_pool(), folder, 0, Silent())


def test_a_network_trained_on_a_tiny_pool_tells_right_from_wrong(trained: TrainedNetwork, folder: Path) -> None:
    reader = Reader(folder, trained.network)
    texts = [("Which colour is the hat of Ines?", f"The hat of Ines is {colour}.") for colour in COLOURS]
    odds = {
        said: reader.log_odds([TextPair(*text, f"It is {colour}.") for text, colour in zip(texts, told, strict=True)])
        for said, told in (("right", COLOURS), ("wrong", [*COLOURS[1:], COLOURS[0]]))
    }
    assert (odds["right"].min(axis=0) > odds["wrong"].max(axis=0)).all()
    assert trained.record["held_out_auc_right"] > 0.9
    assert trained.record["held_out_auc_stated"] > 0.9


def test_the_record_counts_the_questions_that_were_held_out(trained: TrainedNetwork) -> None:
    examples = tiny_pool()
    held_out = sum(is_held_out(each.group) for each in examples)
    assert 0 < held_out < 150
    assert held_out % 8 == 0, "all of a question's examples"
    assert (trained.record["held_out"], trained.record["examples"]) == (held_out, 400 - held_out)


def test_the_scale_of_each_head_rises_with_its_log_odds(trained: TrainedNetwork) -> None:
    assert trained.scales[0][0] > 0
    assert trained.scales[1][0] > 0


@pytest.mark.parametrize("held_out", [True, False])
def test_a_pool_of_which_nothing_or_everything_is_held_out_is_said_or_trained_on(folder: Path, held_out: bool) -> None:
    examples = [each for each in tiny_pool() if is_held_out(each.group) == held_out][:32]
    if held_out:
        with pytest.raises(DataError, match="no example is left to train on"):
            train(examples, folder, 0, Silent())
        return
    trained = train(examples, folder, 0, Silent())
    assert trained.scales == ((1.0, 0.0), (1.0, 0.0))
    assert trained.record["held_out_auc_right"] is None


def test_people_judge_both_ways_and_a_question_is_held_out_whole() -> None:
    rows = [
        Binary(Case("c", Question(f"q{n}", f"Who is {n}?", ("Ada / Ada L.",)), "Ada"), n % 2 == 0, ())
        for n in range(500)
    ]
    examples = examples_of_people(rows, 0)
    assert examples == examples_of_people(rows, 0)
    assert abs(len(examples) - 600) < 5 * (1000 * 0.6 * 0.4) ** 0.5
    for each in examples:
        right = int(each.group.split()[-1].rstrip("?")) % 2 == 0
        if each.kind == "people":
            assert (each.premise, each.hypothesis, each.right, each.stated) == ("Ada or Ada L.", "Ada", right, None)
        else:
            assert (each.premise, each.hypothesis, each.right, each.stated) == ("Ada", "Ada or Ada L.", None, right)
    shares = [is_held_out(f"question {n}") for n in range(3_000)]
    assert abs(sum(shares) - 300) < 5 * (3_000 * 0.1 * 0.9) ** 0.5


# ---- the command ----------------------------------------------------------------------------------------------------

SPLITS = {"bioasq": ("finetune", "evaluation"), "nq": ("finetune", "evaluation"), "qasper": ("validation", "test")}


def colour_question(pack: str, owner: str, thing: str) -> str:
    return f"Which colour is the {thing} of {owner} in {pack}?"


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """In each pack 20 questions of the pool and one that is evaluated, which bioasq's pool has as well."""
    for pack, (pool, evaluated) in SPLITS.items():
        documents, rows = [], []
        for number, (owner, thing) in enumerate(itertools.product(OWNERS, THINGS[:4])):
            colour, name = COLOURS[number % len(COLOURS)], f"d{number}"
            text = f"In the year of the flood the {thing} of {owner} was painted {colour}. It had been of plain wood."
            documents.append({"doc_id": name, "title": "", "text": text})
            references = [f"It is {colour}.", f"The {thing} of {owner} is painted {colour}."]
            rows.append({"id": f"{pack}{number}", "question": colour_question(pack, owner, thing), "split": pool,
                         "answers": references, "gold_doc_ids": [name]})  # fmt: skip
        shared = {**rows[0], "question": "Which colour is evaluated?"}
        rows.append({**shared, "id": "evaluated", "split": evaluated})
        if pack == "bioasq":
            rows.append({**shared, "id": "same text"})
        write_pack(tmp_path / "packs" / pack, documents, rows)
    return tmp_path / "packs"


def test_the_command_writes_entry_weights_and_the_questions_that_it_learnt_from(
    harness: Callable[..., Finished], packs: Path, tmp_path: Path
) -> None:
    """Of each pool a fifth is left to cards, by a hash; no question of a card or of an evaluation is learnt from."""
    data = write_judgements(tmp_path / "data")
    done = harness("fit-judge", "mine", "--kind", "alignment", "--data", str(data), "--packs", str(packs))
    assert done.code == 0, done.err
    path = tmp_path / "judges" / "mine.yaml"
    entry = yaml.safe_load(path.read_text())
    weights = (tmp_path / "judges" / entry["weights"]).read_bytes()
    assert entry["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert (entry["kind"], entry["short_judge"]) == ("alignment", "calibrated")
    assert entry["fitted_on"]["pools"] == ["bioasq", "nq", "qasper"]
    learnt = read_fitted(fitted_file(path))
    asked = {digest_of_question(colour_question(*of)) for of in itertools.product(SPLITS, OWNERS, THINGS[:4])}
    kept = {digest for digest in asked if int(digest[:8], 16) % 5}
    assert len(asked) == 60
    assert kept == learnt & asked
    assert digest_of_question("Which colour is evaluated?") not in learnt
    assert learnt - asked <= {digest_of_question("Who wrote it?"), digest_of_question("Where is it?")}
    again = harness("validate", "--include_path", str(tmp_path))
    assert again.code == 0, again.err


# ---- from entry to score --------------------------------------------------------------------------------------------


def test_an_entry_of_a_trained_network_scores_answers_to_long_references(
    trained: TrainedNetwork, harness: Callable[..., Finished], entries: Path, tmp_path: Path
) -> None:
    weights = entries / "judges" / "weights" / "align.safetensors"
    weights.parent.mkdir()
    save(trained.network, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    write_entries(entries, judges__align=ENTRY.format(digest=digest, short="marks"))
    references = ["The old pump of Marla is red.", "The old pump of Marla is blue."]
    rows = [
        {
            "id": answer or "nothing",
            "question": "Which colour is the pump of Marla?",
            "references": references,
            "answer": answer,
        }
        for answer in ("It is blue.", "It is green.", "")
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = harness("score", "answers.jsonl", "--judge", "align", "--include_path", str(entries), "-o", "scores.jsonl")
    assert done.code == 0, done.err
    scored = {row["id"]: row for row in map(json.loads, Path("scores.jsonl").read_text().splitlines())}
    assert scored["It is blue."]["scores"]["accuracy"] > scored["It is green."]["scores"]["accuracy"]
    assert scored["It is blue."]["reasons"]["accuracy"] == "by reference 2 of 2"
    assert scored["nothing"]["scores"] == {"accuracy": 1.0, "completeness": 1.0}


def test_the_shipped_network_tells_right_from_wrong(tmp_path: Path) -> None:
    """Its weights are those that the entry names, and open with today's features."""
    resolved = Catalog().resolved_judge("alignment")
    judge = build_judge(resolved, "", Resources(tmp_path, Silent()), ModelOptions())
    assert isinstance(judge, SingleJudge)
    reference = "The gene IDH1 increases the number of receptors at the membrane of the cell."
    answers = {
        "right": "IDH1 makes the number of receptors at the cell's membrane higher.",
        "code": "The gene IDH2 increases the number of receptors at the membrane of the cell.",
        "contrary": "The gene IDH1 decreases the number of receptors at the membrane of the cell.",
        "stranger": "The wheel of the old mill was replaced by a larger one of steel.",
    }
    question = Question("q", "What does the gene do?", (reference,))
    items = [JudgeItem(key, question, reference, text, (), "accuracy", 0) for key, text in answers.items()]
    values = {score.key: score.value or 0.0 for score in judge.judge(items) if isinstance(score, Score)}
    assert values["right"] > max(values[key] for key in ("code", "contrary", "stranger")) + 0.5, values
