"""What a person hands over: operations and access to the service, read before anything is sent."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import httpx
import typer
from attrs import frozen

from maps_data_registry.auth.keys import SasToken, SubscriptionKey
from maps_data_registry.connection import connect
from maps_data_registry.errors import InvalidOperation
from maps_data_registry.polling.location import operation_id
from maps_data_registry.wire.origin import endpoint
from maps_data_registry_client import AuthenticatedClient

_MAX_FAULTS = 10  # bad lines that are shown
_COMMENT = re.compile(r"(?:^|\s)#.*")
_SECRETS = ("AZURE_MAPS_SUBSCRIPTION_KEY", "AZURE_MAPS_SAS_TOKEN")


class UsageError(typer.TyperException):
    """What was handed over is of no use. Each line of the message stands for itself."""


def read_operations(arguments: Iterable[str], file: Path | None, base_url: httpx.URL) -> list[str]:
    """The operation ids of the arguments and of the file's lines, each once, in order; `-` is standard input.

    Raises:
        UsageError: for what is no operation of that endpoint, with file and line; for a file that cannot be read; if
            there is no operation at all.
    """
    ids: dict[str, str] = {}
    faults = []
    for where, text in _texts([*arguments, *([file] if file else [])]):
        try:
            name = operation_id(text, base_url)
        except InvalidOperation as error:
            faults.append(f"{where}{error.args[0]}")
        else:
            ids.setdefault(name.lower(), name)
    if faults:
        more = [f"and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise UsageError("\n".join(faults[:_MAX_FAULTS] + more))
    if not ids:
        raise UsageError("no operation given: name an id, an Operation-Location URL, - or --from FILE")
    return list(ids.values())


def _texts(sources: Sequence[str | Path]) -> Iterator[tuple[str, str]]:
    """Each operation's text, with the place that it comes from."""
    for source in sources:
        if str(source) == "-":
            yield from _lines("<stdin>", sys.stdin)
        elif isinstance(source, str):
            yield "", source
        else:
            try:
                with source.open(encoding="utf-8-sig", errors="replace") as lines:
                    yield from _lines(str(source), lines)
            except OSError as error:
                raise UsageError(f"{source}: {error.strerror}") from error


def _lines(name: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if text := _COMMENT.sub("", line).strip():
            yield f"{name}:{number}: ", text


@frozen
class Access:
    """Where the service is, and the file that holds the credential, if one does."""

    geography: Literal["us", "eu"] | None
    base_url: str | None
    key_file: Path | None
    sas_file: Path | None

    def endpoint(self) -> httpx.URL:
        """The endpoint's base URL.

        Raises:
            UsageError: unless exactly one is given, and is usable.
        """
        if (self.geography is None) == (self.base_url is None):
            raise UsageError("give --geography us|eu or --base-url URL, one of the two")
        try:
            return endpoint(self.geography, self.base_url)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def connect(self) -> AuthenticatedClient:
        """A client with the credential of the file, or of the environment.

        Raises:
            UsageError: for two files, an unreadable one, or a credential that cannot be right, which is not shown.
        """
        if self.key_file and self.sas_file:
            raise UsageError("give --key-file or --sas-file, not both")
        where = f"{self.key_file or self.sas_file}: " if self.key_file or self.sas_file else ""
        try:
            return connect(self.geography, self._credential(), base_url=self.base_url)
        except (ValueError, ImportError) as error:
            raise UsageError(f"{where}{error}") from error

    def _credential(self) -> SubscriptionKey | SasToken | None:
        if self.key_file:
            return SubscriptionKey(_read(self.key_file))
        return SasToken(_read(self.sas_file)) if self.sas_file else None

    def secrets(self) -> list[str]:
        """The secrets of the files and of the environment, for logs to leave out.

        Raises:
            UsageError: for an unreadable file.
        """
        found = [_read(file) for file in (self.key_file, self.sas_file) if file]
        return [secret for secret in (*found, *map(os.environ.get, _SECRETS)) if secret]


def _read(file: Path) -> str:
    """A file's text without the one newline that usually ends it."""
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not a text file") from error
