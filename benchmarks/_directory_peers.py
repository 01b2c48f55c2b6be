"""The same questions asked of the directory in three other ways, to compare with.

`Graph` is what people write first with networkx: walk the nodes, look at their attributes. `Tree`
is one scipy cKDTree over every care service, asked for more neighbours until enough are capable.
`SELECT_NEAREST` is one SQL statement with earthdistance and its GiST index.
"""

import heapq
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import networkx as nx
import numpy as np
from scipy.spatial import cKDTree

from benchmarks._france import France
from directory import columns, distance
from directory.model import CareServiceId, Intake, Need


class Graph:
    """Care services as nodes at locations, slots as a list on each node."""

    def __init__(self, world: France) -> None:
        """Build the graph."""
        starts: dict[CareServiceId, list[int]] = {}
        for diary, start in zip(
            world.slots["diary"].tolist(), world.slots["start"].tolist(), strict=True
        ):
            schedule = world.schedules[diary]
            if not schedule.paused:
                starts.setdefault(schedule.care_service_id, []).append(start)
        places = {place.id: place for place in world.rows.locations}
        self.graph: nx.DiGraph[object] = nx.DiGraph()
        for place in world.rows.locations:
            self.graph.add_node(place.id, kind="location", lon=place.lon, lat=place.lat)
        for service in world.rows.care_services:
            self.graph.add_node(
                service.id,
                kind="care_service",
                service=service,
                starts=starts.get(service.id, []),
                access=service.accessibility | places[service.location_id].accessibility,
            )
            self.graph.add_edge(service.id, service.location_id)

    def nearest(self, need: Need, count: int, now: datetime) -> list[CareServiceId]:
        """Walk every node; give the nearest that can take the need, nearest first."""
        late = columns.micros(need.deadline or now)
        first = columns.micros(now)
        found: list[tuple[float, CareServiceId]] = []
        for node, data in self.graph.nodes(data=True):
            if data["kind"] != "care_service" or data["service"].service != need.service:
                continue
            one = data["service"]
            age = need.age_months
            if not one.active or (age is not None and age < one.min_age_months):
                continue
            if age is not None and one.max_age_months is not None and age >= one.max_age_months:
                continue
            if one.intake is Intake.APPOINTMENT and not any(
                first < start <= late for start in data["starts"]
            ):
                continue
            (place,) = self.graph.successors(node)
            where = self.graph.nodes[place]
            metres = distance.one(need.lon or 0.0, need.lat or 0.0, where["lon"], where["lat"])
            found.append((metres, one.id))
        return [node for _, node in heapq.nsmallest(count, found)]


class Tree:
    """One tree over every care service."""

    def __init__(self, world: France) -> None:
        """Build the tree."""
        places = {place.id: place for place in world.rows.locations}
        self.services = world.rows.care_services
        at = [places[one.location_id] for one in self.services]
        lon, lat = np.array([one.lon for one in at]), np.array([one.lat for one in at])
        self.tree = cKDTree(distance.unit_vectors(lon, lat))

    def nearest(self, service: str, lon: float, lat: float, count: int) -> Sequence[float]:
        """Give the chords to the nearest capable care services, nearest first."""
        point = distance.unit_vector(lon, lat)
        wanted = 8 * count
        while True:
            wanted = min(wanted, len(self.services))
            near, at = self.tree.query(point, k=wanted)
            chords, rows = np.ravel(near), np.ravel(at)
            found = [
                chord
                for chord, row in zip(
                    np.ravel(chords).tolist(), np.ravel(rows).tolist(), strict=True
                )
                if self.services[row].service == service
            ]
            if len(found) >= count or wanted == len(self.services):
                return found[:count]
            wanted *= 4


PREPARE_EARTH: Final = """
create extension if not exists cube;
create extension if not exists earthdistance;
create index bench_location_by_earth on directory.location using gist (ll_to_earth(lat, lon));
analyze directory.location, directory.care_service, directory.schedule, directory.slot,
    directory.seat;
"""

SELECT_NEAREST: Final = """
select c.id, earth_distance(ll_to_earth(l.lat, l.lon), ll_to_earth($3, $2)) as metres,
    first.starts_at
from directory.location l
    join directory.care_service c on c.location_id = l.id,
    lateral (
        select min(o.starts_at) as starts_at
        from directory.slot o join directory.schedule s on s.id = o.schedule_id
            join directory.seat t on t.slot_id = o.id and t.state = 'free'
        where o.care_service_id = c.id and o.withdrawn_at is null and o.starts_at > $5
            and o.starts_at <= $6 and not s.paused
            and (s.release_before_s is null
                or o.starts_at - $5 <= make_interval(secs => s.release_before_s))) first
where c.service = $1 and c.active and c.min_age_months <= $4
    and (c.max_age_months is null or c.max_age_months > $4)
    and (c.intake = 'referral' or first.starts_at is not null)
order by ll_to_earth(l.lat, l.lon) <-> ll_to_earth($3, $2)
limit 20
"""
