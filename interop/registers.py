"""The national registers as published: FINESS `cs1100502` and RPPS "PS_LibreAcces".

Read line by line, so that a register of two million lines takes no more memory than one.
Sources: FINESS, "Extraction du fichier des établissements", layout of cs1100502 on data.gouv.fr
(a first line `finess;etalab;...`, then `structureet` lines of 31 or 32 fields); ANS, Annuaire
Santé, free-access extraction PS_LibreAcces_Personne_activite (a header, `|` between cells).
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from directory.feed_rows import (
    BrokenRow,
    FeedExercise,
    FeedOrganisation,
    FeedPerson,
    RegisterRow,
)
from interop import delimited
from kernel import errors

FINESS_FIELDS: Final = frozenset({31, 32, 33})
"""Fields of a `structureet` line: the last ones (`numuai`, a final separator) may be absent."""
_NUMBER, _NAME, _LONG_NAME, _CATEGORY, _SIRET = 1, 3, 4, 18, 22
# Of one site and of its geographic position: other files of the same series hold the second.
_SITE: Final = "structureet"
_OTHERS: Final = frozenset({"geolocalisation", "finess", "section"})

RPPS_COLUMNS: Final = (
    "Type d'identifiant PP", "Identifiant PP", "Nom d'exercice", "Prénom d'exercice",
)  # fmt: skip
EXERCISE_COLUMNS: Final = (
    "Code savoir-faire", "Code profession", "Numéro FINESS site", "Numéro SIRET site",
    "Identifiant technique de la structure", "Raison sociale site",
    "Code postal (coord. structure)", "Code commune (coord. structure)",
    "Libellé commune (coord. structure)",
)  # fmt: skip
"""Columns about one place of work; an extraction without all of them brings people only."""
_RPPS: Final = "8"


def finess(path: Path) -> Iterator[RegisterRow]:
    """Read the sites of FINESS.

    Args:
        path: The unpacked file, in UTF-8 or, as it used to be, Windows-1252.

    Yields:
        Sites, and lines that cannot be read: those of `delimited.rows`, `fields`, `not_a_site`.

    Raises:
        kernel.errors.Invalid: `feed_columns_missing`: the first line is not that of FINESS.
        OSError: There is no such file.
    """
    with path.open("rb") as stream:
        for cells in delimited.rows(stream, ";", "french", csv.QUOTE_MINIMAL):
            first = cells.values[:1]
            if cells.line == 1 and first not in {("finess",), (_SITE,)}:
                raise errors.Invalid("feed_columns_missing", "This is no file of FINESS.", line=1)
            reason = cells.reason
            if not reason and first[0] in _OTHERS:
                continue
            if not reason and first != (_SITE,):
                reason = "not_a_site"
            if not reason and len(cells.values) not in FINESS_FIELDS:
                reason = "fields"
            if reason:
                yield BrokenRow(file=path.name, line=cells.line, reason=reason)
            else:
                yield FeedOrganisation(
                    finess=cells.values[_NUMBER],
                    name=cells.values[_LONG_NAME] or cells.values[_NAME],
                    category=cells.values[_CATEGORY],
                    siret=cells.values[_SIRET],
                    line=cells.line,
                )


def rpps(path: Path) -> Iterator[RegisterRow]:
    """Read the people of PS_LibreAcces; somebody with several activities has several lines.

    Args:
        path: The unpacked file, in UTF-8.

    Yields:
        People, and lines that cannot be read: those of `delimited.rows`, `cells_missing`,
        `not_rpps` (another kind of identifier).

    Raises:
        kernel.errors.Invalid: `feed_columns_missing`.
        OSError: There is no such file.
    """
    with path.open("rb") as stream:
        lines = delimited.rows(stream, "|", "utf-8", csv.QUOTE_NONE)
        header = next(lines, delimited.Cells(line=1)).values
        at = delimited.columns(header, RPPS_COLUMNS)
        if at is None:
            raise errors.Invalid(
                "feed_columns_missing", "The first line is not that of PS_LibreAcces.", line=1
            )
        kind, number, family, given = (at[name.casefold()] for name in RPPS_COLUMNS)
        work = delimited.columns(header, EXERCISE_COLUMNS)
        for cells in lines:
            reason = cells.reason
            # The extraction ends its lines with a separator, with or without one in the header.
            if not reason and abs(len(cells.values) - len(header)) > 1:
                reason = "cells_missing"
            if not reason and cells.values[kind] != _RPPS:
                reason = "not_rpps"
            if reason:
                yield BrokenRow(file=path.name, line=cells.line, reason=reason)
            else:
                yield FeedPerson(
                    rpps=cells.values[number],
                    family=cells.values[family],
                    given=cells.values[given],
                    exercise=None if work is None else _exercise(cells.values, work),
                    line=cells.line,
                )


def _exercise(values: Sequence[str], at: Mapping[str, int]) -> FeedExercise | None:
    """Give the place of work of a line; a line may end early, and may name none."""
    skill, profession, finess, siret, structure, name, postcode, commune, city = (
        values[at[column.casefold()]] if at[column.casefold()] < len(values) else ""
        for column in EXERCISE_COLUMNS
    )
    if not (finess or siret or structure):
        return None
    return FeedExercise(
        codes=tuple(filter(None, (skill, profession))), finess=finess, siret=siret,
        structure=structure, name=name, postcode=postcode, commune=commune, city=city,
    )  # fmt: skip
