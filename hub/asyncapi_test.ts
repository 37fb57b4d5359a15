import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parse } from "yaml";
import { exchangeTopic } from "../agent/exchange/exchange_topics.ts";
import { isProbeTopic } from "../agent/connectors/broker_probe.ts";

interface Document {
  readonly asyncapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly channels: Record<string, {
    readonly address: string;
    readonly parameters: Record<string, unknown>;
    readonly messages: Record<string, { readonly $ref: string }>;
  }>;
  readonly operations: Record<string, {
    readonly action: string;
    readonly channel: { readonly $ref: string };
  }>;
  readonly components: { readonly messages: Record<string, unknown> };
}

const TEXT = await Deno.readTextFile(new URL("./asyncapi.yaml", import.meta.url));
const document: Document = parse(TEXT);

Deno.test("asyncapi: every reference leads somewhere, every parameter of an address is described", () => {
  match(document.asyncapi, /^3\.0\./);
  ok(document.info.title !== "" && document.info.version !== "");
  const at = (reference: string) =>
    reference.slice(2).split("/").reduce<unknown>(
      (node, name) => (node as Record<string, unknown>)?.[name],
      document,
    );
  for (const [, reference] of TEXT.matchAll(/\$ref: '([^']+)'/g)) {
    ok(at(reference!) !== undefined, reference!);
  }
  for (const { address, parameters, messages } of Object.values(document.channels)) {
    const named = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    deepEqual(Object.keys(parameters), named);
    ok(Object.keys(messages).length > 0);
  }
  for (const { action, channel } of Object.values(document.operations)) {
    ok(action === "send" || action === "receive");
    ok(at(channel.$ref) !== undefined);
  }
});

Deno.test("asyncapi: internal topics are those that the code makes", () => {
  const fill = (address: string, values: Record<string, string>) =>
    address.replace(/\{(\w+)\}/g, (_all, name) => values[name]!);
  const { exchange, probe } = document.channels;
  const at = { jobId: "j", regionId: "r", attempt: 3 } as Parameters<typeof exchangeTopic>[0];
  equal(
    fill(exchange!.address, { job: "j", region: "r", attempt: "3", subtask: "s.0" }),
    exchangeTopic(at, "s.0" as Parameters<typeof exchangeTopic>[1]),
  );
  ok(isProbeTopic(fill(probe!.address, { random: "0".repeat(32) })));
});
