"""Host names to addresses, in daemon threads: nothing waits for a slow name server, an exit of the process included."""

import os
import socket
import threading
from concurrent.futures import Future

_under_way: dict[tuple[int, str, int], Future[list[str]]] = {}


def look_up(host: str, port: int) -> Future[list[str]]:
    """The addresses of a host, in the order in which to try them. Look-ups of one name at the same time are one.

    An event loop's own look-up is in a thread that is joined when the loop is closed, or the process ends.
    """
    key = os.getpid(), host, port  # a forked child has none of its parent's threads
    look_up = _under_way.get(key)
    if look_up is None:
        look_up = _under_way[key] = Future()
        look_up.set_running_or_notify_cancel()  # so that no one who waits for it can cancel it
        threading.Thread(target=_run, args=[look_up, key], name=f"look-up of {host}", daemon=True).start()
    return look_up


def _run(look_up: Future[list[str]], key: tuple[int, str, int]) -> None:
    _, host, port = key
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        look_up.set_result(list(dict.fromkeys(str(item[4][0]) for item in found)))
    except Exception as error:
        look_up.set_exception(error)
    finally:
        _under_way.pop(key, None)  # two threads may have begun one each
