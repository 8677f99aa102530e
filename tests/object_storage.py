"""A bucket as workers see it: an S3 of somebody else's making, behind a door that misbehaves on demand.

Moto keeps the objects and honours `If-None-Match`. The door in front of it makes a conditional write one step, as S3
does, and can answer late, wrongly, or not at all, before the write has happened or after.
"""

import collections
import http.client
import http.server
import logging
import pathlib
import random
import threading
import time
import uuid

import boto3
import botocore.exceptions
import moto.server

# A line for every request is of no use to anybody.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}

# What can happen to a request, other than that it works.
FAULTS = ("refused_before", "error_after", "cut_after", "slow")


class Bucket:
    """An empty bucket behind a door of its own."""

    def __init__(self, seed: int):
        self.server = moto.server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.server.start()
        self.host, self.port = self.server.get_host_and_port()
        self.door = Door(self.host, self.port, seed)
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.host}:{self.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        self.name = f"lake-{uuid.uuid4().hex[:12]}"  # all servers of a process share their buckets
        self.client.create_bucket(Bucket=self.name)
        self._prefix = "pipelines/ecommerce/"
        self.uri = f"s3://{self.name}/{self._prefix.rstrip('/')}"

    def environment(self, **more) -> dict:
        """What a worker is told of it, as a Secret would."""
        return KEYS | {"AWS_ENDPOINT_URL": self.door.url, "AWS_ALLOW_HTTP": "true"} | more

    def keys(self, below: str = "") -> list:
        """The keys of the lake's objects, or of those below a folder of the lake."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{self._prefix}{below}")
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def has(self, key: str) -> bool:
        """Whether the lake has this object: much less work for the store than to list it."""
        try:
            self.client.head_object(Bucket=self.name, Key=f"{self._prefix}{key}")
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            return False
        return True

    def download(self, folder: pathlib.Path) -> pathlib.Path:
        """A copy of the lake in a folder, for readers of files."""
        for key in self.keys():
            file = folder / key.removeprefix(self._prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())
        return folder

    def stop(self):
        self.door.close()
        self.server.stop()


class Door:
    """Passes requests on to the store."""

    def __init__(self, host: str, port: int, seed: int):
        self.upstream = (host, port)
        self.choices = random.Random(seed)
        self.chances = dict.fromkeys(FAULTS, 0.0)
        self.fired = collections.Counter()
        self.put_headers: list[dict] = []
        self.ignores_conditions = False
        self.refuses_keys = False
        self.locks = collections.defaultdict(threading.Lock)
        self.lock = threading.Lock()
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

            def __getattr__(self, name: str):
                if name.startswith("do_"):
                    return lambda: door.answer(self)
                raise AttributeError(name)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def misbehave(self, **chances: float):
        """From now on requests meet faults, each with its chance; none is named: no faults."""
        self.chances = dict.fromkeys(FAULTS, 0.0) | chances

    def _fault(self, method: str) -> str | None:
        with self.lock:
            dice = self.choices.random()
            for fault, chance in self.chances.items():
                if dice < chance and (method == "PUT" or not fault.endswith("_after")):
                    self.fired[fault] += 1
                    return fault
                dice -= chance
        return None

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self.refuses_keys:
            return respond(handler, 403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        fault = self._fault(handler.command)
        if fault == "refused_before":
            return respond(handler, 503, b"<Error><Code>SlowDown</Code><Message>later</Message></Error>")
        if fault == "slow":
            time.sleep(self.choices.uniform(0.2, 1.5))
        status, headers, content = self.forward(handler, body)
        if fault == "cut_after":
            handler.close_connection = True
            return handler.connection.close()
        if fault == "error_after":
            return respond(handler, 500, b"<Error><Code>InternalError</Code><Message>who knows</Message></Error>")
        return respond(handler, status, content, headers)

    def forward(self, handler, body: bytes):
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
        if handler.command == "PUT":
            with self.lock:
                self.put_headers.append({name.lower(): value for name, value in headers.items()})
                one_at_a_time = self.locks[handler.path]
            if self.ignores_conditions:
                headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
            with one_at_a_time:
                return self._request(handler, headers, body)
        return self._request(handler, headers, body)

    def _request(self, handler, headers: dict, body: bytes):
        connection = http.client.HTTPConnection(*self.upstream)
        try:
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def respond(handler, status: int, content: bytes, headers=()):
    handler.send_response(status)
    length = str(len(content))
    for name, value in headers:
        if name.lower() == "content-length" and handler.command == "HEAD":
            length = value
        elif name.lower() not in ("content-length", "connection", "transfer-encoding", "server", "date"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", length)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)
