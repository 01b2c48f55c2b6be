"""National call reasons to complaints: what a partner's file becomes here.

Pure data. Every reason has complaint codes, the most severe first, or says that a physician
takes the call at once.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

MOTIFS_FILE: Final = Path(__file__).with_name("motifs.toml")


class Motif(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason of the national list.

    Attributes:
        code: As published, such as "M03.06".
        label: As published, in French.
        complaints: What it becomes, the most severe floor first; empty for `physician`.
        physician: No complaint says enough: a physician takes the call at once.
    """

    code: str
    label: str
    complaints: tuple[str, ...] = ()
    physician: bool = False

    @property
    def complaint(self) -> str | None:
        """Give the complaint to assume while nothing narrower is known, or None."""
        return self.complaints[0] if self.complaints else None


class MotifFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data file."""

    motifs: tuple[Motif, ...]


@cache
def shipped() -> Mapping[str, Motif]:
    """Give the national reasons by code; a code that is not there is a physician's call."""
    file = msgspec.toml.decode(MOTIFS_FILE.read_bytes(), type=MotifFile)
    return MappingProxyType({motif.code: motif for motif in file.motifs})
