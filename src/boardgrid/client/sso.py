"""A login in a browser: where it is sent to, and how what comes of it gets back here."""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from boardgrid.client.complaint import LOGIN_REFUSED, WAIT_TIMEOUT, Complaint, ExitCode
from boardgrid.messages import _

WAIT_S = 600.0  # as long as the farm keeps a login under way


@dataclass(frozen=True, slots=True)
class Secret:
    """What the farm is told in the end, and what it is told of it at the beginning (RFC 7636)."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def challenge(self) -> str:
        return urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")


class Ear:
    """Listens on this machine alone for the one browser that comes back, at an address that nobody can guess."""

    def __init__(self) -> None:
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._told: dict[str, str] = {}
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.return_to = f"http://127.0.0.1:{self._server.server_port}{self._path}"

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.server_close()

    def code(self, wait_s: float = WAIT_S) -> str:
        """
        Raises:
            Complaint: what the farm sent instead, or that nobody came.
        """
        until_s = time.monotonic() + wait_s
        while not self._told:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise Complaint(WAIT_TIMEOUT, _("nobody logged in within ten minutes"), hint=_("begin anew"))
            self._server.timeout = left_s
            self._server.handle_request()
        if "code" in self._told:
            return self._told["code"]
        raise Complaint(
            self._told.get("error", LOGIN_REFUSED),
            self._told.get("detail", _("the farm sent no code")),
            hint=self._told.get("hint", ""),
            exit_code=ExitCode.DENIED,
        )

    def _handler(ear) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - of the handler's self another one
        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # who connects and says nothing is not waited for

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                is_ours = secrets.compare_digest(parts.path.encode(), ear._path.encode())
                told = {key: values[0] for key, values in parse_qs(parts.query).items()} if is_ours else {}
                ear._told.update(told)
                text = _("Back to the terminal: this window is done with.") if told else _("There is nothing here.")
                body = f"{text}\n".encode()
                self.send_response(200 if told else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
                """The code is in the address."""

        return Handler
