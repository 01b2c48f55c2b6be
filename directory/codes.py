"""Codes that the directory owns (services, skills, equipment, access), read from `data/codes.toml`.

Protocols name these codes; `unknown_services` and `unknown_skills` let the start-up check refuse
a protocol that asks for something no directory row can ever offer.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

CODES_FILE: Final = Path(__file__).parent / "data" / "codes.toml"


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One code with its two labels.

    Attributes:
        en: English label.
        fr: French label.
        second_line: A patient is sent there, he does not go by himself.
        referral: Engaged without a fixed time (a referral, never an appointment).
    """

    en: str
    fr: str
    second_line: bool = False
    referral: bool = False


class Codes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All codes of the directory, by kind, keyed by code."""

    service: dict[str, Code]
    skill: dict[str, Code]
    equipment: dict[str, Code]
    accessibility: dict[str, Code]

    def unknown_services(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Give the service codes that do not exist, sorted."""
        return tuple(sorted(set(codes) - self.service.keys()))

    def unknown_skills(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Give the skill codes that do not exist, sorted."""
        return tuple(sorted(set(codes) - self.skill.keys()))

    def unknown_equipment(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Give the equipment codes that do not exist, sorted."""
        return tuple(sorted(set(codes) - self.equipment.keys()))

    def unknown_accessibility(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Give the accessibility codes that do not exist, sorted."""
        return tuple(sorted(set(codes) - self.accessibility.keys()))


@cache
def load() -> Codes:
    """Read the shipped code file once per process.

    Raises:
        msgspec.ValidationError: The file does not have the documented shape.
    """
    return msgspec.toml.decode(CODES_FILE.read_bytes(), type=Codes)
