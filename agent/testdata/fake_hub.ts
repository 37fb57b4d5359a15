/** A hub of one agent over real sockets: enrolment, control channel, bundle and objects. @module */
import { setTimeout as delay } from "node:timers/promises";
import {
  type AgentMessage,
  type AgentMessageOf,
  decodeAgentMessage,
  type HubMessage,
} from "@shared/messages.ts";
import { BUNDLE } from "./fake_world.ts";

const WAIT_MS = 20_000;
const LOOK_MS = 20;

export class FakeHub {
  readonly received: AgentMessage[] = [];
  readonly objects = new Map<string, Uint8Array>();
  bundle: Uint8Array = BUNDLE;
  readonly authorizations: (string | null)[] = [];
  #server: Deno.HttpServer<Deno.NetAddr>;
  #socket: WebSocket | null = null;

  /** @param port 0 for a free one. */
  constructor(port = 0) {
    const options = { port, hostname: "127.0.0.1", onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#serve(request));
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  tell(message: HubMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  /** Waits for a message of `kind`; `nth` counts from 1. */
  async until<K extends AgentMessage["kind"]>(
    kind: K,
    fits: (message: AgentMessageOf<K>) => boolean = () => true,
  ): Promise<AgentMessageOf<K>> {
    for (let waitedMs = 0; waitedMs < WAIT_MS; waitedMs += LOOK_MS) {
      const found = this.received.find((message): message is AgentMessageOf<K> =>
        message.kind === kind && fits(message as AgentMessageOf<K>)
      );
      if (found !== undefined) return found;
      await delay(LOOK_MS);
    }
    const kinds = this.received.map((message) => message.kind).join(" ");
    throw new Error(`No "${kind}" came within ${WAIT_MS} ms, only: ${kinds}`);
  }

  async close(): Promise<void> {
    this.#socket?.close();
    await this.#server.shutdown();
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/api/v1/enrol") {
      if (request.headers.get("authorization") !== "Bearer join-me") {
        return Response.json({ detail: "The join token is not known" }, { status: 401 });
      }
      const { name } = await request.json();
      return Response.json({ agentId: "agent-1", name, credential: "own-secret" });
    }
    if (pathname === "/api/v1/agents/connect") return this.#connect(request);
    if (pathname === "/bundle") return new Response(this.bundle as Uint8Array<ArrayBuffer>);
    if (request.method === "PUT") {
      this.objects.set(pathname.slice(1), new Uint8Array(await request.arrayBuffer()));
      return new Response("");
    }
    return new Response("no such object", { status: 404 });
  }

  #connect(request: Request): Response {
    this.authorizations.push(request.headers.get("authorization"));
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(decodeAgentMessage(event.data));
    return response;
  }

  #take(message: AgentMessage): void {
    this.received.push(message);
    switch (message.kind) {
      case "hello":
        return this.tell({
          kind: "welcome",
          version: 1,
          agentId: "agent-1",
          hubTerm: 1,
          heartbeatIntervalMs: 500,
          leaseTtlMs: 3_000,
          autonomousAfterMs: 45_000,
        } as HubMessage);
      case "heartbeat":
        return this.tell({ kind: "heartbeatAck", seq: message.seq });
      case "uploadRequest":
        return this.tell({
          kind: "uploadGrant",
          requestId: message.requestId,
          blobs: message.blobs.map(({ digest }) => ({
            digest,
            put: { url: `${this.url}/${digest}`, headers: {} },
          })),
        });
    }
  }
}
