"""Looks for a secret in everything that an exception leads to, in every way that the secret may be written."""

import base64
import binascii
import contextlib
import html
import pickle
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import TracebackType
from urllib.parse import unquote

_LIBRARIES = re.compile(r"maps_data_registry|httpx|httpcore|h11|aiohttp|anyio|asyncio|trio|ssl|socks|azure")


def places_of(secret: str, shown: Iterable[tuple[str, str]]) -> list[str]:
    """Where texts show a secret to someone who decodes what looks encoded: the names of those that do."""
    texts = list(shown)
    if not is_in("\n".join(dict.fromkeys(text for _, text in texts)), secret):
        return []
    return [place for place, text in texts if is_in(text, secret)]


def is_in(text: str, secret: str) -> bool:
    """Whether one text does."""
    return any(secret.lower() in form.lower() for form in _decoded(text))


def shown_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """What logs, debuggers and crash reporters can show of an exception, and where it is."""
    yield "traceback", "".join(traceback.format_exception(error))
    for link in _graph(error):
        name = type(link).__name__
        yield f"str of {name}", str(link)
        yield f"repr of {name}", repr(link)
        yield f"args of {name}", repr(link.args)
        yield f"members of {name}", repr(vars(link))
        yield f"pickle of {name}", pickle.dumps(link).decode("latin-1")
        for place, member in _frames(link.__traceback__):
            yield f"frame of {name} at {place}", member


def _graph(error: BaseException) -> Iterator[BaseException]:
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            todo += [link.__cause__, link.__context__, *vars(link).values(), *link.args]
            todo += link.exceptions if isinstance(link, BaseExceptionGroup) else ()


def _frames(link: TracebackType | None) -> Iterator[tuple[str, str]]:
    while link is not None:
        code = link.tb_frame.f_code
        if _LIBRARIES.search(code.co_filename) and "/tests/" not in code.co_filename:
            for name, value in link.tb_frame.f_locals.items():
                yield f"{code.co_qualname}: {name}", repr(value)
        link = link.tb_next


def _decoded(text: str) -> Iterator[str]:
    """The text as it is, with what looks encoded decoded step by step, and what base64 could be in each of these."""
    yield text
    yield from _base64(text)
    for _ in range(3):
        before = text
        for decode in _DECODERS:
            if (decoded := decode(text)) != text:
                text = decoded
                yield text
                yield from _base64(text)
        if text == before:
            return


def _base64(text: str) -> Iterator[str]:
    for digits in re.findall(r"(?a)[\w+/-]{12,}", text.replace("\\n", "").replace("\n", "")):
        yield from _of_digits(digits)


@lru_cache(maxsize=10_000)  # most of them are the paths of the same files
def _of_digits(digits: str) -> list[str]:
    found = []
    for start in range(4):
        part = digits[start:].replace("-", "+").replace("_", "/")
        with contextlib.suppress(binascii.Error):  # not even the right length
            found.append(base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1"))
    return found


_DECODERS: list[Callable[[str], str]] = [
    unquote,
    html.unescape,
    lambda text: re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda digits: chr(int(digits[1], 16)), text),
    lambda text: re.sub(r"\\+(.)", r"\1", text),
    lambda text: text.replace("\0", ""),
]
