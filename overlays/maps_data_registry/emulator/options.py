"""The options of a scenario: what they mean, their units, their defaults and their limits."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, field_validator
from pydantic_core import from_json

from maps_data_registry_schemas import MapsErrorDetail


class Options(BaseModel):
    """How a scenario goes in detail. Each field's docstring is its line of help."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    polls: NonNegativeInt = 2
    """Number of polls answered with Running before the operation ends."""
    seconds: NonNegativeFloat | None = None
    """Instead of `polls`: seconds that the operation runs, on the emulator's clock."""
    retry_after: int = Field(1, ge=0, le=10**9)
    """Seconds until the next poll, as replies ask for."""
    form: Literal["seconds", "date", "retry-after-ms", "x-ms-retry-after-ms", "none"] = "seconds"
    """Header that asks: Retry-After as `seconds` or `date`, `retry-after-ms`, `x-ms-retry-after-ms`; or `none`."""
    error: MapsErrorDetail = MapsErrorDetail(code="InvalidData", message="The data is not a valid GeoJSON.")
    """The error of `fails`, a JSON object with code, message, target, details and innererror."""
    times: NonNegativeInt | None = None
    """Number of polls that meet the fault. Default 1; for `hostile-retry-after`, one for each hostile value."""
    value: str | None = Field(None, pattern=r"^([!-~\xa0-\xff]([ -~\xa0-\xff]*[!-~\xa0-\xff])?)?$")
    """Status of `unknown-status` and `unknown-ending`, header of `hostile-retry-after`, URL of `redirect`."""
    size: int = Field(64 << 20, ge=0, le=1 << 30)
    """Bytes of the body of `gzip-bomb` (when unpacked) and `huge-body`, at most 1 GiB."""
    pace: float = Field(1.0, ge=0, le=3600)
    """Seconds, in real time, between two bytes of `slow-headers` and `slow-drip`, at most an hour."""

    @field_validator("error", mode="before")
    @classmethod
    def _error_from_text(cls, error: object) -> object:
        return from_json(error) if isinstance(error, str) else error


def _help() -> dict[str, str]:
    lines = {}
    for name, field in Options.model_fields.items():
        default = field.default.model_dump_json(exclude_unset=True) if name == "error" else field.default
        lines[name] = f"{field.description}" + ("" if default is None else f" Default {default}.")
    return lines


OPTIONS = _help()
"""Every option's name, with a line that says what it means, its unit and its default."""
