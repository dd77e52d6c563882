"""A web server that writes down what it is posted: ``http_receiver.py PORT FOLDER [CERT KEY]``.

``FOLDER/received.jsonl`` gets a line for each request that was answered 200. ``FOLDER/password`` holds the word that basic
authentication must contain. Lines of ``FOLDER/script`` are answers for the next requests, e.g. ``503 Retry-After=1``;
``400 if-contains poison`` stays and answers each request whose body contains that word.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[2])


def scripted(body: bytes) -> tuple[int, dict[str, str]]:
    script = FOLDER / "script"
    lines = script.read_text().splitlines() if script.exists() else []
    for line in lines:
        if "if-contains" in line and line.split(" if-contains ")[1].encode() in body:
            return int(line.split()[0]), {}
    once = [line for line in lines if "if-contains" not in line]
    if not once:
        return 200, {}
    script.write_text("\n".join([line for line in lines if "if-contains" in line] + once[1:]))
    status, *headers = once[0].split(" ", 1)
    return int(status), dict(h.split("=", 1) for h in headers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def allowed(self) -> bool:
        password = FOLDER / "password"
        if not password.exists():
            return True
        given = base64.b64decode(self.headers.get("Authorization", " ").split(" ")[1] or "").decode()
        return given.split(":", 1)[-1] == password.read_text()

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_OPTIONS(self) -> None:
        self.answer(204 if self.allowed() else 401, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = scripted(body) if self.allowed() else (401, {})
        record = {
            "path": self.path,
            "headers": dict(self.headers),
            "body": base64.b64encode(body).decode(),
            "status": status,
        }
        name = "received.jsonl" if status == 200 else "refused.jsonl"
        with (FOLDER / name).open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.answer(status, headers)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
