/** The embedded broker on a TCP port. Touches the network and the timer that ends sessions. @module */
import { Broker } from "./broker.ts";
import { BrokerConnection } from "./connection.ts";

const QUEUE_MAX = 2_000_000;
const SWEEP_MS = 500;

export interface BrokerServer {
  /** `127.0.0.1:1883`. */
  readonly address: string;
  /** Stops listening and cuts every client. */
  close(): void;
}

/** A broker that accepts clients when this returns; port 0 takes a free one. */
export function serveBroker(options: { hostname: string; port: number }): BrokerServer {
  const broker = new Broker({ queueMax: QUEUE_MAX });
  const listener = Deno.listen(options);
  const connections = new Set<BrokerConnection>();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const connection of connections) connection.checkAlive(nowMs);
    broker.sweep(nowMs);
  }, SWEEP_MS);
  void accept(listener, (socket) => {
    const connection = new BrokerConnection(socket, broker);
    connections.add(connection);
    void connection.serve().finally(() => connections.delete(connection));
  });
  const { hostname, port } = listener.addr;
  return {
    address: `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    close() {
      clearInterval(timer);
      listener.close();
      for (const connection of connections) connection.close();
    },
  };
}

async function accept(listener: Deno.TcpListener, take: (socket: Deno.Conn) => void) {
  for await (const socket of listener) {
    socket.setNoDelay(true);
    take(socket);
  }
}
