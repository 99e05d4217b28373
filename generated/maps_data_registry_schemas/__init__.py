# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class LongRunningOperationStatus(StrEnum):
    """The known statuses of a long-running operation."""

    COMPLETED = "Completed"
    """The data was registered or replaced."""
    FAILED = "Failed"
    """The operation ended with one or more failures; `error` holds them."""
    RUNNING = "Running"
    """The service is still at work."""


class MapsInnerError(BaseModel):
    """More specific information about an error, possibly with still more specific information inside."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    code: str | None = None
    """A more specific error code."""
    innererror: MapsInnerError | None = None
    """Still more specific information."""


class MapsErrorDetail(BaseModel):
    """One error, with the errors that led to it."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    code: str | None = None
    """One of a set of error codes that the service defines."""
    message: str | None = None
    """A description for people."""
    target: str | None = None
    """What the error is about, such as the name of a field."""
    details: list[MapsErrorDetail] | None = None
    """The errors that led to this one."""
    innererror: MapsInnerError | None = None
    """More specific information about this error."""


class LongRunningOperationResult(BaseModel):
    """The status of a long-running operation."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    id: str | None = None
    """The id of the operation."""
    status: LongRunningOperationStatus | str | None = None
    """The status of the operation. Known ones are listed, others may be added."""
    error: MapsErrorDetail | None = None
    """Why the operation failed; absent or null unless it did."""


class MapsErrorResponse(BaseModel):
    """The body that Azure Maps APIs answer failed requests with."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
    )
    error: MapsErrorDetail | None = None
    """What went wrong."""


MapsInnerError.model_rebuild()
MapsErrorDetail.model_rebuild()
