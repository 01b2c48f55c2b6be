"""What the pages of the template tests show: one of each thing, all invented."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from console import agreement, triage_views, views
from console.handover import Answered, Note
from directory.consent import Freshness
from directory.model import CareServiceId, Modality, OrganisationId, Ownership, ScheduleId
from directory.standings import Contest, Objection, Trusted
from directory.store import DiaryView

NOW = datetime(2026, 11, 23, 14, 2, 11, tzinfo=UTC)
PAYLOAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def an_id(number: int) -> UUID:
    return UUID(int=number)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def a_head(page: str = "poste", **changes: object) -> views.Head:
    given: dict[str, object] = {
        "page": page,
        "label": "Ariane Modèle (ARM)",
        "role": "operator",
        "tabs": ("poste", "relais"),
        "now": NOW,
        "degraded": (),
        "back": f"/{page}",
    }
    return views.Head(**(given | changes))  # type: ignore[arg-type]


def a_queue(page: str = "poste", complaint: str = "Douleur thoracique") -> views.Queue:
    def row(number: int, **given: object) -> views.QueueRow:
        base: dict[str, object] = {
            "case_id": an_id(number),
            "complaint": complaint,
            "since": ago(number * 3),
            "state": "awaiting_physician",
            "place": "Amiens",
        }
        return views.QueueRow(**(base | given))  # type: ignore[arg-type]

    return views.Queue(
        page=page,
        stream="AMU",
        streams=("AMU", "SNP", "PSY", "NEONAT"),
        current=an_id(2),
        rows=(
            row(1, acuity="U0", worst="U0", sounds=True, age="54 ans", priority="P0"),
            row(2, acuity="U1", worst="U0", age="71 ans", priority="P1", owner="Dr Exemple"),
            row(3, worst="U0", not_qualified=True, state="taken", overdue_at=ago(1)),
            row(4, acuity="U2", worst="U2", complaint="Fièvre", age="8 mois", priority="P2"),
            row(5, acuity="U3", complaint="Lombalgie", place="Abbeville", priority="P3"),
            row(6, acuity="U4", complaint="Douleur au pied", place="Doullens"),
            row(7, acuity="U5", complaint="Renouvellement", place="Péronne"),
        ),
    )


def a_question(**changes: object) -> triage_views.Question:
    given: dict[str, object] = {
        "input": "grey_clammy",
        "protocol": "chest-pain-phone",
        "ask": "La peau est-elle grise, froide ou trempée de sueur ?",
        "kind": "bool",
        "acuity": "U0",
    }
    return triage_views.Question(**(given | changes))  # type: ignore[arg-type]


def a_triage() -> triage_views.Triage:
    return triage_views.Triage(
        case_id=an_id(2),
        assured="U1",
        worst="U0",
        proposed="U1",
        sure=("U1",),
        maybe=("U0",),
        question=a_question(),
        others=(
            a_question(input="spreads", ask="La douleur irradie-t-elle vers un bras ?"),
            a_question(
                input="age", kind="number", unit="ans", low=0.0, high=125.0, ask="Quel âge ?"
            ),
            a_question(
                input="quality",
                kind="choice",
                ask="Comment est la douleur ?",
                choices=(
                    views.Choice(code="pressure", label="serrement"),
                    views.Choice(code="burning", label="brûlure"),
                ),
            ),
        ),
        answers=(
            triage_views.Answer(input="responds", ask="Répond-elle ?", text="Oui"),
            triage_views.Answer(
                input="sat", ask="Saturation ?", text="Impossible ici", unanswerable=True
            ),
        ),
        reasons=(
            triage_views.Reason(
                acuity="U1",
                why="Douleur thoracique présente et malaise.",
                rule="chest-pain-phone/pain-with-syncope",
                sources=("Giroud M., Réanimation 2009;18:737",),
            ),
            triage_views.Reason(
                acuity="U0", why="Signes de choc non exclus.", rule="chest/shock", held=True
            ),
        ),
        protocols=("Douleur thoracique de l'adulte au téléphone 0.1.0",),
        draft=True,
        physician=("third_call",),
        lower=triage_views.Lower(
            assessment_id=an_id(7), standing="U0", said="U3", allowed=True, repeated=False
        ),
        expired=(a_question(input="old", ask="Respire-t-elle normalement ?"),),
        odd=(
            triage_views.Odd(
                input="spo2", ask="Saturation ?", value="55", text="55 %", usual="60\u2013100"
            ),
        ),
        cards=(triage_views.Card(title="Massage", steps=("Au milieu", "Fort et vite")),),
        trace=triage_views.Trace(
            possible=(
                triage_views.Possible(acuity="U0", why="Choc", rule="a / b", asks=("Grise ?",)),
            ),
            scores=(
                triage_views.ScoreLine(
                    title="NEWS2",
                    total="3\u20135",
                    parts=(triage_views.Part(label="Pouls ?", points="0\u20132", open=True),),
                ),
            ),
            gates=("Enfant : ne couvre pas ce patient.",),
            open_inputs=("Grise ?",),
        ),
        advice=("Asseyez la personne, ne la laissez pas seule.",),
    )


def a_dossier(**changes: object) -> views.Dossier:
    given: dict[str, object] = {
        "case_id": an_id(2),
        "number": "7F3A",
        "state": "taken",
        "complaint": "Douleur thoracique",
        "complaint_text": "serre dans la poitrine depuis une heure",
        "place": "Amiens (80000)",
        "place_detail": "12 rue des Lilas, 3e étage, code B42",
        "phone": "+33612345678",
        "patient": "M. Exemple",
        "age": "71 ans",
        "sex": "M",
        "opened_at": ago(4),
        "owner": "Ariane Modèle",
        "mine": False,
        "proposed_priority": "P1",
        "timeline": (views.Line(at=ago(4), text="Appel reçu", who="Ariane Modèle"),),
        "reflex": True,
        "calls": 3,
        "previous": an_id(3),
        "recall": views.Recall(due_at=ago(2), overdue=True, attempts=1, callback_id=an_id(8)),
    }
    return views.Dossier(**(given | changes))  # type: ignore[arg-type]


def an_orientation(page: str = "regulation", **changes: object) -> views.Orientation:
    place = views.Offer(
        rank=1,
        care_service_id=an_id(91),
        slot_id=an_id(92),
        name="Cabinet de Longueau, médecine générale",
        kind="slot",
        starts_at=NOW + timedelta(minutes=78),
        zone="Europe/Paris",
        reasons=("12 min de trajet", "avant l'échéance", "accès de plain-pied"),
    )
    given: dict[str, object] = {
        "case_id": an_id(2),
        "page": page,
        "kinds": ("CONSEIL", "PMT", "INTER", "ORIENT", "PASPLUS"),
        "proposed": "U2",
        "proposed_kind": "ORIENT",
        "services": (views.Choice(code="general_practice", label="Médecine générale"),),
        "service": "general_practice",
        "dispositions": (
            views.Disposition(
                id=an_id(80),
                kind="ORIENT",
                acuity="U2",
                service="Médecine générale",
                due_at=NOW + timedelta(hours=2),
                decided_at=ago(1),
                who="Dr Exemple",
                searchable=True,
            ),
        ),
        "offers": views.Offers(
            offer_id=an_id(90),
            disposition_id=an_id(80),
            places=(
                place,
                views.Offer(
                    rank=2,
                    care_service_id=an_id(93),
                    slot_id=an_id(94),
                    name="Maison de santé de Boves",
                    kind="range",
                    starts_at=NOW + timedelta(minutes=100),
                    reasons=("19 min de trajet", "plage : 3 places sur 6"),
                ),
                views.Offer(
                    rank=3,
                    care_service_id=an_id(95),
                    slot_id=None,
                    name="Urgences, CHU Amiens-Picardie",
                    kind="referral",
                    reasons=("8 min de trajet", "ouvert maintenant"),
                    agreement=True,
                    owner="Agenda en ligne",
                ),
            ),
            refused=(
                views.NotOffered(
                    name="Cabinet de Corbie",
                    reason="première place après l'échéance",
                    change="accepter jusqu'à demain 09:00",
                ),
            ),
            considered=41,
            refused_total=12,
        ),
        "hold": views.Hold(
            hold_id=an_id(99),
            name="Cabinet de Longueau",
            starts_at=NOW + timedelta(minutes=78),
            until=NOW + timedelta(seconds=97),
        ),
        "engagements": (
            views.Engagement(
                kind="appointment",
                name="Cabinet de Longueau",
                state="booked",
                starts_at=NOW + timedelta(minutes=78),
                handoff="delivered",
                due_at=NOW + timedelta(minutes=9),
            ),
            views.Engagement(
                kind="appointment",
                name="Cabinet de Corbie",
                state="pending",
                starts_at=NOW + timedelta(minutes=80),
                source=views.Source(
                    appointment_id=an_id(98),
                    owner="Agenda en ligne",
                    state="asking",
                    deadline=NOW + timedelta(minutes=9),
                    outcome="source_away",
                    by_hand=True,
                    url="https://editor.example/book?slot=4&a=1",
                    writes=True,
                ),
            ),
        ),
        "safety": ("Rappelez si la douleur revient.",),
    }
    return views.Orientation(**(given | changes))  # type: ignore[arg-type]


def a_board() -> views.Board:
    def card(number: int, state: str, **given: object) -> views.HandoffCard:
        base: dict[str, object] = {
            "id": an_id(number),
            "case_id": an_id(2),
            "state": state,
            "subject": "referral",
            "acuity": "U1",
            "receiver": "Urgences, CHU Amiens-Picardie",
            "requested_at": ago(3),
            "due_at": NOW + timedelta(minutes=number),
            "answerable": state in {"requested", "delivered", "seen", "overdue"},
        }
        return views.HandoffCard(**(base | given))  # type: ignore[arg-type]

    codes = {
        "overdue": ("escalated", "taken"),
        "to_send": ("to_send", "to_send"),
        "sent": ("requested", "delivered"),
        "seen": ("seen", "seen"),
        "accepted": ("accepted", "arrived"),
        "refused": ("refused", "refused"),
    }
    late = {"why_late": "undelivered", "level": 2, "for_me": True, "takable": True}
    return views.Board(
        on_duty=True,
        columns=tuple(
            views.Column(
                code=code,
                cards=tuple(
                    card(
                        10 * at + number,
                        state,
                        acuity=("U1", "U3")[number],
                        who="Dr Denis Exemple",
                        act_by=NOW + timedelta(minutes=3 + number),
                        phone="+33322668000",
                        elsewhere="/regulation/1",
                        escalatable=state in {"requested", "delivered", "seen", "escalated"},
                        note=True,
                        **(late if state == "escalated" else {}),
                        **(
                            {"subject": state, "what": "médecine générale"}
                            if state == "to_send"
                            else {}
                        ),
                    )
                    for number, state in enumerate(states)
                ),
            )
            for at, (code, states) in enumerate(codes.items())
        ),
    )


def a_note() -> Note:
    asked = tuple(Answered(ask=f"Question {number} ?", text="Oui") for number in range(3))
    return Note(
        handoff_id=an_id(80), phone="+33612345678", complaint="Douleur thoracique",
        quote=PAYLOAD, why_here="Orientation · Urgences", reason="jugement clinique",
        acuity="U2", answer_by=NOW + timedelta(minutes=9), heard_at=ago(4), present=asked,
        absent=("Perte de connaissance ?",), unknown=("Essoufflement ?",),
        patient="M. Exemple, 71 ans, homme", birth_date="1955-02-03", place="Amiens (80000)",
        address="2e étage", calls=2, assured="U2", worst="U0",
        why=("Douleur thoracique de plus de 20 minutes.",), due_at=NOW + timedelta(hours=2),
        starts_at=None, instructions="Apporte son dernier ECG.", signs="Malaise, sueurs.",
        call_back="Si la douleur revient.",
    )  # fmt: skip


def a_week() -> views.Week:
    days = tuple(
        views.WeekDay(
            label=f"{name} {23 + at} nov.",
            date=f"2026-11-{23 + at}",
            today=at == 0,
            hours=tuple(
                (
                    views.WeekSlot(
                        start=NOW.replace(hour=hour - 1, minute=0),
                        end=NOW.replace(hour=hour - 1, minute=15),
                        kind="slot" if hour != 18 else "overbook",
                        capacity=1,
                        taken=int((hour + at) % 3 == 0),
                        gone=hour == 11 and at == 2,
                    ),
                )
                if at < 5 and hour in (9, 10, 11, 17, 18)
                else ()
                for hour in range(24)
            ),
        )
        for at, name in enumerate(("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."))
    )
    return views.Week(
        schedule_id=an_id(50),
        schedules=(),
        monday="2026-11-23",
        previous="2026-11-16",
        following="2026-11-30",
        hours=(9, 10, 11, 12, 13, 14, 15, 16, 17, 18),
        days=days,
        free=17,
        taken=8,
        sequence=4,
        as_of=ago(50),
    )


def an_incoming() -> tuple[views.Incoming, ...]:
    return (
        views.Incoming(
            id=an_id(60),
            kind="appointment",
            starts_at=NOW + timedelta(minutes=40),
            complaint="Douleur thoracique",
            patient="M. Exemple, 71 ans",
            phone="+33612345678",
            note="Apporte son dernier ECG.",
            state="booked",
            handoff="delivered",
            answerable=True,
            acuity="U2",
            due_at=NOW + timedelta(minutes=9),
        ),
    )


def an_agreement() -> agreement.Agreement:
    diary = DiaryView(
        id=ScheduleId(an_id(70)), care_service_id=CareServiceId(an_id(71)),
        care_service="Dr Modèle",
        service="general_practice",
        modalities=(Modality.OFFICE,), organisation_id=OrganisationId(an_id(72)), location="Amiens",
        zone="Europe/Paris", ownership=Ownership.MIRRORED, source="editor", sequence=3,
        as_of=ago(90), paused=True, release_before_s=86_400, release_min=1080, quota_per_day=4,
        freshness=Freshness.MARKED,
    )  # fmt: skip
    objection = Contest(id=an_id(73), reason=Objection.OTHER, acceptance=0.4, at=ago(60))
    trusted = Trusted(
        organisation_id=an_id(72), acceptance=0.36, newcomer=0.9, accepted=1, refused=20,
        unanswered=0, displaced=2, as_of=ago(5), contests=[objection],
    )  # fmt: skip
    return agreement.Agreement(
        diary=diary, typed=agreement.typed(diary), trusted=trusted, percent=36
    )
