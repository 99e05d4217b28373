"""The page as the server sends it. What a browser makes of it is in test_browser.py."""

import re
from html import escape
from html.parser import HTMLParser

import httpx
import pytest

from maps_data_registry.emulator import Namespace
from maps_data_registry.emulator.limits import MAX_BODY
from maps_data_registry_contract import API_VERSION

from .conftest import KEY, TLS, get, post


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
        "poll 3, 15.00 s: Completed, status 200, too early",
    ]
    tags = Tags(page).found
    places = {"2.00%": 0, "50.00%": 10, "74.00%": 15}  # the second pause would have ended at 20 s
    assert [places[str(a["x"])] for tag, a in tags if tag == "use" and a["x"] != "50%"] == [0, 10, 15]
    assert [a["cx"] for tag, a in tags if tag == "circle" and a.get("class") == "early"] == ["74.00%"]
    assert re.findall(r">([^<]+)</text>", page) == ["0 s", "5 s", "10 s", "15 s", "20 s"]


@pytest.mark.data_registry_emulator(virtual_time=True)
def test_an_idle_operation_stands_still(http: httpx.Client, emulator: Namespace) -> None:
    operation = emulator.start_operation("never-ends retry_after=3")
    http.get(operation.location)
    cards = []
    for _ in range(2):
        cards.append(http.get(f"{emulator.url}/").text.partition("<article")[2].partition("</article>")[0])
        emulator.advance(3600)
    assert cards[0] == cards[1]
    assert re.findall(r">([^<]+)</text>", cards[0]) == ["0 s", "1 s", "2 s", "3 s"]


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
        (11, ["0 s", "5 s", "10 s"]),
        (50, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (86400, ["0 s", "20000 s", "40000 s", "60000 s", "80000 s"]),
    ],
)
@pytest.mark.data_registry_emulator(virtual_time=True)
def test_every_card_has_its_scale(http: httpx.Client, emulator: Namespace, seconds: int, ticks: list[str]) -> None:
    operation = emulator.start_operation("completes polls=0")
    emulator.advance(seconds)
    http.get(operation.location)
    assert re.findall(r">([^<]+)</text>", http.get(f"{emulator.url}/").text) == ticks


def test_page_of_an_emulator_where_nothing_happened(http: httpx.Client, emulator: Namespace) -> None:
    assert "none yet" in http.get(f"{emulator.url}/").text
    emulator.start_operation()
    assert "0 polls" in http.get(f"{emulator.url}/").text


def test_root_links_to_namespaces(emulator: Namespace) -> None:
    root, _, name = emulator.url.partition("namespaces/")
    assert f"href='/namespaces/{name}/'" in get(root).text
    assert get(emulator.url, follow_redirects=True).url == f"{emulator.url}/"


def test_filter(http: httpx.Client, emulator: Namespace) -> None:
    for scenario in ("throttled", "fails polls=0", "completes polls=0"):
        http.get(emulator.start_operation(scenario).location)

    def shown(text: str) -> tuple[int, int]:
        page = http.get(f"{emulator.url}/", params={"filter": text}).text
        return page.count("<article"), page.count("<tr id='r-")

    assert shown("") == (3, 3)
    assert shown("429 throttled") == (0, 1)  # an id may have a 429 in it
    assert shown("FAILED ") == (1, 1)
    assert shown(next(iter(emulator.operations))) == (1, 1)
    assert shown("<b>") == (0, 0)


def test_start_and_clear_without_a_script(emulator: Namespace) -> None:
    with httpx.Client(base_url=emulator.url, follow_redirects=True, verify=TLS) as page:
        origin = {"origin": str(page.base_url.join("/")).rstrip("/")}
        started = page.post("/start", data={"scenario": "fails polls=0"}, headers=origin)
        assert (started.status_code, str(started.url)) == (200, f"{emulator.url}/")
        [operation] = emulator.operations.values()
        assert str(operation.scenario) == "fails polls=0"
        assert operation.location.startswith(emulator.url)
        assert page.post("/clear").text.count("<article") == 1  # it has not ended
        page.get(operation.location, headers={"subscription-key": KEY}, params={"api-version": API_VERSION})
        assert page.post("/clear").text.count("<article") == 0
        assert emulator.journal() == []


@pytest.mark.parametrize("scenario", ["nix <b>", "fails poll=1"])
def test_a_bad_scenario_is_refused_on_the_page(emulator: Namespace, scenario: str) -> None:
    refused = post(f"{emulator.url}/start", data={"scenario": scenario})
    assert refused.status_code == 400
    assert "choose from" in refused.text
    assert f'value="{escape(scenario)}"' in refused.text
    assert emulator.operations == {}


@pytest.mark.parametrize("action", ["start", "clear"])
def test_a_form_of_another_site_is_refused(emulator: Namespace, action: str) -> None:
    operation = emulator.start_operation()
    for origin in ("https://elsewhere.test", "null"):
        assert post(f"{emulator.url}/{action}", headers={"origin": origin}).status_code == 403
    assert post(f"{emulator.url}/{action}", content=b"x" * (MAX_BODY + 1)).status_code == 413
    assert list(emulator.operations.values()) == [operation]


def test_nothing_on_the_page_runs_that_the_policy_forbids(http: httpx.Client, emulator: Namespace) -> None:
    http.get("/<script>alert(1)</script>")
    http.get("/'\"&", headers={"authorization": "<b> x"})
    http.get(emulator.start_operation("hostile-retry-after value=<b>").location)
    http.get(emulator.start_operation("unknown-ending polls=0 value=<b>").location)
    reply = http.get(f"{emulator.url}/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    names = [directive.split()[0] for directive in policy.split(";")]
    assert sorted(names) == sorted(set(names))
    assert "unsafe" not in policy
    assert "<b>" not in reply.text.lower()
    for tag, attributes in Tags(reply.text).found:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert attributes["src"] == "/page.js"
    for name in ("page.js", "page.css"):
        assert get(httpx.URL(emulator.url).join(f"/{name}")).text
