"""The support knowledge base of Norvane, a telecom company that does not exist."""

from __future__ import annotations

from harness.sources.world.lexicon import (
    Attribute,
    Comparison,
    Contrast,
    Distractor,
    Domain,
    EntityKind,
    Frames,
    Link,
    Section,
    Syllables,
    code_name,
    dates,
    money,
    span,
    times,
    wording,
)
from harness.sources.world.rng import SeededRng

__all__ = ["TELECOM"]

# ---- names ----------------------------------------------------------------------------------------------------------

_SYLLABLES = Syllables(
    ("Vel", "Kor", "Tam", "Bri", "Nar", "Sol", "Dra", "Mer", "Hal", "Fen", "Gar", "Lum", "Zan", "Pel", "Ost", "Rav"),
    ("an", "or", "iv", "el", "um", "ar", "es", "on", "ik", "al", "et", "ur", "in", "ov", "ad"),
    ("ta", "vex", "ra", "dis", "mo", "lin", "kas", "ro", "nia", "sen", "pia", "tor", "va", "gon", "rel", "dax"),
)
_FLAVOURS = ("Flex", "Basic", "Comfort", "Studio", "Family", "Travel", "Office", "Prime")


def _plan_name(series: int, member: int, count: int) -> str:
    turn, place = divmod(series, len(_SYLLABLES))
    slot = 3 * turn + member
    number = f" {slot // 8 + 1}" if slot >= 8 else ""
    return f"{_SYLLABLES.word(place)} {_FLAVOURS[(place * 3 + slot) % 8]}{number}"


def _device_name(series: int, member: int, count: int) -> str:
    turn, place = divmod(series, len(_SYLLABLES))
    model = 100 + ((3 * turn + member) * 7 + place * 37) % 900
    return f"{_SYLLABLES.word(place + 1_913)} {'RXKTM'[place % 5]}{model}"


# ---- values ---------------------------------------------------------------------------------------------------------


def _form(rng: SeededRng) -> str:
    return f"F-{rng.between(100, 999)}"


def _address(rng: SeededRng) -> str:
    return f"10.{rng.between(2, 250)}.{rng.between(2, 250)}.1"


def _version(rng: SeededRng) -> str:
    return f"{rng.between(2, 9)}.{rng.below(20)}.{rng.below(10)}"


_LIGHTS = (
    "steady green", "blinking green", "steady amber", "blinking amber", "steady red", "blinking red", "steady blue",
    "blinking blue", "steady white", "blinking white", "steady violet", "pulsing violet", "pulsing turquoise",
)  # fmt: skip
_TEAMS = (
    "Field Dispatch", "Line Diagnostics", "Billing Review", "Access Engineering", "Customer Retention",
    "Identity Desk", "Core Operations", "Hardware Returns", "Partner Liaison", "Roaming Desk", "Number Transfers",
    "Fraud Prevention", "Cable Surveying", "Complaints Office",
)  # fmt: skip
_CAUSES = (
    "a corroded splice", "an expired certificate", "a worn power supply", "a loose patch cable", "a full address pool",
    "a cut fibre", "a failed cooling fan", "a wrong port profile", "a flooded cabinet", "an interrupted update",
    "a stolen cable drum", "a swapped wire pair", "a clock out of step", "a blown fuse",
)  # fmt: skip
_TOOLS = (
    "the Lantern console", "the Meridian portal", "the Sextant probe", "the Ferry client", "the Almanac ledger",
    "the Compass app", "the Harbour terminal", "the Anvil workbench", "the Quarry dashboard", "the Pendulum tester",
    "the Orchard planner", "the Beacon monitor",
)  # fmt: skip
_TOWNS = (
    "Ardmoor", "Bellhaven", "Carrowick", "Dunmarsh", "Eastfold", "Fennbridge", "Glenross", "Hollowby", "Inverlea",
    "Junipers", "Kestrelford", "Lowmere", "Marrowdale", "Northsea", "Oakhurst", "Pinewater",
)  # fmt: skip
_HOURS = (
    "on weekday mornings", "on weekday afternoons", "on weekday evenings", "on Saturdays alone", "on Sundays alone",
    "around the clock", "by appointment alone", "during shop hours", "in the school holidays", "at night alone",
    "on market days", "until noon on any day",
)  # fmt: skip
_CHANNELS = (
    "registered letter", "the customer portal", "a signed form", "a recorded call", "a visit to a shop", "fax",
    "a message to the adviser", "the claims hotline", "a lawyer's letter", "the chat window", "a video call",
    "the letter box of a shop",
)  # fmt: skip


# ---- entities -------------------------------------------------------------------------------------------------------

_PLAN = EntityKind(
    "plan", "tariff", 220, "Tariff {n}", "{n}", _plan_name,
    (
        Section("Price and term", (
            Attribute("monthly_price", "money",
                wording("monthly price", "The monthly price of {n} is {v}.",
                    "What does {n} cost per month?", "What is the monthly price of {n}?"),
                wording("charge for each month", "Customers on {n} pay {v} a month.",
                    "How much do customers pay each month when on {n}?", "What sum falls due every month with {n}?"),
                money(9, 79),
                compare=Comparison(Contrast("has the lower monthly price", "has the higher monthly price"),
                                   Contrast("is cheaper month by month", "is dearer month by month"))),
            Attribute("contract_term", "duration",
                wording("minimum term", "The minimum term of {n} is {v}.",
                    "How long is the minimum term of {n}?", "For how long does {n} bind the customer?"),
                wording("shortest stay", "A contract for {n} cannot end before {v} have passed.",
                    "After what time can a contract for {n} end at the earliest?",
                    "How much time must pass before one is free to quit {n}?"),
                span(3, 48, " months", 3)),
            Attribute("notice_period", "duration",
                wording("notice period", "The notice period of {n} is {v}.",
                    "What is the notice period of {n}?", "How far ahead must notice be given to leave {n}?"),
                wording("time to cancel ahead", "Whoever wants to leave {n} says so {v} ahead.",
                    "When one wants out of {n}, how early must one say so?",
                    "How long before the end does a cancellation of {n} have to arrive?"),
                span(10, 90, " days", 5)),
            Attribute("activation_fee", "money",
                wording("activation fee", "The activation fee of {n} is {v}.",
                    "How much is the activation fee of {n}?", "What one-off fee is charged to activate {n}?"),
                wording("single payment at the start", "To be switched on, {n} takes a single payment of {v}.",
                    "What does a new customer pay once to have {n} switched on?",
                    "Which single payment stands at the beginning of {n}?"),
                money(5, 60, 5)),
        )),
        Section("Line and data", (
            Attribute("data_volume", "volume",
                wording("monthly data allowance", "The monthly data allowance of {n} is {v}.",
                    "How much data does {n} include each month?", "What is the monthly data allowance of {n}?"),
                wording("data quota", "{n} carries up to {v} of data before it slows down.",
                    "With what quota of data does {n} come?", "At how much traffic does {n} begin to slow down?"),
                span(20, 900, " GB", 10),
                compare=Comparison(Contrast("includes less data each month", "includes more data each month"),
                                   Contrast("has the smaller data quota", "has the bigger data quota"))),
            Attribute("download_speed", "speed",
                wording("download speed", "The download speed of {n} is {v}.",
                    "How fast is the download on {n}?", "What download speed does {n} offer?"),
                wording("downstream rate", "On {n} the line delivers up to {v} downstream.",
                    "What rate does the line reach downstream on {n}?", "How quick may files arrive through {n}?"),
                span(20, 950, " Mbit/s", 10),
                compare=Comparison(Contrast("has the slower download", "has the faster download"),
                                   Contrast("delivers less speed downstream", "delivers more speed downstream"))),
            Attribute("roaming", "duration",
                wording("yearly roaming allowance", "The yearly roaming allowance of {n} is {v}.",
                    "How long may {n} be used abroad in a year?", "What is the yearly roaming allowance of {n}?"),
                wording("time in foreign networks", "{n} works in foreign networks for {v} out of every year.",
                    "For what part of the year does {n} work in foreign networks?",
                    "How much travelling beyond the border does {n} put up with per year?"),
                span(10, 120, " days", 5)),
        )),
        Section("Equipment and help", (
            Attribute("device", "name",
                wording("router", "{n} ships with {v}.",
                    "Which router ships with {n}?", "What router do customers on {n} receive?"),
                wording("box in the parcel", "Whoever orders {n} finds {v} in the parcel.",
                    "What model lies in the parcel of those who order {n}?",
                    "Name the piece of hardware that is handed out for {n}."),
                link=Link("device", "the router that ships with {n}", "the model in the parcel of {n}",
                          "is the router in the parcel of {s}, with which it ships")),
            Attribute("support_hours", "term",
                wording("hours of its help line", "The help line for {n} answers {v}.",
                    "When does the help line for {n} answer?", "At what hours is help for {n} given?"),
                wording("times of telephone advice", "Telephone advice on {n} is to be had {v}.",
                    "When can one telephone for advice on {n}?", "What are the times of telephone advice on {n}?"),
                terms=_HOURS),
        )),
    ),
)  # fmt: skip

_DEVICE = EntityKind(
    "device", "router", 220, "Router {n}", "the {n}", _device_name,
    (
        Section("Set-up and lights", (
            Attribute("ready_light", "term",
                wording("status light when the line is ready",
                    "When the line is ready, the status light of {n} is {v}.",
                    "What does the status light of {n} show when the line is ready?",
                    "How does {n} show that the line is ready?"),
                wording("lamp signal of a working connection", "A working connection makes the lamp on {n} {v}.",
                    "What colour and rhythm has the lamp on {n} once the connection works?",
                    "By which lamp signal is a working connection known on {n}?"), terms=_LIGHTS),
            Attribute("reset_hold", "duration",
                wording("time to hold its reset button", "To reset {n}, hold the button for {v}.",
                    "For how long must the reset button of {n} be held?", "How long is the button held to reset {n}?"),
                wording("press that restores factory settings",
                    "Factory settings return on {n} after a press of {v}.",
                    "After how long a press do factory settings return on {n}?",
                    "What length of press brings {n} back to its factory settings?"),
                span(5, 95, " seconds", 5),
                compare=Comparison(Contrast("resets with the shorter press of the button",
                                            "resets with the longer press of the button"),
                                   Contrast("needs less pressing for its factory settings",
                                            "needs more pressing for its factory settings"))),
            Attribute("address", "address",
                wording("address of its set-up page", "The set-up page of {n} is at {v}.",
                    "At which address is the set-up page of {n}?", "What is the address of the set-up page of {n}?"),
                wording("place to type into a browser", "{n} is configured in a browser under {v}.",
                    "What is typed into a browser to configure {n}?",
                    "Under which numbers does a browser reach the menus of {n}?"),
                _address),
        )),
        Section("Hardware", (
            Attribute("power", "power",
                wording("power draw", "The power draw of {n} is {v}.",
                    "What is the power draw of {n}?", "How much power does {n} draw under full load?"),
                wording("use of electricity", "At its busiest, {n} uses {v} of electricity.",
                    "How many watts does {n} use at its busiest?", "What does {n} take from the socket at most?"),
                span(4, 60, " W"),
                compare=Comparison(Contrast("draws less power", "draws more power"),
                                   Contrast("uses less electricity at its busiest",
                                            "uses more electricity at its busiest"))),
            Attribute("ports", "count",
                wording("number of network ports", "The number of network ports on {n} is {v}.",
                    "How many network ports does {n} have?", "What is the number of network ports on {n}?"),
                wording("count of cable sockets", "For cables there are {v} sockets at the back of {n}.",
                    "How many cables can be plugged into {n}?", "What count of sockets is at the back of {n}?"),
                span(2, 32)),
            Attribute("temperature", "temperature",
                wording("highest room temperature", "The highest room temperature for {n} is {v}.",
                    "What is the highest room temperature for {n}?", "How warm may the room be in which {n} runs?"),
                wording("upper limit of heat", "{n} puts up with surroundings of no more than {v}.",
                    "Up to what heat in its surroundings does {n} keep working?",
                    "From which reading of the thermometer on should {n} be switched off?"),
                span(28, 60, " °C")),
            Attribute("firmware", "version",
                wording("required firmware", "{n} needs firmware {v} or later.",
                    "Which firmware does {n} need?", "What firmware is required on {n}?"),
                wording("oldest usable software", "Software older than {v} does not run on {n}.",
                    "What is the oldest software that still runs on {n}?",
                    "Below which release does {n} refuse to work?"), _version),
        )),
        Section("Warranty and return", (
            Attribute("warranty", "duration",
                wording("warranty", "The warranty of {n} is {v}.",
                    "How long is the warranty of {n}?", "For how long is {n} repaired free of charge?"),
                wording("time of free repairs", "Norvane mends {n} at its own cost for {v}.",
                    "During what time does Norvane mend {n} at its own cost?",
                    "Until how long after the purchase are faults of {n} mended for nothing?"),
                span(6, 96, " months", 6)),
            Attribute("deposit", "money",
                wording("deposit", "The deposit for {n} is {v}.",
                    "What deposit is taken for {n}?", "How much is the deposit for {n}?"),
                wording("security that is kept until return", "Until its return, {v} are kept as security for {n}.",
                    "What sum does Norvane keep as security until {n} comes back?",
                    "How much money does a customer get back on handing in {n}?"), money(10, 120, 5)),
        )),
    ),
)  # fmt: skip

_ERROR = EntityKind(
    "error", "error", 220, "Error {n}", "{n}", code_name("E", 430),
    (
        Section("Meaning", (
            Attribute("cause", "term",
                wording("usual cause", "The usual cause of {n} is {v}.",
                    "What is the usual cause of {n}?", "What does {n} usually go back to?"),
                wording("likeliest origin", "Behind {n} there is most often {v}.",
                    "What is most often found to be behind {n}?",
                    "Which defect should be suspected first on seeing {n}?"),
                terms=_CAUSES),
            Attribute("device", "name",
                wording("router that reports it", "{n} is reported by {v}.",
                    "Which router reports {n}?", "What router is {n} reported by?"),
                wording("model on which it appears", "The model on whose display {n} appears is {v}.",
                    "On the display of what model does {n} appear?", "Name the hardware that is able to raise {n}."),
                link=Link("device", "the router that reports {n}", "the model on whose display {n} appears",
                          "is the model on whose display {s} appears, and which reports it")),
        )),
        Section("First steps", (
            Attribute("wait", "duration",
                wording("waiting time before a restart", "After {n}, wait {v} before a restart.",
                    "How long should one wait after {n} before a restart?",
                    "How long after {n} is a restart tried?"),
                wording("rest before it is switched on again",
                    "Having shown {n}, the box stays off for {v} and is then switched on again.",
                    "For what time does the box stay off once it has shown {n}?",
                    "How much rest is given to the box following {n}?"),
                span(3, 87, " minutes", 3),
                compare=Comparison(Contrast("has the shorter wait before a restart",
                                            "has the longer wait before a restart"),
                                   Contrast("calls for less rest", "calls for more rest"))),
            Attribute("retries", "count",
                wording("number of restarts allowed", "The number of restarts allowed with {n} is {v}.",
                    "How many restarts are allowed with {n}?", "How many restarts may the customer try with {n}?"),
                wording("most attempts", "Against {n} the customer makes {v} attempts at most.",
                    "How often may a customer attempt to get rid of {n}?",
                    "After which number of attempts against {n} is it enough?"),
                span(2, 19)),
            Attribute("procedure", "code:P",
                wording("procedure that clears it", "{n} is cleared with {v}.",
                    "Which procedure clears {n}?", "With what procedure is {n} cleared?"),
                wording("remedy", "The remedy for {n} is written down as {v}.",
                    "Under what code is the remedy for {n} written down?",
                    "Which course of action makes {n} go away?"),
                link=Link("procedure", "the procedure that clears {n}", "the remedy for {n}",
                          "is the remedy for {s}, which it clears")),
        )),
        Section("Escalation", (
            Attribute("team", "term",
                wording("team it is escalated to", "{n} is escalated to {v}.",
                    "Which team is {n} escalated to?", "To which team does {n} go if it returns?"),
                wording("colleagues who take over", "If {n} stays, {v} take over.",
                    "Who takes over if {n} stays?", "Which colleagues look after a case of {n} that will not end?"),
                terms=_TEAMS),
            Attribute("credit", "money",
                wording("credit", "The credit for {n} is {v}.",
                    "How much is a customer hit by {n} credited?", "What is the credit for {n}?"),
                wording("amount taken off the bill", "For the trouble with {n}, {v} are taken off the bill.",
                    "What is taken off the bill for the trouble with {n}?",
                    "By how much does a bill shrink on account of {n}?"), money(2, 40)),
        )),
    ),
)  # fmt: skip

_PROCEDURE = EntityKind(
    "procedure", "procedure", 130, "Procedure {n}", "procedure {n}", code_name("P", 723),
    (
        Section("Before the start", (
            Attribute("form", "code:F",
                wording("form", "{n} begins with form {v}.",
                    "Which form does {n} begin with?", "What form is filled in before {n}?"),
                wording("paper to be signed", "The customer signs {v} so that {n} may be started.",
                    "What paper does the customer sign so that {n} may be started?",
                    "Without which signature sheet is {n} not allowed to go ahead?"), _form),
            Attribute("tool", "term",
                wording("tool", "The tool for {n} is {v}.",
                    "In which tool is {n} carried out?", "What is the tool for {n}?"),
                wording("program on the screen", "Advisers open {v} on their screen and go through {n}.",
                    "What do advisers open on their screen to go through {n}?",
                    "Which program has to be running for {n}?"), terms=_TOOLS),
            Attribute("policy", "code:G",
                wording("policy that governs it", "{n} is governed by {v}.",
                    "Which policy governs {n}?", "By what policy is {n} governed?"),
                wording("rules behind it", "The rules behind {n} are those of {v}.",
                    "Where are the rules behind {n} laid down?", "On what rule book does {n} rest?"),
                link=Link("policy", "the policy that governs {n}", "the rule book behind {n}",
                          "is the rule book behind {s}, which it governs")),
        )),
        Section("Course", (
            Attribute("steps", "count",
                wording("number of steps", "The number of steps in {n} is {v}.",
                    "How many steps does {n} have?", "What is the number of steps in {n}?"),
                wording("count of boxes to tick", "On the list for {n} there are {v} boxes to tick.",
                    "How many boxes are ticked in the course of {n}?", "What count of boxes is on the list for {n}?"),
                span(3, 48),
                compare=Comparison(Contrast("has fewer steps", "has more steps"),
                                   Contrast("comes with fewer boxes to tick", "comes with more boxes to tick"))),
            Attribute("length", "duration",
                wording("usual length", "The usual length of {n} is {v}.",
                    "How long does {n} usually take?", "What is the usual length of {n}?"),
                wording("time to plan for it", "An adviser plans {v} for {n}.",
                    "What time does an adviser set aside for {n}?", "Within how much time is {n} as a rule through?"),
                span(5, 115, " minutes", 5)),
        )),
        Section("Afterwards", (
            Attribute("owner", "term",
                wording("team that checks it", "{n} is checked by {v}.",
                    "Which team checks {n}?", "To which team does the result of {n} go for a check?"),
                wording("colleagues who look it over", "What came out of {n} is looked over by {v}.",
                    "Who looks over what came out of {n}?", "In whose hands is the final look at {n}?"), terms=_TEAMS),
            Attribute("fee", "money",
                wording("fee", "The fee for {n} is {v}.",
                    "What is the fee for {n}?", "How much are customers charged for {n}?"),
                wording("amount on the invoice", "An invoice of {v} follows {n}.",
                    "What amount is on the invoice that follows {n}?",
                    "How expensive is it to have {n} done?"), money(3, 90, 3)),
        )),
    ),
)  # fmt: skip

_OUTAGE = EntityKind(
    "outage", "outage", 110, "Outage {n}", "outage {n}", code_name("INC", 1016),
    (
        Section("What happened", (
            Attribute("town", "term",
                wording("town", "{n} struck {v}.",
                    "Which town did {n} strike?", "What town was without service in {n}?"),
                wording("place that was cut off", "The place that was cut off by {n} is {v}.",
                    "What place was cut off by {n}?", "Where did people sit without a connection during {n}?"),
                terms=_TOWNS),
            Attribute("day", "date",
                wording("date", "{n} began on {v}.",
                    "On what date did {n} begin?", "When did the first alarm of {n} come?"),
                wording("day in the log", "The log has {v} as the first day of {n}.",
                    "What is the first day of {n} according to the log?",
                    "Which entry of the calendar belongs to {n}?"),
                dates(2031, 2038)),
            Attribute("hour", "time",
                wording("hour of its first alarm", "{n} was noticed at {v}.",
                    "At what time was {n} noticed?", "At what hour did monitoring notice {n}?"),
                wording("reading of the clock at the start", "The clock stood at {v} as {n} set in.",
                    "Where did the clock stand as {n} set in?", "What is the clock reading for the onset of {n}?"),
                times()),
        )),
        Section("Extent", (
            Attribute("customers", "count",
                wording("number of customers affected", "The number of customers affected in {n} is {v}.",
                    "How many customers did {n} affect?", "What number of customers was affected in {n}?"),
                wording("count of lines that were dead", "While {n} lasted, {v} lines were dead.",
                    "How many lines were dead while {n} lasted?", "What count of dead lines is put down to {n}?"),
                span(120, 9_800, "", 10),
                compare=Comparison(Contrast("affected fewer customers", "affected more customers"),
                                   Contrast("left fewer lines dead", "left more lines dead"))),
            Attribute("length", "duration",
                wording("length", "{n} lasted {v}.",
                    "How long did {n} last?", "How long after {n} began was service back?"),
                wording("time until all was well", "It took {v} until all was well again in {n}.",
                    "What time went by in {n} until all was well again?",
                    "How much patience did {n} ask of people until the end?"),
                span(2, 47, " hours")),
        )),
        Section("Cause and redress", (
            Attribute("cause", "term",
                wording("cause", "The cause of {n} was {v}.",
                    "What was the cause of {n}?", "What was {n} traced to?"),
                wording("finding of the inquiry", "The inquiry into {n} came upon {v}.",
                    "What did the inquiry into {n} come upon?", "Which defect is to blame for {n}?"), terms=_CAUSES),
            Attribute("error", "code:E",
                wording("error that customers saw", "In {n} customers saw error {v}.",
                    "Which error did customers see in {n}?", "What error did routers show during {n}?"),
                wording("message on the displays", "The message that came up on displays in {n} is {v}.",
                    "What message came up on displays in {n}?", "Which code did people read off while {n} went on?"),
                link=Link("error", "the error that customers saw in {n}", "the message on displays in {n}",
                          "is the message on displays in {s}, where customers saw it")),
            Attribute("redress", "money",
                wording("compensation", "The compensation for {n} was {v}.",
                    "How much was the compensation for {n}?", "What did each household receive for {n}?"),
                wording("sum paid to make up for it", "To make up for {n}, {v} were paid to every home.",
                    "What was paid to every home to make up for {n}?",
                    "With how much money did Norvane apologise for {n}?"),
                money(4, 60, 2)),
        )),
    ),
)  # fmt: skip

_POLICY = EntityKind(
    "policy", "policy", 100, "Policy {n}", "policy {n}", code_name("G", 1309),
    (
        Section("Scope", (
            Attribute("effective", "date",
                wording("effective date", "The effective date of {n} is {v}.",
                    "Since when is {n} in force?", "What is the effective date of {n}?"),
                wording("first day of application", "{n} is applied to all cases from {v} on.",
                    "From what day on is {n} applied to cases?", "Which is the earliest day to which {n} applies?"),
                dates(2021, 2030)),
            Attribute("discount", "percent",
                wording("largest discount", "The largest discount under {n} is {v}.",
                    "What is the largest discount under {n}?", "How large a discount does {n} allow?"),
                wording("greatest cut in price", "By {n} a price may be cut by {v} and no more.",
                    "By how much may a price be cut at most according to {n}?",
                    "What share of a price can be waived on the strength of {n}?"),
                span(3, 65, " percent", 1),
                compare=Comparison(Contrast("allows the smaller discount", "allows the larger discount"),
                                   Contrast("permits the lesser cut in price", "permits the greater cut in price"))),
        )),
        Section("Limits", (
            Attribute("limit", "money",
                wording("refund limit", "The refund limit of {n} is {v}.",
                    "What is the refund limit of {n}?", "At what amount do refunds end under {n}?"),
                wording("most that is paid back", "Nobody is paid back more than {v} by virtue of {n}.",
                    "What is the most that anybody is paid back by virtue of {n}?",
                    "How much money can at best be recovered through {n}?"),
                money(20, 400, 10)),
            Attribute("deadline", "duration",
                wording("deadline for claims", "The deadline for claims under {n} is {v}.",
                    "What is the deadline for claims under {n}?", "Within what time are claims under {n} made?"),
                wording("time to come forward", "A customer has {v} to come forward with a request based on {n}.",
                    "How long does a customer have to come forward with a request based on {n}?",
                    "When is it too late to invoke {n}?"), span(7, 126, " days", 7)),
        )),
        Section("Approval", (
            Attribute("approver", "term",
                wording("team that approves exceptions", "Exceptions to {n} are approved by {v}.",
                    "Which team approves exceptions to {n}?", "Who approves exceptions to {n}?"),
                wording("office that may bend it", "Only {v} may bend {n} in a special case.",
                    "Who may bend {n} in a special case?", "Whose consent is needed to depart from {n}?"),
                terms=_TEAMS),
            Attribute("channel", "term",
                wording("channel for claims", "The channel for claims under {n} is {v}.",
                    "By what channel are claims under {n} accepted?", "What is the channel for claims under {n}?"),
                wording("way to hand in a request", "A request based on {n} is handed in by {v}.",
                    "How is a request based on {n} handed in?", "In what way must one submit papers that invoke {n}?"),
                terms=_CHANNELS),
        )),
    ),
)  # fmt: skip


# ---- what holds for all ---------------------------------------------------------------------------------------------

_FILLERS = (
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
_FILLER_WORDS = {
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

TELECOM = Domain(
    name="telecom",
    kinds=(_PLAN, _DEVICE, _ERROR, _PROCEDURE, _OUTAGE, _POLICY),
    pool=Frames(
        several=("{o}: what are {l}?", "Please give {l} for {o}."),
        comparison=("Which {sort} {p}, {a} or {b}?", "Of {a} and {b}, which {sort} {p}?"),
        verdict="{w} {p}: {x} against {y} for {z}.",
        unstated="The knowledge base does not state the {noun} of {o}.",
    ),
    evaluation=Frames(
        several=("A customer asks about {o}. I need {l}.", "Tell me {l} that hold for {o}, please."),
        comparison=("{a} or {b}: say which one {p}.", "A customer wavers between {a} and {b}; which of the two {p}?"),
        verdict="It is {w} that {p}, namely {x}, while {z} comes to {y}.",
        unstated="There is no information on the {noun} of {o}.",
    ),
    neighbour=(
        "{q} This is said of {n} alone.",
        "Not to be mixed up with {n} from the same series: {q}",
        "Advisers who have {n} in mind: {q}",
    ),
    distractors=(
        Distractor(
            "superseded", 100, "Superseded edition: {t}",
            "This edition is kept for reference and is no longer valid; what it says about {n} must not be used.",
            ("In the superseded edition it said: “{q}”", "No longer valid is the old line “{q}”",
             "Before the new edition one could read here: “{q}”"),
        ),
        Distractor(
            "memo", 60, "Internal memo on {n}: ideas that were turned down",
            "None of the ideas in this memo on {n} was adopted.",
            ("The idea “{q}” was turned down.", "Somebody proposed to write: “{q}” The round said no.",
             "It was not agreed to print “{q}”"),
        ),
    ),
    fillers=_FILLERS,
    filler_words=_FILLER_WORDS,
)  # fmt: skip
