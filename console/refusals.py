"""What a reader sees when a use case refuses: the sentence of the code, where they work."""

from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.response import Redirect

from console import reader, render
from kernel import errors

STATUSES: Final[tuple[tuple[type[errors.RegulError], int], ...]] = (
    (errors.Malformed, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.Missing, 404),
    (errors.Conflict, 409),
    (errors.Expired, 410),
    (errors.Invalid, 422),
    (errors.TooEarly, 425),
    (errors.Limited, 429),
    (errors.Unavailable, 503),
)
"""Family -> status of a page; the API's own table is `server/problems.py`."""


def show(request: Request[Any, Any, Any], error: errors.RegulError) -> Response[Any]:
    """Answer a refusal that no page handled: a message for htmx, a whole page otherwise.

    Args:
        request: The request.
        error: The refusal; its code has a sentence in both catalogues.
    """
    partial = request.headers.get("hx-request") == "true"
    if isinstance(error, errors.Unauthenticated):
        if not partial:
            return Redirect("/login", status_code=303)
        return Response(None, status_code=204, headers=render.HEADERS | {"HX-Redirect": "/login"})
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 500)
    words, head = reader.stranger(request)
    if partial:
        answer = render.answer(words.code("error", error.code), status=status)
        answer.headers["HX-Retarget"] = "#refusal"
        answer.headers["HX-Reswap"] = "textContent"
        return answer
    page = msgspec.structs.replace(head, page="error")
    text = render.html("error.html", words, head=page, code=error.code)
    return render.answer(text, status=status)
