# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="MapsInnerError")


@_attrs_define
class MapsInnerError:
    """More specific information about an error, possibly with still more specific information inside.

    Attributes:
        code (str | Unset): A more specific error code.
        innererror (MapsInnerError | None | Unset): Still more specific information.
    """

    code: str | Unset = UNSET
    innererror: MapsInnerError | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        code = self.code

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
        if innererror is not UNSET:
            field_dict["innererror"] = innererror

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        code = d.pop("code", UNSET)

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

        maps_inner_error = cls(
            code=code,
            innererror=innererror,
        )

        maps_inner_error.additional_properties = d
        return maps_inner_error

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
