"""The house guide of the Orrin Hill libraries, a public library that does not exist."""

from __future__ import annotations

from collections.abc import Callable

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

__all__ = ["LIBRARY"]

# ---- names ----------------------------------------------------------------------------------------------------------

_SYLLABLES = Syllables(
    ("Ash", "Birk", "Cold", "Eld", "Fox", "Gild", "Hearth", "Ivy", "Lark", "Moss", "Nettle", "Quill", "Row", "Thorn",
     "Wick", "Yew"),
    ("er", "ing", "en", "al", "or", "ley", "as", "um", "ock", "is", "ap"),
    ("ford", "mere", "stow", "combe", "bury", "wold", "dale", "gate", "holt", "thwaite", "minster", "croft", "shaw"),
)  # fmt: skip
_CARDS = ("Reader", "Scholar", "Junior", "Household", "Visitor", "Teacher", "Senior", "Patron")
_HOUSES = ("Branch", "Annex", "Pavilion", "Lodge", "Depot", "Hall", "Rotunda", "Gallery")


def _named(kinds: tuple[str, ...], step: int) -> Callable[[int, int, int], str]:
    def name(series: int, member: int, count: int) -> str:
        turn, place = divmod(series, len(_SYLLABLES))
        slot = 3 * turn + member
        number = f" {slot // 8 + 1}" if slot >= 8 else ""
        return f"{_SYLLABLES.word(place + step)} {kinds[(place * 3 + slot) % 8]}{number}"

    return name


# ---- values ---------------------------------------------------------------------------------------------------------


def _form(rng: SeededRng) -> str:
    return f"FM-{rng.between(100, 999)}"


def _mark(rng: SeededRng) -> str:
    return f"SH-{rng.between(100, 9_999)}"


_KEEPERS = (
    "the map curator", "the music keeper", "the binder", "the night porter", "the head of lending", "the archivist",
    "the children's librarian", "the press officer", "the caretaker", "the volunteer council", "the town clerk",
    "the print conservator", "the story teller", "the cataloguer",
)  # fmt: skip
_SUBJECTS = (
    "beekeeping", "family trees", "old handwriting", "local railways", "herbal lore", "shipwrecks", "paper marbling",
    "bird song", "folk tales", "weather records", "chess openings", "bread ovens", "star charts", "wood carving",
)  # fmt: skip
_SIGNS = (
    "a brass owl", "a red lantern", "a stone lion", "a blue ribbon", "a copper kettle", "a painted ship", "a green hat",
    "a glass acorn", "a tin drum", "a wooden spoon", "a marble foot", "a silver fish", "a clay pipe",
)  # fmt: skip
_PROOFS = (
    "a passport", "a rent receipt", "a school report", "a pension letter", "a tax notice", "a birth certificate",
    "a driving licence", "a letter from an employer", "a utility bill", "a marriage certificate", "a ration book",
    "a bank statement",
)  # fmt: skip
_DONORS = (
    "the Weavers' Guild", "a retired judge", "the Harbour Mission", "the widow of a captain", "a paper mill",
    "the Alpine Club", "a travelling circus", "the Savings Union", "a convent", "the Botanical Society",
    "a village school", "the Tram Workers",
)  # fmt: skip


# ---- entities -------------------------------------------------------------------------------------------------------

_CARD = EntityKind(
    "card", "card", 220, "Membership: {n}", "the {n} card", _named(_CARDS, 0),
    (
        Section("What it costs", (
            Attribute("annual_dues", "money",
                wording("annual dues", "The annual dues for {n} are {v}.",
                    "What are the annual dues for {n}?", "How much does {n} cost a year?"),
                wording("yearly subscription", "Holders of {n} subscribe with {v} every twelvemonth.",
                    "With what amount do holders of {n} subscribe?",
                    "Which payment keeps {n} alive from one summer to the next?"),
                money(4, 88),
                compare=Comparison(Contrast("has the lower annual dues", "has the higher annual dues"),
                                   Contrast("costs less to keep", "costs more to keep"))),
            Attribute("late_fee", "money",
                wording("late fee", "The late fee with {n} is {v}.",
                    "How high is the late fee with {n}?", "What late fee is charged on {n}?"),
                wording("penalty for an overdue item", "An overdue item sets the owner of {n} back by {v}.",
                    "What does an overdue item set the owner of {n} back by?",
                    "Being behind with a book costs the owner of {n} how much?"),
                money(1, 25)),
            Attribute("replacement", "money",
                wording("price of a lost card", "If lost, {n} is replaced for {v}.",
                    "For how much is {n} replaced if lost?", "What is the price of replacing {n}?"),
                wording("sum for a second copy", "Whoever mislaid {n} buys a second copy at {v}.",
                    "What must one spend on a second copy of {n}?",
                    "At which price can a mislaid copy of {n} be had again?"),
                money(2, 30)),
        )),
        Section("What it allows", (
            Attribute("items", "count",
                wording("number of items on loan", "The number of items on loan with {n} is at most {v}.",
                    "How many items may be on loan with {n}?", "What number of items does {n} allow at a time?"),
                wording("most books at home", "With {n} a reader has {v} books at home and no more.",
                    "How many books may one have at home thanks to {n}?",
                    "At which count of books does the desk turn down {n}?"),
                span(2, 60),
                compare=Comparison(Contrast("allows fewer items on loan", "allows more items on loan"),
                                   Contrast("lets fewer books out of the house", "lets more books out of the house"))),
            Attribute("validity", "duration",
                wording("validity", "The validity of {n} is {v}.",
                    "How long is {n} valid?", "What is the validity of {n}?"),
                wording("time until it lapses", "{n} lapses {v} after it was issued.",
                    "When after its issue does {n} lapse?", "What time may pass between two issues of {n}?"),
                span(3, 60, " months", 3)),
            Attribute("hold", "duration",
                wording("time that a hold is kept", "A hold placed with {n} is kept for {v}.",
                    "For how long is a hold placed with {n} kept?", "How long does a hold last with {n}?"),
                wording("wait on the pick-up shelf", "What was ordered on {n} waits {v} on the pick-up shelf.",
                    "How long does an order on {n} wait on the pick-up shelf?",
                    "Within what time must an order on {n} be picked up?"),
                span(2, 40, " days")),
        )),
        Section("Joining", (
            Attribute("proof", "term",
                wording("document needed to join", "The document needed to join with {n} is {v}.",
                    "Which document is needed to join with {n}?", "What must be shown to be given {n}?"),
                wording("paper to bring along", "Applicants for {n} bring {v} along.",
                    "What do applicants for {n} bring along?", "Without which paper is nobody handed {n}?"),
                terms=_PROOFS),
            Attribute("bylaw", "code:BY",
                wording("by-law that regulates it", "{n} is regulated by {v}.",
                    "Which by-law regulates {n}?", "By what by-law is {n} regulated?"),
                wording("legal basis", "The legal basis of {n} is {v}.",
                    "To what does {n} owe its legal basis?", "On the strength of which text was {n} introduced?"),
                link=Link("bylaw", "the by-law that regulates {n}", "the legal basis of {n}",
                          "is the legal basis of {s}, which it regulates")),
        )),
    ),
)  # fmt: skip

_COLLECTION = EntityKind(
    "collection", "collection", 220, "Special collection {n}", "collection {n}", code_name("SC", 1602),
    (
        Section("Holdings", (
            Attribute("subject", "term",
                wording("subject", "The subject of {n} is {v}.",
                    "What is the subject of {n}?", "Which subject does {n} cover?"),
                wording("field of interest", "Those who care about {v} turn to {n}.",
                    "Whoever turns to {n} cares about what?", "What field of interest does {n} serve?"),
                terms=_SUBJECTS),
            Attribute("volumes", "count",
                wording("number of volumes", "The number of volumes in {n} is {v}.",
                    "How many volumes does {n} hold?", "What is the number of volumes in {n}?"),
                wording("count of bound books", "On the shelves of {n} stand {v} bound books.",
                    "How many bound books stand on the shelves of {n}?",
                    "What did the stocktaking of {n} arrive at?"),
                span(150, 9_500, "", 10),
                compare=Comparison(Contrast("holds fewer volumes", "holds more volumes"),
                                   Contrast("has fewer bound books on its shelves",
                                            "has more bound books on its shelves"))),
            Attribute("donor", "term",
                wording("donor", "The donor of {n} is {v}.",
                    "Who is the donor of {n}?", "Who gave {n} to the library?"),
                wording("giver to be thanked", "For {n} the house has {v} to thank.",
                    "Whom has the house to thank for {n}?", "From whose hands did {n} come?"), terms=_DONORS),
        )),
        Section("Care", (
            Attribute("climate", "temperature",
                wording("storage temperature", "The storage temperature of {n} is {v}.",
                    "What is the storage temperature of {n}?", "At how many degrees is {n} stored?"),
                wording("setting of the cooling", "Cooling for {n} is set to {v}.",
                    "What is cooling for {n} set to?", "How cold is the vault in which {n} lies?"),
                span(4, 24, " °C")),
            Attribute("humidity", "percent",
                wording("humidity", "The humidity around {n} is kept at {v}.",
                    "At what humidity is {n} kept?", "Which humidity is right for {n}?"),
                wording("moisture of the air", "Air of {v} moisture surrounds {n}.",
                    "How moist is the air that surrounds {n}?", "What should a hygrometer beside {n} read?"),
                span(22, 68, " percent"),
                compare=Comparison(Contrast("is kept at the lower humidity", "is kept at the higher humidity"),
                                   Contrast("lies in drier air", "lies in moister air"))),
            Attribute("keeper", "term",
                wording("keeper", "The keeper of {n} is {v}.",
                    "Who is the keeper of {n}?", "Who looks after {n}?"),
                wording("person with the key", "The key to {n} is with {v}.",
                    "With whom is the key to {n}?", "Whom does one ask to have {n} unlocked?"), terms=_KEEPERS),
        )),
        Section("Use", (
            Attribute("loan", "duration",
                wording("loan period", "The loan period for {n} is {v}.",
                    "How long is the loan period for {n}?", "For how long may something from {n} be borrowed?"),
                wording("time until it is due back", "Anything out of {n} is due back after {v}.",
                    "After what time is anything out of {n} due back?",
                    "How much reading time does a borrower from {n} get?"),
                span(2, 45, " days")),
            Attribute("room", "code:RM",
                wording("room where it is read", "{n} is read in {v}.",
                    "In which room is {n} read?", "What room is meant for reading {n}?"),
                wording("place to consult it", "The place to consult {n} is {v}.",
                    "What is the place to consult {n}?", "Behind which door can {n} be studied?"),
                link=Link("room", "the room where {n} is read", "the place to consult {n}",
                          "is the place to consult {s}, where one reads it")),
        )),
    ),
)  # fmt: skip

_ROOM = EntityKind(
    "room", "room", 200, "Room {n}", "room {n}", code_name("RM", 1895),
    (
        Section("Size and fittings", (
            Attribute("seats", "count",
                wording("number of seats", "The number of seats in {n} is {v}.",
                    "How many seats are there in {n}?", "What is the number of seats in {n}?"),
                wording("count of chairs", "{v} chairs are set out in {n}.",
                    "How many chairs are set out in {n}?", "What crowd can sit down in {n}?"),
                span(4, 140),
                compare=Comparison(Contrast("has fewer seats", "has more seats"),
                                   Contrast("has chairs for the smaller crowd", "has chairs for the larger crowd"))),
            Attribute("sign", "term",
                wording("sign above the door", "The sign above the door of {n} is {v}.",
                    "What sign is above the door of {n}?", "Which sign marks {n}?"),
                wording("emblem by which it is found", "Strangers find {n} by {v}.",
                    "By what do strangers find {n}?", "Which emblem has been given to {n}?"), terms=_SIGNS),
            Attribute("network", "speed",
                wording("speed of the network", "The speed of the network in {n} is {v}.",
                    "How fast is the network in {n}?", "What is the speed of the network in {n}?"),
                wording("rate for laptops", "Laptops in {n} get {v}.",
                    "What rate do laptops get in {n}?", "How quickly do pages load for those who sit in {n}?"),
                span(10, 600, " Mbit/s", 10)),
        )),
        Section("Hire", (
            Attribute("rent", "money",
                wording("hourly rent", "The hourly rent of {n} is {v}.",
                    "What is the hourly rent of {n}?", "How much does an hour in {n} cost?"),
                wording("price for every hour", "Societies hire {n} at {v} for every hour.",
                    "At what price for every hour do societies hire {n}?",
                    "What do sixty minutes come to for a society in {n}?"),
                money(5, 95),
                compare=Comparison(Contrast("has the lower hourly rent", "has the higher hourly rent"),
                                   Contrast("is cheaper to hire", "is dearer to hire"))),
            Attribute("booking", "duration",
                wording("booking notice", "The booking notice for {n} is {v}.",
                    "What is the booking notice for {n}?", "How far ahead must {n} be booked?"),
                wording("time between request and use", "Requests for {n} come in {v} before the day of use.",
                    "How long before the day of use do requests for {n} come in?",
                    "What head start must a request for {n} have?"),
                span(2, 60, " days")),
            Attribute("closing", "time",
                wording("closing time", "The closing time of {n} is {v}.",
                    "What is the closing time of {n}?", "When does {n} close?"),
                wording("hour of locking up", "In the evening {n} is locked at {v}.",
                    "At what hour is {n} locked in the evening?", "Until when can one stay in {n}?"), times(16, 23)),
            Attribute("bylaw", "code:BY",
                wording("by-law for its use", "The use of {n} follows {v}.",
                    "Which by-law does the use of {n} follow?", "What by-law holds for {n}?"),
                wording("text that hangs on the wall", "The text that hangs on the wall of {n} is {v}.",
                    "What text hangs on the wall of {n}?", "Which regulation do guests of {n} have before their eyes?"),
                link=Link("bylaw", "the by-law that the use of {n} follows", "the text on the wall of {n}",
                          "is the text on the wall of {s}, whose use follows it")),
        )),
    ),
)  # fmt: skip

_EVENT = EntityKind(
    "event", "event", 160, "Event {n}", "event {n}", code_name("EV", 2188),
    (
        Section("When and where", (
            Attribute("day", "date",
                wording("date", "The date of {n} is {v}.",
                    "What is the date of {n}?", "On which date does {n} take place?"),
                wording("day for the calendar", "Guests of {n} mark {v} in their calendars.",
                    "What day do guests of {n} mark in their calendars?", "Which morning's paper will announce {n}?"),
                dates(2031, 2038)),
            Attribute("start", "time",
                wording("starting time", "The starting time of {n} is {v}.",
                    "What is the starting time of {n}?", "At what time does {n} start?"),
                wording("stroke of the bell", "A bell is rung for {n} at {v}.",
                    "When is the bell rung for {n}?", "By what hour should everybody have sat down for {n}?"),
                times(9, 21)),
            Attribute("room", "code:RM",
                wording("room in which it is held", "{n} is held in {v}.",
                    "In which room is {n} held?", "What room has been set aside for {n}?"),
                wording("venue", "The venue of {n} is {v}.",
                    "What is the venue of {n}?", "Where should the guests of {n} be sent?"),
                link=Link("room", "the room in which {n} is held", "the venue of {n}",
                          "is the venue of {s}, held there")),
        )),
        Section("Programme", (
            Attribute("topic", "term",
                wording("topic", "The topic of {n} is {v}.",
                    "What is the topic of {n}?", "Which topic is dealt with in {n}?"),
                wording("matter that is talked about", "All talk in {n} turns on {v}.",
                    "On what does all talk in {n} turn?", "What will one know more about when {n} is over?"),
                terms=_SUBJECTS),
            Attribute("host", "term",
                wording("host", "The host of {n} is {v}.",
                    "Who is the host of {n}?", "Who hosts {n}?"),
                wording("person who says the welcome", "The welcome in {n} is said by {v}.",
                    "By whom is the welcome said in {n}?", "Who is going to lead through {n}?"), terms=_KEEPERS),
            Attribute("length", "duration",
                wording("length", "The length of {n} is {v}.",
                    "How long is {n}?", "What is the length of {n}?"),
                wording("time until the end", "{v} after its beginning {n} is over.",
                    "What time after its beginning is {n} over?", "How much of an evening does {n} take up?"),
                span(30, 235, " minutes", 5),
                compare=Comparison(Contrast("has the shorter length", "has the longer length"),
                                   Contrast("is over sooner after it began", "is over later after it began"))),
        )),
        Section("Admission", (
            Attribute("ticket", "money",
                wording("ticket price", "The ticket price for {n} is {v}.",
                    "What is the ticket price for {n}?", "How much is a ticket for {n}?"),
                wording("amount at the door", "The door takes {v} from each guest of {n}.",
                    "What does the door take from each guest of {n}?",
                    "How much cash should a guest carry to get into {n}?"), money(3, 48)),
            Attribute("places", "count",
                wording("number of places", "The number of places at {n} is {v}.",
                    "How many places are there at {n}?", "What is the number of places at {n}?"),
                wording("most guests let in", "{v} guests are let into {n}, then the door is shut.",
                    "How many guests are let into {n}?", "After which guest is the door of {n} shut?"), span(6, 180)),
        )),
    ),
)  # fmt: skip

_BRANCH = EntityKind(
    "branch", "branch", 100, "{n}", "{n}", _named(_HOUSES, 907),
    (
        Section("Opening", (
            Attribute("opens", "time",
                wording("opening time", "The opening time of {n} is {v}.",
                    "What is the opening time of {n}?", "When does {n} open?"),
                wording("hour at which the shutters go up", "The shutters of {n} go up at {v}.",
                    "At what hour do the shutters of {n} go up?", "How early can one walk into {n}?"), times(6, 13)),
            Attribute("founded", "date",
                wording("opening day", "The opening day of {n} was {v}.",
                    "What was the opening day of {n}?", "On which date was {n} opened?"),
                wording("birthday of the house", "{n} was inaugurated on {v}.",
                    "When was {n} inaugurated?", "Which day does {n} celebrate as its birthday?"), dates(1903, 1988)),
        )),
        Section("Stock and staff", (
            Attribute("stock", "count",
                wording("number of books", "The number of books at {n} is {v}.",
                    "How many books are at {n}?", "What is the number of books at {n}?"),
                wording("size of the stock", "The stock of {n} amounts to {v} titles.",
                    "To how many titles does the stock of {n} amount?", "What choice of titles has a visitor of {n}?"),
                span(1_200, 9_800, "", 50),
                compare=Comparison(Contrast("has fewer books", "has more books"),
                                   Contrast("has the smaller choice of titles", "has the wider choice of titles"))),
            Attribute("head", "term",
                wording("person in charge", "The person in charge of {n} is {v}.",
                    "Who is in charge of {n}?", "Who is the person in charge of {n}?"),
                wording("one who runs the house", "{n} is run by {v}.",
                    "By whom is {n} run?", "To whom do letters of complaint on {n} go?"), terms=_KEEPERS),
        )),
        Section("Life of the house", (
            Attribute("heating", "power",
                wording("power of the heater", "The power of the heater in {n} is {v}.",
                    "What is the power of the heater in {n}?", "How powerful is the heater in {n}?"),
                wording("rating of the stove", "The stove at {n} is rated at {v}.",
                    "At how many watts is the stove at {n} rated?", "What does the stove warm {n} with?"),
                span(800, 9_500, " W", 50)),
            Attribute("event", "code:EV",
                wording("yearly event", "The yearly event of {n} is {v}.",
                    "Which is the yearly event of {n}?", "What event does {n} hold each year?"),
                wording("feast of the house", "The feast of {n} goes by the code of {v}.",
                    "By the code of what does the feast of {n} go?", "For which gathering is {n} known all over town?"),
                link=Link("event", "the yearly event of {n}", "the feast of {n}",
                          "is the feast of {s}, held each year")),
            Attribute("jubilee", "money",
                wording("building fund", "The building fund of {n} holds {v}.",
                    "What does the building fund of {n} hold?", "How much is in the building fund of {n}?"),
                wording("savings for a new roof", "For a new roof {n} has put {v} by.",
                    "What has {n} put by for a new roof?", "How much money is saved for works on {n}?"),
                money(200, 980)),
        )),
    ),
)  # fmt: skip

_BYLAW = EntityKind(
    "bylaw", "by-law", 100, "By-law {n}", "by-law {n}", code_name("BY", 2481),
    (
        Section("Standing", (
            Attribute("adopted", "date",
                wording("date of adoption", "The date of adoption of {n} is {v}.",
                    "What is the date of adoption of {n}?", "When was {n} adopted?"),
                wording("day of the council's vote", "The council voted for {n} on {v}.",
                    "On what day did the council vote for {n}?", "How old a decision is {n}, by the day it was taken?"),
                dates(1990, 2030)),
            Attribute("shelf", "code:SH",
                wording("shelf mark", "The shelf mark of {n} is {v}.",
                    "What is the shelf mark of {n}?", "Under which shelf mark is {n} kept?"),
                wording("label on the file", "The file on {n} bears the label {v}.",
                    "What label does the file on {n} bear?", "By which label is the file on {n} fetched?"), _mark),
        )),
        Section("Relief", (
            Attribute("waiver", "percent",
                wording("reduction for pupils", "The reduction for pupils under {n} is {v}.",
                    "What is the reduction for pupils under {n}?", "How large a reduction does {n} give pupils?"),
                wording("part that pupils are spared", "By {n} pupils are spared {v} of any charge.",
                    "What part of any charge are pupils spared by {n}?",
                    "How much less does a pupil pay on account of {n}?"),
                span(5, 80, " percent"),
                compare=Comparison(Contrast("gives the smaller reduction", "gives the larger reduction"),
                                   Contrast("spares pupils less of a charge", "spares pupils more of a charge"))),
            Attribute("ceiling", "money",
                wording("ceiling of fees", "The ceiling of fees under {n} is {v}.",
                    "What is the ceiling of fees under {n}?", "At what sum do fees stop under {n}?"),
                wording("worst that one can owe", "Nobody owes more than {v} as long as {n} stands.",
                    "What is the worst that one can owe as long as {n} stands?",
                    "How deep in debt can {n} put a reader?"), money(10, 190, 5)),
        )),
        Section("Appeal", (
            Attribute("appeal", "duration",
                wording("time for an appeal", "The time for an appeal under {n} is {v}.",
                    "What is the time for an appeal under {n}?", "How long may one appeal under {n}?"),
                wording("delay for an objection", "Objections based on {n} are heard for {v}.",
                    "During what time are objections based on {n} heard?",
                    "How late may one still object on the ground of {n}?"), span(3, 63, " days", 3)),
            Attribute("officer", "term",
                wording("officer who decides", "The officer who decides under {n} is {v}.",
                    "Who is the officer that decides under {n}?", "Who decides under {n}?"),
                wording("one who has the last word", "The last word on {n} is with {v}.",
                    "With whom is the last word on {n}?", "Whose judgement ends a dispute over {n}?"), terms=_KEEPERS),
            Attribute("form", "code:FM",
                wording("form for appeals", "The form for appeals under {n} is {v}.",
                    "Which form is for appeals under {n}?", "What is the form for appeals under {n}?"),
                wording("sheet to be handed in", "Quarrels over {n} are put down on {v}.",
                    "On what sheet are quarrels over {n} put down?",
                    "Which paper does the desk hand out to those who contest {n}?"), _form),
        )),
    ),
)  # fmt: skip


# ---- what holds for all ---------------------------------------------------------------------------------------------

_FILLERS = (
    "Staff at the desk {verb} {thing} quietly and never let a reader wait for it.",
    "A reader who {asks} is shown to {place}, where {thing} can be seen.",
    "The guide was written for {n} with the patience of many hands, and {thing} is part of it.",
    "In {place} there is always somebody who will {verb} {thing} with pleasure.",
    "Silence is dear to the house, so {thing} is dealt with in {place}.",
    "Should a reader {ask}, a smile and {thing} go a long way.",
    "What the guide says about {n} is read aloud to new helpers, together with {thing}.",
    "Nobody at the desk has to {verb} {thing} alone; colleagues in {place} lend a hand.",
    "Children like to {verb} {thing}, and the house is glad of it.",
    "Those who {ask} are often after {thing} and do not know its name.",
    "As with everything on {n}, care is taken that {thing} stays as it was found.",
    "Please {verb} {thing} before the lights go out in {place}.",
    "Old habits die hard: some helpers still {verb} {thing} in {place}.",
    "The page on {n} was last looked over by friends of the house, who {verb} {thing} for joy.",
)
_FILLER_WORDS = {
    "verb": ("dust", "sort", "wrap", "fetch", "mend", "admire", "carry", "polish"),
    "thing": (
        "the visitors' book", "the trolley", "the card index", "the reading lamp", "the step ladder", "the hat rack",
        "the notice board", "the book plates", "the returned parcels", "the newspaper sticks", "the plaster bust",
        "the window seat", "the globe", "the gift basket",
    ),
    "asks": ("is lost", "asks twice", "comes in from the rain", "looks for a friend", "cannot find the stairs"),
    "ask": ("ask twice", "come in from the rain", "look for a friend", "hesitate", "whisper too softly"),
    "place": (
        "the cloakroom", "the courtyard", "the back office", "the tea kitchen", "the gallery above", "the porch",
        "the attic", "the staircase",
    ),
}  # fmt: skip

LIBRARY = Domain(
    name="library",
    kinds=(_CARD, _COLLECTION, _ROOM, _EVENT, _BRANCH, _BYLAW),
    pool=Frames(
        several=("On {o}: what are {l}?", "Kindly state {l} for {o}."),
        comparison=("Which {sort} {p}: {a} or {b}?", "Compare {a} and {b}: which {sort} {p}?"),
        verdict="Of the two, {w} {p}: {x} as opposed to {y} for {z}.",
        unstated="The guide does not mention the {noun} for “{o}”.",
    ),
    evaluation=Frames(
        several=("A reader has a question about {o}. Look up {l}.", "Read out {l} from the page “{o}”."),
        comparison=("Take {a} and {b}. Which one {p}?", "A reader must decide on {a} or on {b}. Which of them {p}?"),
        verdict="The one that {p} is {w} with {x}; for {z} it is {y}.",
        unstated="There is no mention of the {noun} anywhere under “{o}”.",
    ),
    neighbour=(
        "{q} That holds for {n} and not here.",
        "A word on {n}, which readers take for this one: {q}",
        "On the page before one finds {n}: {q}",
    ),
    distractors=(
        Distractor(
            "withdrawn", 100, "Withdrawn page: {t}",
            "This page was withdrawn, and nothing in it about {n} holds any more.",
            ("The withdrawn page had it that “{q}”", "Struck out by the editors: “{q}”",
             "Readers used to be told “{q}”, which is no longer so."),
        ),
        Distractor(
            "minutes", 60, "Minutes of the friends' circle on {n}",
            "The circle only dreamt aloud here, and none of its wishes for {n} came true.",
            ("One friend wished for “{q}” in vain.", "It was dreamt aloud: “{q}”",
             "The wish “{q}” found no majority."),
        ),
    ),
    fillers=_FILLERS,
    filler_words=_FILLER_WORDS,
)  # fmt: skip
