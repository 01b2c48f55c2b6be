"""Where a served Régul of the tests is."""

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service is."""

    api: str
    bus: str
