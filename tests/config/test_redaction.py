"""No text that a secret went into gives it away, whatever form it took on the way."""

from __future__ import annotations

import base64
import datetime
import gc
import html
import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from countline import redaction
from countline.errors import ConfigError, Place
from countline.protocols import Check
from countline.redaction import during, keep, redact, redacted, remember
from countline.secret_forms import SHORTEST, hide_uri, uri_secrets
from countline.terminal import json_line

FORMS: dict[str, Callable[[str], str]] = {
    "as written": str,
    "repr": repr,
    "repr of repr": lambda s: repr(repr(s)),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON, UTF-8": lambda s: json.dumps(s, ensure_ascii=False),
    "bytes": lambda s: repr(s.encode()),
    "exception": lambda s: repr(ValueError("wrong", s)),
    "quoted": lambda s: quote(s, safe=""),
    "quoted path": lambda s: f"/hook/{quote(s)}",
    "quoted form": lambda s: f"a=1&token={quote_plus(s)}",
    "quoted in lower case": lambda s: "".join(f"%{b:02x}" for b in s.encode()) if not s.isalnum() else s,
    "HTML": html.escape,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "basic authorization": lambda s: "Basic " + base64.b64encode(f"admin:{s}".encode()).decode(),
    "SASL PLAIN": lambda s: base64.b64encode(f"\0user\0{s}".encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(f"x:{s}".encode()).decode().rstrip("="),
    "hexadecimal": lambda s: s.encode().hex(),
    "upper case": lambda s: s.upper() if s.isascii() else s,
    "blanks": lambda s: " ".join(s.split()),
    "cut": lambda s: s[: max(7, len(s) * 3 // 4)],
    "begun late": lambda s: s[len(s) // 4 :],
}
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=8, max_size=48)


@example("0001234:", "quoted in lower case", "")
@given(SECRETS, st.sampled_from(sorted(FORMS)), st.sampled_from(["", "the server said: ", "a=", "('", "\n"]))
def test_a_secret_is_found_in_every_form(secret: str, form: str, before: str) -> None:
    assume(len(secret.strip()) >= 8 and len(set(secret)) > 5)
    assume(len(" ".join(secret.split())) >= 8)
    text = FORMS[form](secret)
    with during([secret]):
        shown = redact(f"{before}{text}' was refused")
    assert "***" in shown
    core = secret.strip()[:8]
    assert core not in shown
    assert text not in shown
    assert shown.startswith(before.rstrip("'=( "))  # a blank before it may be one of the secret's own
    assert shown.endswith(" was refused")


@given(st.text(max_size=200), SECRETS)
def test_other_text_stays_as_it_is(text: str, secret: str) -> None:
    assume(redact(text) == text)
    with during([secret]):
        assert redact("frames 300, counted 12") in ("frames 300, counted 12", redact("frames 300, counted 12"))
        if not set(text.lower()) & set(secret.lower()):
            assert redact(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8675309, "must be text (here: 8675309)"),
        (8675309, "8675309.0"),
        (-1234567, "-1234567"),
        (31415.9265, "31415.9265 is no text"),
        (datetime.date(2031, 7, 9), "datetime.date(2031, 7, 9) / 2031-07-09"),
        (datetime.datetime(2031, 7, 9, 1, 2, 3), "2031-07-09 01:02:03 and 2031-07-09T01:02:03"),
        (b"hunter-22", "b'hunter-22'"),
        ("1234", "PIN 1234, '1234', %0a1234"),
        ("line one of it\nline two of it", "line two of it"),
        ("Bearer abcdefgh12345", "token abcdefgh12345"),
        ("Basic " + base64.b64encode(b"user:pass-word-7").decode(), "pass-word-7"),
        ("user:pass-word-7", "pass-word-7"),
        ("https://hooks.example/services/T000/B111/XYZabc123", "/services/T000/B111/XYZabc123"),
        ("postgresql://u:pass%2Dword@h/db", "password pass-word, pass%2Dword"),
        ("se=2031&sig=abcd%2Fefgh&sp=rw", "sig abcd%2Fefgh"),
    ],
)
def test_secrets_of_every_type_and_their_parts_are_found(value: object, text: str) -> None:
    with during([value]):
        shown = redact(text)
    assert "***" in shown
    for part in (
        "8675309",
        "1234",
        "31415",
        "2031",
        "hunter",
        "line two",
        "abcdefgh",
        "pass-word",
        "XYZabc",
        "abcd%2F",
    ):
        assert part not in shown


def test_what_is_short_or_known_to_everybody_blanks_out_no_words() -> None:
    assert SHORTEST == 4
    with during(["abc", "guest", True, None, "", "1", 7]):
        assert redact("abc guest True None 1 7") == "abc guest True None 1 7"
    with during(["admin"]):
        assert redact("the administrator; admin") == "the administrator; ***"


def test_a_secret_is_kept_as_long_as_its_owner_lives() -> None:
    class Owner:
        pass

    owner = Owner()
    remember(owner, "canary-12345")
    with during(["canary-12345"]):
        pass
    assert redact("canary-12345") == "***"
    del owner
    gc.collect()
    assert redact("canary-12345") == "canary-12345"
    keep("canary-12345")
    assert redact("canary-12345") == "***"
    redaction.forget_all()


def test_errors_checks_and_json_lines_go_through_it() -> None:
    with during(["canary-12345"]):
        error = ConfigError("saw canary-12345", where=Place("c.yaml", 3, 1, "a.canary-12345"), fix="not canary-12345")
        check = Check("canary-12345", False, "'canary-12345'", "canary-12345")
        data = {"a": ["canary-12345", 12345], "b": {"c": "x canary-12345 y"}}
        line = json_line(data)
        assert redacted(data) == {"a": ["***", 12345], "b": {"c": "x *** y"}}
        assert json.loads(json_line(data, data=True)) == data
    assert json.loads(line)["a"] == ["***", 12345]
    assert "canary" not in f"{error} {error!r} {error.what} {error.where} {error.fix} {error.args} {check} {line}"
    assert "c.yaml:3" in str(error)


def test_log_records_of_libraries_are_cleaned_as_they_are_made(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("some.library")
    with caplog.at_level(logging.DEBUG), during(["canary-12345"]):
        log.warning("connecting to %s", "http://u:canary-12345@h/")
        log.debug("plain words %d", 5)
        try:
            raise RuntimeError("refused canary-12345")
        except RuntimeError:
            log.exception("it failed")
    assert "canary" not in caplog.text
    assert "RuntimeError: refused ***" in caplog.text
    assert "plain words 5" in caplog.text


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.2:554/main", "rtsp://***@10.0.0.2:554/main"),
        ("rtsp://admin:se/cr/et@10.0.0.2/main", "rtsp://***@10.0.0.2/main"),
        ("rtsp://admin:se@cr/et@10.0.0.2/main", "rtsp://***@10.0.0.2/main"),
        ("rtsp://admin:se?cr#et@10.0.0.2/main", "rtsp://***@10.0.0.2/main"),
        ("rtsp://admin:12/34@10.0.0.2/main", "rtsp://***@10.0.0.2/main"),
        ("rtsp://admin:1234/?@10.0.0.2/main", "rtsp://***@10.0.0.2/main"),  # not a host, its port and a query
        ("rtsp://10.0.0.2/live@main", "rtsp://10.0.0.2/live@main"),
        ("http://cam:8080/a?mail=x@y.example", "http://cam:8080/a?mail=***"),
        ("http://cam/video.cgi?loginuse=admin&loginpas=1234", "http://cam/video.cgi?loginuse=***&loginpas=***"),
        ("http://cam/a?user=admin&pwd=secret&channel=1&subtype=0", "http://cam/a?user=***&pwd=***&channel=1&subtype=0"),
        ("rtsp://cam/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp", "rtsp://cam/user=***_password=***_channel=1_stream=0.sdp"),
        ("rtsp://cam/user=admin&password=&channel=1&stream=0.sdp?", "rtsp://cam/user=***&password=&channel=1&stream=0.sdp?"),
        ("rtmp://live.example/app/live_12-abcdef", "rtmp://live.example/app/***"),
        ("rtmps://live.example:443/app/live_12-abcdef?x=1", "rtmps://live.example:443/app/***?x=1"),
        ("srt://h:9000?mode=caller&passphrase=verysecret&streamid=#!::u=me,s=pw", "srt://h:9000?mode=caller&passphrase=***&streamid=***"),
        ("rtsps://nvr:7441/AbCdEf1234567890?enableSrtp", "rtsps://nvr:7441/***?enableSrtp"),
        ("http://h/rec/20240101T120000Z/cam.m3u8?resolution=1920x1080", "http://h/rec/20240101T120000Z/cam.m3u8?resolution=1920x1080"),
        ("http://h/live.m3u8?k=9f8e7d6c5b", "http://h/live.m3u8?k=***"),
        ("street.mp4", "street.mp4"),
        ("file:///videos/a@b.mp4", "file:///videos/a@b.mp4"),
    ],
)  # fmt: skip
def test_addresses_of_cameras_are_shown_without_credentials(uri: str, shown: str) -> None:
    assert hide_uri(uri).startswith(shown)


@given(
    st.text("abcXYZ019/@?#:!$*._-", min_size=6, max_size=16),
    st.sampled_from(["rtsp://u:{}@10.0.0.2/a", "http://h/x?user=u&pwd={}", "rtmp://h/app/{}", "srt://h:1?passphrase={}&mode=caller"]),
)  # fmt: skip
def test_what_is_hidden_in_an_address_is_a_secret_everywhere(password: str, form: str) -> None:
    quoted = password if "u:" in form else quote(password, safe="")
    uri = form.format(quoted)
    assert quoted not in hide_uri(uri)
    found = uri_secrets(uri)
    with during(found):
        assert password not in redact(f"cannot open '{uri}' with {password}; {quote(password, safe='')}")


def test_thousands_of_secrets_are_found_as_one_is() -> None:
    words = [f"{number:05d}-canary-{number * 7919 % 100_003:06d}" for number in range(2000)]
    with during(words):
        for word in (words[0], words[999], words[-1]):
            shown = redact(f"cannot open rtsp://admin:{quote(word, safe='')}@10.0.0.2/: {word!r} {word[:14]}")
            assert "canary" not in shown
        assert redact("source 'c17': connection refused; attempt 3") == "source 'c17': connection refused; attempt 3"
