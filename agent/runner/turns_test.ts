import { equal } from "node:assert/strict";
import { systemClock } from "@shared/platform/clock.ts";
import { Turns } from "./turns.ts";

Deno.test("turns: sockets and timers have their turn within a long piece of work", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [here, there] = await Promise.all([
    Deno.connect({ port: listener.addr.port }),
    listener.accept(),
  ]);
  const turns = new Turns(systemClock);
  let hasRead = false;
  let hasRung = false;
  const read = here.read(new Uint8Array(1)).then(() => hasRead = true);
  const timer = setTimeout(() => hasRung = true, 1);
  await there.write(Uint8Array.of(1));
  for (let slice = 0; slice < 5; slice++) {
    const endMs = performance.now() + 4;
    while (performance.now() < endMs);
    await turns.next();
  }
  const seen = { hasRead, hasRung };
  await read;
  clearTimeout(timer);
  here.close();
  there.close();
  listener.close();
  equal(seen.hasRead, true, "the bytes were read while the work went on");
  equal(seen.hasRung, true, "the timer rang while the work went on");
});
