"""A centre for triage's tests: its staff, a neighbour's staff, a clinic, and short verbs."""

from typing import Any
from uuid import UUID

from kernel import ids
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing
from kernel.database import Database
from triage import calls, cases, dispositions, dossier, library, qualification, recording
from triage.calls import OpenCall
from triage.dispositions import Decide, SafetyNetSaid
from triage.dossier import CaseView, OpenCase
from triage.finding import PROFESSIONAL
from triage.findings import GivenFinding
from triage.model import Call, Case, Disposition, Priority, Stream
from triage.qualification import Qualify
from triage.recording import Evaluator, RecordedAssessment, RecordFindings

TERRITORY = UUID("00000000-0000-7000-8000-00000000b001")
NEIGHBOUR = UUID("00000000-0000-7000-8000-00000000b002")
CLINIC = UUID("00000000-0000-7000-8000-00000000c001")
SAID = SafetyNetSaid(worsening_signs="Douleur, malaise", call_back="Sous 12 h", read_back=True)
EVALUATOR = Evaluator(library=library.load(), allow_draft=True)


class Centre:
    """Staff of one centre on a fresh database."""

    operator: Actor
    osnp: Actor
    physician: Actor
    colleague: Actor
    neighbour: Actor
    clinic: Actor

    def __init__(self, database: Database, system: Database, admin: Any, keys: KeyRing) -> None:
        self.database = database
        self.system = system
        self.admin = admin
        self.keys = keys

    async def begin(self) -> None:
        """Write territories and staff."""
        for number, territory in enumerate((TERRITORY, NEIGHBOUR)):
            await self.admin.execute(
                "insert into kernel.territory (id, code, name, time_zone, country)"
                " values ($1, $2, $2, 'Europe/Paris', 'FR')",
                territory,
                f"B{number}",
            )
        self.operator = await self._actor(Role.OPERATOR)
        self.osnp = await self._actor(Role.OSNP, delegations=("ORIENT", "CONSEIL"))
        self.physician = await self._actor(Role.PHYSICIAN)
        self.colleague = await self._actor(Role.PHYSICIAN)
        self.neighbour = await self._actor(Role.PHYSICIAN, territory_id=NEIGHBOUR)
        self.clinic = await self._actor(Role.CLINIC, territory_id=None, organisations=(CLINIC,))

    async def _actor(
        self,
        role: Role,
        *,
        territory_id: UUID | None = TERRITORY,
        organisations: tuple[UUID, ...] = (),
        delegations: tuple[str, ...] = (),
    ) -> Actor:
        person = Actor(
            id=ids.uuid7(),
            role=role,
            territory_id=territory_id,
            organisation_ids=organisations,
            delegations=delegations,
            label="Test",
        )
        await self.admin.execute(
            "insert into kernel.actor"
            " (id, role, territory_id, organisation_ids, label, delegations)"
            " values ($1, $2, $3, $4, 'Test', $5)",
            person.id,
            role.value,
            territory_id,
            list(organisations),
            list(delegations),
        )
        return person

    async def open(self, text: str | None = None, actor: Actor | None = None, **known: Any) -> Case:
        """Open a case."""
        who = actor or self.operator
        key = await self.keys.create(self.database, who.territory_id or TERRITORY)
        command = OpenCase(complaint_text=text, **known)
        return await self.database.run(
            who,
            lambda tx: dossier.open_case(tx, who, EVALUATOR, command, keys=self.keys, key=key),
        )

    async def later(self, minutes: float) -> None:
        """Put the database's clock forward, from the real time."""
        await self.admin.execute(
            "create or replace function kernel.regul_now() returns timestamptz"
            " language sql volatile as $$"
            f" select clock_timestamp() + make_interval(secs => {minutes * 60}) $$"
        )

    async def adult(self, text: str | None = None, **known: Any) -> Case:
        """Open the case of a man of 40."""
        return await self.open(text, age_years=40.0, sex="M", **known)

    async def record(
        self, case: Case, actor: Actor | None = None, **values: Any
    ) -> RecordedAssessment:
        """Record answers of a fully equipped professional."""
        who = actor or self.operator
        findings = tuple(GivenFinding(input=key, value=value) for key, value in values.items())
        command = RecordFindings(findings=findings, observer="professional", context=PROFESSIONAL)
        return await self.database.run(
            who, lambda tx: recording.record(tx, who, EVALUATOR, case.id, command)
        )

    async def qualify(
        self,
        case: Case,
        priority: Priority = "P1",
        stream: Stream = "AMU",
        *,
        actor: Actor | None = None,
        reason: str | None = None,
    ) -> Case:
        """Set priority and stream."""
        who = actor or self.operator
        command = Qualify(priority=priority, stream=stream, reason=reason)
        return await self.database.run(
            who, lambda tx: qualification.qualify(tx, who, case.id, command)
        )

    async def decide(self, case: Case, actor: Actor | None = None, **fields: Any) -> Disposition:
        """Decide; advice at the proposed level unless told otherwise."""
        who = actor or self.physician
        told = {"kind": "CONSEIL", "acuity": case.acuity_proposed or "U4", "safety_net": SAID}
        command = Decide(**(told | fields))
        return await self.database.run(
            who, lambda tx: dispositions.decide(tx, who, case.id, command, self.keys)
        )

    async def case(self, case: Case, actor: Actor | None = None) -> Case:
        """Read a case again."""
        who = actor or self.physician
        return await self.database.run(who, lambda tx: cases.get(tx, who, case.id))

    async def view(self, case: Case, actor: Actor | None = None) -> CaseView:
        """Read the whole file."""
        who = actor or self.physician
        return await self.database.run(who, lambda tx: dossier.view(tx, who, case.id, self.keys))

    async def call(self, actor: Actor | None = None, **fields: Any) -> Call:
        """Open a call."""
        who = actor or self.operator
        key = await self.keys.create(self.database, who.territory_id or TERRITORY)
        command = OpenCall(**fields)
        return await self.database.run(
            who, lambda tx: calls.open_call(tx, who, command, self.keys, key)
        )

    async def kinds(self, case: Case) -> list[str]:
        """List the kinds of the events of a case, oldest first."""
        rows = await self.admin.fetch(
            "select kind from events.outbox where case_id = $1 order by id", case.id
        )
        return [row["kind"] for row in rows]

    async def audited(self, case: Case) -> list[str]:
        """List the audited actions on a case, oldest first."""
        rows = await self.admin.fetch(
            "select action from kernel.audit where case_id = $1 order by id", case.id
        )
        return [row["action"] for row in rows]
