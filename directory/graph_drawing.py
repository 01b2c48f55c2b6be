"""The referral graph on the map: who sends to whom, as SVG, DOT or node-link JSON.

Drawn from the typed networkx graph, which is the model; nothing is computed here.
"""

from collections.abc import Collection
from html import escape
from typing import Final
from uuid import UUID

import msgspec
import networkx as nx

from directory import codes
from directory.graph import Graph
from directory.outlines import Outline

WIDTH: Final = 900.0
_EDGE: Final = 24.0
_COLOURS: Final = (
    "#12406b", "#8a3b12", "#2d6a3e", "#6b2a63", "#7a6a00", "#004f59", "#9b1c31", "#4a4a4a",
)  # fmt: skip
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1b1b1b}"
    ".link{fill:none;stroke:#555;stroke-opacity:.35;stroke-width:.8}"
)
_MANY: Final = 400
"""With more nodes than this they are drawn small and without names."""
_NAME: Final = 38


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One care service of a drawing; position in degrees."""

    id: UUID
    name: str
    service: str
    lon: float
    lat: float
    active: bool


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One referral link of a drawing, with its estimated journey."""

    source: UUID
    target: UUID
    road_m: float
    duration_s: float


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn: nodes by id, edges by source then target."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def select(
    graph: Graph, services: Collection[str] = (), around: UUID | None = None, hops: int = 1
) -> Drawing:
    """Choose what to draw: linked care services, or the neighbourhood of one.

    Args:
        graph: Built by `directory.graph.build`.
        services: Only these service codes; empty = all.
        around: Only what lies within some links of this care service, whatever their direction.
        hops: How many links; at least 0.
    """
    sends: nx.MultiDiGraph[UUID] = nx.MultiDiGraph()
    if around is not None and around in graph:
        sends.add_node(around)
    for source, target, key in graph.edges(keys=True):
        if graph.edges[source, target, key]["type"] == "refers_to":
            sends.add_edge(source, target, key=key)
    chosen = set(sends)
    if around is not None:
        chosen = (
            set(nx.ego_graph(sends, around, hops, undirected=True)) if around in sends else set()
        )
    if services:
        chosen = {one for one in chosen if graph.nodes[one]["service"] in services}
    edges = {
        (source, target): key
        for source, target, key in sends.edges(keys=True)
        if source in chosen and target in chosen
    }
    return Drawing(
        nodes=tuple(_node(graph, one) for one in sorted(chosen)),
        edges=tuple(_edge(graph, *pair, edges[pair]) for pair in sorted(edges)),
    )


def _node(graph: Graph, one: UUID) -> Node:
    told = graph.nodes[one]
    return Node(
        id=one, name=told["name"], service=told["service"], lon=told["lon"], lat=told["lat"],
        active=told["active"],
    )  # fmt: skip


def _edge(graph: Graph, source: UUID, target: UUID, key: int) -> Edge:
    told = graph.edges[source, target, key]
    return Edge(
        source=source, target=target, road_m=round(told["road_m"], 1),
        duration_s=round(told["duration_s"], 1),
    )  # fmt: skip


def dot(drawing: Drawing) -> str:
    """Write a drawing in the DOT language of Graphviz."""
    lines = ["digraph referrals {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for one in drawing.nodes:
        label = _quoted(f"{one.name}\\n{one.service}")
        lines.append(f'  "{one.id}" [label={label}];')
    lines.extend(
        f'  "{edge.source}" -> "{edge.target}" [label="{edge.duration_s / 60:.0f} min"];'
        for edge in drawing.edges
    )
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def svg(drawing: Drawing, outline: Outline, title: str) -> str:
    """Draw on the map of a territory.

    Args:
        drawing: What.
        outline: Of the territory, `WIDTH` pixels wide; places beyond its frame are drawn outside.
        title: In one sentence.
    """
    frame = outline.frame
    at = {one.id: frame.point(one.lon, one.lat) for one in drawing.nodes}
    used = sorted({one.service for one in drawing.nodes})
    colour = {code: _COLOURS[number % len(_COLOURS)] for number, code in enumerate(used)}
    width, height = frame.width + 2 * _EDGE, frame.height + 2 * _EDGE + 18 * len(used)
    size = f'viewBox="{-_EDGE:g} {-_EDGE:g} {width:g} {height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect x="{-_EDGE:g}" y="{-_EDGE:g}" width="100%" height="100%" fill="#fff"/>',
        f'<path d="{outline.land}" fill="#eef3ee" stroke="#8a968c"/>',
    ]
    links = (_line(at[one.source], at[one.target]) for one in drawing.edges)
    parts.append(f'<path class="link" d="{"".join(links)}"/>')
    few = len(drawing.nodes) <= _MANY
    for one in drawing.nodes:
        x, y = at[one.id]
        hollow = "" if one.active else ' fill-opacity=".25"'
        parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{5 if few else 2.5}" '
            f'fill="{colour[one.service]}"{hollow}><title>{escape(one.name)}</title></circle>'
        )
        if few and len(drawing.nodes) <= _NAME:
            parts.append(f'<text x="{x + 8:g}" y="{y + 4:g}">{escape(one.name)}</text>')
    for number, code in enumerate(used):
        y = frame.height + _EDGE + 18 * number
        label = escape(codes.load().service[code].en)
        parts.append(f'<circle cx="8" cy="{y - 4:g}" r="5" fill="{colour[code]}"/>')
        parts.append(f'<text x="20" y="{y:g}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Give a slightly bent line, so that the two directions of a pair can be told apart."""
    (x, y), (to_x, to_y) = start, end
    bend_x, bend_y = (x + to_x) / 2 + (to_y - y) / 8, (y + to_y) / 2 - (to_x - x) / 8
    return f"M{x:g} {y:g}Q{bend_x:.1f} {bend_y:.1f} {to_x:g} {to_y:g}"
