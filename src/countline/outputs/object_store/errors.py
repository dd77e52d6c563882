"""What an exception of the library means: what happened, what to do, and whether to try again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from countline.outputs.base.errors import PERMISSION, OutputFault, explain

__all__ = ["Refusal", "refusal"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([\w.]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})")
_LOGIN = {
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
    "MissingSecurityHeader",
    "MissingAuthenticationToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "AuthenticationRequired",
    "NoAuthenticationInformation",
}
"""Codes that S3, Google and Azure give, with 400 as well as with 401 and 403, to whom they do not know."""
_LATER = {"AuthorizationHeaderMalformed", "BadDigest", "IncompleteBody", "InvalidBucketName", "RequestTimeout"}
"""Answers with 400 that a change of the configuration, of the server or another try puts right."""
_MACHINE = re.compile(r"169\.254\.|metadata\.google|//metadata/|/latest/api/token|/latest/meta-data|/computeMetadata/")
"""Where machines in a cloud hand out credentials."""


@dataclass(frozen=True)
class Refusal:
    """Why an object could not be put."""

    fault: OutputFault
    retry: bool
    """Sending it again can help."""
    away: bool
    """It was the store (or the way to it), not the object."""
    right: bool = False
    """The login is good, but has no right to do this."""


def refusal(error: BaseException, where: str, place: str) -> Refusal:
    """``where`` is host:port, ``place`` the bucket or container."""
    text = str(error)
    head, _, debug = text.partition("\n\nDebug source")
    if isinstance(error, ValueError):
        return Refusal(OutputFault(f"the name of the object is not allowed: {head[:300]}"), retry=False, away=False)
    found = _STATUS.search(head)
    asked = head.split(" - ", 1)[0]  # what was asked, without the answer
    if _MACHINE.search(asked):
        what = f"authentication failed: no credentials for {where}: neither the configuration nor the machine gives any"
        return Refusal(OutputFault(what, "set access_key and secret_key, or options"), retry=True, away=True)
    if "token request" in asked or "redential" in asked:
        what = f"authentication failed: no token for {where}: {_plain(head)}"
        return Refusal(
            OutputFault(what, "check options: the key or its file, and the clock of this machine"),
            retry=True,
            away=True,
        )
    if "redirect without LOCATION" in head:
        what = f"{place} is elsewhere: {where} sends us on without saying where to"
        return Refusal(OutputFault(what, "correct region or endpoint"), retry=True, away=True)
    if found is None:
        return Refusal(_unreachable(error, head, debug, where), retry=True, away=True)
    code = _CODE.search(head)
    return _answered(int(found[1]), code[1] if code else "", head, where, place)


def _answered(status: int, code: str, head: str, where: str, place: str) -> Refusal:
    message = _MESSAGE.search(head)
    answer = ": ".join(x for x in (code, " ".join(message[1].split()) if message else "") if x)
    what = f"{where} answers {status}" + (f" ({answer})" if answer else "")
    if code in _LOGIN or status in (401, 407) or "failed to authenticate" in answer:
        return Refusal(
            OutputFault(f"authentication failed: {what}", "check access_key and secret_key, or options"), True, True
        )
    if code == "RequestTimeTooSkewed":
        return Refusal(OutputFault(what, "set the clock of this machine"), True, True)
    if status == 403:
        return Refusal(OutputFault(f"no right to write to {place}: {what}", PERMISSION), True, True, right=True)
    if status == 404:
        return Refusal(OutputFault(f"{place} does not exist: {what}", "make it, or correct url"), True, True)
    if 300 <= status < 400 or code == "AuthorizationHeaderMalformed":
        return Refusal(OutputFault(f"{place} is elsewhere: {what}", "correct region or endpoint"), True, True)
    if status >= 500 or status in (408, 409, 425, 429) or code in _LATER or code.startswith("KMS"):
        return Refusal(OutputFault(what, "look at the server's health"), retry=True, away=status >= 500)
    return Refusal(OutputFault(what), retry=False, away=False)


def _unreachable(error: BaseException, head: str, debug: str, where: str) -> OutputFault:
    """No answer came: the reason stands in the library's account of itself."""
    if "ConnectionRefused" in debug:
        return explain(ConnectionRefusedError(), where)
    if "dns error" in debug:
        what = f"the host name of {where} cannot be resolved"
        return OutputFault(what, "check the spelling of the host and the DNS of this machine")
    untrusted = re.search(r"InvalidCertificate\(\s*(\w+)", debug)
    if untrusted or "UnknownIssuer" in debug:
        reason = re.sub(r"(?<!^)([A-Z])", r" \1", untrusted[1] if untrusted else "UnknownIssuer").lower()
        what = f"the certificate of {where} is not trusted: {reason}"
        return OutputFault(
            what, "set tls.ca to the certificate authority's PEM file; the host must be a name in the certificate"
        )
    if "InvalidMessage" in debug or "InvalidContentType" in debug:
        return OutputFault(
            f"TLS with {where} failed", "check that the port speaks TLS, and https or http under endpoint"
        )
    if re.search(r"kind: Time(out|dOut)|TimedOut", debug):
        return explain(TimeoutError(), where)
    if re.search(r"ConnectionReset|BrokenPipe|IncompleteMessage|ChannelClosed|UnexpectedEof|Canceled", debug):
        return explain(ConnectionResetError(), where)
    if isinstance(error, OSError):
        return OutputFault(f"{where}: {_plain(head)}", "free space, and give the user the right to write there")
    return OutputFault(f"{where} cannot be reached: {_plain(head)}", "check endpoint, network and proxy")


def _plain(text: str) -> str:
    """One line, without what stands behind the ? of a URL: there Azure has its signatures."""
    return re.sub(r"\?\S+", "", " ".join(text.split()))[:300]
