"""What a person hands over: operations, and access to the service. Nothing is sent here."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import typer
from attrs import field, frozen

from maps_data_registry import InvalidOperation, SasToken, SubscriptionKey, connect, credential_from_env
from maps_data_registry.polling.location import parse_operation_id
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_contract import GEOGRAPHIES, SERVER_URL

from .streams import naming

NOT_UTF8 = "not text in UTF-8: save it in that encoding, as PowerShell's > may write UTF-16"
_MAX_FAULTS = 10  # bad lines that are shown
_MAX_SECRET = 100_000  # characters that are read of a file with a credential
_COMMENT = re.compile(r"(?:^|\s)#.*")
_SECRETS = ("AZURE_MAPS_SUBSCRIPTION_KEY", "AZURE_MAPS_SAS_TOKEN")
_CREDENTIALS = (*_SECRETS, "AZURE_MAPS_CLIENT_ID")


class UsageError(typer.TyperException):
    """What was handed over cannot be used. Each line of the message stands for itself."""


@frozen
class Operation:
    """An operation that was named."""

    id: str
    text: str
    """The id or the Operation-Location, as it was given."""
    endpoint: str
    """The base URL of the service that it belongs to."""


@frozen
class Access:
    """Where the service is, and the file that holds the credential, if one does."""

    geography: str | None
    base_url: str | None
    key_file: Path | None
    sas_file: Path | None
    _contents: dict[Path, str] = field(factory=dict, init=False)

    def connect(self) -> dict[str, AuthenticatedClient]:
        """A client for each endpoint that an operation may belong to, by base URL.

        Raises:
            UsageError: for options that exclude each other, an unusable URL, an unreadable file, or a credential that
                cannot be right, which is not shown.
        """
        if self.geography and self.base_url:
            raise UsageError("give --geography or --base-url, not both")
        if self.key_file and self.sas_file:
            raise UsageError("give --key-file or --sas-file, not both")
        servers = [url for url, geography in _servers().items() if self.geography in {None, geography}]
        credential = self._credential()
        try:
            return {
                url: connect(base_url=url, credential=credential)
                for url in (servers if self.base_url is None else [self.base_url])
            }
        except ValueError as error:
            shown = "" if self.base_url is None or {*self.base_url} & {*"@?#"} else f" {self.base_url!r}"
            raise UsageError(str(error).replace("base_url", f"--base-url{shown}", 1)) from error

    def _credential(self) -> httpx.Auth:
        file = self.key_file or self.sas_file
        try:
            if file is None:
                return credential_from_env()
            return SubscriptionKey(self._read(file)) if self.key_file else SasToken(self._read(file))
        except (ValueError, ImportError) as error:
            where = f"{file}: " if file else ""
            instead = "" if file or any(map(os.environ.get, _CREDENTIALS)) else ", or give --key-file or --sas-file"
            raise UsageError(f"{where}{error}{instead}") from error

    def secrets(self) -> list[str]:
        """The secrets of the files and of the environment, for logs to leave out."""
        found = [self._read(file) for file in (self.key_file, self.sas_file) if file]
        return [secret for secret in (*found, *map(os.environ.get, _SECRETS)) if secret]

    def _read(self, file: Path) -> str:
        """A file's text without the one newline that usually ends it; read once, as a pipe cannot be read again."""
        if file not in self._contents:
            try:
                with naming(str(file)), file.open(encoding="utf-8") as holder:
                    self._contents[file] = holder.read(_MAX_SECRET).removesuffix("\n")
            except OSError as error:
                raise UsageError(f"{file}: {error.strerror}") from error
            except ValueError as error:
                raise UsageError(f"{file}: {NOT_UTF8}") from error
            if "\0" in self._contents[file]:  # UTF-16 without a byte order mark
                raise UsageError(f"{file}: {NOT_UTF8}")
        return self._contents[file]


def read_texts(arguments: Sequence[str], file: Path | None) -> Iterator[tuple[str, str]]:
    """The text of each operation among the arguments and in the file, after the place that it comes from.

    The argument `-` is standard input. Comments and blank lines are left out.

    Raises:
        UsageError: for a file that cannot be read, or is not text in UTF-8.
    """
    for argument in arguments:
        if argument == "-":
            with naming("standard input"):
                yield from _lines("standard input", sys.stdin or ())
        else:
            yield "", argument
    if file:
        try:
            with naming(str(file)), file.open(encoding="utf-8-sig") as lines:
                yield from _lines(str(file), lines)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error


def locate(texts: Iterable[tuple[str, str]], clients: Mapping[str, AuthenticatedClient]) -> list[Operation]:
    """The operations of those texts, each once, in order.

    Raises:
        UsageError: for what names no operation of any of the clients, with file and line.
    """
    found: dict[str, Operation] = {}
    faults = []
    for where, text in texts:
        try:
            operation = _locate(text, list(clients))
        except InvalidOperation as error:
            faults.append(f"{where}{error.args[0]}")
            continue
        known = found.setdefault(operation.id.lower(), operation)
        if known.endpoint != operation.endpoint:
            faults.append(f"{where}{operation.id} is named in both geographies")
    if faults:
        more = [f"and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise UsageError("\n".join(faults[:_MAX_FAULTS] + more))
    return list(found.values())


def _locate(text: str, endpoints: Sequence[str]) -> Operation:
    if "/" not in text:
        name = parse_operation_id(text, httpx.URL(endpoints[0]))
        if len(endpoints) > 1:
            choices = " or ".join(f"--geography {geography}" for geography in GEOGRAPHIES)
            raise UsageError(f"{name}: an id does not say where the operation is: add {choices}, or --base-url URL")
        return Operation(name, text, endpoints[0])
    for endpoint in endpoints:
        with contextlib.suppress(InvalidOperation):
            return Operation(parse_operation_id(text, httpx.URL(endpoint)), text, endpoint)
    here = " or ".join(endpoints)
    for server, geography in _servers().items():
        if server not in endpoints and text.startswith(f"{server}/"):
            raise InvalidOperation(f"an Operation-Location of --geography {geography}, not of {here}")
    raise InvalidOperation(f"not an Operation-Location of {here} (URL/dataRegistries/operations/GUID)")


def _servers() -> dict[str, str]:
    """The geography of each base URL of the contract."""
    return {SERVER_URL.format(geography=geography): geography for geography in GEOGRAPHIES}


def _lines(name: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_text(name, lines), start=1):
        if text := _COMMENT.sub("", line.removeprefix("\ufeff")).strip():
            yield f"{name}:{number}: ", text


def _text(name: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines, as long as they are text: UTF-16, taken for another encoding, has zeros."""
    try:
        for line in lines:
            if "\0" in line:
                raise UsageError(f"{name}: {NOT_UTF8}")
            yield line
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: {NOT_UTF8}") from error
