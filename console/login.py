"""Signing in, the start page of each role, and the reader's own settings of the screen."""

from typing import Any, Final
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from console import reader, render
from console.reader import TABS
from console.views import Account
from kernel import errors
from kernel.edge import Edge
from kernel.identity import DemoAccount

_SEE_OTHER: Final = 303
_YEAR_S: Final = 31_536_000
_SETTINGS: Final = {
    "language": ("regul_language", ("fr", "en")),
    "theme": ("regul_theme", reader.THEMES),
    "density": ("regul_density", ("wide", "compact")),
}


@get("/login", include_in_schema=False)
async def login(
    request: Request[Any, Any, Any], demo_accounts: NamedDependency[tuple[DemoAccount, ...]]
) -> Response[str]:
    """Show the ways to sign in; demonstration accounts only where the service is a demo."""
    words, head = reader.stranger(request)
    accounts = tuple(
        Account(login=one.login, label=one.label, role=one.role.value)
        for one in demo_accounts
        if one.role in TABS
    )
    refused = "refused" in request.query_params
    after = render.own_path(str(request.query_params.get("next", "/")))
    text = render.html(
        "login.html", words, head=head, accounts=accounts, refused=refused, next=after
    )
    return render.answer(text)


@get("/", include_in_schema=False)
async def start(edge: NamedDependency[Edge]) -> Redirect:
    """Send the reader to the start page of their role."""
    tabs = TABS.get(edge.actor.role)
    if not tabs:
        raise errors.Forbidden("no_page_for_role", "This role has no page in the console.")
    return Redirect(f"/{tabs[0]}", status_code=_SEE_OTHER)


@post("/preferences", include_in_schema=False, status_code=_SEE_OTHER)
async def preferences(request: Request[Any, Any, Any]) -> Redirect:
    """Keep language, appearance and density in cookies of this browser; no account is changed."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    answer = Redirect(render.own_path(form.get("back", ["/"])[0]), status_code=_SEE_OTHER)
    for field, (cookie, allowed) in _SETTINGS.items():
        value = form.get(field, [""])[0]
        if value in allowed:
            answer.set_cookie(cookie, value, path="/", samesite="strict", max_age=_YEAR_S)
    return answer
