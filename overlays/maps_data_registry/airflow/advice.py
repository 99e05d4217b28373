"""Next steps for a task, where those of the package are for code."""

from maps_data_registry.errors import RESUME, AuthenticationFailed, DataRegistryError, UnrecognizedStatus


def in_airflow(error: DataRegistryError) -> DataRegistryError:
    """Give an error the next step that somebody takes in Airflow, and return it."""
    if error.advice is RESUME:
        error.advice = "to resume: clear the task"
    elif isinstance(error, AuthenticationFailed):
        error.advice = f"{error.advice}; then correct the connection and clear the task"
    elif isinstance(error, UnrecognizedStatus):
        error.advice = "a status that you know can be added to the operator's policy, as succeeded or failed"
    return error
