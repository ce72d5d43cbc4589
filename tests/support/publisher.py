"""A publisher's web server on this machine, as plain or as rude as a test wants it."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from shop.articles.fetching import Reach


@dataclass(frozen=True)
class Asked:
    """One request: its path, and its headers by their names in lower case."""

    path: str
    headers: Mapping[str, str]


@dataclass
class Publisher:
    """What it answers, by path; what it was asked, in order; and how many bytes of bodies it has sent."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    answers: dict[str, Callable[[Callable[[bytes], None], Asked], None]] = field(default_factory=dict)

    @property
    def netloc(self) -> str:
        return self.url.partition("//")[2]

    @property
    def reach(self) -> Reach:
        """Of a shop in development that names this server."""
        return Reach((self.netloc,), neighbours=True)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def does(self, path: str, answer: Callable[[Callable[[bytes], None], Asked], None]) -> str:
        """`answer` gets what sends bytes, and the request. Returns the address."""
        self.answers[path] = answer
        return self.url + path

    def says(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        """An answer that is always the same; headers are written with underscores. Returns the address."""
        content = body.encode() if isinstance(body, str) else body

        def answer(send: Callable[[bytes], None], asked: Asked) -> None:
            send(head(status, content_length=str(len(content)), **headers))
            self.sent += len(content)
            send(content)

        return self.does(path, answer)

    def keeps(self, path: str, body: bytes | str, **validators: str) -> str:
        """As `says`, but 304 to whoever has it already, as told by `etag` and `last_modified`."""
        content = body.encode() if isinstance(body, str) else body

        def answer(send: Callable[[bytes], None], asked: Asked) -> None:
            known = asked.headers.get("if-none-match"), asked.headers.get("if-modified-since")
            if any(known) and known == (validators.get("etag"), validators.get("last_modified")):
                send(head(304, **validators))
                return
            send(head(200, content_length=str(len(content)), **validators))
            self.sent += len(content)
            send(content)

        return self.does(path, answer)

    def answer(self, asked: Asked, send: Callable[[bytes], None]) -> None:
        self.asked.append(asked)
        # Whoever has heard enough hangs up.
        with suppress(OSError):
            self.answers.get(asked.path, lambda send, _: send(head(404, content_length="0")))(send, asked)


def head(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def publishing(
    host: str = "127.0.0.1", port: int = 0, *, name: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[Publisher]:
    """A server for as long as the block lasts; its address calls it `name`, if that is given."""
    publisher = Publisher()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode("latin-1").split()
            if len(line) < 2:
                return
            headers = {}
            while (text := self.rfile.readline().decode("latin-1").strip()) != "":
                key, _, value = text.partition(":")
                headers[key.lower()] = value.strip()
            publisher.answer(Asked(line[1], headers), self.request.sendall)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def get_request(self) -> Any:
            connection, address = super().get_request()
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            return connection, address

    with Server((host, port), Handler) as server:
        publisher.url = f"http{'s' if tls else ''}://{name or host}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield publisher
        finally:
            server.shutdown()
            thread.join()
