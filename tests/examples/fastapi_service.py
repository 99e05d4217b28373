"""FastAPI: a wait in the background of a request, on one client for the whole service. Runs under uvloop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from maps_data_registry import (
    DataRegistryError,
    InvalidOperation,
    connect,
    get_operation_async,
    wait_for_operation_async,
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with connect("us") as client, asyncio.TaskGroup() as waits:
        app.state.client, app.state.waits, app.state.ended = client, waits, {}
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/waits/{operation_id}", status_code=202)
async def start(operation_id: str, request: Request) -> None:
    state = request.app.state
    try:
        await get_operation_async(state.client, operation_id)  # a bad id is the caller's fault, said now
    except InvalidOperation as error:
        raise HTTPException(422, str(error)) from error
    state.waits.create_task(_wait(request.app, operation_id))


@app.get("/waits/{operation_id}")
async def ended(operation_id: str, request: Request) -> dict[str, str | None]:
    return {"ended": request.app.state.ended.get(operation_id)}


async def _wait(app: FastAPI, operation_id: str) -> None:
    try:
        await wait_for_operation_async(app.state.client, operation_id)
    except DataRegistryError as error:  # or it would end the task group, and the service
        app.state.ended[operation_id] = str(error)
    else:
        app.state.ended[operation_id] = "Completed"
