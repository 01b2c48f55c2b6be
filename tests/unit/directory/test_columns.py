"""Rows of slots lie by care service, start and id, however many share a second."""

from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from directory import columns
from directory.model import CareServiceId, Schedule, ScheduleId

IDS = [CareServiceId(UUID(int=number)) for number in range(4)]
FAR = 700 * 366 * 86_400 * 1_000_000
"""Microseconds of seven centuries: beyond what a packed key holds."""


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from([0, 999_999, 1_000_000, 1_000_001, 86_400_000_000, FAR, FAR + 1]),
            st.integers(0, 2**128 - 1),
        ),
        max_size=30,
    )
)
def test_rows_are_ordered_by_owner_start_and_id(drawn: list[tuple[int, int, int]]) -> None:
    schedules = [
        Schedule(id=ScheduleId(UUID(int=9 - at)), care_service_id=CareServiceId(UUID(int=at)))
        for at in range(5)
    ]
    slots = np.zeros(len(drawn), dtype=columns.SLOT)
    for at, (owner, start, number) in enumerate(drawn):
        slots["diary"][at], slots["start"][at] = owner, start
        slots["id"][at] = number.to_bytes(16, "big")
    table = columns.table(IDS, schedules, slots)
    for row, _ in enumerate(IDS):
        found = [(one[1], int.from_bytes(one[0], "big")) for one in table.block(row).slots.tolist()]
        assert found == sorted((start, key) for owner, start, key in drawn if owner == row)
