"""Django: an async view that says how an operation stands."""

from django.http import HttpRequest, JsonResponse

from maps_data_registry import DataRegistryError, connect, get_operation_async


async def operation(request: HttpRequest, operation_id: str) -> JsonResponse:
    async with connect("us") as client:
        try:
            update = await get_operation_async(client, operation_id)
        except DataRegistryError as error:
            return JsonResponse({"error": str(error)}, status=502)
    reply = JsonResponse({"status": update.status})
    if update.wait is not None:
        reply["Retry-After"] = str(round(update.wait + 0.5))
    return reply
