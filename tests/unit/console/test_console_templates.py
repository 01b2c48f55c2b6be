"""Every template renders in both languages from plain views, and escapes what people wrote."""

import re

import pytest

from console import render, views
from console.catalogue import Words
from tests.unit.console.shown import (
    PAYLOAD,
    a_board,
    a_dossier,
    a_head,
    a_note,
    a_queue,
    a_triage,
    a_week,
    ago,
    an_agreement,
    an_incoming,
    an_orientation,
)


def pages(words: Words) -> dict[str, str]:
    """Render every page; shared by the tests and by who wants to look at them."""
    form = views.PublishForm()
    desk = {
        "triage": a_triage(),
        "problem": "",
        "work": "work.html",
        "errors": {},
    }
    week = {"week": a_week(), "form": form, "errors": {}, "published": "", "problem": ""}
    return {
        "login": render.html(
            "login.html",
            words,
            head=a_head("login", label="", tabs=()),
            accounts=(
                views.Account(login="operator", label="Ariane Modèle", role="operator"),
                views.Account(login="physician", label="Dr Denis Exemple", role="physician"),
                views.Account(login="clinic", label="Cabinet de démonstration", role="clinic"),
            ),
            refused=True,
            next="/",
        ),
        "poste": render.html(
            "desk.html",
            words,
            head=a_head(degraded=("nats_away",)),
            queue=a_queue(),
            dossier=a_dossier(),
            view=an_orientation("poste", kinds=(), hold=None, offers=None),
            **desk,
        ),
        "nouveau": render.html(
            "desk.html",
            words,
            head=a_head(),
            queue=a_queue(),
            form=views.CallForm(opened_at=ago(1), place="Amiens"),
            complaints=(views.Choice(code="chest-pain", label="Douleur thoracique"),),
            **(desk | {"work": "work_new.html", "errors": {"phone": "required"}}),
        ),
        "empty": render.html(
            "desk.html",
            words,
            head=a_head(),
            queue=views.Queue(page="poste", rows=(), stream="ALL", streams=("ALL",)),
            **(desk | {"work": "work_empty.html"}),
        ),
        "regulation": render.html(
            "desk.html",
            words,
            head=a_head("regulation", role="physician", tabs=("regulation", "poste", "relais")),
            queue=a_queue("regulation"),
            dossier=a_dossier(mine=True, state="awaiting_physician"),
            view=an_orientation(),
            **desk,
        ),
        "relais": render.html("relais.html", words, head=a_head("relais"), board=a_board()),
        "cabinet": render.html(
            "cabinet.html",
            words,
            head=a_head("cabinet", role="clinic", tabs=("cabinet", "relais")),
            incoming=an_incoming(),
            agreement=an_agreement(),
            beds=None,
            wrong={"quota": "quota_unreadable"},
            done="",
            **week,
        ),
        "error": render.html("error.html", words, head=a_head(), code="case_missing"),
    }


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_page_renders_in_both_languages(language: str) -> None:
    for name, page in pages(Words(language=language)).items():
        assert f'<html lang="{language}"' in page, name
        assert "<h1" in page, name


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_page_holds_a_script_a_style_or_another_origin(language: str) -> None:
    for name, page in pages(Words(language=language)).items():
        assert "<style" not in page, name
        assert " style=" not in page, name
        assert " onclick" not in page, name
        assert "<script>" not in page, name
        assert "hx-on" not in page, name
        # Where a human books at an editor: a link that is followed, nothing that is loaded.
        own = re.sub(r'<a href="https://editor\.example/[^"]*" target="_blank" rel="noop', "", page)
        links = [part for part in own.split("http")[1:] if part[:1] in ":s"]
        assert all(part.startswith("://www.w3.org/2000/svg") for part in links), name


def test_what_a_caller_said_is_never_markup() -> None:
    page = render.html(
        "desk.html",
        Words(),
        head=a_head(),
        queue=a_queue(complaint=PAYLOAD),
        dossier=a_dossier(complaint=PAYLOAD, place_detail=PAYLOAD, notes=PAYLOAD),
        view=an_orientation("poste"),
        triage=a_triage(),
        problem="",
        work="work.html",
        errors={},
    )
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_hand_over_note_begins_with_what_is_asked_first(language: str) -> None:
    words = Words(language=language)
    page = render.html("note.html", words, head=a_head("relais"), note=a_note())
    top = (
        "tel:+33612345678",
        "Douleur thoracique",
        "Orientation · Urgences",
        words.t("note.seen_by"),
    )
    order = [page.index(text) for text in (*top, words.t("note.situation"))]
    assert max(order[:4]) < order[4]
    sbar = ("situation", "background", "assessment", "recommendation")
    places = [page.index(f"<h3>{words.t('note.' + part)}") for part in sbar]
    assert places == sorted(places)
    assert PAYLOAD not in page
