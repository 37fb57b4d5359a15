/**
 * Which addresses the hub may send webhooks to (S27): public ones, and those it was started to allow.
 *
 * Pure. An address is judged as numbers, never as text: an IPv4 address inside an IPv6 one (mapped,
 * NAT64) is judged as what it is. What cannot be read is refused.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";

/** Ports that a webhook may go to, unless its host was allowed by name or address. */
const WEB_PORTS = [80, 443, 8080, 8443];

/** Not for the public Internet, with the reason that people are told. */
const REFUSED: readonly (readonly [cidr: string, why: string])[] = [
  ["0.0.0.0/8", "this network"],
  ["10.0.0.0/8", "private"],
  ["100.64.0.0/10", "shared by carriers"],
  ["127.0.0.0/8", "loopback"],
  ["168.63.129.16/32", "of a cloud's own services"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "reserved"],
  ["192.0.2.0/24", "for documentation"],
  ["192.88.99.0/24", "reserved"],
  ["192.168.0.0/16", "private"],
  ["198.18.0.0/15", "for measurements"],
  ["198.51.100.0/24", "for documentation"],
  ["203.0.113.0/24", "for documentation"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved"],
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["::/96", "reserved"],
  ["64:ff9b:1::/48", "private"],
  ["100::/64", "discarded"],
  ["2001::/23", "reserved"],
  ["2001:db8::/32", "for documentation"],
  ["2002::/16", "6to4"],
  ["fc00::/7", "private"],
  ["fe80::/10", "link-local"],
  ["fec0::/10", "private"],
  ["ff00::/8", "multicast"],
];

/** Prefixes whose last 32 bits are the IPv4 address that is meant. */
const EMBEDDING = ["::ffff:0:0/96", "64:ff9b::/96"];

interface Block {
  readonly bits: 32 | 128;
  readonly start: bigint;
  readonly prefix: number;
}

const REFUSED_BLOCKS = REFUSED.map(([cidr, why]) => ({ block: blockOf(cidr)!, why }));
const EMBEDDING_BLOCKS = EMBEDDING.map((cidr) => blockOf(cidr)!);

/** Targets that the hub was started to allow. */
export interface AllowedTargets {
  /** Whether the name was allowed: whatever it resolves to may be reached. */
  allowsHost(hostname: string): boolean;
  allowsAddress(address: string): boolean;
}

/**
 * @param given Of `--allow-webhook-to`: host names, addresses and CIDR blocks.
 * @throws {UserError} For what is none of these.
 */
export function allowedTargets(given: readonly string[]): AllowedTargets {
  const hosts = new Set<string>();
  const blocks: Block[] = [];
  for (const text of given) {
    const block = blockOf(text);
    if (block !== null) blocks.push(block);
    else if (/^[a-z0-9]([a-z0-9.-]{0,252})$/i.test(text) && /[a-z]/i.test(text)) {
      hosts.add(text.toLowerCase());
    } else {
      throw new UserError(
        "bad-flag",
        `Cannot take --allow-webhook-to: "${text}" is no host name, address or CIDR block`,
      );
    }
  }
  return {
    allowsHost: (hostname) => hosts.has(hostname.toLowerCase()),
    allowsAddress(address) {
      const number = numberOf(address);
      return number !== null && blocks.some((block) => contains(block, number));
    },
  };
}

/** Why nothing is sent to `address`; null when it may be. */
export function refusalOf(address: string, allowed: AllowedTargets): string | null {
  if (allowed.allowsAddress(address)) return null;
  const number = numberOf(address);
  if (number === null) return "not an address";
  const found = REFUSED_BLOCKS.find(({ block }) => contains(block, number));
  return found?.why ?? null;
}

/** Why no webhook may go to `url`, judged by its text alone; null when it may. */
export function urlRefusal(url: URL, allowed: AllowedTargets): string | null {
  if (url.protocol !== "https:" && url.protocol !== "http:") return "want http or https";
  if (url.username !== "" || url.password !== "") return "credentials do not belong in the URL";
  const host = hostOf(url);
  if (allowed.allowsHost(host) || allowed.allowsAddress(host)) return null;
  if (!WEB_PORTS.includes(portOf(url))) return `port ${portOf(url)} is none of a web server`;
  if (numberOf(host) === null) return null;
  const why = refusalOf(host, allowed);
  return why === null ? null : `${host} is ${why}`;
}

/** Host of a URL, without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

interface AddressNumber {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

function blockOf(text: string): Block | null {
  const [address = "", prefixText, ...rest] = text.split("/");
  const number = rawNumberOf(address);
  if (number === null || rest.length > 0) return null;
  const prefix = prefixText === undefined ? number.bits : Number(prefixText);
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return null;
  if (prefix > number.bits) return null;
  return { bits: number.bits, start: number.value, prefix };
}

function contains({ bits, start, prefix }: Block, number: AddressNumber): boolean {
  if (bits !== number.bits) return false;
  const shift = BigInt(bits - prefix);
  return start >> shift === number.value >> shift;
}

/** An address as a number, an embedded IPv4 address as that. */
function numberOf(address: string): AddressNumber | null {
  const number = rawNumberOf(address);
  if (number === null || !EMBEDDING_BLOCKS.some((block) => contains(block, number))) return number;
  return { bits: 32, value: number.value & 0xffff_ffffn };
}

function rawNumberOf(address: string): AddressNumber | null {
  if (!address.includes(":")) {
    const value = ipv4(address);
    return value === null ? null : { bits: 32, value };
  }
  const value = ipv6(address);
  return value === null ? null : { bits: 128, value };
}

/** Four decimal numbers without leading zeros; every other spelling is none. */
function ipv4(text: string): bigint | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value << 8n | BigInt(part);
  }
  return value;
}

function ipv6(text: string): bigint | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const low = ipv4(dotted[2]!);
    if (low === null) return null;
    return ipv6(`${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - groups.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const all = halves.length === 1
    ? groups[0]!
    : [...groups[0]!, ...new Array<string>(missing).fill("0"), ...groups[1]!];
  let value = 0n;
  for (const group of all) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    value = value << 16n | BigInt(`0x${group}`);
  }
  return value;
}
