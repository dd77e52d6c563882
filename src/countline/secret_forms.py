"""The forms that a secret takes on its way through libraries, and the secrets that stand within an address."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

__all__ = ["MASK", "SECRET_NAME", "SHORTEST", "forms", "hide_uri", "pieces", "uri_secrets"]

MASK = "***"
SHORTEST = 4
"""Fewest characters of a secret that is looked for in texts."""

SECRET_NAME = re.compile(
    r"pass$|passw|passphrase|pwd|secret|token|api[_.-]?key|(?:access|account|secret|storage|sas|shared|private|crypto|"
    r"decryption)[_.-]?key|nkey|credential|authori[sz]ation|cookie|jaas|user\.info|oauthbearer\.config|ssl[._]key$|"
    r"key\.pem|signature|^dsn$|^auth$|^headers$|proxy",
    re.IGNORECASE,
)
"""Names of options whose value is a secret."""

_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,31}://")
_LONGEST = 8192
"""Characters of an address that is looked into; a longer one is a secret as a whole."""
_WORDS = frozenset({"bearer", "basic", "digest", "token", "apikey", "negotiate"})
"""Schemes of authorization: public."""


def pieces(secret: str) -> Iterator[str]:
    """A secret, and those parts of it that are secret on their own: a password in an address, the words of a header, the
    lines of a key."""
    if secret.startswith("sqlite:"):
        return  # the name of a file
    yield secret
    if _SCHEME.search(secret):
        yield from uri_secrets(secret)
        match = re.match(r"https?://[^/?#]*([^?#]*)\??(.*)", secret)  # the path of a webhook is often its password
        if match is not None:
            yield from (part for part in match.groups() if len(part) > 8)
        return
    for line in secret.splitlines():
        if line.strip() != secret and not line.startswith("-----"):
            yield line.strip()
    words = secret.split()
    if 1 < len(words) <= 8:
        for word in words:
            if len(word) >= 6 and word.lower() not in _WORDS:
                yield word
            yield from _assigned(word)
    if words and words[0].lower() == "basic":
        try:
            yield base64.b64decode(words[-1] + "==").decode().partition(":")[2]
        except ValueError:
            pass  # not base64 after all
    user, colon, password = secret.partition(":")
    if colon and "{" not in user and not re.search(r"\s", secret):
        yield password
    yield from _assigned(secret)


def _assigned(text: str) -> Iterator[str]:
    """Values in ``name=value;name="value"``: SAS tokens, JAAS lines, connection strings."""
    for name, value in re.findall(r"([\w.\-]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s;&,]+)", text):
        if SECRET_NAME.search(name) or name.lower() in ("sig", "pw", "pass"):
            yield value.strip("\"'")


def forms(secret: str) -> Iterator[tuple[str, bool]]:
    """Texts that give a secret away, and whether a part of one does, too."""
    address = _SCHEME.search(secret) is not None
    seen: set[str] = set()
    for form in _forms(secret):
        if form not in seen and len(form) >= SHORTEST:
            seen.add(form)
            yield form, not address
    if address:
        return
    for form in _encoded(secret):
        if form not in seen and len(form) >= 6:
            seen.add(form)
            yield form, len(form) >= 12


def _forms(secret: str) -> Iterator[str]:
    for base in {secret, secret.strip(), " ".join(secret.split())}:
        yield base
        once = _escaped(base)
        yield from once
        for form in once:
            if form != base and "\\" in form:
                yield from _escaped(form)
        yield unquote(base)
        yield from (quote(base, safe="", errors="replace"), quote(base, errors="replace"))
        yield quote_plus(base, errors="replace")
        yield html.escape(base)
        yield base.replace("'", "''")
        yield re.sub(r"[^A-Za-z0-9]", lambda m: "".join(f"%{b:02x}" for b in m[0].encode("utf-8", "replace")), base)
        yield "".join(f"%{b:02x}" for b in base.encode("utf-8", "replace"))  # as some clients do: every byte


def _escaped(text: str) -> set[str]:
    raw = text.encode("utf-8", "surrogateescape")
    return {
        repr(text)[1:-1],
        ascii(text)[1:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(raw)[2:-1],
    }


def _encoded(secret: str) -> Iterator[str]:
    """Hexadecimal, and base64 of any text that the secret is a part of: what stands before it moves it by 0, 1 or 2 bytes."""
    raw = secret.encode("utf-8", "surrogateescape")
    yield raw.hex()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw).decode().rstrip("=")
        first = -(-shift * 8 // 6)
        last = (shift + len(raw)) * 8 // 6
        core = text[first:last]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))


_HARMLESS = re.compile(
    r"channel|subtype|stream|profile|resolution|fps|codec|mode|latency|transport|unicast|proto|trackid|track|camera|cam|"
    r"size|width|height|quality|format|type|video|audio|timeout|starttime|endtime|rtsp_transport|pkt_size|mss",
    re.IGNORECASE,
)
"""Parameters of cameras that may be shown."""
_USER = re.compile(r"user|usr|login|email|^u$|^name$", re.IGNORECASE)
_KEYWORD = re.compile(r"pas|pwd|^pw$|^p$|token|key|secret|auth|sig|cred|sess|^sid$|code|hash|streamid", re.IGNORECASE)
_PAIR = re.compile(r"([A-Za-z0-9.\[\]%-]+(?:_[A-Za-z0-9.\[\]%-]+)*)=((?:(?!_[A-Za-z]+=)[^&;?#/\s])*)")
_QUERY = re.compile(r"([^=&;\s]+)=([^&;\s]*)")
_RANDOM = re.compile(
    r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_MOMENT = re.compile(r"(?:19|20)\d{6}T?\d*Z?", re.IGNORECASE)


def _credentials(rest: str) -> int:
    """Where the user and password at the front of an address end (the place of the ``@``); -1 if there are none. A password may hold
    any of ``/ ? # @``, though an address should have it quoted."""
    first = rest.find("@")
    if first < 0:
        return -1
    before = rest[:first]
    if "/" in before:
        if ":" not in before:
            return -1  # an @ within the path
        named = "=" in before.partition("?")[2]
        if named and re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?", before.partition("/")[0]):
            return -1  # an @ within the query
    query = re.compile(r"\?[\w.-]+=").search(rest, first)
    return rest.rfind("@", 0, query.start() if query else len(rest))


def _split(uri: str) -> tuple[str, list[str]]:
    """The address as it may be shown, and the secrets in it."""
    match = _SCHEME.match(uri)
    if not match or uri[: match.end()].lower() == "file://":
        return uri, []
    head, rest = match.group(0), uri[match.end() :]
    if len(rest) > _LONGEST:
        return head + MASK, [rest]
    secrets: list[str] = []
    at = _credentials(rest)
    if at >= 0:
        user, colon, password = rest[:at].partition(":")
        secrets += [password, unquote(password)] if colon else [user] if len(user) >= 8 else []
        head, rest = f"{head}{MASK}@", rest[at + 1 :]
    end = re.search(r"[/?#]|$", rest)
    host, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")

    def pair(found: re.Match[str]) -> str:
        name, value = found.groups()
        if not value or (_HARMLESS.fullmatch(name) and len(value) <= 24):
            return found[0]
        if _USER.search(name):
            return f"{name}={MASK}"
        if len(value) <= 4 and not _KEYWORD.search(name):
            return found[0]
        secrets.extend([value, unquote(value)])
        return f"{name}={MASK}"

    path, mark, query = re.match(r"([^?#]*)([?#]?)(.*)", tail, re.DOTALL).groups()  # type: ignore[union-attr]
    segments = path.split("/")
    named = [i for i, segment in enumerate(segments) if segment]
    key = named[-1] if head.lower().startswith("rtmp") and len(named) > 1 else -1
    for i in named:
        if i == key or (_RANDOM.fullmatch(segments[i]) and not _MOMENT.fullmatch(segments[i])):
            secrets.extend([segments[i], unquote(segments[i])])
            segments[i] = MASK
        else:
            segments[i] = _PAIR.sub(pair, segments[i])
    return head + host + "/".join(segments) + mark + _QUERY.sub(pair, query), secrets


def hide_uri(uri: str) -> str:
    """The address as it may be shown: without user, password, tokens and stream keys.

    >>> hide_uri("rtsp://admin:secret@10.0.0.2:554/main?x=1")
    'rtsp://***@10.0.0.2:554/main?x=1'
    >>> hide_uri("rtsp://admin:se/cr@t@10.0.0.2/cam?channel=1&user=admin&pwd=12345")
    'rtsp://***@10.0.0.2/cam?channel=1&user=***&pwd=***'
    >>> hide_uri("rtmp://live.example/app/stream-key")
    'rtmp://live.example/app/***'
    """
    return _split(uri)[0]


def uri_secrets(text: str) -> list[str]:
    """The secrets within an address, or within a text that begins with or holds one."""
    match = _SCHEME.search(text)
    if match is None:
        found = re.search(r"(?<![^\s,])[^\s:/@,]{1,128}:([^\s@]{1,256})@[\w.\[]", text) if "@" in text else None
        return [found[1]] if found else []
    return [secret for secret in _split(text[match.start() :])[1] if secret]
