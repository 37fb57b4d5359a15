/** The HTTP server of the Deno runtime. Touches the network. @module */

export interface HttpServer {
  readonly port: number;
  /** Takes no new requests and lets those under way finish for a moment; event streams never would. */
  close(): Promise<void>;
}

export interface HttpServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM texts; null serves plain http. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly answer: (request: Request, remoteAddress: string) => Response | Promise<Response>;
}

const FINISH_WITHIN_MS = 500;

/** Listens from now on. @throws If the address is taken. */
export function serveHttp(options: HttpServerOptions): HttpServer {
  const { hostname, port, tls, answer } = options;
  const server = Deno.serve({
    hostname,
    port,
    onListen: () => {},
    ...(tls === null ? {} : tls),
  }, (request, { remoteAddr }) => answer(request, addressOf(remoteAddr)));
  return {
    port: (server.addr as Deno.NetAddr).port,
    async close() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const cut = new Promise<void>((resolve) => timer = setTimeout(resolve, FINISH_WITHIN_MS));
      await Promise.race([server.shutdown(), cut]);
      clearTimeout(timer);
    },
  };
}

/** Answers the upgrade; the socket opens behind the response. */
export function upgradeWebSocket(request: Request): { socket: WebSocket; response: Response } {
  return Deno.upgradeWebSocket(request, { idleTimeout: 0 });
}

function addressOf(address: Deno.Addr): string {
  return address.transport === "tcp" ? address.hostname : address.transport;
}
