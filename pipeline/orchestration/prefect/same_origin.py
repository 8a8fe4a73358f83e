"""`python -m pipeline.orchestration.prefect.same_origin HOST PORT`: Prefect's server, closed to foreign web
pages.

A browser lets every page that is open send requests to any address, this machine's own too. Prefect has no
setting that refuses them: CORS only keeps their answers from the page.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.orchestration.prefect.server import is_loopback

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
REFUSED = b"refused: only the dashboard's own pages, and programs, may ask this server\n"
# connect-src: the page's script reports to Prefect's makers. frame-ancestors: a foreign page could show the
# dashboard in a frame, where a click means something else.
HEADERS = [(b"content-security-policy", b"connect-src 'self'; frame-ancestors 'self'")]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


def same_origin(app: App, names: tuple[str, ...] | None) -> App:
    """The app behind two checks of each request and each websocket.

    A browser says in Origin which page asks: it must be a page of the host that is asked. A page of another
    site can have its own name point to this machine (DNS rebinding), so the host must be one of `names`;
    None: any, where a token guards the server.
    """

    async def checked(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        if scope["type"] == "lifespan" or _allowed(scope["headers"], names):
            await app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})  # before it was accepted: status 403
        else:
            plain = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 403, "headers": plain})
            await send({"type": "http.response.body", "body": REFUSED})

    return checked


def _allowed(headers: list[tuple[bytes, bytes]], names: tuple[str, ...] | None) -> bool:
    hosts, origins = (
        [value.decode("latin-1").lower() for key, value in headers if key == wanted]
        for wanted in (b"host", b"origin")
    )
    try:
        (host,) = hosts
        name = urlsplit(f"//{host}").hostname
    except ValueError:  # none, several, or none that can be read
        return False
    own = {f"http://{host}", f"https://{host}"}  # https: behind a proxy
    return (names is None or name in names) and all(origin in own for origin in origins)


def main() -> None:
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    host, port = sys.argv[1], int(sys.argv[2])
    settings = get_current_settings().server
    assert is_loopback(host) or settings.api.auth_string
    names = (*LOOPBACK_NAMES, host.lower()) if is_loopback(host) else None
    uvicorn.run(
        same_origin(create_app(final=True), names),  # pyright: ignore[reportArgumentType]
        host=host,
        port=port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        log_level=settings.logging_level.lower(),
    )


if __name__ == "__main__":
    main()
