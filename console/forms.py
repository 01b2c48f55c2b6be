"""Reading forms: every value is text until a page has understood it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Request

from kernel import errors

_MOST_FIELDS: Final = 100


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form as sent; the last value of a repeated name counts."""

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """Give a field without surrounding blanks; empty when it is not there."""
        return self.values.get(name, "").strip()

    def optional(self, name: str) -> str | None:
        """Give a field, or None when it is empty."""
        return self.text(name) or None

    def id(self, name: str) -> UUID:
        """Give an identifier that the page itself had written.

        Raises:
            Malformed: `form_unreadable`.
        """
        try:
            return UUID(self.text(name))
        except ValueError:
            raise unreadable() from None

    def id_or_none(self, name: str) -> UUID | None:
        """Give an identifier, or None when the field is empty."""
        return self.id(name) if self.text(name) else None

    def flag(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return self.text(name) in {"1", "true", "on"}


def unreadable() -> errors.Malformed:
    """Give the refusal of a form that our pages did not write."""
    return errors.Malformed("form_unreadable", "The form can't be read.")


async def read(request: Request[Any, Any, Any]) -> Form:
    """Read the form of a request.

    Args:
        request: With an urlencoded body.

    Raises:
        Malformed: `form_unreadable`.
    """
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise unreadable() from None
    return Form(values=dict(pairs))
