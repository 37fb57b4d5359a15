/** Byte connections to a broker as a port. @module */

/** One open byte stream in each direction. */
export interface Connection {
  /**
   * Reads what is there, at least one byte.
   *
   * @returns Bytes read; null when the other side has closed.
   * @throws If the connection broke.
   */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Resolves when all of `bytes` is handed to the network. One call at a time. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends a pending read. Idempotent. */
  close(): void;
}

export interface DialOptions {
  /** PEM of the authority to trust; null for the system's own. */
  readonly caPem: string | null;
}

/**
 * Opens a connection.
 *
 * @param url `mqtt://host[:1883]` or `mqtts://host[:8883]` (TLS).
 * @throws {PenstockError} `broker-unreachable`, retryable; `bad-broker-url`, not retryable.
 */
export type Dialer = (url: string, options: DialOptions) => Promise<Connection>;
