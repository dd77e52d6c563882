"""Object stores: the contract against two S3 servers that verify signatures and against a folder, and what only stores do."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from between import busy_store
from s3_servers import SECRET_KEY, Bucket, nanio, running, s3proxy
from servers import Certificates, ProcessServer

from countline.config import load
from countline.config.outputs import config_class
from countline.errors import ConfigError, OutputError
from countline.outputs.object_store.options import OPTIONS
from countline.protocols import Entry
from countline.testing import Deadline, OutputContract, Read, Received, Sender, entries
from countline.types import Message

pytest.importorskip("obstore")
_number = itertools.count()


@pytest.fixture(scope="module")
def plain_nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessServer]:
    with running(nanio(tmp_path_factory.mktemp("nanio"))) as server:
        yield server


@pytest.fixture(scope="module")
def tls_nanio(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[ProcessServer]:
    with running(nanio(tmp_path_factory.mktemp("nanio-tls"), certificates)) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessServer]:
    with running(s3proxy(tmp_path_factory.mktemp("s3proxy"))) as server:
        yield server


def bucket(server: ProcessServer, scheme: str = "http") -> Iterator[Bucket]:
    """A new bucket of a server that other tests use, too; up again afterwards."""
    one = Bucket(server, f"counts-{next(_number)}", f"{scheme}://127.0.0.1:{server.port}")
    one.start()
    yield one
    one.start()


class StoreContract(OutputContract):
    kind = "object_store"
    ordered = False  # objects have no order; that of one message after another is in their times
    carries_key = carries_headers = False
    survives_kill = False  # nanio, killed in the middle of an object, may answer 500 to its name for ever
    secret = SECRET_KEY
    wrong_secret: ClassVar = {"secret_key": "wrong-pa55word"}
    bad_options: ClassVar[Any] = (
        ({"url": "ftp://bucket/x"}, "url"),
        ({"url": "s3:///x"}, "url"),
        ({"url": "s3://bucket/../x"}, "url"),
        ({"url": "s3://user:pass@bucket/x"}, "url"),
        ({"path": "{date}.json"}, "path"),
        ({"path": "/{id}"}, "path"),
        ({"path": "{id}/{nothing}"}, "path"),
        ({"options": {"no_such": "x"}}, "options.no_such"),
        ({"options": {"region": "x"}}, "options.region"),
        ({"secret_key": None}, "access_key"),
        ({"endpoint": "localhost:9000"}, "endpoint"),
        ({"url": "gs://bucket/x", "region": None}, "access_key"),
        ({"tls": {"cert": "a.pem"}}, "tls.cert"),
        ({"max_in_flight": 0}, "max_in_flight"),
    )

    def options(self, server: Bucket) -> dict[str, Any]:
        return server.options("/messages")

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"endpoint": f"http://{host}:{port}"}

    def read_back(self, server: Any, count: int) -> list[Received]:
        # S3Proxy, killed, leaves begun files behind under names of its own.
        found = {key: body for key, body in server.objects().items() if key.endswith(".json")}
        assert len(found) >= count
        assert all(key.startswith("messages/") for key in found)
        return [self.received(key, body) for key, body in found.items()]

    def received(self, key: str, body: bytes) -> Received:
        return Received(body, key.rsplit("/", 1)[-1].removesuffix(".json"))


class TestNanio(StoreContract):
    @pytest.fixture
    def server(self, plain_nanio: ProcessServer) -> Iterator[Bucket]:
        yield from bucket(plain_nanio)

    @contextmanager
    def refusals(self, server: Bucket) -> Iterator[tuple[dict[str, Any], Read]]:
        """A store that is busy now and then."""
        with busy_store(server.port) as busy:

            def read(count: int) -> list[Received]:
                assert len(busy.stored) >= count
                return [Received(body) for _, body in busy.stored]

            yield {"endpoint": f"http://127.0.0.1:{busy.server_port}", "max_in_flight": 100}, read


class TestS3Proxy(StoreContract):
    survives_kill = True

    @pytest.fixture
    def server(self, proxy: ProcessServer) -> Iterator[Bucket]:
        yield from bucket(proxy)


class TestWholeMessagesOverTls(StoreContract):
    carries_key = carries_headers = True

    @pytest.fixture
    def server(self, tls_nanio: ProcessServer, certificates: Certificates) -> Iterator[Bucket]:
        self.certificates = certificates
        yield from bucket(tls_nanio, "https")

    def options(self, server: Bucket) -> dict[str, Any]:
        return {**super().options(server), "content": "message", "tls": {"ca": str(self.certificates.ca)}}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"endpoint": f"https://{host}:{port}"}

    def tls_port(self, server: Bucket) -> int:
        return server.port

    def received(self, key: str, body: bytes) -> Received:
        found = json.loads(body)
        if "value" in found:
            value = body.split(b'"value":', 1)[1][:-1]
        else:
            value = base64.b64decode(found["value_base64"]) if "value_base64" in found else found["value_text"].encode()
        headers = tuple((name, text.encode()) for name, text in found.get("headers", {}).items())
        return Received(value, found["id"], found["key"].encode() if "key" in found else None, headers)

    def test_an_unknown_authority_is_said_in_words(self, server: Bucket) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines

    def test_verification_can_be_switched_off(self, server: Bucket) -> None:
        output = self.make_output(server, tls={"verify": False})
        output.open()
        assert sorted(Sender(output, entries(2)).run().acknowledged) == [1, 2]
        output.close(2)

    def test_an_authority_that_is_no_certificate_is_said_before_anything_is_sent(
        self, server: Bucket, tmp_path: Path
    ) -> None:
        (tmp_path / "ca.pem").write_text("nothing")
        for path, words in ((tmp_path / "ca.pem", "cannot be used"), (tmp_path / "none.pem", "no such file")):
            with pytest.raises(OutputError, match=words):
                self.make_output(server, tls={"ca": str(path)}).open()


class Folder:
    """A folder stands for the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def objects(self) -> dict[str, bytes]:
        files = sorted(f for f in (self.folder / "messages").rglob("*") if f.is_file())
        return {str(f.relative_to(self.folder)): f.read_bytes() for f in files}


class TestFolder(StoreContract):
    has_server = False
    survives_kill = False
    secret = ""
    wrong_secret: ClassVar = {}
    bad_options: ClassVar[Any] = (
        ({"url": "file://folder/x"}, "url"),
        ({"url": "file:folder"}, "url"),
        ({"endpoint": "http://x"}, "endpoint"),
        ({"options": {"account_name": "x"}}, "options.account_name"),
        ({"secret_key": "x"}, "secret_key"),
    )

    @pytest.fixture
    def server(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "with blank")

    def options(self, server: Folder) -> dict[str, Any]:
        return {"url": f"file://{quote(str(server.folder))}/messages"}


@pytest.fixture
def server(plain_nanio: ProcessServer) -> Iterator[Bucket]:
    yield from bucket(plain_nanio)


@pytest.fixture(params=["nanio", "s3proxy"])
def either(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    yield from bucket(request.getfixturevalue({"nanio": "plain_nanio", "s3proxy": "proxy"}[request.param]))


def deliver(server: Bucket, todo: list[Entry], **options: Any) -> Sender:
    output = TestNanio().make_output(server, **options)
    output.open()
    run = Sender(output, todo).run()
    output.close(5)
    return run


def picture(number: int = 1, **more: Any) -> Entry:
    time = 1_700_000_000_000_000_000
    return Entry(number, Message(f"id-{number}", b"\xff\xd8\xff\xe0", time=time, content_type="image/jpeg", **more))


def test_a_message_that_is_sent_twice_is_one_object(either: Bucket) -> None:
    for _ in range(2):
        assert sorted(deliver(either, entries(5)).acknowledged) == [1, 2, 3, 4, 5]
    assert list(either.objects()) == [f"messages/2023-11-14/id-{n:06d}.json" for n in range(1, 6)]


def test_the_path_and_the_url_of_an_object_are_what_the_configuration_says(either: Bucket) -> None:
    options = {"path": "{source}/{definition}/{date}T{hour}/{topic}-{id}.{extension}", "content": "message"}
    one = picture(source="gate no 1", definition="../up", topic="a/b")
    deliver(either, [one], **options)
    (key,) = either.objects()
    assert key == "messages/gate_no_1/_up/2023-11-14T22/a_b-id-1.jpg"
    assert either.objects()[key] == one.message.value, "a picture is never wrapped"
    config = config_class("object_store").model_validate({**either.options("/messages"), **options})
    assert config.object_url(one.message) == f"s3://{either.name}/{key}"
    below = key.removeprefix("messages/")
    assert config.object_url(one.message, "https://cdn.example/p/") == f"https://cdn.example/p/{below}"


def test_an_object_has_the_content_type_of_its_message(either: Bucket) -> None:
    import obstore
    from obstore.store import S3Store

    deliver(either, [picture(), *entries(1, first=2)])
    login = {"access_key_id": either.options()["access_key"], "secret_access_key": SECRET_KEY, "region": "us-east-1"}
    store = S3Store(either.name, endpoint=either.endpoint, client_options={"allow_http": True}, **login)
    kinds = {key: obstore.get(store, key).attributes["Content-Type"] for key in either.objects()}
    assert kinds == {
        "messages/2023-11-14/id-000002.json": "application/json",
        "messages/2023-11-14/id-1.jpg": "image/jpeg",
    }


def test_a_name_that_the_store_refuses_is_a_dead_letter_and_the_rest_flows(server: Bucket) -> None:
    todo = [Entry(1, Message("x" * 1100, b"{}")), *entries(5, first=2)]
    run = deliver(server, todo)
    assert sorted(run.acknowledged) == [2, 3, 4, 5, 6]
    assert "answers 4" in run.dead[1]


def test_an_object_that_is_too_large_for_the_store_is_a_dead_letter_and_the_rest_flows(proxy: ProcessServer) -> None:
    for one in bucket(proxy):
        run = deliver(one, [Entry(1, Message("big", b"x" * 1_000_001)), *entries(3, first=2)])
        assert sorted(run.acknowledged) == [2, 3, 4]
        assert "answers 4" in run.dead[1]


def test_a_bucket_that_is_missing_is_waited_for(either: Bucket) -> None:
    either.folder.rmdir()
    output = TestNanio().make_output(either)
    output.open()
    run, pumped = Sender(output, entries(40)), Deadline(output)
    while not output.status.error:
        pumped.tick(run)
        run.step()
    assert f"the bucket '{either.name}' does not exist" in output.status.error
    bad = [line for line in output.check(timeout=5) if not line.ok]
    assert ["does not exist" in line.detail and "make it" in line.fix for line in bad] == [True]
    either.folder.mkdir()
    assert sorted(run.run().acknowledged) == list(range(1, 41))
    assert run.dead == {}
    output.close(2)
    assert len(either.objects()) == 40


def test_the_login_may_come_from_the_environment(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    none = {"access_key": None, "secret_key": None, "region": None, "endpoint": None}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.options()["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    assert sorted(deliver(server, entries(3), **none).acknowledged) == [1, 2, 3]
    lines = list(TestNanio().make_output(server, **none).check(timeout=5))
    assert [line for line in lines if not line.ok] == []
    assert f"port 127.0.0.1:{server.port}" in [line.subject for line in lines]


def test_no_credentials_at_all_is_said_in_words(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    # Stands for the address at which a machine in the cloud hands out credentials: nobody is there.
    none = {"access_key": None, "secret_key": None, "options": {"metadata_endpoint": "http://127.0.0.1:9"}}
    output = TestNanio().make_output(server, connect_timeout=2, timeout=2, **none)
    output.open()
    run, pumped = Sender(output, entries(1)), Deadline(output)
    while not output.status.error:
        pumped.tick(run)
        run.step()
    assert "no credentials" in output.status.error
    run.take(output.close(1))
    assert (run.acknowledged, run.dead, run.outstanding) == ([], {}, set())


def test_no_more_objects_are_on_their_way_than_the_bound(server: Bucket) -> None:
    output = TestNanio().make_output(server, max_in_flight=4)
    output.open()
    run = Sender(output, entries(60))
    most, pumped = 0, Deadline(output)
    while not run.done:
        pumped.tick(run)
        run.step(0.001)
        most = max(most, len(run.outstanding), output.status.in_flight)
    output.close(2)
    assert most == 4
    assert len(server.objects()) == 60


@pytest.mark.parametrize(
    ("scheme", "fixed"),
    [
        ("s3", {"region": "x", "access_key_id": "k", "secret_access_key": "s"}),
        ("gs", {}),
        ("az", {"account_name": "acme"}),
    ],
)
def test_every_option_that_may_be_given_is_known_to_the_library(scheme: str, fixed: Mapping[str, str]) -> None:
    from obstore.exceptions import GenericError, UnknownConfigurationKeyError
    from obstore.store import from_url

    for option in OPTIONS[scheme]:
        unknown = False
        try:
            from_url(f"{scheme}://place/prefix", config={**fixed, option: "true"})
        except UnknownConfigurationKeyError:
            unknown = True
        except GenericError:  # the option is known, and 'true' is no value for it
            pass
        assert not unknown, f"{scheme}:// has no option {option}"


def test_an_option_that_the_library_cannot_use_is_an_error_without_its_value(server: Bucket) -> None:
    output = TestNanio().make_output(
        server, url="gs://b/x", access_key=None, secret_key=None, region=None, endpoint=None
    )
    output.open()
    output.close(0)
    given = {"service_account_key": '{"private_key": "hush-hush'}
    none = {"access_key": None, "secret_key": None, "region": None, "endpoint": None}
    with pytest.raises(OutputError) as caught:
        TestNanio().make_output(server, url="gs://b/x", options=given, **none).open()
    assert "hush-hush" not in str(caught.value)
    assert "output 'out'" in str(caught.value)


def test_an_unknown_option_names_its_line_and_the_right_word() -> None:
    text = "sources: [{name: a, uri: a.mp4}]\noutputs:\n  - object_store:\n      url: s3://b/x\n      options: {role_am: hush}\n"
    with pytest.raises(ConfigError) as caught:
        load("countline.yaml", text)
    assert "countline.yaml:5" in str(caught.value)
    assert "did you mean role_arn" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_library_is_imported_only_where_a_store_is_used_and_its_extra_is_named() -> None:
    code = """
import sys
sys.modules["obstore"] = None
from countline.config import load
config = load("c.yaml", "sources: [{name: a, uri: a.mp4}]\\noutputs: [{object_store: {url: 's3://b/x'}}]")
from countline.outputs.object_store.output import make
from countline.errors import MissingExtra
try:
    make(config.outputs[0]).open()
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "countline[object-store]" in done.stdout, done.stderr
