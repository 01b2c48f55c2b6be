"""The errors a use case may raise: a family, a stable code, public fields; never a patient's data.

    RegulError
    ├── Malformed        the request can't be read                    400
    ├── Unauthenticated  nobody known is asking                       401
    ├── Forbidden        this actor may not do this                   403
    ├── Missing          no such thing, or none the actor may see     404
    ├── Conflict         the state says no                            409
    ├── Expired          it was there, its time has passed            410
    ├── Invalid          readable, but a rule refuses the content     422
    ├── TooEarly         the first attempt is still running           425
    ├── Limited          too many for this actor                      429
    └── Unavailable      something we depend on is away               503

The statuses are written once, in `server/problems.py`; nothing below an `api.py` knows them.
"""

from collections.abc import Mapping
from typing import TypeAlias

Public: TypeAlias = (
    str | int | float | bool | list[str] | Mapping[str, str | int | float | bool | None] | None
)


class RegulError(Exception):
    """An expected refusal.

    Attributes:
        code: Stable, in snake case, documented in docs/errors.md; partners program against it.
        fields: What helps the caller go on (path, allowed values, the next best). No patient
            data and no free text.
    """

    def __init__(self, code: str, message: str = "", **fields: Public) -> None:
        """Build the refusal.

        Args:
            code: Stable code in snake case.
            message: One plain English sentence without patient data; the code when left out.
            **fields: Public fields of the answer.
        """
        super().__init__(message or code.replace("_", " "))
        self.code = code
        self.fields: dict[str, Public] = dict(fields)


class Malformed(RegulError):
    """The request can't be read."""


class Unauthenticated(RegulError):
    """Nobody known is asking."""


class Forbidden(RegulError):
    """This actor may not do this."""


class Missing(RegulError):
    """No such thing, or none that this actor may see."""


class Conflict(RegulError):
    """The present state does not allow it."""


class Expired(RegulError):
    """It existed; its time has passed."""


class Invalid(RegulError):
    """Readable, but a rule refuses the content."""


class TooEarly(RegulError):
    """The first attempt with this idempotency key is still running."""


class Limited(RegulError):
    """Too many for this actor now."""


class Unavailable(RegulError):
    """Something the answer depends on is away; `retry_after_s` says when to try again."""

    def __init__(self, code: str, message: str = "", retry_after_s: int = 1) -> None:
        """Build the refusal.

        Args:
            code: Stable code.
            message: One plain sentence.
            retry_after_s: Seconds after which a retry makes sense.
        """
        super().__init__(code, message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s
