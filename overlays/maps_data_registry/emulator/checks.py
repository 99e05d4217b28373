"""What the service refuses before it looks at anything: each check raises `Refusal` with the contract's error."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request

from maps_data_registry_contract import API_VERSION, CLIENT_ID_HEADER, SAS_TOKEN_HEADER, SUBSCRIPTION_KEY_HEADER
from maps_data_registry_schemas import MapsErrorDetail, MapsInnerError

from .journal import Entry, tag
from .limits import Refusal
from .namespace import GUID, Namespace

TOKEN = re.compile(r"[\x21-\x7e]+")
SCHEMES = {"bearer": "Bearer", "jwt-sas": "jwt-sas"}


@dataclass(slots=True)
class Call:
    """A request to the service, on its way to a reply."""

    request: Request
    body: bytes
    namespace: Namespace
    entry: Entry

    def guid(self, name: str) -> str:
        """The path's parameter. Raises Refusal unless it is a GUID."""
        value: str = self.request.path_params["p0"]
        if not GUID.fullmatch(value):
            raise invalid(name, "InvalidFormat", "The value is not a GUID.")
        return value


def invalid(target: str, why: str, message: str) -> Refusal:
    """A 400 about one part of the request."""
    inner = MapsInnerError(code=why)
    return Refusal(400, MapsErrorDetail(code="InvalidRequest", message=message, target=target, innererror=inner))


def unauthorized(message: str) -> Refusal:
    """A 401."""
    return Refusal(401, MapsErrorDetail(code="Unauthorized", message=message), {"www-authenticate": "Bearer, jwt-sas"})


def credentials(request: Request) -> Iterator[tuple[str, str]]:
    """Every credential of a request: its scheme, or `unknown`, and the secret."""
    for key in request.headers.getlist(SUBSCRIPTION_KEY_HEADER):
        yield SUBSCRIPTION_KEY_HEADER, key
    for header in request.headers.getlist(SAS_TOKEN_HEADER):
        scheme, _, secret = header.partition(" ")
        known = SCHEMES.get(scheme.lower())
        yield (known, secret) if known else ("unknown", header)


def authenticate(call: Call) -> None:
    """Exactly one scheme, well-formed, with the account's id beside a bearer token, and a secret that is accepted."""
    given = list(credentials(call.request))
    call.entry.scheme = "+".join(scheme for scheme, _ in given) or None
    if not given:
        raise unauthorized("The request carries no credential that this account accepts.")
    if len(given) > 1:
        raise invalid(SAS_TOKEN_HEADER, "AmbiguousCredentials", "The request carries more than one credential.")
    [(scheme, secret)] = given
    if scheme == "unknown":
        raise unauthorized("Authorization is neither 'Bearer <token>' nor 'jwt-sas <token>'.")
    if not TOKEN.fullmatch(secret):
        raise unauthorized(f"The {scheme} credential is empty or not well-formed.")
    call.entry.credential = tag(secret)
    if scheme == "Bearer" and not call.request.headers.get(CLIENT_ID_HEADER):
        raise unauthorized(f"A bearer token needs the account's id in {CLIENT_ID_HEADER}.")
    if call.namespace.credentials is not None and secret not in call.namespace.credentials:
        raise unauthorized("The credential is not one of this account's.")


def check_api_version(call: Call) -> None:
    """The one version there is, given once."""
    versions = call.request.query_params.getlist("api-version")
    if not versions:
        raise invalid("api-version", "MissingApiVersion", "The query parameter api-version is required.")
    call.entry.api_version = hide(call.request, versions[0])[:40]
    if versions != [API_VERSION]:
        raise invalid("api-version", "UnsupportedApiVersion", f"The supported api-version is {API_VERSION}.")


def hide(request: Request, text: str) -> str:
    """The text without the request's credentials."""
    parts = {part for _, secret in credentials(request) for part in (secret, *secret.split())}
    for part in sorted(parts - {""}, key=len, reverse=True):
        text = text.replace(part, "***")
    return text
