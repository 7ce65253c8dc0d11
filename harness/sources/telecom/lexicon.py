"""The words of the fictional company: what entities it has, what is true of them and how that is said.

In every sentence and question `{n}` is the entity's name and `{v}` the value. Filler sentences hold no digit and no
value of any attribute, so that nothing in a document but its facts can answer a question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.sources.telecom.rng import SeededRng

__all__ = ["ENTITY_KINDS", "FILLERS", "FILLER_WORDS", "Attribute", "Comparison", "EntityKind", "Section", "entity_name"]

Roll = Callable[[SeededRng], str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of two has the smaller value, and how to say so of the winner."""

    question: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that is true of an entity. `kind` is the kind of value (see `judging.facts`); `links` names the
    entity kind that the value is one of, and `descriptor` says that other entity through this one."""

    name: str
    kind: str
    noun: str
    sentences: tuple[str, ...]
    questions: tuple[str, ...]
    roll: Roll | None = None
    terms: tuple[str, ...] = ()
    compare: Comparison | None = None
    links: str | None = None
    descriptor: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class EntityKind:
    """A sort of document. `share` is its part of a world's documents, in per mille."""

    name: str
    share: int
    title: str
    sections: tuple[Section, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(attribute for section in self.sections for attribute in section.attributes)


# ---- names ----------------------------------------------------------------------------------------------------------

_ONSETS = (
    "Vel",
    "Kor",
    "Tam",
    "Bri",
    "Nar",
    "Sol",
    "Dra",
    "Mer",
    "Hal",
    "Fen",
    "Gar",
    "Lum",
    "Zan",
    "Pel",
    "Ost",
    "Rav",
)
_MIDDLES = ("an", "or", "iv", "el", "um", "ar", "es", "on", "ik", "al", "et", "ur", "in", "ov", "ad")
_ENDS = ("ta", "vex", "ra", "dis", "mo", "lin", "kas", "ro", "nia", "sen", "pia", "tor", "va", "gon", "rel", "dax")
_WORDS = len(_ONSETS) * len(_MIDDLES) * len(_ENDS)
_FLAVOURS = ("Flex", "Basic", "Comfort", "Studio", "Family", "Travel", "Office", "Prime")
_CODES = {"error": "E", "procedure": "P", "outage": "INC", "policy": "G"}


def _word(index: int) -> str:
    """One of 3,840 invented words; neighbours in index share nothing."""
    scattered = (index * 1_327 + 611) % _WORDS
    rest, end = divmod(scattered, len(_ENDS))
    onset, middle = divmod(rest, len(_MIDDLES))
    return _ONSETS[onset] + _MIDDLES[middle] + _ENDS[end]


def entity_name(kind: str, index: int, count: int) -> str:
    """The unique name of the `index`-th of `count` entities of a kind; plans and devices have words, others codes."""
    turn, place = divmod(index, _WORDS)
    if kind == "plan":
        return f"{_word(place)} {_FLAVOURS[(place * 3 + turn) % 8]}" + (f" {turn // 8 + 1}" if turn >= 8 else "")
    if kind == "device":
        return f"{_word(place + 1_913)} {'RXKTM'[place % 5]}{100 + (turn * 7 + place * 37) % 900}"
    span = 9_000 if count <= 9_000 else 900_000
    return f"{_CODES[kind]}-{span // 9 + (index * 3_571 + 1_237) % span}"


# ---- values ---------------------------------------------------------------------------------------------------------


def _money(low: int, high: int, step: int = 1) -> Roll:
    return lambda rng: f"{low + step * rng.below((high - low) // step + 1)}.{rng.pick(('00', '50', '90'))} EUR"


def _number(values: tuple[int, ...], unit: str = "") -> Roll:
    return lambda rng: f"{rng.pick(values)}{unit}"


def _range(low: int, high: int, unit: str = "", step: int = 1) -> Roll:
    return lambda rng: f"{low + step * rng.below((high - low) // step + 1):,}{unit}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _date(rng: SeededRng) -> str:
    return f"{rng.between(1, 28)} {rng.pick(_MONTHS)} {rng.between(2031, 2038)}"


def _time(rng: SeededRng) -> str:
    return f"{rng.below(24):02d}:{rng.pick(('00', '15', '30', '45'))}"


def _form(rng: SeededRng) -> str:
    return f"F-{rng.between(100, 999)}"


def _address(rng: SeededRng) -> str:
    return f"10.{rng.between(2, 250)}.{rng.between(2, 250)}.1"


def _version(rng: SeededRng) -> str:
    return f"{rng.between(2, 9)}.{rng.below(20)}.{rng.below(10)}"


_LIGHTS = (
    "steady green", "blinking green", "steady amber", "blinking amber", "steady red",
    "blinking red", "steady blue", "blinking blue", "steady white", "pulsing violet",
)  # fmt: skip
_TEAMS = (
    "Field Dispatch", "Line Diagnostics", "Billing Review", "Access Engineering", "Customer Retention",
    "Identity Desk", "Core Operations", "Hardware Returns", "Partner Liaison", "Roaming Desk",
)  # fmt: skip
_CAUSES = (
    "a corroded splice", "an expired certificate", "a worn power supply", "a loose patch cable", "a full address pool",
    "a cut fibre", "a failed cooling fan", "a wrong port profile", "a flooded cabinet", "an interrupted update",
)  # fmt: skip
_TOOLS = (
    "the Lantern console", "the Meridian portal", "the Sextant probe", "the Ferry client",
    "the Almanac ledger", "the Compass app", "the Harbour terminal",
)  # fmt: skip
_TOWNS = (
    "Ardmoor", "Bellhaven", "Carrowick", "Dunmarsh", "Eastfold", "Fennbridge", "Glenross", "Hollowby", "Inverlea",
    "Junipers", "Kestrelford", "Lowmere", "Marrowdale", "Northsea", "Oakhurst", "Pinewater",
)  # fmt: skip
_HOURS = ("weekday mornings", "weekday evenings", "weekends as well", "around the clock", "by appointment alone")
_CHANNELS = ("registered letter", "the customer portal", "a signed form", "a recorded call", "a visit to a shop")


# ---- entities -------------------------------------------------------------------------------------------------------

_PLAN = EntityKind(
    "plan", 220, "Tariff {n}",
    (
        Section("Price and term", (
            Attribute("monthly_price", "money", "monthly price",
                ("The monthly price of {n} is {v}.", "Customers on {n} pay {v} a month."),
                ("What does {n} cost per month?", "What is the monthly price of {n}?"),
                _money(9, 79), compare=Comparison("Which tariff has the lower monthly price, {a} or {b}?",
                                                  "{w} has the lower monthly price: {x} against {y} for {l}.")),
            Attribute("contract_term", "duration", "minimum term",
                ("The minimum term of {n} is {v}.", "{n} binds the customer for {v}."),
                ("How long is the minimum term of {n}?", "For how long does {n} bind the customer?"),
                _number((6, 9, 12, 18, 24, 30, 36), " months")),
            Attribute("notice_period", "duration", "notice period",
                ("The notice period of {n} is {v}.", "Whoever wants to leave {n} gives notice {v} ahead."),
                ("What is the notice period of {n}?", "How far ahead must notice be given to leave {n}?"),
                _number((10, 14, 21, 30, 45, 60), " days")),
            Attribute("activation_fee", "money", "activation fee",
                ("The activation fee of {n} is {v}.", "A one-off activation fee of {v} is charged for {n}."),
                ("How much is the activation fee of {n}?", "What one-off fee is charged to activate {n}?"),
                _money(5, 60, 5)),
        )),
        Section("Line and data", (
            Attribute("data_volume", "volume", "monthly data allowance",
                ("The monthly data allowance of {n} is {v}.", "{n} carries {v} of data each month."),
                ("How much data does {n} include each month?", "What is the monthly data allowance of {n}?"),
                _range(20, 900, " GB", 10),
                compare=Comparison("Which tariff includes less data each month, {a} or {b}?",
                                   "{w} includes less data each month: {x} against {y} for {l}.")),
            Attribute("download_speed", "speed", "download speed",
                ("The download speed of {n} is {v}.", "On {n} the line delivers up to {v} downstream."),
                ("How fast is the download on {n}?", "What download speed does {n} offer?"),
                _range(20, 950, " Mbit/s", 10),
                compare=Comparison("Which tariff has the slower download, {a} or {b}?",
                                   "{w} has the slower download: {x} against {y} for {l}.")),
            Attribute("roaming", "duration", "yearly roaming allowance",
                ("The yearly roaming allowance of {n} is {v}.", "{n} may be used abroad for {v} a year."),
                ("How long may {n} be used abroad in a year?", "What is the yearly roaming allowance of {n}?"),
                _range(10, 120, " days", 5)),
        )),
        Section("Equipment and help", (
            Attribute("device", "name", "router",
                ("{n} ships with the {v}.", "The router that comes with {n} is the {v}."),
                ("Which router ships with {n}?", "What router do customers on {n} receive?"),
                links="device", descriptor="the router that ships with {n}"),
            Attribute("support_hours", "term", "hours of its help line",
                ("The help line for {n} answers {v}.", "Help for {n} is given {v}."),
                ("When does the help line for {n} answer?", "At what hours is help for {n} given?"),
                terms=_HOURS),
        )),
    ),
)  # fmt: skip

_DEVICE = EntityKind(
    "device", 220, "Router {n}",
    (
        Section("Set-up and lights", (
            Attribute("ready_light", "term", "status light when the line is ready",
                ("When the line is ready, the status light of the {n} is {v}.",
                 "A ready line shows as {v} on the {n}."),
                ("What does the status light of {n} show when the line is ready?",
                 "How does {n} show that the line is ready?"), terms=_LIGHTS),
            Attribute("reset_hold", "duration", "time to hold its reset button",
                ("To reset the {n}, hold the button for {v}.", "The {n} resets once its button is held for {v}."),
                ("For how long must the reset button of {n} be held?", "How long is the button held to reset {n}?"),
                _range(5, 45, " seconds", 5),
                compare=Comparison("Which router resets with the shorter press of the button, {a} or {b}?",
                                   "{w} resets with the shorter press: {x} against {y} for {l}.")),
            Attribute("address", "address", "address of its set-up page",
                ("The set-up page of the {n} is at {v}.", "Open {v} in a browser to set up the {n}."),
                ("At which address is the set-up page of {n}?", "What is the address of the set-up page of {n}?"),
                _address),
        )),
        Section("Hardware", (
            Attribute("power", "power", "power draw",
                ("The power draw of the {n} is {v}.", "Under full load the {n} draws {v}."),
                ("What is the power draw of {n}?", "How much power does {n} draw under full load?"),
                _range(4, 40, " W"),
                compare=Comparison("Which router draws less power, {a} or {b}?",
                                   "{w} draws less power: {x} against {y} for {l}.")),
            Attribute("ports", "count", "number of network ports",
                ("The {n} has {v} network ports.", "There are {v} network ports on the {n}."),
                ("How many network ports does {n} have?", "What is the number of network ports on {n}?"),
                _range(2, 16)),
            Attribute("temperature", "temperature", "highest room temperature",
                ("The {n} may run in rooms of up to {v}.", "The highest room temperature for the {n} is {v}."),
                ("What is the highest room temperature for {n}?", "How warm may the room be in which {n} runs?"),
                _range(28, 60, " °C")),
            Attribute("firmware", "version", "required firmware",
                ("The {n} needs firmware {v} or later.", "Firmware {v} is required on the {n}."),
                ("Which firmware does {n} need?", "What firmware is required on {n}?"), _version),
        )),
        Section("Warranty and return", (
            Attribute("warranty", "duration", "warranty",
                ("The warranty of the {n} is {v}.", "Norvane repairs the {n} free of charge for {v}."),
                ("How long is the warranty of {n}?", "For how long is {n} repaired free of charge?"),
                _range(12, 72, " months", 6)),
            Attribute("deposit", "money", "deposit",
                ("The deposit for the {n} is {v}.", "A deposit of {v} is taken for the {n}."),
                ("What deposit is taken for {n}?", "How much is the deposit for {n}?"), _money(10, 120, 5)),
        )),
    ),
)  # fmt: skip

_ERROR = EntityKind(
    "error", 220, "Error {n}",
    (
        Section("Meaning", (
            Attribute("cause", "term", "usual cause",
                ("The usual cause of {n} is {v}.", "In most homes {n} goes back to {v}."),
                ("What is the usual cause of {n}?", "What does {n} usually go back to?"), terms=_CAUSES),
            Attribute("device", "name", "router that reports it",
                ("{n} is reported by the {v}.", "It is the {v} that reports {n}."),
                ("Which router reports {n}?", "What router is {n} reported by?"),
                links="device", descriptor="the router that reports {n}"),
        )),
        Section("First steps", (
            Attribute("wait", "duration", "waiting time before a restart",
                ("After {n}, wait {v} before a restart.", "A restart is tried {v} after {n} appears."),
                ("How long should one wait after {n} before a restart?", "How long after {n} is a restart tried?"),
                _range(3, 57, " minutes", 3),
                compare=Comparison("After which error is the wait before a restart shorter, {a} or {b}?",
                                   "The wait is shorter after {w}: {x} against {y} after {l}.")),
            Attribute("retries", "count", "number of restarts allowed",
                ("With {n}, {v} restarts are allowed.", "The customer may try {v} restarts with {n}."),
                ("How many restarts are allowed with {n}?", "How many restarts may the customer try with {n}?"),
                _range(2, 9)),
            Attribute("procedure", "code:P", "procedure that clears it",
                ("{n} is cleared with procedure {v}.", "Procedure {v} clears {n}."),
                ("Which procedure clears {n}?", "With what procedure is {n} cleared?"),
                links="procedure", descriptor="the procedure that clears {n}"),
        )),
        Section("Escalation", (
            Attribute("team", "term", "team it is escalated to",
                ("{n} is escalated to {v}.", "If it returns, {n} goes to {v}."),
                ("Which team is {n} escalated to?", "To which team does {n} go if it returns?"), terms=_TEAMS),
            Attribute("credit", "money", "credit",
                ("A customer hit by {n} is credited {v}.", "The credit for {n} is {v}."),
                ("How much is a customer hit by {n} credited?", "What is the credit for {n}?"), _money(2, 40)),
        )),
    ),
)  # fmt: skip

_PROCEDURE = EntityKind(
    "procedure", 130, "Procedure {n}",
    (
        Section("Before the start", (
            Attribute("form", "code:F", "form",
                ("Procedure {n} begins with form {v}.", "Form {v} is filled in before procedure {n}."),
                ("Which form does procedure {n} begin with?", "What form is filled in before procedure {n}?"), _form),
            Attribute("tool", "term", "tool",
                ("Procedure {n} is carried out in {v}.", "The tool for procedure {n} is {v}."),
                ("In which tool is procedure {n} carried out?", "What is the tool for procedure {n}?"), terms=_TOOLS),
            Attribute("policy", "code:G", "policy that governs it",
                ("Procedure {n} is governed by policy {v}.", "Policy {v} governs procedure {n}."),
                ("Which policy governs procedure {n}?", "By what policy is procedure {n} governed?"),
                links="policy", descriptor="the policy that governs procedure {n}"),
        )),
        Section("Course", (
            Attribute("steps", "count", "number of steps",
                ("Procedure {n} has {v} steps.", "There are {v} steps in procedure {n}."),
                ("How many steps does procedure {n} have?", "What is the number of steps in procedure {n}?"),
                _range(3, 24),
                compare=Comparison("Which procedure has fewer steps, {a} or {b}?",
                                   "{w} has fewer steps: {x} against {y} in {l}.")),
            Attribute("length", "duration", "usual length",
                ("The usual length of procedure {n} is {v}.", "Procedure {n} usually takes {v}."),
                ("How long does procedure {n} usually take?", "What is the usual length of procedure {n}?"),
                _range(5, 115, " minutes", 5)),
        )),
        Section("Afterwards", (
            Attribute("owner", "term", "team that checks it",
                ("Procedure {n} is checked by {v}.", "The result of procedure {n} goes to {v} for a check."),
                ("Which team checks procedure {n}?", "To which team does the result of procedure {n} go for a check?"),
                terms=_TEAMS),
            Attribute("fee", "money", "fee",
                ("The fee for procedure {n} is {v}.", "Customers are charged {v} for procedure {n}."),
                ("What is the fee for procedure {n}?", "How much are customers charged for procedure {n}?"),
                _money(3, 90, 3)),
        )),
    ),
)  # fmt: skip

_OUTAGE = EntityKind(
    "outage", 110, "Outage {n}",
    (
        Section("What happened", (
            Attribute("town", "term", "town",
                ("Outage {n} struck {v}.", "The town without service in outage {n} was {v}."),
                ("Which town did outage {n} strike?", "What town was without service in outage {n}?"), terms=_TOWNS),
            Attribute("day", "date", "date",
                ("Outage {n} began on {v}.", "The first alarm of outage {n} came on {v}."),
                ("On what date did outage {n} begin?", "When did the first alarm of outage {n} come?"), _date),
            Attribute("hour", "time", "hour of its first alarm",
                ("Outage {n} was noticed at {v}.", "At {v} monitoring noticed outage {n}."),
                ("At what time was outage {n} noticed?", "At what hour did monitoring notice outage {n}?"), _time),
        )),
        Section("Extent", (
            Attribute("customers", "count", "number of customers affected",
                ("In outage {n}, {v} customers were affected.", "Outage {n} affected {v} customers."),
                ("How many customers did outage {n} affect?", "What number of customers was affected in outage {n}?"),
                _range(120, 9_800, "", 10),
                compare=Comparison("Which outage affected fewer customers, {a} or {b}?",
                                   "{w} affected fewer customers: {x} against {y} in {l}.")),
            Attribute("length", "duration", "length",
                ("Outage {n} lasted {v}.", "Service was back {v} after outage {n} began."),
                ("How long did outage {n} last?", "How long after outage {n} began was service back?"),
                _range(2, 23, " hours")),
        )),
        Section("Cause and redress", (
            Attribute("cause", "term", "cause",
                ("The cause of outage {n} was {v}.", "Outage {n} was traced to {v}."),
                ("What was the cause of outage {n}?", "What was outage {n} traced to?"), terms=_CAUSES),
            Attribute("error", "code:E", "error that customers saw",
                ("In outage {n} customers saw error {v}.", "Routers showed error {v} during outage {n}."),
                ("Which error did customers see in outage {n}?", "What error did routers show during outage {n}?"),
                links="error", descriptor="the error that customers saw in outage {n}"),
            Attribute("redress", "money", "compensation",
                ("The compensation for outage {n} was {v}.", "Each household received {v} for outage {n}."),
                ("How much was the compensation for outage {n}?", "What did each household receive for outage {n}?"),
                _money(4, 60, 2)),
        )),
    ),
)  # fmt: skip

_POLICY = EntityKind(
    "policy", 100, "Policy {n}",
    (
        Section("Scope", (
            Attribute("effective", "date", "effective date",
                ("Policy {n} is in force since {v}.", "The effective date of policy {n} is {v}."),
                ("Since when is policy {n} in force?", "What is the effective date of policy {n}?"), _date),
            Attribute("discount", "percent", "largest discount",
                ("Policy {n} allows a discount of up to {v}.", "The largest discount under policy {n} is {v}."),
                ("What is the largest discount under policy {n}?", "How large a discount does policy {n} allow?"),
                _range(5, 45, " percent", 1),
                compare=Comparison("Which policy allows the smaller discount, {a} or {b}?",
                                   "{w} allows the smaller discount: {x} against {y} under {l}.")),
        )),
        Section("Limits", (
            Attribute("limit", "money", "refund limit",
                ("The refund limit of policy {n} is {v}.", "Under policy {n} refunds end at {v}."),
                ("What is the refund limit of policy {n}?", "At what amount do refunds end under policy {n}?"),
                _money(20, 400, 10)),
            Attribute("deadline", "duration", "deadline for claims",
                ("The deadline for claims under policy {n} is {v}.", "Claims under policy {n} are made within {v}."),
                ("What is the deadline for claims under policy {n}?",
                 "Within what time are claims under policy {n} made?"), _range(7, 84, " days", 7)),
        )),
        Section("Approval", (
            Attribute("approver", "term", "team that approves exceptions",
                ("Exceptions to policy {n} are approved by {v}.", "It is {v} that approves exceptions to policy {n}."),
                ("Which team approves exceptions to policy {n}?", "Who approves exceptions to policy {n}?"),
                terms=_TEAMS),
            Attribute("channel", "term", "channel for claims",
                ("Claims under policy {n} are accepted by {v}.", "The channel for claims under policy {n} is {v}."),
                ("By what channel are claims under policy {n} accepted?",
                 "What is the channel for claims under policy {n}?"), terms=_CHANNELS),
        )),
    ),
)  # fmt: skip

ENTITY_KINDS = {kind.name: kind for kind in (_PLAN, _DEVICE, _ERROR, _PROCEDURE, _OUTAGE, _POLICY)}


# ---- filler ---------------------------------------------------------------------------------------------------------

FILLERS = (
    "Advisers {verb} the {thing} with the customer before they {close} the case.",
    "If the customer {doubts}, the adviser {verb}s the {thing} once more and notes the outcome.",
    "Please keep the {thing} in mind when the customer {doubts}.",
    "The {thing} is described in {place}, and advisers read it there before the call.",
    "A friendly word helps more than a long explanation when a customer {doubts}.",
    "New colleagues often overlook the {thing}, so team leaders {verb} it in their weekly round.",
    "What is said here about {n} replaces what older pages in {place} may say.",
    "Should the {thing} look unusual, the adviser {verb}s it and does not {close} the case.",
    "For {n} the same rules of courtesy hold as everywhere: listen first, then {verb} the {thing}.",
    "Questions about the {thing} that this page leaves open belong in {place}.",
    "Before advisers {close} the case, they {verb} the {thing} and thank the customer for the patience.",
    "The page on {n} is reviewed by the editors, who {verb} the {thing} and mend what is out of date.",
    "Some customers compare {n} with offers elsewhere; advisers stay with the facts and {verb} the {thing}.",
    "It is good practice to {verb} the {thing} aloud, since many customers read along in {place}.",
    "Nothing in this section changes the {thing}, which follows from the general terms.",
    "When two colleagues disagree about the {thing}, they {verb} it together in {place}.",
)
FILLER_WORDS = {
    "verb": ("check", "confirm", "review", "repeat", "explain", "record", "compare", "summarise"),
    "thing": (
        "customer file", "earlier conversation", "order history", "line record", "account holder", "delivery note",
        "written summary", "contact preference", "service history", "wording of the request", "open question",
        "spelling of the name", "last message", "household", "general terms", "proof of identity",
    ),
    "close": ("close", "hand over", "park", "forward"),
    "doubts": (
        "has doubts", "asks for more detail", "sounds uncertain", "wants to think it over", "mentions an older page",
        "has heard otherwise from a neighbour", "prefers to write", "would rather be called back",
    ),
    "place": (
        "the handbook", "the team notes", "the shared folder", "the glossary", "the training course",
        "the reading list", "the editors' corner", "the welcome guide",
    ),
}  # fmt: skip
