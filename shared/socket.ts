/** A WebSocket that carries text, as a port. @module */

export interface Socket {
  send(text: string): void;
  /** `onClose` follows. */
  close(reason: string): void;
  /** Bytes taken by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

export interface SocketEvents {
  onOpen(): void;
  onText(text: string): void;
  /** Called once, also when the socket never opened. */
  onClose(reason: string): void;
}

/** Starts to connect; the outcome comes as an event, never before this returns. */
export type OpenSocket = (
  url: string,
  headers: Readonly<Record<string, string>>,
  events: SocketEvents,
) => Socket;
