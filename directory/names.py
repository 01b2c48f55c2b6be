"""Obviously invented names for demonstration practitioners and places."""

import random
from typing import Final

MARK: Final = "(fictif)"
"""Follows every invented family name, so that nobody takes one for a real person."""

_FIRST: Final = (
    "Brin", "Clair", "Val", "Mont", "Roc", "Bel", "Haut", "Gris", "Vert", "Noir", "Plume", "Sable",
    "Ambre", "Lune", "Fable", "Ciel", "Onde", "Rime", "Tilleul", "Galet", "Orme", "Bruine", "Corne",
    "Pomme", "Faux", "Songe",
)  # fmt: skip
_SECOND: Final = (
    "doré", "crayon", "écume", "farine", "chandelle", "musette", "fougère", "ardoise", "pivoine",
    "boussole", "gavotte", "brioche", "lanterne", "girouette", "paupière", "clairon", "groseille",
    "marmite", "noisette", "tambour", "virgule", "parapluie", "crécelle", "luzerne",
)  # fmt: skip
_GIVEN: Final = (
    "Aubergine", "Basilic", "Capucine", "Dahlia", "Estragon", "Fenouil", "Garance", "Hysope",
    "Iris", "Jonquille", "Lavande", "Mélisse", "Narcisse", "Oseille", "Pervenche", "Quetsche",
    "Romarin", "Sauge", "Thym", "Verveine",
)  # fmt: skip
_SIGNS: Final = (
    "des Alizés", "du Bilboquet", "de la Coccinelle", "du Dragon Vert", "de l'Édredon",
    "du Farfadet", "de la Grande Ourse", "du Hérisson", "de l'Îlot", "du Jacquard",
    "du Kaléidoscope", "de la Libellule", "du Marronnier", "du Nénuphar", "de l'Origami",
    "du Papillon",
    "de la Quenouille", "du Rossignol", "de la Salamandre", "du Tournesol", "de la Vouivre",
)  # fmt: skip


def person(rng: random.Random) -> tuple[str, str]:
    """Give (family, given) of an invented person; the family name carries `MARK`."""
    family = rng.choice(_FIRST) + rng.choice(_SECOND)
    return f"{family} {MARK}", rng.choice(_GIVEN)


def sign(rng: random.Random) -> str:
    """Give the end of an invented place's name, such as "du Papillon"."""
    return rng.choice(_SIGNS)
