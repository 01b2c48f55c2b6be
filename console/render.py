"""Turns views into pages and fragments: the Jinja environment, headers, and the reader's words."""

from functools import cache
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response

from console import catalogue
from console.catalogue import Words
from kernel.ids import uuid7

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # under no-referrer a browser sends forms with Origin: null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""Sent with every page and fragment: they hold patients' data and run only our own script."""


REASONS: Final = (
    "clinical_judgement",
    "reassuring_signs",
    "known_condition",
    "already_followed",
    "patient_choice",
)
"""Codes of the reasons for a milder level or priority; the record keeps the code."""
LOWER_REASONS: Final = ("misheard", "improved", "measured_again", "other_patient", *REASONS[:3])
"""Codes of the reasons why what the answers now say may count."""


@cache
def environment() -> Environment:
    """Make the Jinja environment: everything escaped, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["phone"] = catalogue.phone
    made.filters["initials"] = catalogue.initials
    made.filters["iso"] = catalogue.iso
    made.globals["reason_codes"] = REASONS
    made.globals["lower_reasons"] = LOWER_REASONS
    made.globals["new_key"] = lambda: str(uuid7())
    return made


def html(template: str, words: Words, **values: object) -> str:
    """Render a template.

    Args:
        template: File under `templates/`.
        words: The reader's.
        **values: Views, by the names the template reads.
    """
    return environment().get_template(template).render(words=words, t=words.t, n=words.n, **values)


def answer(text: str, *, status: int = 200, push: str = "") -> Response[str]:
    """Give a page or fragment with the headers that every one carries.

    Args:
        text: HTML.
        status: Of HTTP.
        push: Path that the address bar is to show.
    """
    headers = dict(HEADERS)
    if push:
        headers["HX-Push-Url"] = push
    return Response(
        text, media_type="text/html; charset=utf-8", status_code=status, headers=headers
    )


def language(connection: Request[Any, Any, Any], preferred: str = "") -> Literal["fr", "en"]:
    """Choose the reader's language: chosen on screen, then the account's, then the browser's.

    Args:
        connection: Of the request.
        preferred: Language of the account; empty when nobody has signed in.
    """
    chosen = connection.cookies.get("regul_language", "") or preferred
    if not chosen:
        accepted = connection.headers.get("accept-language", "fr")
        chosen = accepted.split(",")[0].split("-")[0].strip().lower()
    return "en" if chosen == "en" else "fr"


def own_path(address: str) -> str:
    """Give a path of our own origin to go back to; anything else becomes `/`."""
    parts = urlsplit(address)
    foreign = parts.scheme or parts.netloc or "\\" in address
    safe = parts.path.startswith("/") and not parts.path.startswith("//")
    return parts.path if safe and not foreign else "/"
