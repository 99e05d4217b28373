# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class LongRunningOperationStatus(StrEnum):
    """The words by which the service is known to describe an operation."""

    COMPLETED = "Completed"
    """The data was registered or replaced."""
    FAILED = "Failed"
    """The operation ended without success; `error` tells why."""
    RUNNING = "Running"
    """The service is still at work."""


class MapsInnerError(BaseModel):
    """A more precise account of an error, possibly with a still more precise one inside."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    code: str | None = None
    """A code more specific than that of the error around it."""
    innererror: MapsInnerError | None = None
    """The next, more precise account."""


class MapsErrorDetail(BaseModel):
    """One error, with the errors that led to it."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    code: str | None = None
    """A short word for programs, out of a set that the service defines."""
    message: str | None = None
    """A sentence for people."""
    target: str | None = None
    """What the error is about, such as the name of a field."""
    details: list[MapsErrorDetail] | None = None
    """The errors behind this one."""
    innererror: MapsInnerError | None = None
    """The same error, told more precisely."""


class LongRunningOperationResult(BaseModel):
    """What the service knows of a long-running operation."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    id: str | None = None
    """The id of the operation that was asked about."""
    status: LongRunningOperationStatus | str | None = None
    """How far the operation is; known words are listed, others may come."""
    error: MapsErrorDetail | None = None
    """Why the operation failed; absent or null unless it did."""


class MapsErrorResponse(BaseModel):
    """The body that every refused Azure Maps request shares."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    error: MapsErrorDetail | None = None
    """What went wrong."""


MapsInnerError.model_rebuild()
MapsErrorDetail.model_rebuild()
