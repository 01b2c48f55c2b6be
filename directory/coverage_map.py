"""The coverage of a territory as one SVG: a small map for each speciality, nothing but text."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from directory import codes, distance
from directory.coverage import CHILD, Cover
from directory.gazetteer import Commune
from directory.outlines import Frame, Outline
from directory.snapshot import Snapshot

ACROSS: Final = 3
"""Maps in a row."""
WIDTH: Final = 300.0
_GAP: Final = 16.0
_TITLE: Final = 38.0
_FOOT: Final = 34.0
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1b1b1b}.sub{font-size:11px;fill:#444}"
    ".land{fill:#d7e8dc;stroke:#5b6b60;stroke-width:.8}.bare{fill:url(#hatch);stroke:#8a3b12;"
    "stroke-width:.3}.far{fill:#a3421a;stroke:#6b2a0f;stroke-width:.3}"
    ".site{fill:none;stroke:#12406b;stroke-width:2.6;stroke-linecap:round}"
)
_HATCH: Final = (
    '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="5" height="5" fill="#fbe3d3"/>'
    '<path d="M0 0V5" stroke="#b8561f" stroke-width="2.4"/></pattern>'
)


def svg(
    snapshot: Snapshot, covers: Sequence[Cover], outline: Outline, beyond_m: int, title: str
) -> str:
    """Draw the coverage by several service codes.

    Args:
        snapshot: Gives where the care services lie.
        covers: One map each, of the same communes.
        outline: Of the territory, `WIDTH` pixels wide.
        beyond_m: Communes whose nearest office is farther than this are drawn darkest.
        title: What the picture shows, in one sentence.
    """
    frame = outline.frame
    step_x, step_y = frame.width + _GAP, frame.height + _TITLE + _GAP
    rows = -(-len(covers) // ACROSS)
    width = min(len(covers), ACROSS) * step_x + _GAP
    height = rows * step_y + _FOOT
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<defs>{_HATCH}<path id="land" d="{outline.land}"/></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for at, one in enumerate(covers):
        x, y = _GAP + at % ACROSS * step_x, at // ACROSS * step_y + _TITLE
        parts.append(f'<g transform="translate({x:g} {y:g})">')
        parts.extend(_panel(snapshot, one, outline, beyond_m))
        parts.append("</g>")
    parts.extend(_legend(height - _FOOT / 2, covers[0].radius_m, beyond_m) if covers else ())
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def label(one: Cover) -> str:
    """Give the English name of a speciality, and whose coverage it is when it is a child's."""
    child = " (a child)" if one.age_months == CHILD else ""
    return codes.load().service[one.service].en + child


def _panel(snapshot: Snapshot, one: Cover, outline: Outline, beyond_m: int) -> Iterable[str]:
    share = 100 * one.people_without / max(one.people, 1)
    yield f'<text y="-20">{escape(label(one))}</text>'
    yield (
        f'<text class="sub" y="-6">{len(one.bare)} communes, {one.people_without:,} inhabitants '
        f"({share:.1f} %) without</text>"
    )
    yield '<use href="#land" class="land"/>'
    for name, path in _bare(one, outline, beyond_m).items():
        yield f'<path class="{name}" d="{path}"/>'
    yield f'<path class="site" d="{_sites(snapshot, one.service, outline.frame)}"/>'


def _bare(one: Cover, outline: Outline, beyond_m: int) -> Mapping[str, str]:
    """Give the paths of communes without care, by class.

    An outline that is no commune any more is drawn as the commune whose centre is nearest.
    """
    row = {commune.insee: at for at, commune in enumerate(one.communes)}
    found: dict[str, list[str]] = {}
    for code, path in outline.communes.items():
        at = row[code] if code in row else _nearest(one.communes, *outline.centres[code])
        if one.counts[at] == 0:
            name = "far" if one.nearest_m[at] > beyond_m else "bare"
            found.setdefault(name, []).append(path)
    return {name: "".join(paths) for name, paths in sorted(found.items())}


def _nearest(communes: Sequence[Commune], lon: float, lat: float) -> int:
    lons, lats = np.array([one.lon for one in communes]), np.array([one.lat for one in communes])
    return int(np.argmin(distance.great_circle_m(lon, lat, lons, lats)))


def _sites(snapshot: Snapshot, service: str, frame: Frame) -> str:
    """Give a dot for each place of a service code that lies within the frame."""
    capability = snapshot.capability(service)
    rows = () if capability is None else capability.rows.tolist()
    points = {
        frame.point(snapshot.locations[row].lon, snapshot.locations[row].lat)
        for row in rows
        if snapshot.services[row].active
    }
    inside = [(x, y) for x, y in points if 0 <= x <= frame.width and 0 <= y <= frame.height]
    return "".join(f"M{x:g} {y:g}h0" for x, y in sorted(inside))


def _legend(y: float, radius_m: int, beyond_m: int) -> Iterable[str]:
    yield f'<rect class="land" x="{_GAP:g}" y="{y - 10:g}" width="16" height="12"/>'
    yield f'<text class="sub" x="{_GAP + 22:g}" y="{y:g}">within {radius_m / 1000:g} km</text>'
    yield f'<rect class="bare" x="180" y="{y - 10:g}" width="16" height="12"/>'
    yield f'<text class="sub" x="202" y="{y:g}">none within {radius_m / 1000:g} km</text>'
    yield f'<rect class="far" x="360" y="{y - 10:g}" width="16" height="12"/>'
    yield f'<text class="sub" x="382" y="{y:g}">none within {beyond_m / 1000:g} km</text>'
    yield f'<path class="site" d="M548 {y - 4:g}h0"/>'
    yield f'<text class="sub" x="556" y="{y:g}">a place</text>'
