# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.long_running_operation_status import LongRunningOperationStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.maps_error_detail import MapsErrorDetail


T = TypeVar("T", bound="LongRunningOperationResult")


@_attrs_define
class LongRunningOperationResult:
    """The status of a long-running operation.

    Attributes:
        id (str | Unset): The id of the operation.
        status (LongRunningOperationStatus | str | Unset): The status of the operation. Known ones are listed, others
            may be added.
        error (MapsErrorDetail | None | Unset): Why the operation failed; absent or null unless it did.
    """

    id: str | Unset = UNSET
    status: LongRunningOperationStatus | str | Unset = UNSET
    error: MapsErrorDetail | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.maps_error_detail import MapsErrorDetail  # noqa: PLC0415

        id = self.id

        status: str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, LongRunningOperationStatus):
            status = self.status.value
        else:
            status = self.status

        error: dict[str, Any] | None | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, MapsErrorDetail):
            error = self.error.to_dict()
        else:
            error = self.error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["id"] = id
        if status is not UNSET:
            field_dict["status"] = status
        if error is not UNSET:
            field_dict["error"] = error

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.maps_error_detail import MapsErrorDetail  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id", UNSET)

        def _parse_status(data: object) -> LongRunningOperationStatus | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = LongRunningOperationStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(LongRunningOperationStatus | str | Unset, data)

        status = _parse_status(d.pop("status", UNSET))

        def _parse_error(data: object) -> MapsErrorDetail | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = MapsErrorDetail.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(MapsErrorDetail | None | Unset, data)

        error = _parse_error(d.pop("error", UNSET))

        long_running_operation_result = cls(
            id=id,
            status=status,
            error=error,
        )

        long_running_operation_result.additional_properties = d
        return long_running_operation_result

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
