"""The directory's rows together: what a graph and a snapshot are built from."""

import msgspec

from directory.model import CareService, Location, Organisation, ReferralLink, Role


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What a graph or a snapshot is built from: the directory's rows, in any order."""

    organisations: tuple[Organisation, ...] = ()
    locations: tuple[Location, ...] = ()
    roles: tuple[Role, ...] = ()
    care_services: tuple[CareService, ...] = ()
    links: tuple[ReferralLink, ...] = ()
