"""What the protocols propose for a recorded case when nothing more is asked.

Pure: the path of a new case (the words are read, what they state and what was recorded is
entered, the engine runs) without the database. Labels never come here.
"""

from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import PROFESSIONAL, Finding
from triage.labelled import VITALS, Facts, recorded
from triage.library import Library
from triage.reader import Reader
from triage.recogniser import Recognition


def propose(
    library: Library, reader: Reader, facts: Facts, *, mask_vitals: bool = False
) -> Assessment:
    """Assess a case from what was recorded of it; drafts run.

    Args:
        library: The protocols.
        reader: Reads the words of the complaint, or the whole vignette: complaints, signs,
            denials, numbers.
        facts: What was recorded; it stands above what the words say.
        mask_vitals: Vital signs count as not obtainable here.

    Returns:
        The assessment; nothing further is asked.
    """
    heard, findings = enter(library, reader, facts, mask_vitals=mask_vitals)
    return assess(
        library.choose(heard.complaint, allow_draft=True),
        findings,
        Observation(context=PROFESSIONAL, default_acuity=heard.default_acuity),
    )


def enter(
    library: Library, reader: Reader, facts: Facts, *, mask_vitals: bool = False
) -> tuple[Recognition, list[Finding]]:
    """Enter what was recorded of a case: what its words say, and the findings.

    Args:
        library: Knows which findings are possible.
        reader: Reads the words.
        facts: What was recorded; it stands above what the words say.
        mask_vitals: Vital signs count as not obtainable here.
    """
    reading = reader.read(facts.complaint_text or facts.text)
    entered = {finding.input: finding for finding in reading.full}
    if mask_vitals:
        entered = {key: finding for key, finding in entered.items() if key not in VITALS}
    entered |= {entry.input: entry for entry in recorded(facts, mask_vitals=mask_vitals)}
    return reading.recognition, _acceptable(library, entered)


def _acceptable(library: Library, entered: dict[str, Finding]) -> list[Finding]:
    """Leave out what no protocol asks for and what an input refuses: the API would, too."""
    return [entry for entry in entered.values() if not library.refusals([entry])]
