"""The page: what the server sends, and what a real browser makes of it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from maps_data_registry.emulator import Entry, Namespace

CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
]


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.data_registry_emulator(virtual_time=True)
def test_timeline(http: httpx.Client, emulator: Namespace) -> None:
    operation = emulator.start_operation("throttled retry_after=10 polls=1 form=seconds")
    for pause in (10, 5, 0):
        http.get(operation.location)
        emulator.advance(pause)
    page = http.get(f"{emulator.url}/").text
    assert operation.id in page
    assert re.findall(r"<title>([^<]+)</title>", page)[1:] == [
        "poll 1, 0.00 s: throttled, status 429, Retry-After: 10",
        "poll 2, 10.00 s: Running, status 200, Retry-After: 10",
        "poll 3, 15.00 s: Completed, status 200",
    ]
    tags = Tags(page).found
    assert [a["x"] for tag, a in tags if tag == "use" and a["x"] != "50%"] == ["2.00%", "66.00%", "98.00%"]
    assert [a["cx"] for tag, a in tags if tag == "circle" and a.get("class") == "early"] == ["98.00%"]


def test_page_of_an_emulator_where_nothing_happened(http: httpx.Client, emulator: Namespace) -> None:
    assert "None yet." in http.get(f"{emulator.url}/").text
    emulator.start_operation()
    assert "0 polls" in http.get(f"{emulator.url}/").text


def test_root_links_to_namespaces(emulator: Namespace) -> None:
    root = httpx.get(emulator.url.partition("namespaces/")[0]).text
    assert f"href='{emulator.url}/'" in root


def test_nothing_on_the_page_runs_that_the_policy_forbids(http: httpx.Client, emulator: Namespace) -> None:
    http.get("/<script>alert(1)</script>")
    http.get("/'\"&", headers={"authorization": "<b> x"})
    http.get(emulator.start_operation("hostile-retry-after value=<b>").location)
    http.get(emulator.start_operation("unknown-ending polls=0 value=<b>").location)
    reply = http.get(f"{emulator.url}/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<b>" not in reply.text.lower().replace('<b class="', "")
    for tag, attributes in Tags(reply.text).found:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert attributes["src"] == "/page.js"
    for name in ("page.js", "page.css"):
        assert httpx.get(httpx.URL(emulator.url).join(f"/{name}")).text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_page_lives_in_a_browser(emulator: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    journal = emulator.journal
    loads = []

    def journal_with_news(*args: object) -> list[Entry]:
        loads.append(args)
        if len(loads) == 2:  # after the page was first shown
            emulator.start_operation("never-ends", operation_id="00000000-0000-0000-0000-00000000beef")
        return journal()

    monkeypatch.setattr(emulator, "journal", journal_with_news)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path}", "--virtual-time-budget=4000", "--dump-dom"]
    done = subprocess.run([*command, f"{emulator.url}/"], capture_output=True, text=True, check=True, timeout=120)
    assert "00000000-0000-0000-0000-00000000beef" in done.stdout
    assert "Content Security Policy" not in done.stderr
