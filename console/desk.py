"""The two desks, of operators and of physicians: queue, open case, and what is done with it."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import casefile, forms, newcall, orientation, queue, views
from console.catalogue import Words
from console.reader import Reader
from directory.snapshot import Snapshot
from kernel import errors
from kernel.database import Tx
from kernel.edge import Edge
from triage import calls, cases, dispositions, qualification, recogniser, recording
from triage.calls import EndCall
from triage.cases import CloseCase
from triage.dispositions import ReflexDispatch
from triage.findings import GivenFinding
from triage.library import Library
from triage.model import Priority, Stream
from triage.protocol import Answer, Unanswerable
from triage.qualification import Qualify, Take
from triage.recording import Evaluator, RecordFindings

_PRIORITIES: Final[tuple[Priority, ...]] = ("P0", "P1", "P2", "P3", "NR")
_UNANSWERABLE: Final[tuple[Unanswerable, ...]] = (
    "caller_cannot_know",
    "not_obtainable_here",
    "refused",
)


def evaluator(edge: Edge, library: Library) -> Evaluator:
    """Give the protocols of this process under its settings."""
    return Evaluator(library=library, allow_draft=edge.settings.allow_draft_protocols)


def complaints(words: Words) -> tuple[views.Choice, ...]:
    """Give the complaints to choose from."""
    return tuple(
        views.Choice(code=one.code, label=one.label.fr if words.language == "fr" else one.label.en)
        for one in recogniser.shipped().complaints()
    )


def _partial(request: Request[Any, Any, Any]) -> bool:
    """Tell whether the page is there already and only its work area is wanted."""
    return request.headers.get("hx-request") == "true"


def _current(request: Request[Any, Any, Any]) -> UUID | None:
    try:
        return UUID(request.query_params.get("current", ""))
    except ValueError:
        return None


async def _page(
    who: Reader, request: Request[Any, Any, Any], work: str, current: UUID | None, **given: object
) -> Response[str]:
    """Answer with the work area alone, or with the whole desk around it."""
    if _partial(request):
        return who.fragment(work, request.url.path, **given)
    stream = request.query_params.get("stream", "")
    shown = await queue.show(who.edge, who.words, who.head.page, stream, current)
    return who.fragment("desk.html", work=work, queue=shown, **given)


@get(["/poste", "/regulation"], include_in_schema=False)
async def empty(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Show the desk with no case open."""
    return await _page(who, request, "work_empty.html", None)


@get(["/poste/queue", "/regulation/queue"], include_in_schema=False)
async def queue_part(
    request: Request[Any, Any, Any], who: NamedDependency[Reader]
) -> Response[str]:
    """Give the queue alone, for the live page."""
    stream = request.query_params.get("stream", "")
    shown = await queue.show(who.edge, who.words, who.head.page, stream, _current(request))
    return who.fragment("queue.html", queue=shown)


@get("/poste/nouveau", include_in_schema=False)
async def new_call(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Show the form of a new call."""
    return await _page(
        who,
        request,
        "work_new.html",
        None,
        form=newcall.typed(forms.Form(values={})),
        errors={},
        problem="",
        complaints=complaints(who.words),
    )


@get("/poste/communes", include_in_schema=False)
async def communes(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Suggest communes for what was typed so far."""
    return who.fragment(
        "communes.html", places=newcall.suggest(request.query_params.get("place", "")[:80])
    )


@post("/poste/appels", include_in_schema=False, status_code=200)
async def open_call(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    known: NamedDependency[Snapshot | None],
    library: NamedDependency[Library],
) -> Response[str]:
    """Open the call and its case; what is wrong is said beside its field."""
    form = newcall.typed(await forms.read(request))
    said, wrong = newcall.understand(form)
    problem = ""
    if not wrong:
        try:
            case_id = await newcall.begin(who.edge, evaluator(who.edge, library), said)
        except errors.RegulError as refusal:
            problem = refusal.code
        else:
            if case_id is None:
                return who.fragment("work_empty.html", "/poste")
            shown = await _work(who, known, library, case_id)
            return who.fragment("work.html", f"/poste/{case_id}", **shown)
    return who.fragment(
        "work_new.html",
        form=form,
        errors=wrong,
        problem=problem,
        complaints=complaints(who.words),
    )


async def _work(
    who: Reader, snapshot: Snapshot | None, library: Library, case_id: UUID
) -> dict[str, object]:
    """Read what the templates of the work area show of a case."""

    async def read(tx: Tx) -> tuple[casefile.Shown, views.Orientation]:
        shown = await casefile.read(tx, who.edge, case_id, who.words, library)
        beside = await orientation.read(tx, who, snapshot, shown.file)
        return shown, beside

    shown, beside = await who.edge.run(read)
    return {"dossier": shown.dossier, "triage": shown.triage, "view": beside, "problem": ""}


@get(["/poste/{case_id:uuid}", "/regulation/{case_id:uuid}"], include_in_schema=False)
async def open_case(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    known: NamedDependency[Snapshot | None],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Show the desk with a case open."""
    shown = await _work(who, known, library, case_id)
    return await _page(who, request, "work.html", case_id, **shown)


@get(
    ["/poste/{case_id:uuid}/dossier", "/regulation/{case_id:uuid}/dossier"],
    include_in_schema=False,
)
async def dossier_part(
    who: NamedDependency[Reader], library: NamedDependency[Library], case_id: FromPath[UUID]
) -> Response[str]:
    """Give the dossier alone, for the live page."""
    return await dossier_answer(who, library, case_id)


async def dossier_answer(
    who: Reader, library: Library, case_id: UUID, problem: str = ""
) -> Response[str]:
    """Give the dossier column with what was just refused.

    Args:
        who: The reader.
        library: Wording of the questions.
        case_id: Which case.
        problem: Code of the refusal; empty when it was done.
    """
    shown = await who.edge.run(lambda tx: casefile.read(tx, who.edge, case_id, who.words, library))
    return who.fragment("dossier.html", dossier=shown.dossier, triage=shown.triage, problem=problem)


@post(
    ["/poste/{case_id:uuid}/reponses", "/regulation/{case_id:uuid}/reponses"],
    include_in_schema=False,
    status_code=200,
)
async def answer(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Record one answer; give the assessment as it stands after it."""
    form = await forms.read(request)
    problem, detail = "", ""
    finding = understand(library, form)
    if finding is None:
        problem = "value_unreadable"
    else:
        command = RecordFindings(findings=(finding,))
        protocols = evaluator(who.edge, library)
        try:
            await who.edge.run(
                lambda tx: recording.record(tx, who.edge.actor, protocols, case_id, command)
            )
        except (errors.Invalid, errors.Conflict) as refusal:
            problem, detail = refusal.code, str(refusal.fields.get("allowed") or "")
    shown = await who.edge.run(lambda tx: casefile.read(tx, who.edge, case_id, who.words, library))
    return who.fragment(
        "answered.html",
        dossier=shown.dossier,
        triage=msgspec.structs.replace(shown.triage, problem_detail=detail),
        problem=problem,
    )


def understand(library: Library, form: forms.Form) -> GivenFinding | None:
    """Read one answer: yes, no, a choice, a number, or why there is none.

    Args:
        library: Says what the input takes.
        form: With `input`, and `value` or `unanswerable`.

    Returns:
        The finding, or None when it can't be read.
    """
    key = form.text("input")
    reason = next((one for one in _UNANSWERABLE if one == form.text("unanswerable")), None)
    if reason is not None:
        return GivenFinding(input=key, unanswerable=reason)
    entry = library.input(key)
    text = form.text("value")
    if entry is None or not text:
        return None
    value: Answer
    if entry.type == "bool":
        value = text == "true"
    elif entry.type == "number":
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            return None
    else:
        value = text
    return GivenFinding(input=key, value=value, confirmed=form.flag("confirmed"))


@post("/poste/{case_id:uuid}/qualification", include_in_schema=False, status_code=200)
async def qualify(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Set priority and stream; the call that opened the case is over."""
    form = await forms.read(request)
    command = Qualify(
        priority=next((one for one in _PRIORITIES if one == form.text("priority")), "P2"),
        stream=_stream(form.text("stream")),
        reason=form.optional("reason"),
    )

    async def act(tx: Tx) -> None:
        await qualification.qualify(tx, who.edge.actor, case_id, command)
        for call in await calls.of_case(tx, case_id):
            if call.ended_at is None:
                over = EndCall(outcome="case", case_id=case_id)
                await calls.end_call(tx, who.edge.actor, call.id, over)

    return await dossier_answer(who, library, case_id, await tried(who, act))


def _stream(text: str) -> Stream:
    return next((one for one in queue.STREAMS if one == text), "AMU")


async def tried(who: Reader, act: Any) -> str:  # noqa: ANN401 - any use case
    """Run a use case; give the code of its refusal, empty when it was done."""
    try:
        await who.edge.run(act)
    except errors.Unavailable:
        raise
    except errors.RegulError as refusal:
        return refusal.code
    return ""


@post(
    ["/poste/{case_id:uuid}/prendre", "/regulation/{case_id:uuid}/prendre"],
    include_in_schema=False,
    status_code=200,
)
async def take(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Take a case, or take it over from the colleague that the page named."""
    form = await forms.read(request)
    command = Take(from_actor_id=form.id_or_none("from"))
    problem = await tried(who, lambda tx: qualification.take(tx, who.edge.actor, case_id, command))
    return await dossier_answer(who, library, case_id, problem)


@post(
    ["/poste/{case_id:uuid}/clore", "/regulation/{case_id:uuid}/clore"],
    include_in_schema=False,
    status_code=200,
)
async def close(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Close a case."""
    form = await forms.read(request)
    command = CloseCase(outcome=form.text("outcome") or "other")
    problem = await tried(who, lambda tx: cases.close(tx, who.edge.actor, case_id, command))
    return await dossier_answer(who, library, case_id, problem)


@post(
    ["/poste/{case_id:uuid}/reflexe", "/regulation/{case_id:uuid}/reflexe"],
    include_in_schema=False,
    status_code=200,
)
async def reflex(
    who: NamedDependency[Reader], library: NamedDependency[Library], case_id: FromPath[UUID]
) -> Response[str]:
    """Dispatch before medical regulation; the physician is still owed."""
    edge = who.edge
    problem = await tried(
        who,
        lambda tx: dispositions.dispatch(tx, edge.actor, case_id, ReflexDispatch(), edge.keys),
    )
    return await dossier_answer(who, library, case_id, problem)


ROUTES: Final[list[Any]] = [
    empty,
    queue_part,
    new_call,
    communes,
    open_call,
    open_case,
    dossier_part,
    answer,
    qualify,
    take,
    close,
    reflex,
]
