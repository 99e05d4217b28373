# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.maps_inner_error import MapsInnerError


T = TypeVar("T", bound="MapsErrorDetail")


@_attrs_define
class MapsErrorDetail:
    """One error, with the errors that led to it.

    Attributes:
        code (str | Unset): One of a set of error codes that the service defines.
        message (str | Unset): A description for people.
        target (str | Unset): What the error is about, such as the name of a field.
        details (list[MapsErrorDetail] | None | Unset): The errors that led to this one.
        innererror (MapsInnerError | None | Unset): More specific information about this error.
    """

    code: str | Unset = UNSET
    message: str | Unset = UNSET
    target: str | Unset = UNSET
    details: list[MapsErrorDetail] | None | Unset = UNSET
    innererror: MapsInnerError | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.maps_inner_error import MapsInnerError  # noqa: PLC0415

        code = self.code

        message = self.message

        target = self.target

        details: list[dict[str, Any]] | None | Unset
        if isinstance(self.details, Unset):
            details = UNSET
        elif isinstance(self.details, list):
            details = []
            for details_type_0_item_data in self.details:
                details_type_0_item = details_type_0_item_data.to_dict()
                details.append(details_type_0_item)

        else:
            details = self.details

        innererror: dict[str, Any] | None | Unset
        if isinstance(self.innererror, Unset):
            innererror = UNSET
        elif isinstance(self.innererror, MapsInnerError):
            innererror = self.innererror.to_dict()
        else:
            innererror = self.innererror

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if code is not UNSET:
            field_dict["code"] = code
        if message is not UNSET:
            field_dict["message"] = message
        if target is not UNSET:
            field_dict["target"] = target
        if details is not UNSET:
            field_dict["details"] = details
        if innererror is not UNSET:
            field_dict["innererror"] = innererror

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.maps_inner_error import MapsInnerError  # noqa: PLC0415

        d = dict(src_dict)
        code = d.pop("code", UNSET)

        message = d.pop("message", UNSET)

        target = d.pop("target", UNSET)

        def _parse_details(data: object) -> list[MapsErrorDetail] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                details_type_0 = []
                _details_type_0 = data
                for details_type_0_item_data in _details_type_0:
                    details_type_0_item = MapsErrorDetail.from_dict(details_type_0_item_data)

                    details_type_0.append(details_type_0_item)

                return details_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[MapsErrorDetail] | None | Unset, data)

        details = _parse_details(d.pop("details", UNSET))

        def _parse_innererror(data: object) -> MapsInnerError | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                innererror_type_0 = MapsInnerError.from_dict(data)

                return innererror_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(MapsInnerError | None | Unset, data)

        innererror = _parse_innererror(d.pop("innererror", UNSET))

        maps_error_detail = cls(
            code=code,
            message=message,
            target=target,
            details=details,
            innererror=innererror,
        )

        maps_error_detail.additional_properties = d
        return maps_error_detail

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
