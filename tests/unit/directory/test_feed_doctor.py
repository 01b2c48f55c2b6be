"""The feed doctor on a real capture and on hostile rows; the reader of SMART Scheduling Links."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from directory import feed_doctor, homonyms
from directory.feed_doctor import Circumstances
from directory.feed_rows import FeedContent, FeedDiary, FeedPeriod, FeedPlace
from interop import smart_scheduling
from kernel import errors

CAPTURE = Path("../shared/data/smart-scheduling-links/rite-aid-nj-2023-03-24")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PARIS = Circumstances(country="FR", zone="Europe/Paris", now=NOW)
MANIFEST = '{"transactionTime":"2026-03-02T11:00:00Z","request":"x","output":[]}'
PLACE = b'{"resourceType":"Location","id":"1","address":{"city":"Amiens","postalCode":"80000"}}'


def a_place(**changes: str) -> FeedPlace:
    fields = {"key": "1", "name": "x", "city": "Amiens", "region": "", "postcode": "80000"}
    return FeedPlace(**(fields | changes), line=1)  # type: ignore[arg-type]


def a_period(hour: int, *, key: str = "p", free: bool = True, capacity: int = 1) -> FeedPeriod:
    start = datetime(2026, 3, 3, hour, tzinfo=ZoneInfo("Europe/Paris"))
    return FeedPeriod(
        key=key, diary_key="d", start=start, end=start + timedelta(minutes=15), free=free,
        capacity=capacity, line=hour,
    )  # fmt: skip


def content(*periods: FeedPeriod, place: FeedPlace | None = None) -> FeedContent:
    return FeedContent(
        as_of=NOW - timedelta(hours=1),
        places=(place or a_place(),),
        diaries=(FeedDiary(key="d", place_key="1", codes=(), line=1),),
        periods=periods,
    )


def codes(examined: feed_doctor.Examination) -> list[str]:
    return [fault.code for fault in examined.faults]


@pytest.mark.skipif(not CAPTURE.is_dir(), reason="LOUD: the recorded feed is absent")
def test_the_real_capture_loses_no_row_and_shows_its_three_faults() -> None:
    read = smart_scheduling.read(CAPTURE)
    assert read.as_of is not None
    known = Circumstances(country="US", zone="America/New_York", now=read.as_of)
    examined = feed_doctor.examine(read, known)
    assert (len(read.periods), len(examined.content.periods)) == (1542, 1542)
    assert len({(one.diary_key, one.key) for one in examined.content.periods}) == 1542
    assert examined.count("repeated_id") == 1430
    assert examined.count("suspect_offset") == 1542
    assert examined.count("lost_leading_zero") == 112
    assert len(examined.bookable) == 1430
    assert examined.content.places[0].postcode.startswith("0")


def test_sound_rows_have_no_fault() -> None:
    examined = feed_doctor.examine(content(a_period(9), a_period(10, key="q")), PARIS)
    assert codes(examined) == []
    assert len(examined.bookable) == 2


def test_a_repair_keeps_the_original() -> None:
    examined = feed_doctor.examine(content(place=a_place(postcode="1000")), PARIS)
    (fault,) = examined.faults
    assert (fault.code, fault.original, fault.repaired) == ("lost_leading_zero", "1000", "01000")
    assert examined.content.places[0].postcode == "01000"


def test_a_moment_in_utc_is_not_suspect_but_a_foreign_offset_is() -> None:
    paris = a_period(9)
    in_utc = FeedPeriod(
        key="u", diary_key="d", start=paris.start.astimezone(UTC), end=paris.end, free=True, line=2
    )
    abroad = FeedPeriod(
        key="f", diary_key="d", start=paris.start.astimezone(ZoneInfo("Asia/Tokyo")),
        end=paris.end + timedelta(hours=1), free=True, line=3,
    )  # fmt: skip
    examined = feed_doctor.examine(content(in_utc, abroad), PARIS)
    assert codes(examined) == ["suspect_offset"]
    assert examined.faults[0].line == 3


@pytest.mark.parametrize(
    ("period", "code"),
    [
        (a_period(9, capacity=0), "empty_but_free"),
        (
            FeedPeriod(
                key="p", diary_key="d", start=NOW - timedelta(hours=3), free=True, line=1,
                end=NOW - timedelta(hours=2),
            ),
            "past_period",
        ),
        (
            FeedPeriod(
                key="p", diary_key="d", start=NOW + timedelta(hours=3), free=True, line=1,
                end=NOW + timedelta(hours=3),
            ),
            "ends_before_start",
        ),
        (
            FeedPeriod(
                key="p", diary_key="other", start=NOW + timedelta(hours=3), free=True, line=1,
                end=NOW + timedelta(hours=4),
            ),
            "unknown_diary",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_is_never_offered(period: FeedPeriod, code: str) -> None:
    examined = feed_doctor.examine(content(period), PARIS)
    assert codes(examined) == [code]
    assert examined.bookable == ()
    assert examined.content.periods == (period,)


def test_the_same_period_twice_is_offered_once() -> None:
    examined = feed_doctor.examine(content(a_period(9), a_period(9)), PARIS)
    assert codes(examined) == ["repeated_row"]
    again = feed_doctor.examine(content(a_period(9), a_period(10)), PARIS)
    assert codes(again) == ["repeated_id"]
    assert len(again.bookable) == 2


def test_a_feed_that_stopped_and_a_town_of_many_are_told() -> None:
    stale = PARIS.__class__(
        country="FR", zone="Europe/Paris", now=NOW + timedelta(days=2),
        homonyms=frozenset({"saint-denis"}),
    )  # fmt: skip
    examined = feed_doctor.examine(content(place=a_place(city="Saint-Denis", postcode="")), stale)
    assert codes(examined) == ["frozen_feed", "homonym_city"]


def test_one_broken_line_never_stops_the_rest(tmp_path: Path) -> None:
    (tmp_path / "bulk-publish.json").write_text(MANIFEST)
    rows = [
        PLACE,
        b"{",
        b'{"resourceType":"Patient","id":"1"}',
        b"\xff\xfe",
        b'{"resourceType":"Location","id":"' + b"x" * (2 * smart_scheduling.LONGEST_LINE) + b'"}',
        b'{"resourceType":"Schedule","id":"1","actor":[{"reference":"Practitioner/1"}]}',
        (
            b'{"resourceType":"Slot","id":"1","schedule":{"reference":"Schedule/1"},"status":"free",'
            b'"start":"2026-03-03T09:00:00","end":"2026-03-03T09:15:00"}'
        ),
        b"",
        PLACE,
    ]
    (tmp_path / "rows.ndjson").write_bytes(b"\n".join(rows))
    read = smart_scheduling.read(tmp_path)
    assert [place.line for place in read.places] == [1, 9]
    assert [(row.line, row.reason) for row in read.broken] == [
        (2, "not_json"),
        (3, "not_a_resource"),
        (4, "encoding"),
        (5, "line_too_long"),
        (6, "no_location"),
        (7, "time_without_offset"),
    ]


def test_a_line_that_is_too_long_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        """A hundred megabytes of one line, made as it is read."""

        left = 100 << 20
        largest = 0

        def readable(self) -> bool:
            return True

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0
            given = min(size, self.left)
            self.left -= given
            self.largest = max(self.largest, given)
            return b"x" * given

    stream = Endless()
    assert list(smart_scheduling.lines(stream)) == [(1, None)]  # type: ignore[arg-type]
    assert stream.largest <= smart_scheduling.LONGEST_LINE


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid) as refused:
        smart_scheduling.read(tmp_path)
    assert refused.value.code == "feed_without_manifest"
    (tmp_path / "bulk-publish.json").write_text("[]")
    with pytest.raises(errors.Invalid) as refused:
        smart_scheduling.read(tmp_path)
    assert refused.value.code == "feed_manifest_unreadable"


def test_the_homonyms_of_france_are_those_of_the_real_communes() -> None:
    known = homonyms.names("FR")
    assert len(known) == 1441
    assert {"saint-denis", "beaumont", "saint-aubin"} <= known
    assert not {"amiens", "paris", "lyon"} & known
    assert homonyms.names("US") == frozenset()
    asked = msgspec.structs.replace(PARIS, homonyms=known)
    for city, postcode, found in (
        ("Saint-Denis", "", ["homonym_city"]),
        ("SAINT-DENIS", "", ["homonym_city"]),
        ("Saint-Denis", "93200", []),
        ("Amiens", "", []),
    ):
        place = a_place(city=city, postcode=postcode)
        assert codes(feed_doctor.examine(content(place=place), asked)) == found


def test_content_that_stays_the_same_is_frozen_whatever_date_it_bears() -> None:
    for hours, found in ((23, []), (25, ["frozen_feed"])):
        since = NOW - timedelta(hours=hours)
        asked = msgspec.structs.replace(PARIS, unchanged_since=since)
        assert codes(feed_doctor.examine(content(a_period(9)), asked)) == found


def test_a_period_that_is_full_is_told_apart_from_one_that_cannot_be() -> None:
    examined = feed_doctor.examine(
        content(a_period(9, key="a", free=False), a_period(10, key="b", capacity=0)), PARIS
    )
    assert examined.bookable == ()
    assert [period.key for period in examined.full] == ["a", "b"]


def test_rows_at_the_edge_of_what_can_be_read_are_left_out(tmp_path: Path) -> None:
    def slot(start: str, end: str) -> bytes:
        return (
            b'{"resourceType":"Slot","id":"1","schedule":{"reference":"Schedule/1"},'
            b'"status":"free","start":"%s","end":"%s"}' % (start.encode(), end.encode())
        )

    (tmp_path / "bulk-publish.json").write_text(MANIFEST)
    deep = b"[" * 100_000 + b"]" * 100_000
    rows = [
        slot("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59-06:00"),
        slot("0001-01-01T00:00:00+05:00", "0001-01-01T00:01:00+05:00"),
        PLACE[:-1] + b',"x":' + deep + b"}",
        b'{"resourceType":"Location","id":"a\\udc00b"}',
        b'{"resourceType":"Location","id":"a\\u0000b"}',
        b'{"resourceType":"Location","id":"n","position":{"latitude":1e999}}',
        b'{"resourceType":"Location","id":"' + b"x" * 201 + b'"}',
        slot("2026-03-03T09:00:00Z", "2026-03-03T09:15:00Z"),
    ]
    (tmp_path / "rows.ndjson").write_bytes(b"\n".join(rows))
    read = smart_scheduling.read(tmp_path)
    assert [(row.line, row.reason) for row in read.broken] == [
        (1, "time_out_of_range"),
        (2, "time_out_of_range"),
        (3, "nested_too_deep"),
        (4, "not_json"),
        (5, "key_unusable"),
        (6, "not_a_resource"),
        (7, "key_unusable"),
    ]
    assert len(read.periods) == 1
