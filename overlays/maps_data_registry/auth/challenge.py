"""The claims that a 401 demands: Continuous Access Evaluation of Microsoft Entra.

Source: RFC 9110, sections 11.2 to 11.6.1 (challenges and their parameters); RFC 6750, section 3 (Bearer).
"""

import base64
import re

# A parameter, or else the name of a scheme. A quoted string without an end runs to the end of the header, so that
# no part of it is read twice.
_PIECE = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?$)|(?P<plain>[^\s,"]*))"""
    r"""|(?P<scheme>[^\s,"=]+)"""
)


def claims_of(header: str) -> str | None:
    """The decoded `claims` of the first Bearer challenge in a `WWW-Authenticate` header that has readable ones."""
    scheme = ""
    for piece in _PIECE.finditer(header):
        if piece["scheme"] is not None:
            scheme = piece["scheme"].lower()
        elif scheme == "bearer" and piece["name"].lower() == "claims":
            quoted = piece["quoted"]
            claims = _decoded(piece["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            if claims is not None:
                return claims
    return None


def _decoded(claims: str) -> str | None:
    try:
        digits = claims.translate(str.maketrans("-_", "+/"))
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True).decode() or None
    except ValueError:
        return None
