import { equal, match, rejects } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { ManualClock } from "@shared/manual_clock.ts";
import { allowedTargets } from "./address_guard.ts";
import { sendWebhook, type WebhookWorld } from "./webhook.ts";

const SECRET = "whsec_test";

interface Seen {
  readonly headers: Headers;
  readonly body: string;
}

/** A web server of this machine; `answer` says what it does. */
function target(answer: (request: Request) => Response | Promise<Response>) {
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    seen.push({ headers: request.headers, body: await request.clone().text() });
    return await answer(request);
  });
  const { port } = server.addr as Deno.NetAddr;
  return { seen, port, [Symbol.asyncDispose]: () => server.shutdown() };
}

function world(over: Partial<WebhookWorld> = {}): WebhookWorld & { clock: ManualClock } {
  const clock = new ManualClock();
  return {
    allowed: allowedTargets(["plant.example"]),
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ...over,
    clock,
  };
}

const message = (port: number, host = "plant.example") => ({
  url: `http://${host}:${port}/hook?x=1`,
  secret: SECRET,
  deliveryId: "0123456789abcdef",
  body: JSON.stringify({ text: "Grüße" }),
});

Deno.test("webhook: signs id, time and body, and names the delivery (S29)", async () => {
  await using server = target(() => new Response(null, { status: 204 }));
  const at = world();
  await sendWebhook(message(server.port), at);
  const [{ headers, body }] = server.seen as [Seen];
  equal(headers.get("host"), `plant.example:${server.port}`);
  equal(headers.get("penstock-delivery"), "0123456789abcdef");
  const [, seconds, code] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
    headers.get("penstock-signature") ?? "",
  )!;
  equal(Number(seconds), Math.floor(at.clock.nowMs() / 1000));
  const wanted = createHmac("sha256", SECRET).update(`0123456789abcdef.${seconds}.${body}`)
    .digest("hex");
  equal(code, wanted);
});

Deno.test("webhook: a name that leads to a private address is refused before anything is sent (S27)", async () => {
  await using server = target(() => new Response());
  const at = world({ allowed: allowedTargets([]) });
  const to = { ...message(80), url: "http://public.example/" };
  await rejects(sendWebhook(to, at), /127\.0\.0\.1 is loopback/);
  const mixed = world({
    allowed: allowedTargets([]),
    resolve: () => Promise.resolve(["8.8.8.8", "10.0.0.1"]),
  });
  await rejects(sendWebhook(to, mixed), /10\.0\.0\.1 is private/);
  equal(server.seen.length, 0);
});

Deno.test("webhook: connects to the address that was judged, whatever the name says next (S27)", async () => {
  await using server = target(() => new Response());
  let asked = 0;
  const at = world({
    resolve: () => Promise.resolve(asked++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"]),
  });
  await sendWebhook(message(server.port), at);
  equal(asked, 1);
  equal(server.seen.length, 1);
});

Deno.test("webhook: does not follow a redirect (S27)", async () => {
  await using inner = target(() => new Response("secret"));
  await using server = target(() =>
    Response.redirect(`http://127.0.0.1:${inner.port}/latest`, 307)
  );
  await rejects(sendWebhook(message(server.port), world()), /307; redirects are not followed/);
  equal(inner.seen.length, 0);
});

Deno.test("webhook: an answer without end is cut, a silent target given up after ten seconds (S25)", async () => {
  await using endless = target(() =>
    new Response(
      new ReadableStream({
        pull: (out) => out.enqueue(new Uint8Array(32 * 1024)),
      }),
    )
  );
  await sendWebhook(message(endless.port), world());
  const gate = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  await using silent = target(() => {
    asked.resolve();
    return gate.promise;
  });
  const at = world();
  const sent = rejects(sendWebhook(message(silent.port), at), /within 10 s/);
  await asked.promise;
  at.clock.advance(10_000);
  await sent;
  gate.resolve(new Response());
});

Deno.test("webhook: a name that nobody resolves is given up after ten seconds too, and nothing is sent behind it (S25)", async () => {
  await using server = target(() => new Response());
  const answer = Promise.withResolvers<string[]>();
  const at = world({ resolve: () => answer.promise });
  const sent = rejects(sendWebhook(message(server.port), at), /within 10 s/);
  at.clock.advance(10_000);
  await sent;
  answer.resolve(["127.0.0.1"]);
  await new Promise((done) => setTimeout(done, 0));
  equal(server.seen.length, 0);
});

Deno.test("webhook: says what the target answered", async () => {
  await using server = target(() => new Response("no", { status: 503 }));
  await rejects(sendWebhook(message(server.port), world()), (error: Error) => {
    match(error.message, /answered with 503/);
    return true;
  });
});
