/**
 * Cuts a stream of bytes into lines: a chunk is decoded once, and lines are slices of its text.
 *
 * Pure but for the read function it is given. A byte order mark is no part of a line. Lines end with LF or CRLF; empty ones are passed over. A line
 * longer than `lineBytesMax` is told and skipped, so that memory is bounded whatever the file holds.
 *
 * @module
 */

/** Fills `into` from its beginning; answers how many bytes, 0 at the end. */
export type ReadChunk = (into: Uint8Array) => number;

const CHUNK_BYTES = 1024 * 1024;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

export class LineReader {
  readonly #read: ReadChunk;
  readonly #lineBytesMax: number;
  readonly #decoder = new TextDecoder();
  #buffer: Uint8Array;
  /** Bytes of the buffer behind the last whole line. */
  #kept = 0;
  #text = "";
  #at = 0;
  #isEnded = false;
  /** Inside a line that is too long. */
  #isSkipping = false;
  #skippedLines = 0;
  /** The line `next` found, without its end; empty when it was too long. */
  line = "";
  /** Whether the line was too long to be kept. */
  isTooLong = false;
  /** Number of the line, from 1. */
  number = 0;
  #isSearched = false;
  #hasFound = false;
  readonly #suspects: readonly string[];

  /**
   * @param lineBytesMax Longest line that is handed out.
   * @param suspects Texts that `isSuspect` looks for.
   */
  constructor(read: ReadChunk, lineBytesMax: number, suspects: readonly string[] = []) {
    this.#read = read;
    this.#lineBytesMax = lineBytesMax;
    this.#suspects = suspects;
    this.#buffer = new Uint8Array(CHUNK_BYTES);
  }

  /** Whether the next line needs a read. */
  get isDrained(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Whether the line, or one read together with it, holds one of the suspects: looked for once a chunk. */
  get isSuspect(): boolean {
    if (this.#isSearched) return this.#hasFound;
    this.#isSearched = true;
    this.#hasFound = this.#suspects.some((suspect) => this.#text.includes(suspect));
    return this.#hasFound;
  }

  /** Moves on to the next line; false at the end of the input. */
  next(): boolean {
    for (;;) {
      while (this.#at < this.#text.length) {
        const end = this.#text.indexOf("\n", this.#at);
        const isCrLf = end > this.#at && this.#text.charCodeAt(end - 1) === CARRIAGE_RETURN;
        const line = this.#text.substring(this.#at, isCrLf ? end - 1 : end);
        this.#at = end + 1;
        this.number++;
        if (line === "") continue;
        this.line = line;
        this.isTooLong = line.length > this.#lineBytesMax;
        if (this.isTooLong) this.line = "";
        return true;
      }
      if (this.#skippedLines > 0) {
        this.#skippedLines--;
        this.number++;
        this.line = "";
        this.isTooLong = true;
        return true;
      }
      if (this.#isEnded) return false;
      this.#fill();
    }
  }

  /** Reads until there is a whole line, or the end; every text it leaves ends with a line feed. */
  #fill(): void {
    this.#text = "";
    this.#at = 0;
    this.#isSearched = false;
    if (this.#kept === this.#buffer.length) this.#makeRoom();
    const read = this.#read(this.#buffer.subarray(this.#kept));
    if (read === 0) return this.#end();
    const end = this.#kept + read;
    let start = 0;
    if (this.#isSkipping) {
      const rest = this.#buffer.subarray(0, end).indexOf(LINE_FEED);
      if (rest === -1) return void (this.#kept = 0);
      this.#isSkipping = false;
      this.#skippedLines++;
      start = rest + 1;
    }
    const cut = this.#buffer.subarray(0, end).lastIndexOf(LINE_FEED) + 1;
    if (cut > start) this.#text = this.#decoder.decode(this.#buffer.subarray(start, cut));
    const from = Math.max(start, cut);
    this.#buffer.copyWithin(0, from, end);
    this.#kept = end - from;
    if (this.#text === "" && this.#kept > this.#lineBytesMax) this.#skip();
  }

  #makeRoom(): void {
    if (this.#kept > this.#lineBytesMax) return this.#skip();
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }

  #skip(): void {
    this.#isSkipping = true;
    this.#kept = 0;
  }

  /** The last line may lack its end. */
  #end(): void {
    this.#isEnded = true;
    if (this.#isSkipping) this.#skippedLines++;
    this.#isSkipping = false;
    if (this.#kept === 0) return;
    this.#text = this.#decoder.decode(this.#buffer.subarray(0, this.#kept)) + "\n";
    this.#kept = 0;
  }
}
