"""What must be true of every instruction that is read out while help is on its way."""

from typing import Final

import pytest

from triage import library
from triage.expression import evaluate, names
from triage.format import Card
from triage.protocol import ParsedRule

LIBRARY: Final = library.load()
ARREST: Final = {"responds": False, "breathes_normally": False}
LONGEST_STEP: Final = 190
"""Characters of one step: about what is said in one breath and repeated back."""


@pytest.mark.parametrize("card", LIBRARY.cards, ids=lambda card: card.id)
def test_a_card_is_a_few_short_steps_in_both_languages(card: Card) -> None:
    assert 3 <= len(card.steps) <= 7
    for step in card.steps:
        for text in (step.fr, step.en):
            assert 10 <= len(text) <= LONGEST_STEP, text
            assert text[0].isupper()
            assert text[-1] in ".?!"
    assert len({step.fr for step in card.steps}) == len(card.steps)


def test_titles_of_cards_differ_so_the_right_age_is_found() -> None:
    for language in ("fr", "en"):
        titles = [getattr(card.title, language) for card in LIBRARY.cards]
        assert len(set(titles)) == len(titles)


def test_the_life_saving_cards_are_there() -> None:
    assert {
        "cpr-adult",
        "cpr-child",
        "cpr-infant",
        "aed",
        "choking-adult",
        "choking-infant",
        "recovery-position",
        "bleeding",
        "tourniquet",
        "seizure",
        "burn-cooling",
        "anaphylaxis",
        "drowning",
        "hypoglycaemia",
        "delivery",
        "newborn",
        "stroke",
        "chest-pain",
        "poisoning",
        "carbon-monoxide",
        "suicidal",
    } <= {card.id for card in LIBRARY.cards}


def means_arrest(parsed: ParsedRule) -> bool:
    """Tell whether a rule is about nothing but an arrest."""
    own = parsed.when
    return names(own) == frozenset(ARREST) and (
        evaluate(own, dict(ARREST)) is True
        and evaluate(own, ARREST | {"responds": True}) is False
        and evaluate(own, ARREST | {"breathes_normally": True}) is False
    )


def test_every_rule_on_an_arrest_dispatches_and_brings_resuscitation_for_each_age() -> None:
    rules = [
        (protocol.file.id, parsed.rule)
        for protocol in LIBRARY.protocols
        for parsed in protocol.rules
        if means_arrest(parsed)
    ]
    everyone = {"first-look", "cardiac-arrest", "choking", "seizure", "trauma"}
    assert everyone <= {identifier for identifier, _ in rules}
    for identifier, rule in rules:
        assert rule.acuity == "U0", identifier
        assert rule.when_unanswerable == "fire", identifier
        assert any(card.startswith("cpr-") for card in rule.cards), identifier
        if identifier in everyone:
            assert {"cpr-adult", "cpr-child", "cpr-infant"} <= set(rule.cards), identifier


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("seizure", "rien dans sa bouche"),
        ("stroke", "Rien à boire"),
        ("poisoning", "Ne la faites pas vomir"),
        ("choking-infant", "jamais sur le ventre"),
        ("chest-pain", "aspirine seulement"),
        ("drowning", "cinq insufflations d'abord"),
        ("newborn", "Ne coupez pas le cordon"),
        ("hypoglycaemia", "rien dans la bouche"),
    ],
)
def test_what_harms_is_forbidden_in_so_many_words(card: str, words: str) -> None:
    found = LIBRARY.card(card)
    assert found is not None
    assert any(words in step.fr for step in found.steps)
