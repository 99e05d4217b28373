"""The claims that a 401 demands, out of whatever WWW-Authenticate says."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps_data_registry.auth.challenge import claims_of

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1726077595"}}}?>'
PLAIN = base64.b64encode(CLAIMS.encode()).decode()
URL_SAFE = base64.urlsafe_b64encode(CLAIMS.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "header",
    [
        f'Bearer claims="{URL_SAFE}"',
        f'Bearer claims="{PLAIN}"',
        f'Bearer realm="", error="insufficient_claims", claims="{URL_SAFE}"',
        f'bearer claims="{URL_SAFE}"',
        f'BEARER CLAIMS="{URL_SAFE}"',
        f'Bearer Claims = "{URL_SAFE}"',
        f"Bearer claims={URL_SAFE}",
        f"Bearer error=insufficient_claims,claims={PLAIN}",
        f'Bearer realm="a \\"quoted\\" claims=x", claims="{URL_SAFE}"',
        f'Basic realm="x", Bearer claims="{URL_SAFE}"',
        f'PoP claims="eyJ4IjoxfQ", Bearer claims="{URL_SAFE}"',
        f'Bearer realm="x", Bearer claims="{URL_SAFE}", jwt-sas',
        f'Negotiate YWJjZA==, Bearer claims="{URL_SAFE}"',
        f'Bearer claims="!!", Bearer claims="{URL_SAFE}"',
        f', ,  Bearer\tclaims="{URL_SAFE}"',
        f'Bearer claims="\\{URL_SAFE}"',  # any character may be escaped
    ],
)
def test_the_claims_of_the_bearer_challenge(header: str) -> None:
    assert claims_of(header) == CLAIMS


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer realm=x",
        "Bearer claims",
        "Bearer claims=",
        'Bearer claims=""',
        'Bearer claims="_"',
        'Bearer claims="gICA"',  # no text
        f'Bearer claims="!{URL_SAFE}"',
        f'PoP claims="{URL_SAFE}"',
        f'Basic claims="{URL_SAFE}"',
        f'Bearer realm="x", PoP claims="{URL_SAFE}"',
        f'Bearer error="claims={URL_SAFE}"',
        f'Bearer x-claims="{URL_SAFE}"',
        f'claims="{URL_SAFE}"',
    ],
)
def test_no_claims(header: str) -> None:
    assert claims_of(header) is None


@pytest.mark.parametrize(
    "part", ["Bearer ", 'Bearer claims="', 'claims="\\', "a=", 'a="', "=", '"', "\\", ",", "claims= "]
)
def test_a_long_header_takes_no_long_time(part: str) -> None:
    """Twice the length takes about twice as long, not four times."""
    header = part * (120_000 // len(part))
    begin = time.process_time()
    claims_of(header)
    assert time.process_time() - begin < 2  # it took 80 s where it was quadratic


@given(st.text(st.sampled_from('Bearclimsxyz=", \\\t-_/+A1'), max_size=80) | st.text(max_size=50))
def test_whatever_it_says(header: str) -> None:
    found = claims_of(header)
    assert found is None or found


@given(st.text(min_size=1))
def test_whatever_the_claims_are(claims: str) -> None:
    encoded = base64.urlsafe_b64encode(claims.encode()).decode()
    assert claims_of(f'Bearer realm="x", claims="{encoded}"') == claims
