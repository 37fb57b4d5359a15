/**
 * Webhooks over TLS: the connection goes to the address that was judged, the certificate is checked against
 * the name of the URL.
 *
 * @module
 */
import { equal, rejects } from "node:assert/strict";
import { systemClock } from "@shared/platform/clock.ts";
import { allowedTargets } from "../../hub/notifications/address_guard.ts";
import { sendWebhook } from "../../hub/notifications/webhook.ts";
import { runOrThrow } from "../support/commands.ts";

const NAME = "alerts.plant.example";

Deno.test("webhook: believes a target whose certificate is for the name it was asked by, and no other (S27)", async () => {
  const folder = await Deno.makeTempDir();
  await makeCertificates(folder);
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  const hosts: (string | null)[] = [];
  const options = { hostname: "127.0.0.1", port: 0, cert: read("hook.pem"), key: read("hook.key") };
  const server = Deno.serve({ ...options, onListen() {} }, (request) => {
    hosts.push(request.headers.get("host"));
    return new Response();
  });
  const { port } = server.addr;
  const send = (host: string, caPem?: string) =>
    sendWebhook({
      url: `https://${host}:${port}/hook`,
      secret: "whsec_test",
      deliveryId: "0123456789abcdef",
      body: "{}",
    }, {
      clock: systemClock,
      allowed: allowedTargets([NAME, "other.example", "127.0.0.1"]),
      resolve: () => Promise.resolve(["127.0.0.1"]),
      ...(caPem === undefined ? {} : { caPem }),
    });
  try {
    await send(NAME, read("ca.pem"));
    equal(hosts.length, 1);
    await rejects(send("other.example", read("ca.pem")), /could not be reached/);
    await rejects(send("127.0.0.1", read("ca.pem")), /could not be reached/);
    await rejects(send(NAME), /could not be reached/);
    equal(hosts.length, 1, "nothing is said before the certificate was believed");
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});

async function makeCertificates(folder: string): Promise<void> {
  const at = (name: string) => `${folder}/${name}`;
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
  await runOrThrow("openssl", [
    ...["req", "-x509", ...key, at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=test authority"],
    ...["-days", "2", "-addext", "keyUsage=critical,keyCertSign"],
  ]);
  await runOrThrow("openssl", [
    ...["req", ...key, at("hook.key"), "-out", at("hook.csr"), "-subj", `/CN=${NAME}`],
  ]);
  await Deno.writeTextFile(at("hook.ext"), `subjectAltName=DNS:${NAME}\n`);
  await runOrThrow("openssl", [
    ...["x509", "-req", "-in", at("hook.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
    ...["-CAcreateserial", "-out", at("hook.pem"), "-days", "2", "-extfile", at("hook.ext")],
  ]);
}
