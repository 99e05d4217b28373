# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
"""Contains all the data models used in inputs/outputs"""

from .long_running_operation_result import LongRunningOperationResult
from .long_running_operation_status import LongRunningOperationStatus
from .maps_error_detail import MapsErrorDetail
from .maps_error_response import MapsErrorResponse
from .maps_inner_error import MapsInnerError

__all__ = (
    "LongRunningOperationResult",
    "LongRunningOperationStatus",
    "MapsErrorDetail",
    "MapsErrorResponse",
    "MapsInnerError",
)
