# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
from enum import StrEnum


class LongRunningOperationStatus(StrEnum):
    COMPLETED = "Completed"
    FAILED = "Failed"
    RUNNING = "Running"

    def __str__(self) -> str:
        return str(self.value)
