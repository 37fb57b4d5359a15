/**
 * Who is told of alarms: a web server and a mail server that keep what they got.
 *
 * Touches sockets of this machine.
 */
import { SMTPServer } from "smtp-server";
import { signatureOf } from "../../hub/notifications/webhook.ts";

export interface Received {
  readonly id: string;
  readonly isSigned: (secret: string) => boolean;
  readonly events: { id: string; kind: string; alarm: { id: string; cause: string } | null }[];
}

/** A web server that takes messages; the next `failures` ones it refuses. */
export function webhookReceiver() {
  const got: Received[] = [];
  const state = { failures: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    if (state.failures-- > 0) return new Response(null, { status: 500 });
    const deliveryId = request.headers.get("penstock-delivery") ?? "";
    const signature = request.headers.get("penstock-signature") ?? "";
    const seconds = Number(/^t=(\d+)/.exec(signature)?.[1]);
    got.push({
      ...JSON.parse(body),
      isSigned: (secret) => signatureOf({ secret, deliveryId, body }, seconds) === signature,
    });
    return new Response();
  });
  const { port } = server.addr as Deno.NetAddr;
  return { got, state, url: `http://127.0.0.1:${port}/hook`, close: () => server.shutdown() };
}

/** A mail server that asks for no password. */
export async function mailReceiver() {
  const mails: { to: string[]; text: string }[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(stream, session, done) {
      const chunks: Uint8Array[] = [];
      stream.on("data", (chunk: Uint8Array) => void chunks.push(chunk));
      stream.on("end", () => {
        const text = new TextDecoder().decode(new Uint8Array(chunks.flatMap((c) => [...c])));
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.server.address() as { port: number };
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { mails, port, close };
}
