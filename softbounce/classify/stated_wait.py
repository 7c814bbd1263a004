"""A wait that a reply states in so many words: "try again in 300 seconds", "come back in 00:09:00".

Read only where the words say so. Three things must stand in one sentence: a length of time (a number with its unit, or
``hh:mm:ss``), a word beside it that makes it a wait ("in", "for", "wait", "later"), and a word that speaks of another
try or of being put off ("retry", "again", "greylisted", "blocked"). "5 recipients per 5 minutes" is a rate and no
wait, "timed out after 300 seconds" is the past, and "in a few hours" states nothing. Read are English, German, French,
Spanish, Portuguese, Italian, Dutch and Russian.

How far it is believed is said here too: from 10 s to 6 h, and lengthened by 5 %, because a host that counts from its
own moment must not be met a moment early. Of several the longest counts.

A text is hostile: 1 KiB of it is read, in one pass over its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from softbounce.classify.wording import TEXT_LIMIT, without_accents

__all__ = ["LONGEST_STATED", "SHORTEST_STATED", "stated_wait"]

SHORTEST_STATED = timedelta(seconds=10)
LONGEST_STATED = timedelta(hours=6)
LENGTHENED = 1.05
MANY_DIGITS = 7  # more than six hours in any unit

WORD = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
SENTENCE_END = re.compile(r"[.;!?](?:\s|$)|[()\[\]<>]")
ABBREVIATED = re.compile(r"\b(s|sec|sek|seg|m|min|mn|h|hr|hrs|std)\.")
RETRY_AFTER = re.compile(r"\bretry[-_ ]after\b")


def _words(*tables: str) -> frozenset[str]:
    return frozenset(word for table in tables for word in table.split())


def _stems(*tables: str) -> tuple[str, ...]:
    return tuple(stem for table in tables for stem in table.split())


def _numbered(table: dict[int, str]) -> dict[str, int]:
    return {word: number for number, words in table.items() for word in words.split()}


UNITS = _numbered(
    {
        1: """s sec secs second seconds sek sekunde sekunden seconde secondes seg segundo segundos secondo secondi
            seconden сек секунд секунды секунду""",
        60: """m min mins mn minute minutes minuten minuto minutos minuti minuut minuten мин минут минуты минуту""",
        3600: """h hs hr hrs hour hours std stunde stunden heure heures hora horas ora ore uur uren час часа часов""",
        86400: """d day days tag tage tagen jour jours dia dias giorno giorni dag dagen день дня дней""",
    }
)
NUMBERS = _numbered(
    {
        1: "a an one ein eine einer einem un une una uno um uma een один одну",
        2: "two zwei deux dos dois duas due twee",
        3: "three drei trois tres tre drie",
        5: "five funf cinq cinco cinque vijf",
        10: "ten zehn dix diez dez dieci tien",
        15: "fifteen quinze quince quindici vijftien funfzehn",
        20: "twenty zwanzig vingt veinte vinte venti twintig",
        30: "thirty dreissig trente treinta trinta trenta dertig",
        60: "sixty sechzig soixante sesenta sessenta sessanta zestig",
    }
)
BEFORE = _words(
    "in after for wait waiting delay retryafter",
    "nach fur warten dans apres pendant durant patienter attendre attendez en dentro tras despues durante espere",
    "esperar em apos aguarde aguardar tra fra dopo attendere over na wacht wachten через",
)
"""Before a length of time these make it a wait."""
AFTER = _words("after nach apres tras despues apos dopo na")
"""Those of them that may go before a time of day."""
ASKS = _words(
    "retryafter wait warten patienter attendre attendez espere esperar aguarde aguardar attendere wacht wachten"
)
"""Those of them that need no other word to speak of another try."""
BEHIND = _words("later spater tard tarde dopo tardi позже")
"""Behind a length of time these make it a wait."""
BETWEEN = _words(
    "about approximately approx around at least another the next up to minimum of more than further",
    "ca etwa ungefahr mindestens weiteren environ au moins encore de al menos unos cerca circa almeno minimaal = : ~",
)
"""Between such a word and the number."""
JOINS = _words("- to or bis a ou o oder")
"""Between the two ends of "5 to 10 minutes"."""
ADDS = _words("and und et y e en , &")
"""Between the parts of "1 hour and 5 minutes"."""
TRIES = _stems(
    "retry retri retent try tries again later wait back resend reconnect resubmit reattempt greylist graylist defer",
    "delay block banned throttl penal suspend erneut nochmal wieder warten spater versuch reess ress patient attend",
    "tard intent reintent vuelva esper nuevo tente nova aguard riprov opnieuw probeer wacht повтор попроб снова позже",
)
"""Beginnings of words that speak of another try, or of being put off."""
PAST = _words(
    "timeout timed idle inactivity inactive waited expired expires expire",
    "per each every within last past previous pro je par por cada jede letzten dernieres ultimos",
)
"""Shortly before a length of time these make it none that is still to come, or a rate."""
THINGS = _stems(
    "message mail email recipient connection session request error command rcpt attempt nachricht empfanger verbindung",
    "destinatair connexion courriel mensaj mensag correo conexion conex messagg connession bericht",
    "сообщени писем письма получател соединени",
)
"""Beginnings of words for what is counted where a rate is told: "100 messages in 60 minutes"."""
LOOK_BACK = 4


def stated_wait(text: str) -> timedelta | None:
    """How long a reply asks to wait by its text, bounded and lengthened; ``None``: it does not say."""
    levelled = without_accents(text[:TEXT_LIMIT].casefold())
    levelled = ABBREVIATED.sub(r"\1 ", RETRY_AFTER.sub("retryafter", levelled))
    sentences = (WORD.findall(sentence) for sentence in SENTENCE_END.split(levelled))
    longest = max((seconds for sentence in sentences for seconds in _waits(sentence)), default=None)
    if longest is None:
        return None
    stated = timedelta(seconds=min(longest, LONGEST_STATED // timedelta(seconds=1)))
    return max(SHORTEST_STATED, stated) * LENGTHENED


def _waits(words: Sequence[str]) -> Iterator[int]:
    """The waits of one sentence, in seconds."""
    speaks_of_another = any(word.startswith(TRIES) for word in words)
    at = 0
    while at < len(words):
        seconds, end = _length(words, at)
        if end > at and _is_to_come(words, at, end, speaks_of_another=speaks_of_another):
            yield seconds
        at = max(at + 1, end)


def _length(words: Sequence[str], at: int) -> tuple[int, int]:
    """The length of time that begins at *at*, in seconds, and where it ends; it ends there where there is none."""
    clock = words[at : at + 5]
    if len(clock) == 5 and clock[1] == clock[3] == ":" and all(part.isdecimal() for part in clock[::2]):  # noqa: PLR2004
        hours, minutes, seconds = (_number(part) for part in clock[::2])
        return hours * 3600 + minutes * 60 + seconds, at + 5
    total, end = 0, at
    while True:
        begin = end + 1 if end > at and end < len(words) and words[end] in ADDS else end
        number, behind = _counted(words, begin)
        if behind == begin or behind >= len(words) or words[behind] not in UNITS:
            break
        total += number * UNITS[words[behind]]
        end = behind + 1
    if end == at and words[at].isdecimal() and "retryafter" in words[max(0, at - 2) : at]:
        return _number(words[at]), at + 1  # seconds, as in HTTP (RFC 9110 §10.2.3)
    return total, end


def _counted(words: Sequence[str], at: int) -> tuple[int, int]:
    """The number at *at*, or the second one of "5 to 10", and where it ends; it ends there where there is none."""
    if at >= len(words):
        return 0, at
    if words[at] in NUMBERS:
        return NUMBERS[words[at]], at + 1
    if not words[at].isdecimal():
        return 0, at
    if at + 2 < len(words) and words[at + 1] in JOINS and words[at + 2].isdecimal():
        return _number(words[at + 2]), at + 3
    return _number(words[at]), at + 1


def _number(digits: str) -> int:
    return int(digits[:MANY_DIGITS])


def _is_to_come(words: Sequence[str], at: int, end: int, *, speaks_of_another: bool) -> bool:
    """Whether the length of time between *at* and *end* is a wait that is still to come."""
    if end < len(words) and words[end] == "ago":
        return False
    before = at - 1
    while before >= 0 and words[before] in BETWEEN:
        before -= 1
    if before < 0:
        return speaks_of_another and end < len(words) and words[end] in BEHIND
    if any(word in PAST for word in words[max(0, before - LOOK_BACK) : at]):
        return False
    if words[before] in BEFORE:
        if before and _is_many(words, before - 1):
            return False
        if words[before] in AFTER and words[at + 1] == ":" and _number(words[at]):
            return False  # a time of day
        return speaks_of_another or words[before] in ASKS
    return speaks_of_another and end < len(words) and words[end] in BEHIND


def _is_many(words: Sequence[str], at: int) -> bool:
    """Whether a number of things ends there: "100 messages", "too many connections", "limit 100", and no address."""
    if words[at].isdecimal():
        return words[at - 1] != "."
    return words[at].startswith(THINGS) and (words[at].endswith(("s", "n", "i")) or words[at - 1].isdecimal())
