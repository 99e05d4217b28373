import logging

import httpx
import pytest

from maps_data_registry.cli.logs import logging_to

SECRET = "marker-secret-0123456789"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"sent {SECRET} twice: {SECRET}", "sent *** twice: ***"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer ***"),
        ("{'Authorization': 'jwt-sas abc.def', 'x': 1}", "{'Authorization': 'jwt-sas ***', 'x': 1}"),
        ("headers={'subscription-key': 'abc'}", "headers={'subscription-key': '***'}"),
        ("\x1b[2J\r\nrm -rf", "\N{REPLACEMENT CHARACTER}[2J rm -rf"),
    ],
)
def test_a_line_without_secrets(message: str, expected: str) -> None:
    said: list[str] = []
    with logging_to(said.append, verbose=True, secrets=[SECRET]):
        logging.getLogger("maps_data_registry").info("%s", message)
    assert said == [f"INFO maps_data_registry: {expected}"]


def test_warnings_are_shown_anyway_and_the_rest_on_demand() -> None:
    said: list[str] = []
    for verbose in (False, True):
        with logging_to(said.append, verbose=verbose, secrets=[]):
            for name in ("maps_data_registry", httpx.__name__, "another"):
                logging.getLogger(name).info("a detail")
                logging.getLogger(name).warning("a fault")
    faults = [f"WARNING {name}: a fault" for name in ("maps_data_registry", httpx.__name__, "another")]
    details = [f"INFO {name}: a detail" for name in ("maps_data_registry", httpx.__name__)]
    assert sorted(said) == sorted([*faults, *faults, *details])


def test_a_retry_is_said_by_the_state_of_its_operation_and_logged_on_demand() -> None:
    for verbose, expected in ((False, []), (True, ["WARNING maps_data_registry: a retry"])):
        said: list[str] = []
        with logging_to(said.append, verbose=verbose, secrets=[]):
            logging.getLogger("maps_data_registry").warning("a retry", extra={"transient_failure": 1})
        assert said == expected


def test_azure_identity_says_it_in_the_outcome() -> None:
    said: list[str] = []
    with logging_to(said.append, verbose=False, secrets=[]):
        logging.getLogger("azure.identity._credentials.chained").warning("nobody is logged in")
    assert said == []


def test_everything_is_as_before_afterwards() -> None:
    loggers = [logging.getLogger(name) for name in ("", "maps_data_registry", httpx.__name__)]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    with pytest.raises(ZeroDivisionError), logging_to(lambda _: None, verbose=True, secrets=[]):
        _ = 1 / 0
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before
