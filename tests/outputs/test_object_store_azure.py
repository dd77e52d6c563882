"""Azure Blob Storage: the contract against Azurite, Microsoft's own emulator, which verifies signatures.

Skipped, visibly, without Node.js and npm. The download (190 MB) stays in ``.cache/``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from s3_servers import running
from servers import ProcessServer

import fetching
from countline.testing import OutputContract, Received, free_port

pytest.importorskip("obstore")

ACCOUNT = "countline"
KEY = base64.b64encode(b"s3cret-of-azure-0123456789abcdef").decode()
SAS = "sv=2021-08-06&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https,http&sig=wrong-pa55word"
_number = itertools.count()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessServer]:
    missing = fetching.azurite()
    if missing:
        pytest.skip(missing)
    folder, port = tmp_path_factory.mktemp("azurite"), free_port()
    command = [
        "node",
        str(fetching.AZURITE),
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
        "--location",
        str(folder),
        "--disableTelemetry",
    ]
    command += ["--skipApiVersionCheck", "--silent"]
    with running(ProcessServer(command, folder, port, {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"})) as server:
        yield server


class Container:
    """A new container of a server that other tests use, too."""

    def __init__(self, server: ProcessServer, name: str) -> None:
        self.server, self.name = server, name
        self.endpoint = f"http://127.0.0.1:{server.port}/{ACCOUNT}"

    def start(self) -> None:
        if self.server.process is None:
            self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def make(self) -> None:
        self.request("PUT", {"restype": "container"})

    def request(self, method: str, query: dict[str, str]) -> None:
        """On the container itself, with a signature as the documentation of Azure's Shared Key has it."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        asked = "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
        signed = f"{method}{chr(10) * 12}{named}/{ACCOUNT}/{ACCOUNT}/{self.name}{asked}"
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        url = f"{self.endpoint}/{self.name}?{urlencode(query)}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=20) as answer:
            assert answer.status == 201


class TestAzurite(OutputContract):
    kind = "object_store"
    ordered = False
    carries_key = carries_headers = False
    secret = KEY
    # A key must be base64, so a signature in the URL stands for a wrong password: which is the easiest to let slip, too.
    wrong_secret: ClassVar = {"options": {"account_name": ACCOUNT, "sas_key": f"?{SAS}"}}
    bad_options: ClassVar[Any] = (
        ({"region": "x"}, "region"),
        ({"access_key": "x"}, "access_key"),
        ({"options": {"acount_key": "x"}}, "options.acount_key"),
        ({"options": {"service_account": "x"}}, "options.service_account"),
    )

    @pytest.fixture
    def server(self, azurite: ProcessServer) -> Iterator[Container]:
        one = Container(azurite, f"counts-{next(_number)}")
        one.start()
        one.make()
        yield one
        one.start()

    def options(self, server: Container) -> dict[str, Any]:
        login = {"account_name": ACCOUNT, "account_key": KEY}
        return {"url": f"az://{server.name}/messages", "endpoint": server.endpoint, "options": login}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"endpoint": f"http://{host}:{port}/{ACCOUNT}"}

    def read_back(self, server: Container, count: int) -> list[Received]:
        import obstore
        from obstore.store import AzureStore

        login = {"account_name": ACCOUNT, "account_key": KEY, "endpoint": server.endpoint}
        store = AzureStore(server.name, config=login, client_options={"allow_http": True})
        keys = sorted(item["path"] for page in obstore.list(store) for item in page)
        assert len(keys) >= count
        return [
            Received(bytes(obstore.get(store, key).bytes()), key.rsplit("/", 1)[-1].removesuffix(".json"))
            for key in keys
        ]
