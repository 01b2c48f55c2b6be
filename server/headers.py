"""Headers of a request, read once by the guard; those that must be single are single."""

from collections.abc import Iterable
from typing import Final

from kernel import errors

_ONCE: Final = frozenset(
    {b"authorization", b"content-type", b"content-length", b"host", b"idempotency-key", b"origin"}
)


class Headers:
    """Headers of a request by lower-case name; a doubled one that must be single is refused."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        """Read the headers.

        Args:
            raw: As ASGI gives them.

        Raises:
            Malformed: `header_repeated`.
        """
        self._values: dict[bytes, bytes] = {}
        for name, value in raw:
            if name in self._values and name in _ONCE:
                raise errors.Malformed("header_repeated", "A header stands twice.")
            self._values[name] = value

    def raw(self, name: bytes) -> bytes:
        """Give a value as sent; empty when the header is not there.

        Args:
            name: In lower case.
        """
        return self._values.get(name, b"")

    def text(self, name: bytes) -> str:
        """Give a value as text; empty when the header is not there.

        Args:
            name: In lower case.
        """
        return self._values.get(name, b"").decode("latin-1").strip()
