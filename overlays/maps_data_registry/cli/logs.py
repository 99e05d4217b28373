"""What this package, httpx and others log, line by line, without secrets."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence

import httpx

from maps_data_registry.text import one_line

_IN_HEADERS = re.compile(r"(?i)\b(bearer|jwt-sas|subscription-key)(\W+)[^\s\"',]+")


class _Masked(logging.Handler):
    def __init__(self, say: Callable[[str], object], secrets: Sequence[str], *, verbose: bool) -> None:
        super().__init__()
        self._say = say
        self._secrets = secrets
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        said_anyway = hasattr(record, "transient_failure") or record.name.startswith("azure.identity")
        if said_anyway and not self._verbose:
            return
        line = _IN_HEADERS.sub(r"\1\2***", f"{record.levelname} {record.name}: {record.getMessage()}")  # no traceback
        for secret in self._secrets:
            line = line.replace(secret, "***")
        self._say(one_line(line))


@contextlib.contextmanager
def logging_to(say: Callable[[str], object], *, verbose: bool, secrets: Sequence[str]) -> Iterator[None]:
    """Hand every warning to *say*, and with *verbose* each request and each decision."""
    handler = _Masked(say, secrets, verbose=verbose)
    loggers = [logging.getLogger(name) for name in ("maps_data_registry", httpx.__name__)]
    before = [logger.level for logger in loggers]
    logging.getLogger().addHandler(handler)
    try:
        for logger in loggers:
            logger.setLevel(logging.INFO if verbose else logging.WARNING)
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
