// A test in another language, against the emulator: `maps-data-registry emulator` prints the URL to give here.
import { setTimeout } from "node:timers/promises";

const url = process.argv[2];
const headers = { "subscription-key": "any-key-will-do", "x-emulator-scenario": "completes polls=2 retry_after=0" };
const registration = `${url}/dataRegistries/${crypto.randomUUID()}?api-version=2023-06-01`;
const location = (await fetch(registration, { method: "PUT", headers })).headers.get("operation-location");
for (;;) {
  const reply = await fetch(`${location}?api-version=2023-06-01`, { headers });
  const { status } = await reply.json();
  console.log(status);
  if (status !== "Running") break;
  await setTimeout(1000 * Number(reply.headers.get("retry-after") ?? 5));
}
