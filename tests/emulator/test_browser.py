"""The page in a real browser: it keeps itself current, and leaves alone what somebody points at or has selected."""

import re
from collections.abc import Iterator

import pytest

from maps_data_registry.emulator import EmulatedOperation, Emulator, Namespace
from maps_data_registry_contract import API_VERSION

from .browser import Browser, browser, needs_chromium
from .conftest import KEY, get

pytestmark = [pytest.mark.slow, needs_chromium, pytest.mark.data_registry_emulator(virtual_time=True)]

CARDS = "document.querySelectorAll('article').length"
WAITING = "document.documentElement.classList.contains('waiting')"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, emulator: Namespace) -> Iterator[Browser]:
    """The namespace's page, refreshed only when a test says so. Nothing on it may be complained about."""
    chromium.complaints.clear()
    chromium.point_away()
    chromium.open(f"{emulator.url}/")
    chromium.run("keepCurrent = () => {}")
    yield chromium
    assert [text for text in chromium.complaints if '"source": "network"' not in text] == []  # refusals are intended


@pytest.fixture
def operation(emulator: Namespace) -> EmulatedOperation:
    """One that was there before the page was opened, and has been polled."""
    operation = emulator.start_operation("never-ends retry_after=3")
    poll(emulator, operation)
    return operation


def poll(emulator: Namespace, operation: EmulatedOperation) -> None:
    get(operation.location, headers={"subscription-key": KEY}, params={"api-version": API_VERSION})
    emulator.advance(2)


def card(operation: EmulatedOperation) -> str:
    return f"#o-{operation.id}"


def text(page: Browser, selector: str) -> str:
    return str(page.run(f"document.querySelector('{selector}').textContent"))


def test_it_keeps_itself_current(chromium: Browser, emulator: Namespace) -> None:
    chromium.open(f"{emulator.url}/")
    emulator.start_operation()
    chromium.wait_for(f"{CARDS} === 1")


def test_it_says_when_the_emulator_is_gone(chromium: Browser) -> None:
    gone = "document.documentElement.classList.contains('gone')"
    with Emulator() as emulator:
        chromium.open(f"{emulator.url}/")
        assert not chromium.run(f"refresh().then(() => {gone})")
    assert chromium.run(f"refresh().then(() => {gone})")


def test_nothing_is_replaced(page: Browser, emulator: Namespace, operation: EmulatedOperation) -> None:
    page.run("refresh()")
    page.run(f"before = [...document.querySelectorAll('{card(operation)}, {card(operation)} *')]; 0")
    poll(emulator, operation)
    emulator.start_operation()
    page.run("refresh()")
    assert page.run(f"{CARDS}") == 2
    assert "2 polls" in text(page, f"{card(operation)} summary")
    assert page.run("before.every(node => node.isConnected)")


@pytest.mark.parametrize("selected", ["code", "tbody tr td:nth-child(3)"])
def test_a_selection_is_held(page: Browser, emulator: Namespace, operation: EmulatedOperation, selected: str) -> None:
    page.run("refresh()")
    other = emulator.start_operation()
    page.run("refresh()")
    where = f"{card(operation)} code" if selected == "code" else f"#requests {selected}"
    page.run(f"getSelection().selectAllChildren(document.querySelector('{where}'))")
    before = page.run("getSelection().toString()")
    assert operation.id in before
    top = f"document.querySelector('{where}').getBoundingClientRect().top"
    place = page.run(top)
    for number in range(10):
        poll(emulator, operation)
        poll(emulator, other)
        emulator.start_operation()
        page.run("refresh()")
        assert page.run("getSelection().toString()") == before
        assert page.run(top) == place
        assert page.run(CARDS) == 2
        assert page.run(WAITING)
        assert f"{number + 1} poll" in text(page, f"{card(other)} summary")  # what is not selected goes on
    page.run("getSelection().removeAllRanges()")
    page.run("refresh()")
    assert page.run(CARDS) == 12
    assert not page.run(WAITING)
    assert "11 polls" in text(page, f"{card(operation)} summary")


def test_what_somebody_points_at_stands_still(page: Browser, emulator: Namespace, operation: EmulatedOperation) -> None:
    page.run("refresh()")
    page.point(f"{card(operation)} .timeline a")
    poll(emulator, operation)
    page.run("refresh()")
    assert page.run(WAITING)
    assert "1 poll" in text(page, f"{card(operation)} summary")
    page.point_away()
    page.run("refresh()")
    assert "2 polls" in text(page, f"{card(operation)} summary")


def test_a_polls_details_on_click_and_by_keyboard(
    page: Browser, emulator: Namespace, operation: EmulatedOperation
) -> None:
    poll(emulator, operation)
    page.run("refresh()")
    opened = f"document.querySelector('{card(operation)} details').open"
    page.point(f"{card(operation)} .timeline a:nth-of-type(2)", click=True)
    assert page.run(opened)
    assert re.fullmatch(r"2\s*2\.00 s\s*Running, too early\s*200\s*3", page.run("document.activeElement.innerText"))
    page.point_away()
    poll(emulator, operation)
    page.run("refresh()")
    assert page.run(opened)  # stays as somebody left it
    assert page.run("document.activeElement.id") == f"p-{operation.id}-2"
    assert page.run(f"document.querySelectorAll('{card(operation)} tbody tr').length") == 3
    page.run(f"document.querySelector('{card(operation)} summary').focus()")
    page.press("Enter")
    assert not page.run(opened)


def test_start_filter_clear_and_copy(page: Browser, emulator: Namespace) -> None:
    page.point("#scenario", click=True)
    page.run("document.querySelector('#scenario').select()")
    page.type("fails polls=0")
    page.press("Enter")
    page.wait_for(f"{CARDS} === 1")
    [operation] = emulator.operations.values()
    assert str(operation.scenario) == "fails polls=0"

    page.run("document.querySelector('#scenario').value = 'nix'")
    page.point("#start button", click=True)
    page.wait_for("problem.textContent")
    assert "unknown scenario 'nix'" in text(page, "#problem")
    page.run("refresh()")
    assert text(page, "#problem")

    emulator.start_operation("throttled")
    page.run("refresh()")
    page.point("#text", click=True)
    page.type("thrott")
    page.wait_for(f"{CARDS} === 1")
    assert "1 of 2" in text(page, "#operations h2")
    assert page.run("location.search") == "?filter=thrott"
    page.run("document.querySelector('#text').value = ''; applyFilter()")

    poll(emulator, operation)
    page.point("#clear button", click=True)
    page.wait_for(f"{CARDS} === 1")
    assert operation.id not in emulator.operations

    page.run("navigator.clipboard.writeText = async text => { copied = text; }")
    page.point("#copy", click=True)
    assert page.run("copied").startswith("curl -i -X PUT ")
    assert text(page, "#copy") == "Copied"


def test_it_fits_into_320_pixels(page: Browser, emulator: Namespace, operation: EmulatedOperation) -> None:
    emulator.start_operation("hostile-retry-after value=" + "x" * 100)
    page.run("refresh()")
    page.run("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    page.call("Emulation.setDeviceMetricsOverride", width=320, height=600, deviceScaleFactor=1, mobile=False)
    try:
        assert page.run("document.documentElement.scrollWidth") <= 320
        assert page.run("[...document.querySelectorAll('article')].every(card => card.scrollWidth <= card.clientWidth)")
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
