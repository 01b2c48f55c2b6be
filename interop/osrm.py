"""Asks an OSRM routing engine for journeys: its `table` service, as `directory.journeys.Router`.

Source: OSRM HTTP API v1, "Table service": `GET /table/v1/{profile}/{coordinates}` with `sources`,
`destinations`, `annotations`; a null where it knows no way. The engine is the operator's own, named
by a setting, so its address is not checked as a stranger's is; bytes and time have limits.
"""

import http.client
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from directory.journeys import Leg
from kernel import errors

MOST: Final = 100
"""Coordinates in one question: what `osrm-routed` accepts unless told otherwise."""
SNAP_M: Final = 2_000.0
"""A position that is moved farther than this to the nearest road lies off the engine's map."""
MOST_BYTES: Final = 4 << 20
_PIECE: Final = 1 << 16
_OK: Final = 200
_BAD_REQUEST: Final = 400
_PORTS: Final = {"http": 80, "https": 443}


class Waypoint(msgspec.Struct, frozen=True):
    """Where a coordinate was moved to: `distance` metres from where it was asked."""

    distance: float = 0.0


class Table(msgspec.Struct, frozen=True):
    """An answer of the table service; rows are sources, columns destinations."""

    code: str = ""
    durations: Sequence[Sequence[float | None]] = ()
    distances: Sequence[Sequence[float | None]] = ()
    sources: Sequence[Waypoint] = ()
    destinations: Sequence[Waypoint] = ()


class Osrm:
    """One engine. Questions block: ask from a thread."""

    def __init__(self, url: str, *, profile: str = "driving", limit_s: float = 10.0) -> None:
        """Prepare; nothing is asked yet.

        Args:
            url: Of the engine, `http://host:port` or `https://...`, with a path before `/table` if
                it has one.
            profile: Of the engine's own; it answers for the one it was built with.
            limit_s: For one question, seconds.

        Raises:
            ValueError: The address is no http or https URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("a routing engine is named by an http or https URL")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._path = f"{parts.path.rstrip('/')}/table/v1/{profile}/"
        self._limit_s = limit_s
        self._name = f"osrm {self._host}:{self._port}{self._path}"

    @property
    def name(self) -> str:
        """Give the name: where it is and what it answers for."""
        return self._name

    def to_one(
        self, lon: float, lat: float, origins: Sequence[tuple[float, float]]
    ) -> Sequence[Leg | None]:
        """Give the journeys from several places (longitude, latitude) to one, in their order.

        Raises:
            kernel.errors.Unavailable: `router_away`.
            kernel.errors.Invalid: `router_refused`.
        """
        found: list[Leg | None] = []
        for at in range(0, len(origins), MOST - 1):
            part = origins[at : at + MOST - 1]
            found.extend(_legs(self._ask([(lon, lat), *part]), len(part)))
        return found

    def _ask(self, points: Sequence[tuple[float, float]]) -> Table:
        """Ask for the journeys from all points but the first to the first."""
        places = ";".join(f"{lon:.5f},{lat:.5f}" for lon, lat in points)
        sources = ";".join(str(number) for number in range(1, len(points)))
        query = f"sources={sources}&destinations=0&annotations=duration,distance"
        status, body = self._get(f"{self._path}{places}?{query}")
        try:
            table = msgspec.json.decode(body, type=Table)
        except msgspec.MsgspecError as problem:
            raise _away() from problem
        if status == _BAD_REQUEST:
            raise errors.Invalid("router_refused", "The router refused.", reason=table.code)
        if status != _OK or table.code != "Ok":
            raise _away()
        return table

    def _get(self, target: str) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._limit_s)
        until = time.monotonic() + self._limit_s
        try:
            connection.request("GET", target, headers={"User-Agent": "regul"})
            with connection.getresponse() as answer:
                body = bytearray()
                while piece := answer.read1(_PIECE):
                    body += piece
                    if len(body) > MOST_BYTES or time.monotonic() > until:
                        raise _away()
                return answer.status, bytes(body)
        except (OSError, http.client.HTTPException) as problem:
            raise _away() from problem
        finally:
            connection.close()


def _away() -> errors.Unavailable:
    return errors.Unavailable("router_away", "The routing engine does not answer.", 60)


def _legs(table: Table, count: int) -> list[Leg | None]:
    """Read one column of a table.

    Raises:
        kernel.errors.Unavailable: It has not the shape that was asked for.
    """
    rows = list(zip(table.durations, table.distances, table.sources, strict=False))
    if len(rows) != count or not table.destinations:
        raise _away()
    off_map = table.destinations[0].distance > SNAP_M
    return [
        None if off_map or near.distance > SNAP_M else _leg(durations, distances)
        for durations, distances, near in rows
    ]


def _leg(durations: Sequence[float | None], distances: Sequence[float | None]) -> Leg | None:
    if len(durations) != 1 or len(distances) != 1:
        raise _away()
    (duration_s,), (road_m,) = durations, distances
    return None if duration_s is None or road_m is None else Leg(duration_s, road_m)
