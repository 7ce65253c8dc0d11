"""Hard answers, written and scored by hand before the judge that they test: two sets that share no question.

`development.tsv` was looked at while the judge was built; `report.tsv` was scored once, at the end. A line is a
question (a key of `QUESTIONS`), the right accuracy and completeness, what makes it hard, and the answer; `\\n` in an
answer is a line break and `<<matter>>` stands for a passage's worth of sentences that do not answer anything.

How they were scored: a value counts as stated in whatever form it is written, but a rounded one does not, nor does one
in another currency; one of n alternatives is one right and n - 1 wrong values, and 1/n of a complete answer; the last
word of a correction counts; a value beside an abstention counts; a rambling answer keeps its completeness.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from harness.judging.facts import true_scores
from harness.records import Fact, Question

__all__ = ["MATTER", "HardAnswer", "errors", "hard_answers"]

MATTER = (
    "Customers reach the help pages from the start page of the portal. Staff note every call in the log and close it "
    "with a short summary for the colleague who takes over. Letters are scanned on arrival and kept in the archive of "
    "the branch. A complaint is read by someone who had no part in the case, and the reply is sent in plain words. "
    "Whoever moves house tells the company ahead of the move, so that the line can be tested at the new address. "
    "Cables and plugs are checked first, since most faults at home go back to them. Parents may ask for a lock on "
    "certain pages. The shop keeps a list of partners who repair older sets. Changes to these rules are published "
    "on the notice board and in the newsletter, and they hold from the day on which they are published. "
)


class HardAnswer(NamedTuple):
    """An answer with the scores that a careful reader gives it."""

    key: str
    accuracy: float
    completeness: float
    form: str
    answer: str

    @property
    def question(self) -> Question:
        return QUESTIONS[self.key]


def hard_answers(name: str) -> list[HardAnswer]:
    """The set of that name, `development` or `report`."""
    path = Path(__file__).parent / f"{name}.tsv"
    rows = csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [
        HardAnswer(
            key, float(acc), float(comp), form, answer.replace("\\n", "\n").replace("<<matter>>", MATTER.strip())
        )
        for key, acc, comp, form, answer in rows
    ]


def errors(answers: list[HardAnswer]) -> list[tuple[HardAnswer, tuple[float, float]]]:
    """Those that the facts judge scores two points or more away from the right score, on either criterion."""
    scored = [(hard, true_scores(hard.question, hard.answer)) for hard in answers]
    return [
        (hard, scores)
        for hard, scores in scored
        if abs(scores[0] - hard.accuracy) >= 2 or abs(scores[1] - hard.completeness) >= 2
    ]


_CAUSES = (
    "a corroded splice", "an expired certificate", "a worn power supply", "a loose patch cable", "a full address pool",
    "a cut fibre", "a failed cooling fan", "a flooded cabinet", "an interrupted update",
)  # fmt: skip
_LIGHTS = ("steady green", "blinking green", "steady amber", "blinking amber", "steady red", "blinking red")
_TEAMS = ("Field Dispatch", "Line Diagnostics", "Billing Review", "Access Engineering", "Customer Retention")
_HOURS = ("weekday mornings", "weekday evenings", "weekends as well", "around the clock", "by appointment alone")
_CHANNELS = ("registered letter", "the customer portal", "a signed form", "a recorded call", "a visit to a shop")
_ROOMS = ("the map room", "the reading hall", "the garden annexe", "the music studio", "the children's corner")


def _fact(kind: str, value: str, statement: str, alternatives: tuple[str, ...] = ()) -> Fact:
    return Fact(f"{kind}/{value}", kind, value, statement, alternatives)


def _asked(text: str, *facts: Fact, sides: tuple[Fact, ...] = ()) -> Question:
    return Question(text, text, tuple(fact.statement for fact in facts), facts=facts, side_facts=sides)


def _which(
    text: str, names: tuple[str, str], right: str, statement: str, kind: str, values: tuple[str, str]
) -> Question:
    """`values` are those of `names`, in that order."""
    sides = tuple(Fact(name, kind, value, f"{name}: {value}.") for name, value in zip(names, values, strict=True))
    return _asked(text, _fact("choice", right, statement, names), sides=sides)


def _missing(text: str, kind: str, statement: str, alternatives: tuple[str, ...] = ()) -> Question:
    fact = _fact(kind, "", statement, alternatives)
    return Question(text, text, (statement,), answerable=False, facts=(fact,))


_PRICE = _fact("money", "33.90 EUR", "The monthly price of Velanta Flex is 33.90 EUR.")
_TERM = _fact("duration", "24 months", "The minimum term of Velanta Flex is 24 months.")
_NOTICE = _fact("duration", "14 days", "The notice period of Velanta Flex is 14 days.")
_HELP = _fact("term", "weekday evenings", "The help line for Velanta Flex answers weekday evenings.", _HOURS)

_LATE = _fact("money", "0.40 EUR", "The late fee for a novel is 0.40 EUR a day.")
_LOAN = _fact("duration", "21 days", "The loan period of a novel is 21 days.")
_RENEWAL = _fact("count", "3", "A novel may be renewed 3 times.")
_HOLD = _fact("duration", "5 days", "A novel on hold is kept for 5 days.")

QUESTIONS = {
    # ---- development ----
    "price": _asked("What does Velanta Flex cost per month?", _PRICE),
    "term": _asked("How long is the minimum term of Velanta Flex?", _TERM),
    "notice": _asked("What is the notice period of Velanta Flex?", _NOTICE),
    "wait": _asked("How long should one wait after E-4410 before a restart?",
                   _fact("duration", "30 minutes", "After E-4410, wait 30 minutes before a restart.")),
    "day": _asked("On what date did outage INC-2210 begin?",
                  _fact("date", "13 May 2035", "Outage INC-2210 began on 13 May 2035.")),
    "hour": _asked("At what time was outage INC-2210 noticed?",
                   _fact("time", "21:15", "Outage INC-2210 was noticed at 21:15.")),
    "data": _asked("How much data does Velanta Flex include each month?",
                   _fact("volume", "1,500 GB", "The monthly data allowance of Velanta Flex is 1,500 GB.")),
    "speed": _asked("How fast is the download on Velanta Flex?",
                    _fact("speed", "500 Mbit/s", "The download speed of Velanta Flex is 500 Mbit/s.")),
    "cause": _asked("What is the usual cause of E-4410?",
                    _fact("term", "an expired certificate", "The usual cause of E-4410 is an expired certificate.",
                          _CAUSES)),
    "light": _asked("What does the status light of Ostalrel T236 show when the line is ready?",
                    _fact("term", "blinking green", "A ready line shows as blinking green on the Ostalrel T236.",
                          _LIGHTS)),
    "ports": _asked("How many network ports does Ostalrel T236 have?",
                    _fact("count", "12", "The Ostalrel T236 has 12 network ports.")),
    "customers": _asked("How many customers did outage INC-2210 affect?",
                        _fact("count", "7,420", "Outage INC-2210 affected 7,420 customers.")),
    "warm": _asked("What is the highest room temperature for Ostalrel T236?",
                   _fact("temperature", "45 °C", "The Ostalrel T236 may run in rooms of up to 45 °C.")),
    "draw": _asked("What is the power draw of Ostalrel T236?",
                   _fact("power", "29 W", "The power draw of the Ostalrel T236 is 29 W.")),
    "firmware": _asked("Which firmware does Ostalrel T236 need?",
                       _fact("version", "2.17.3", "The Ostalrel T236 needs firmware 2.17.3 or later.")),
    "form": _asked("Which form does procedure P-1802 begin with?",
                   _fact("code:F", "F-426", "Procedure P-1802 begins with form F-426.")),
    "router": _asked("Which router ships with Velanta Flex?",
                     _fact("name", "Ostalrel T236", "Velanta Flex ships with the Ostalrel T236.")),
    "hop": _asked("What is the fee for the procedure that clears E-4410?",
                  _fact("money", "12.50 EUR", "The fee for procedure P-1802 is 12.50 EUR."),
                  sides=(_fact("code:P", "P-1802", "E-4410 is cleared with procedure P-1802."),)),
    "both": _asked("Tariff Velanta Flex: what are the monthly price and the minimum term?", _PRICE, _TERM),
    "three": _asked("Please give the monthly price, the minimum term and the hours of its help line for Tariff Velanta "
                    "Flex.", _PRICE, _TERM, _HELP),
    "periods": _asked("Tariff Velanta Flex: what are the minimum term and the notice period?", _TERM, _NOTICE),
    "cheaper": _which("Which tariff has the lower monthly price, Velanta Flex or Korivra Basic?",
                      ("Velanta Flex", "Korivra Basic"), "Korivra Basic",
                      "Korivra Basic has the lower monthly price: 20.00 EUR against 33.90 EUR for Velanta Flex.",
                      "money", ("33.90 EUR", "20.00 EUR")),
    "faster": _which("Which tariff has the higher download speed, Velanta Flex or Korivra Basic?",
                     ("Velanta Flex", "Korivra Basic"), "Velanta Flex",
                     "Velanta Flex has the higher download speed: 500 Mbit/s against 120 Mbit/s for Korivra Basic.",
                     "speed", ("500 Mbit/s", "120 Mbit/s")),
    "steps": _which("Which procedure has fewer steps, P-1802 or P-3515?", ("P-1802", "P-3515"), "P-3515",
                    "P-3515 has fewer steps: 5 against 24 in P-1802.", "count", ("24", "5")),
    "no_notice": _missing("What is the notice period of Halurnia Prime?", "duration",
                          "The knowledge base does not state the notice period of Tariff Halurnia Prime."),
    "no_fee": _missing("How much is the activation fee of Halurnia Prime?", "money",
                       "The knowledge base does not state the activation fee of Tariff Halurnia Prime."),
    "no_team": _missing("Which team is E-9379 escalated to?", "term",
                        "The knowledge base does not state the team Error E-9379 is escalated to.", _TEAMS),
    "no_channel": _missing("By what channel are claims under policy G-7231 accepted?", "term",
                           "The knowledge base does not state the channel for claims of Policy G-7231.", _CHANNELS),
    # ---- report ----
    "late": _asked("What is the late fee for a novel, per day?", _LATE),
    "loan": _asked("For how long may a novel be borrowed?", _LOAN),
    "card": _asked("How much does a yearly reader's card cost?",
                   _fact("money", "1,240.50 EUR", "A yearly reader's card for companies costs 1,240.50 EUR.")),
    "deposit": _asked("What deposit is taken for Merarnia T766?",
                      _fact("money", "75.50 EUR", "A deposit of 75.50 EUR is taken for the Merarnia T766.")),
    "warranty": _asked("How long is the warranty of Merarnia T766?",
                       _fact("duration", "18 months", "The warranty of the Merarnia T766 is 18 months.")),
    "press": _asked("How long is the button held to reset Merarnia T766?",
                    _fact("duration", "45 seconds", "To reset the Merarnia T766, hold the button for 45 seconds.")),
    "course": _asked("How long does procedure P-6651 usually take?",
                     _fact("duration", "90 minutes", "Procedure P-6651 usually takes 90 minutes.")),
    "opened": _asked("When was the garden annexe opened?",
                     _fact("date", "4 October 2033", "The garden annexe was opened on 4 October 2033.")),
    "closes": _asked("When does the reading hall close?", _fact("time", "18:30", "The reading hall closes at 18:30.")),
    "opens": _asked("When does the map room open?", _fact("time", "07:45", "The map room opens at 07:45.")),
    "archive": _asked("How large is the film archive of the library?",
                      _fact("volume", "800 GB", "The film archive of the library holds 800 GB.")),
    "line": _asked("What speed does the line of the map room have?",
                   _fact("speed", "250 Mbit/s", "The line of the map room has 250 Mbit/s.")),
    "fault": _asked("What was outage INC-5663 traced to?",
                    _fact("term", "a failed cooling fan", "Outage INC-5663 was traced to a failed cooling fan.",
                          _CAUSES)),
    "team": _asked("Which team approves exceptions to policy G-3805?",
                   _fact("term", "Line Diagnostics", "Exceptions to policy G-3805 are approved by Line Diagnostics.",
                         _TEAMS)),
    "room": _asked("In which room are atlases kept?",
                   _fact("term", "the map room", "Atlases are kept in the map room.", _ROOMS)),
    "books": _asked("How many books may a student borrow at once?",
                    _fact("count", "16", "A student may borrow 16 books at once.")),
    "visitors": _asked("How many visitors came to the book fair?",
                       _fact("count", "3,150", "The book fair drew 3,150 visitors.")),
    "cold": _asked("At what temperature are manuscripts kept?",
                   _fact("temperature", "18 °C", "Manuscripts are kept at 18 °C.")),
    "lamp": _asked("How much power does the reading lamp draw?",
                   _fact("power", "7 W", "The reading lamp draws 7 W.")),
    "discount": _asked("What discount do students get on a reader's card?",
                       _fact("percent", "35 percent", "Students get 35 percent off a reader's card.")),
    "page": _asked("At which address is the set-up page of Merarnia T766?",
                   _fact("address", "10.26.59.1", "The set-up page of the Merarnia T766 is at 10.26.59.1.")),
    "rule": _asked("Which policy governs procedure P-6651?",
                   _fact("code:G", "G-7376", "Procedure P-6651 is governed by policy G-7376.")),
    "hop2": _asked("How long is the warranty of the router that reports E-6506?",
                   _fact("duration", "36 months", "The warranty of the Solorgon X557 is 36 months."),
                   sides=(_fact("name", "Solorgon X557", "E-6506 is reported by the Solorgon X557."),)),
    "novel": _asked("Please give the late fee, the loan period and the number of renewals for a novel.",
                    _LATE, _LOAN, _RENEWAL),
    "fee_loan": _asked("A novel: what are the late fee and the loan period?", _LATE, _LOAN),
    "loan_hold": _asked("A novel: what are the loan period and the time that it is kept on hold?", _LOAN, _HOLD),
    "seats": _which("Which room has more seats, the music studio or the reading hall?",
                    ("the music studio", "the reading hall"), "the reading hall",
                    "The reading hall has more seats: 140 against 36 in the music studio.", "count", ("36", "140")),
    "shorter": _which("Which router resets with the shorter press of the button, Draikvex X717 or Narurpia K384?",
                      ("Draikvex X717", "Narurpia K384"), "Draikvex X717",
                      "Draikvex X717 resets with the shorter press: 15 seconds against 30 seconds for Narurpia K384.",
                      "duration", ("15 seconds", "30 seconds")),
    "dearer": _which("Which procedure has the higher fee, P-5228 or P-2092?", ("P-5228", "P-2092"), "P-2092",
                     "P-2092 has the higher fee: 48.00 EUR against 9.50 EUR for P-5228.", "money",
                     ("9.50 EUR", "48.00 EUR")),
    "no_loan": _missing("For how long may a globe be borrowed?", "duration",
                        "The library's rules do not state the loan period of a globe."),
    "no_late": _missing("What is the late fee for a globe?", "money",
                        "The library's rules do not state the late fee for a globe."),
    "no_seats": _missing("How many seats does the garden annexe have?", "count",
                         "The library's rules do not state the number of seats in the garden annexe."),
    "no_room": _missing("In which room are sheet music volumes kept?", "term",
                        "The library's rules do not state the room in which sheet music volumes are kept.", _ROOMS),
}  # fmt: skip
