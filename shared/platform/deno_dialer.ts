/** TCP and TLS connections of the Deno runtime as a `Dialer`. @module */
import type { Connection, Dialer } from "@shared/dialer.ts";
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";

// Taken when the module loads: a runner removes `Deno` before it evaluates the author's code.
const { connect, connectTls } = Deno;

/** Opens TCP for `mqtt:` and `tcp:`, TLS for `mqtts:` and `tls:`. Needs net permission to the host alone. */
export const denoDialer: Dialer = async (url, { caPem }) => {
  const { hostname, port, isTls } = addressOf(url);
  try {
    const connection = isTls
      ? await connectTls({ hostname, port, ...(caPem === null ? {} : { caCerts: [caPem] }) })
      : await connect({ hostname, port });
    if (isTls) await (connection as Deno.TlsConn).handshake();
    // Acknowledgements and pings are small and already batched: waiting to fill a segment only adds delay.
    else (connection as Deno.TcpConn).setNoDelay(true);
    return connectionOver(connection);
  } catch (cause) {
    throw new PenstockError(`Cannot connect to ${url}: ${messageOf(cause)}`, {
      code: "broker-unreachable",
      domain: "external",
      isRetryable: true,
      cause,
    });
  }
};

function connectionOver(connection: Deno.Conn): Connection {
  return {
    read: (buffer) => connection.read(buffer),
    async write(bytes) {
      let offset = 0;
      while (offset < bytes.length) offset += await connection.write(bytes.subarray(offset));
    },
    close() {
      try {
        connection.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    },
  };
}

function addressOf(text: string): { hostname: string; port: number; isTls: boolean } {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isTls = url?.protocol === "mqtts:" || url?.protocol === "tls:";
  if (url === null || !(isTls || url.protocol === "mqtt:" || url.protocol === "tcp:")) {
    throw new UserError(
      "bad-broker-url",
      `Broker address is "${text}": want mqtt://host:port or mqtts://host:port`,
    );
  }
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { hostname, port: Number(url.port || (isTls ? 8883 : 1883)), isTls };
}
