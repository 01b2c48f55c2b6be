"""The request class of every route: bodies are decoded strictly into the type the route names."""

from functools import lru_cache
from typing import Any, Final

import msgspec
from litestar import Request as LitestarRequest
from litestar.handlers import HTTPRouteHandler
from litestar.types.empty import Empty

_CACHE: Final = 1_024


@lru_cache(maxsize=_CACHE)
def _decoder(handler: HTTPRouteHandler) -> "msgspec.json.Decoder[Any]":
    field = handler.parsed_fn_signature.parameters.get("data")
    annotation = Any if field is None else field.annotation
    return msgspec.json.Decoder(annotation)


class Request(LitestarRequest[Any, Any, Any]):
    """A request whose JSON is read strictly: `"1"` is no number and `"true"` no boolean.

    Litestar converts decoded values leniently, which would turn a text answer into a number where
    a field takes both.
    """

    async def json(self) -> Any:  # noqa: ANN401 - Litestar's signature
        """Give the body as the type of the route's `data`.

        Raises:
            msgspec.ValidationError: Another type or an unknown field, with its JSON path.
        """
        if self._json is Empty:
            self._json = _decoder(self.route_handler).decode(await self.body() or b"null")
        return self._json
