"""Phrases in which a careless reading would cost a life, or invent one that is in danger."""

import pytest

from triage import reader
from triage.recogniser import shipped

R = shipped()
READER = reader.shipped()


def codes(text: str) -> set[str]:
    return {match.code for match in R.recognise(text).matches}


def floor(text: str) -> str:
    return R.recognise(text).default_acuity or "none"


def entered(text: str) -> set[str]:
    return {finding.input for finding in READER.read(text).alarming}


def said(text: str) -> dict[str, object]:
    return {fact.input: fact.value for fact in READER.read(text).facts}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("bras gauche lourd machoire", "left-arm-pain"),
        ("bras lourds et envie de vomir", "left-arm-pain"),
        ("douleur bras gauche mâchoire", "left-arm-pain"),
        ("left arm and jaw pain", "left-arm-pain"),
        ("infar", "chest-pain"),
        ("aucun pouls", "cardiac-arrest"),
        ("no pulse felt", "cardiac-arrest"),
        ("n'est plus conscient", "altered-consciousness"),
        ("elle n'est pas consciente", "altered-consciousness"),
        ("pas conscient", "altered-consciousness"),
        ("not conscious", "altered-consciousness"),
        ("elle se reveille pas", "altered-consciousness"),
        ("il bouge plus", "altered-consciousness"),
        ("il est tout bleu", "respiratory-distress"),
        ("détresse resp", "respiratory-distress"),
        ("asthme peut plus parler", "respiratory-distress"),
        ("asthme ventoline ne marche plus", "respiratory-distress"),
        ("embolie", "respiratory-distress"),
        ("s'est tiré une balle", "major-trauma"),
        ("il va se tirer une balle", "suicidal"),
        ("ca gicle", "severe-bleeding"),
        ("la tete sort", "labour"),
        ("bebe sort par les pieds", "labour"),
        ("perd les eaux", "labour"),
        ("boutons violets fievre", "meningitis"),
        ("taches rouges qui s'effacent pas fievre", "meningitis"),
        ("douleur dos dechirante", "named-emergency"),
        ("nourrisson fievre ne tete plus", "baby-unwell"),
        ("bebe 2 mois 39 de fievre", "baby-unwell"),
        ("café bouillant renversé sur lui", "burn"),
        ("anesthésie en selle", "back-pain"),
        ("renversé eau chaude sur la jambe", "burn"),
        ("ma fille est bleue", "respiratory-distress"),
        ("mal de gorge peut pas avaler salive", "respiratory-distress"),
        ("jamais eu mal comme ca a la tete", "thunderclap-headache"),
        ("n'a pas uriné depuis 24h", "urinary-retention"),
        ("a mangé des cacahuetes et gonfle", "anaphylaxis"),
        ("piqué par abeille allergique", "anaphylaxis"),
        ("ma femme veut se jeter par la fenetre", "suicidal"),
        ("il a les yeux blancs et tremble", "seizure"),
        ("bébé tout bleu", "respiratory-distress"),
        ("struggling to breathe", "respiratory-distress"),
        ("ne sent plus ses jambes", "stroke"),
        ("ne tient plus sa tete bébé", "baby-unwell"),
        ("bebe bouge plus", "altered-consciousness"),
        ("bebe ne bouge plus dans le ventre", "pregnancy"),
        ("enfant avalé aimant", "poisoning"),
    ],
)
def test_what_kills_is_not_missed(text: str, code: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sa mère est morte d'un infarctus, elle a mal au pied", "pregnancy-bleeding-pain"),
        ("parle tout seul veut tuer sa mere", "pregnancy"),
        ("chute ce matin", "foreign-body"),
        ("decede ce matin", "foreign-body"),
        ("had a stroke, stubbed toe", "major-trauma"),
        ("bebe tombé sur la tete", "labour"),
        ("dextro HI", "agitation"),
        ("il respire plus facilement maintenant", "cardiac-arrest"),
    ],
)
def test_everyday_words_are_no_complaint(text: str, wrong: str) -> None:
    assert wrong not in codes(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sa fille de 3 ans a de la fievre", "pregnant"),
        ("sa mère a mal au ventre", "late_period"),
        ("boutons violets fievre", "violent"),
        ("mal de tete voit des mouches", "head_visible"),
        ("pire mal de tete de ma vie", "feeds_less_than_half"),
        ("angine, mal à la gorge", "chest_pain"),
        ("angine blanche", "heart_disease"),
        ("brulures en urinant", "burn"),
        ("brulures en urinant", "injury"),
    ],
)
def test_nothing_is_entered_that_nobody_said(text: str, wrong: str) -> None:
    assert wrong not in entered(text)


@pytest.mark.parametrize(
    "text", ["n'est plus conscient", "il n'est pas conscient", "pas conscient", "not conscious"]
)
def test_not_conscious_is_never_read_as_responding(text: str) -> None:
    assert said(text).get("responds") is False


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("mal de gorge peut pas avaler salive", "cannot_swallow_saliva"),
        ("n'avale plus sa salive", "cannot_swallow_saliva"),
        ("n'a pas uriné depuis 24h", "little_urine"),
    ],
)
def test_a_denial_that_is_the_sign_is_no_denial(text: str, sign: str) -> None:
    assert said(text).get(sign) is not False


@pytest.mark.parametrize("text", ["aménorrhée 8 SA", "enceinte 32 SA", "32 sa contractions"])
def test_weeks_of_pregnancy_are_still_read(text: str) -> None:
    assert "pregnant" in entered(text) or said(text).get("gestation_weeks")
