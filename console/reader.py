"""Who reads a page, in which language and look: what every page needs before its own work."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency, Provide

from console import render
from console.catalogue import Words
from console.views import Head
from directory.snapshot import Snapshot
from kernel import errors
from kernel.actor import Role
from kernel.edge import Edge
from kernel.health import Health
from triage.library import Library

TABS: Final[Mapping[Role, tuple[str, ...]]] = MappingProxyType(
    {
        Role.OPERATOR: ("poste", "relais"),
        Role.OSNP: ("poste", "relais"),
        Role.PHYSICIAN: ("regulation", "poste", "relais"),
        Role.SUPERVISOR: ("relais", "poste", "sources", "abonnements"),
        Role.IOA: ("relais",),
        Role.CLINIC: ("cabinet", "relais"),
        Role.DELEGATE: ("cabinet", "relais"),
        Role.ADMINISTRATOR: ("sources",),
        Role.PARTNER: ("relais", "abonnements"),
    }
)
"""Pages of each role, its start page first; what may be done there is decided by the use cases."""

THEMES: Final = ("auto", "light", "dark")


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """One reader of one page.

    Attributes:
        words: Language and clock.
        head: The top bar.
        edge: What use cases are called with.
        library: Wording of questions, sources, safety nets.
    """

    words: Words
    head: Head
    edge: Edge
    library: Library

    def fragment(self, template: str, push: str = "", /, **values: object) -> Response[str]:
        """Answer with a template in the reader's words.

        Args:
            template: File under `templates/`.
            push: Path for the address bar.
            **values: Views the template reads, beside `head`.
        """
        text = render.html(template, self.words, head=self.head, **values)
        return render.answer(text, push=push)


async def provide(
    request: Request[Any, Any, Any],
    edge: NamedDependency[Edge],
    health: NamedDependency[Health],
    library: NamedDependency[Library],
) -> Reader:
    """Gather what the templates need about the reader; the dependency `who` of every page.

    Args:
        request: For cookies and the address, whose first part names the page.
        edge: Of the request.
        health: What is away.
        library: The protocols of this process.
    """
    actor = edge.actor
    head = Head(
        page=request.url.path.split("/")[1],
        label=actor.label or actor.role.value,
        role=actor.role.value,
        tabs=TABS.get(actor.role, ()),
        now=datetime.now(UTC),
        degraded=health.degraded,
        theme=theme(request),
        compact=request.cookies.get("regul_density") == "compact",
        back=request.url.path,
    )
    words = Words(language=render.language(request, actor.language))
    return Reader(words=words, head=head, edge=edge, library=library)


async def provide_known(request: Request[Any, Any, Any]) -> Snapshot | None:
    """Give the directory as far as it is known: calls are taken while it still loads.

    Args:
        request: Of an application that provides `snapshot`.
    """
    provided = request.app.dependencies["snapshot"]
    provide = provided.dependency if isinstance(provided, Provide) else provided
    try:
        found: Snapshot = await provide(request)
    except errors.Unavailable:
        return None
    return found


def stranger(request: Request[Any, Any, Any]) -> tuple[Words, Head]:
    """Gather what the sign-in page needs: nobody is known yet.

    Args:
        request: For cookies and the browser's language.
    """
    head = Head(page="login", now=datetime.now(UTC), theme=theme(request), back="/login")
    return Words(language=render.language(request)), head


def theme(request: Request[Any, Any, Any]) -> Literal["auto", "light", "dark"]:
    """Give the appearance the reader chose."""
    chosen = request.cookies.get("regul_theme", "auto")
    return "light" if chosen == "light" else "dark" if chosen == "dark" else "auto"
