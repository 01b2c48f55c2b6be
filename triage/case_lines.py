"""Cases to compare protocols on: a file of recorded cases, one JSON object a line.

Two shapes are read: answers by input (`id`, `findings`, `unanswerable`, `complaint`), as an
export of stored findings has them, and the recorded fields of labelled cases. Labels are never
read here.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from triage import proposing, recogniser
from triage.acuity import Acuity
from triage.assessment import Observation
from triage.engine import Evaluation, evaluate
from triage.finding import PROFESSIONAL, Finding
from triage.format import Answer
from triage.labelled import Facts
from triage.library import Library
from triage.reader import Reader

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """A case as answers by input key; an input without an answer is open."""

    id: Name
    findings: dict[str, Answer]
    unanswerable: tuple[str, ...] = ()
    complaint: str | None = None


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """A case as the engine takes it."""

    complaint: str | None
    default: Acuity | None
    findings: tuple[Finding, ...]


class Unreadable(ValueError):
    """A line is no case; the text gives its number, never its content."""


def read(lines: Iterable[bytes]) -> Iterator[Answers | Facts]:
    """Decode a file of cases; empty lines are skipped.

    Args:
        lines: Of the file, in binary.

    Yields:
        The cases in the order of the file.

    Raises:
        Unreadable: A line has neither shape.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if b'"findings"' in line:
                yield msgspec.json.decode(line, type=Answers)
            else:
                yield msgspec.json.decode(line, type=Facts)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(f"line {number} is not a case") from error


def enter(library: Library, reader: Reader, case: Answers | Facts) -> Entered:
    """Enter a case; what no protocol asks for and what an input refuses is left out.

    Args:
        library: The protocols.
        reader: Reads the words of a case that was recorded in words.
        case: The case.
    """
    if isinstance(case, Facts):
        heard, findings = proposing.enter(library, reader, case)
        return Entered(
            complaint=heard.complaint, default=heard.default_acuity, findings=tuple(findings)
        )
    known = None if case.complaint is None else recogniser.shipped().complaint(case.complaint)
    given = [Finding(input=key, value=value) for key, value in case.findings.items()]
    given += [Finding(input=key, unanswerable="caller_cannot_know") for key in case.unanswerable]
    return Entered(
        complaint=case.complaint,
        default=None if known is None else known.default_acuity,
        findings=tuple(entry for entry in given if not library.refusals([entry])),
    )


def judge(library: Library, entered: Entered) -> Evaluation:
    """Evaluate a case with every protocol that runs for it, drafts included.

    Args:
        library: The protocols.
        entered: The case; nothing further is asked.
    """
    return evaluate(
        library.choose(entered.complaint, allow_draft=True),
        entered.findings,
        Observation(context=PROFESSIONAL, default_acuity=entered.default),
    )
