"""Hasty French, as typed while the caller speaks: our own sentences."""

import tomllib
from pathlib import Path

import pytest

from triage.recogniser import shipped

R = shipped()

SAID = tomllib.loads(Path(__file__).with_name("said_in_french.toml").read_text("utf-8"))["said"]


@pytest.mark.parametrize(
    ("text", "code"), [(text, code) for code, texts in SAID.items() for text in texts]
)
def test_hasty_french_is_understood(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pas de douleur thoracique", "chest-pain"),
        ("sans perte de connaissance", "syncope"),
        ("ni fièvre ni toux", "fever"),
        ("ni fièvre ni toux", "infection"),
        ("ne vomit pas", "vomiting"),
        ("n'a pas vomi", "vomiting"),
        ("saigne pas", "bleeding"),
        ("pas de TC", "head-injury"),
        ("pas de PC", "syncope"),
        ("aucune douleur abdominale", "abdominal-pain"),
        ("fièvre : non", "fever"),
        ("DT non", "chest-pain"),
        ("nie toute idée suicidaire", "suicidal"),
        ("jamais eu de convulsions", "seizure"),
        ("absence de raideur de nuque", "meningitis"),
        ("respire bien", "cardiac-arrest"),
        ("respire normalement", "dyspnoea"),
        ("tombe enceinte", "injury"),
        ("tombé malade hier", "injury"),
        ("tout à coup mal au dos", "injury"),
        ("accident du travail il y a un an, veut une ordonnance", "labour"),
        ("la voisine appelle", "violence"),
        ("poisson mangé hier", "poisoning"),
        ("psychologue conseillé", "agitation"),
        ("prise de sang faite", "bleeding"),
        ("coup de fil de sa fille", "injury"),
        ("médicament prescrit hier", "poisoning"),
    ],
)
def test_french_that_denies_or_means_something_else(text: str, code: str) -> None:
    assert code not in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pas seulement mal a la tete", "headache"),
        ("douleur thoracique pas calmée", "chest-pain"),
        ("douleur qui ne passe pas dans la poitrine", "chest-pain"),
        ("vomit sans arrêt", "vomiting"),
        ("ne fait que vomir", "vomiting"),
        ("n'arrête pas de saigner du nez", "epistaxis"),
        ("DT sans irradiation", "chest-pain"),
        ("fièvre, pas de toux", "fever"),
        ("pas de toux, fievre", "fever"),
        ("pas de fièvre mais essoufflé", "dyspnoea"),
        ("pas de traitement, douleur thoracique", "chest-pain"),
        ("sans doute un AVC", "stroke"),
        ("pas bien, mal a la poitrine", "chest-pain"),
    ],
)
def test_french_that_only_looks_like_a_denial(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("fièvre, toux et ne respire plus", "cardiac-arrest"),
        ("mal de dos et n'arrive plus à uriner", "urinary-retention"),
        ("chute avec douleur thoracique", "chest-pain"),
        ("vomissements et bouche de travers", "stroke"),
        ("mal au ventre, vomit du sang", "vomiting-blood"),
        ("fatigue, mal de gorge, nuque raide", "meningitis"),
        ("entorse et idées suicidaires", "suicidal"),
    ],
)
def test_the_worst_complaint_comes_first(text: str, first: str) -> None:
    assert R.recognise(text).complaint == first


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("douleur thoraciqe", "chest-pain"),
        ("essouflement", "dyspnoea"),
        ("doulleur abdominale", "abdominal-pain"),
        ("convultions", "seizure"),
        ("hemoragie", "severe-bleeding"),
        ("hémipléjie", "stroke"),
        ("vomisement", "vomiting"),
        ("palpitaions", "palpitations"),
        ("diarhée", "diarrhoea"),
        ("epistaxys", "epistaxis"),
        ("apendicite", "abdominal-pain"),
        ("frature", "fracture"),
        ("alergie", "allergy"),
        ("meningitte", "meningitis"),
        ("sincope", "syncope"),
        ("paralisie", "stroke"),
        ("accouchment", "labour"),
        ("brulurre", "burn"),
        ("intoxicassion", "poisoning"),
        ("angoise", "anxiety"),
        ("migrainne", "headache"),
        ("tachicardie", "palpitations"),
        ("evanouï", "syncope"),
        ("infarctuss", "chest-pain"),
    ],
)
def test_misspelled_french_is_understood(text: str, code: str) -> None:
    got = R.recognise(text)
    assert code in [match.code for match in got.matches]
    assert all(match.score <= 1 for match in got.matches)


@pytest.mark.parametrize(
    "text",
    [
        "renouvellement ordonnance pour hypertension, va bien",
        "mal de gorge depuis 3 jours, pas de fièvre",
        "entorse cheville au foot, marche",
        "toux grasse enfant 6 ans, mange bien, joue",
        "mal de dos après avoir porté un carton, pas de fourmillements ni perte d'urine",
        "mon père de 80 ans a vomi une fois, va mieux",
        "piqûre de moustique bras gonflé",
        "question sur le vaccin de la grippe",
        "chute de trottinette, genou écorché",
        "cystite, pas de fièvre, pas de mal de dos",
        "nez qui coule bébé 10 mois, boit bien",
        "conjonctivite",
        "constipation 4 jours, mange bien",
        "demande certificat pour le sport",
    ],
)
def test_an_everyday_request_keeps_a_mild_floor(text: str) -> None:
    got = R.recognise(text)
    assert got.matches
    assert got.default_acuity is not None
    assert got.default_acuity >= "U3"
