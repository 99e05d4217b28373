"""What the service refuses before it looks at anything: each check raises `Refusal` with the contract's error."""

import re

from starlette.requests import Request

from maps_data_registry_schemas import MapsErrorDetail, MapsInnerError

from .journal import Entry, tag
from .namespace import GUID, Namespace

API_VERSION = "2023-06-01"
TOKEN = re.compile(r"[\x21-\x7e]+")


class Refusal(Exception):
    """A request that is answered with the contract's error."""

    def __init__(self, status: int, error: MapsErrorDetail, headers: dict[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


def invalid(target: str, why: str, message: str) -> Refusal:
    """A 400 about one part of the request."""
    inner = MapsInnerError(code=why)
    return Refusal(400, MapsErrorDetail(code="InvalidRequest", message=message, target=target, innererror=inner))


def unauthorized(message: str) -> Refusal:
    """A 401."""
    return Refusal(401, MapsErrorDetail(code="Unauthorized", message=message), {"www-authenticate": "Bearer, jwt-sas"})


def authenticate(request: Request, namespace: Namespace, entry: Entry) -> None:
    """Exactly one scheme, well-formed, with the account's id beside a bearer token, and a secret that is accepted."""
    given = [("subscription-key", key) for key in request.headers.getlist("subscription-key")]
    for header in request.headers.getlist("authorization"):
        scheme, _, secret = header.partition(" ")
        known = {"bearer": "Bearer", "jwt-sas": "jwt-sas"}
        given.append((known.get(scheme.lower(), "unknown"), secret))
    entry.scheme = "+".join(scheme for scheme, _ in given) or None
    if not given:
        raise unauthorized("The request carries no credential that this account accepts.")
    if len(given) > 1:
        raise invalid("Authorization", "AmbiguousCredentials", "The request carries more than one credential.")
    [(scheme, secret)] = given
    if scheme == "unknown":
        raise unauthorized("Authorization is neither 'Bearer <token>' nor 'jwt-sas <token>'.")
    if not TOKEN.fullmatch(secret):
        raise unauthorized(f"The {scheme} credential is empty or not well-formed.")
    entry.credential = tag(secret)
    if scheme == "Bearer" and not request.headers.get("x-ms-client-id"):
        raise unauthorized("A bearer token needs the account's id in x-ms-client-id.")
    if namespace.credentials is not None and secret not in namespace.credentials:
        raise unauthorized("The credential is not one of this account's.")


def check_api_version(request: Request, namespace: Namespace, entry: Entry) -> None:
    """The one version there is, given once."""
    versions = request.query_params.getlist("api-version")
    if not versions:
        raise invalid("api-version", "MissingApiVersion", "The query parameter api-version is required.")
    entry.api_version = versions[0][:40]
    if versions != [API_VERSION]:
        raise invalid("api-version", "UnsupportedApiVersion", f"The supported api-version is {API_VERSION}.")


def check_guid(request: Request, namespace: Namespace, entry: Entry) -> None:
    """The path's id has the form of a GUID."""
    for name in {"operationId", "udid"} & request.path_params.keys():
        if not GUID.fullmatch(request.path_params[name]):
            raise invalid(name, "InvalidFormat", "The value is not a GUID.")
