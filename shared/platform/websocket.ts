/** WebSockets with request headers, which only Deno's constructor takes. Touches the network. @module */
import type { OpenSocket } from "@shared/socket.ts";

export const openWebSocket: OpenSocket = (url, headers, events) => {
  // With the browser's types in scope the second argument is a list of protocols; Deno takes options too.
  const options: unknown = { headers: { ...headers } };
  const socket = new WebSocket(url, options as string[]);
  let isClosed = false;
  let problem = "";
  const closed = (reason: string) => {
    if (isClosed) return;
    isClosed = true;
    events.onClose(reason);
  };
  socket.onopen = () => events.onOpen();
  socket.onmessage = (event) => {
    if (isClosed) return;
    if (typeof event.data === "string") events.onText(event.data);
    else socket.close(1003, "text only");
  };
  socket.onerror = (event) => problem = event instanceof ErrorEvent ? event.message : "failed";
  socket.onclose = (event) => closed(event.reason || problem || `closed with ${event.code}`);
  return {
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    // The other end may never answer the closing handshake, so the socket counts as closed now.
    close(reason) {
      if (socket.readyState <= WebSocket.OPEN) socket.close(1000, reason.slice(0, 100));
      queueMicrotask(() => closed(reason));
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
};
