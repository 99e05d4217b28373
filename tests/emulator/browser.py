"""A headless Chromium, driven over the DevTools protocol through a pipe: no driver, no library, no open port."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
    # A machine without a mouse has no hover otherwise.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
]

# Chromium reads commands from descriptor 3 and answers on 4.
ON_3_AND_4 = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

MIDDLE = """(() => {
  const node = document.querySelector(%s);
  node.scrollIntoView({block: 'nearest'});
  const box = node.getBoundingClientRect();
  return {x: box.x + box.width / 2, y: box.y + box.height / 2};
})()"""


class Browser:
    """One page of a browser. What it complains about, such as the content security policy, is in `complaints`."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands = commands
        self.answers = os.fdopen(answers, "rb", closefd=False)
        self.number = 0
        self.session: dict[str, str] = {}
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **self.session}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self.number:
            if answer.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                self.complaints.append(json.dumps(answer["params"]))
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        answer: dict[str, Any] = json.loads(message)
        return answer

    def run(self, script: str) -> Any:
        """The value of an expression on the page, awaited if it is a promise."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression on the page is true, for half a minute at most."""
        self.run(
            f"new Promise((done, fail) => {{ setInterval(() => ({condition}) && done(), 20);"
            f" setTimeout(() => fail({json.dumps(condition)}), 30000); }})"
        )

    def open(self, url: str) -> None:
        """Go to a page and wait until it and its script are loaded."""
        self.call("Page.navigate", url=url)
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def point(self, selector: str, *, click: bool = False) -> None:
        """Move the mouse to the middle of an element, and click."""
        where = self.run(MIDDLE % json.dumps(selector))
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **where)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)

    def point_away(self) -> None:
        """Move the mouse to where nothing is."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=0, y=0)

    def press(self, key: str) -> None:
        """Press a key, such as Tab or Enter."""
        text = {"Enter": "\r"}.get(key)
        for kind in ("keyDown", "keyUp"):
            code = {"Enter": 13, "Tab": 9}[key]
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile, for the length of a `with` statement."""
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()

    start = [sys.executable, "-c", ON_3_AND_4, str(read_commands), str(write_answers), str(CHROMIUM), *FLAGS]
    process = subprocess.Popen(
        [*start, f"--user-data-dir={folder}"],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        page = Browser(write_commands, read_answers)
        yield page
        page.session = {}
        page.call("Browser.close")
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait(timeout=30)
        os.close(write_commands)
        os.close(read_answers)
