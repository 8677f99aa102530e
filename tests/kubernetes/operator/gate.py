"""A gate before the API server: it counts the writes that pass, and ends the writer at a chosen one.

The writer sees an API server like any other; whether it dies before a request is forwarded or after, the
request's answer never reaches it.
"""

import http.client
import http.server
import json
import pathlib
import threading
import urllib.parse

from control_plane import PATIENCE, ControlPlane

WRITES = ("POST", "PUT", "PATCH", "DELETE")
# Headers that belong to one connection.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te"}


class Gate:
    """Listens on the loopback interface until it is closed."""

    def __init__(self, plane: ControlPlane, folder: pathlib.Path):
        self.plane = plane
        self.lock = threading.Lock()
        self.rearm()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (OSError, http.client.HTTPException):
                    self.close_connection = True  # one of the two sides has gone

            def log_message(self, *_):
                pass

            def __getattr__(self, name: str):
                if name.startswith("do_"):
                    return lambda: gate._pass(self)
                raise AttributeError(name)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.kubeconfig = str(folder / "kubeconfig-of-the-gate")
        self._write_kubeconfig()

    def _write_kubeconfig(self):
        address = f"http://127.0.0.1:{self.server.server_port}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gate",
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
            "clusters": [{"name": "gate", "cluster": {"server": address}}],
            "users": [{"name": "gate", "user": {"token": self.plane.token}}],
        }
        pathlib.Path(self.kubeconfig).write_text(json.dumps(document))

    def rearm(self, fatal: int | None = None, forwarded: bool = False, strike=lambda: None):
        """Counts from one again. `strike` is called at the write of number `fatal`, before it is forwarded or after."""
        with self.lock:
            self.writes: list[str] = []
            self.fatal, self.forwarded, self.strike = fatal, forwarded, strike
            self.chosen = False
            self.struck = threading.Event()

    def disarm(self) -> bool:
        """Strikes no more. Whether it has struck; a blow that has begun is waited for."""
        with self.lock:
            self.fatal = None
            chosen = self.chosen
        return chosen and self.struck.wait(PATIENCE)

    def _is_fatal(self, method: str, path: str) -> bool:
        if method not in WRITES:
            return False
        with self.lock:
            self.writes.append(f"{method} {path}")
            is_fatal = len(self.writes) == self.fatal
            self.chosen |= is_fatal
            return is_fatal

    def _pass(self, handler: http.server.BaseHTTPRequestHandler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        is_fatal = self._is_fatal(handler.command, handler.path)
        if is_fatal and not self.forwarded:
            return self._strike(handler)
        address = urllib.parse.urlsplit(self.plane.address)
        connection = http.client.HTTPSConnection(address.hostname, address.port, context=self.plane.tls)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            if is_fatal:
                answer.read()
                return self._strike(handler)
            _answer(handler, answer)
        finally:
            connection.close()

    def _strike(self, handler: http.server.BaseHTTPRequestHandler):
        self.strike()
        self.struck.set()
        handler.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _answer(handler: http.server.BaseHTTPRequestHandler, answer: http.client.HTTPResponse):
    """Hands an answer on, as it comes: a watch never ends."""
    handler.send_response(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP:
            handler.send_header(name, value)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while chunk := answer.read1(65_536):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")
