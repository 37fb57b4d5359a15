/**
 * A TCP proxy that can misbehave: stall both ways, refuse, cut what is open.
 *
 * Touches the network. Stands between an agent and its broker or its hub in the fault tests.
 *
 * @module
 */
export class TcpProxy {
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #open = new Set<Deno.Conn>();
  #isBlackhole = false;
  #gate: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(targetPort: number) {
    this.#target = { hostname: "127.0.0.1", port: targetPort };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Accepts and forwards nothing until `heal`. */
  blackhole(): void {
    this.#isBlackhole = true;
    this.#gate = Promise.withResolvers();
  }

  heal(): void {
    this.#isBlackhole = false;
    this.#gate.resolve();
  }

  /** Closes every open connection. */
  cut(): void {
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  stop(): void {
    this.heal();
    this.#listener.close();
    this.cut();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      let server: Deno.Conn;
      try {
        server = await Deno.connect(this.#target);
      } catch {
        close(client);
        continue;
      }
      this.#open.add(client).add(server);
      this.#pump(client, server);
      this.#pump(server, client);
    }
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) break;
        if (this.#isBlackhole) await this.#gate.promise;
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
    } catch {
      // Either side went away; both ends close below.
    }
    close(from);
    close(to);
    this.#open.delete(from);
    this.#open.delete(to);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
