/**
 * The way to the hub: name, proxy, connection, certificate, clock, token.
 *
 * Touches the network. Each step needs the one before; where one fails the rest is left out.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import tls from "node:tls";
import { fail, type Finding, graded, ok, warn } from "./finding.ts";

const TIMEOUT_MS = 10_000;
const SKEW_WARN_MS = 2_000;
const SKEW_FAIL_MS = 30_000;
const CERTIFICATE_WARN_DAYS = 21;
const DAY_MS = 86_400_000;

export interface HubWay {
  readonly url: string;
  /** Bearer; null leaves the token out. */
  readonly token: string | null;
  /** Whose token it is: an agent's credential opens other doors than a person's. */
  readonly tokenKind: "agent" | "person";
}

export async function hubFindings(way: HubWay): Promise<Finding[]> {
  if (!URL.canParse(way.url)) {
    return [fail("hub address", `"${way.url}" is no URL`, "Name it with --hub http://HOST:PORT")];
  }
  const url = new URL(way.url);
  const proxy = proxyFor(url, Deno.env.toObject());
  const findings: Finding[] = [];
  if (proxy !== null) findings.push(ok("proxy", `through ${proxy}`));
  else {
    const name = await nameFinding(url.hostname);
    findings.push(name);
    if (name.verdict === "fail") return findings;
  }
  if (url.protocol === "https:" && proxy === null) findings.push(await certificateFinding(url));
  const sentMs = Date.now();
  const answer = await reached(way.url, proxy);
  if ("finding" in answer) return [...findings, answer.finding];
  const { response } = answer;
  findings.push(ok("hub", `${way.url} answers, version ${answer.version}`));
  findings.push(clockFinding(response.headers.get("date"), (sentMs + Date.now()) / 2));
  findings.push(...await readinessFindings(way.url));
  findings.push(await tokenFinding(way));
  return findings;
}

/** What the proxy variables say about `url`, as Deno reads them; without credentials. Pure. */
export function proxyFor(
  url: URL,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  const read = (name: string) => env[name.toLowerCase()] ?? env[name];
  const exempt = (read("NO_PROXY") ?? "").split(",").map((host) => host.trim());
  const isExempt = exempt.some((host) =>
    host !== "" &&
    (host === "*" || url.hostname === host || url.hostname.endsWith(`.${host.replace(/^\./, "")}`))
  );
  if (isExempt) return null;
  const named = url.protocol === "https:" ? read("HTTPS_PROXY") : read("HTTP_PROXY");
  const text = named ?? read("ALL_PROXY");
  if (text === undefined || text === "") return null;
  if (!URL.canParse(text)) return text;
  const proxy = new URL(text);
  return `${proxy.protocol}//${proxy.host}`;
}

async function nameFinding(hostname: string): Promise<Finding> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0) return ok("DNS", `${host} needs none`);
  try {
    const addresses = await lookup(host, { all: true });
    return ok("DNS", `${host} is ${addresses.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return fail(
      "DNS",
      `${host} has no address: ${(error as Error).message}`,
      "Mend the name in --hub, or the name server in /etc/resolv.conf",
    );
  }
}

interface Certificate {
  readonly validTo: string;
  readonly issuer: string;
  /** Why it is not trusted; null when it is. */
  readonly error: string | null;
}

async function certificateFinding(url: URL): Promise<Finding> {
  try {
    return judgeCertificate(await certificateOf(url), Date.now());
  } catch (error) {
    return fail(
      "TLS",
      `no TLS with ${url.host}: ${(error as Error).message}`,
      "See whether the hub serves https there, and nothing between breaks it",
    );
  }
}

/** As the verdict of the system's trust, and the days that are left. Pure. */
export function judgeCertificate(certificate: Certificate, nowMs: number): Finding {
  const { validTo, issuer, error } = certificate;
  const days = Math.floor((Date.parse(validTo) - nowMs) / DAY_MS);
  const found = `issued by ${issuer}, ${days} days left`;
  if (days < 0) {
    return fail("TLS", `${found}: expired`, "Renew the hub's certificate and restart the hub");
  }
  if (error !== null) {
    return fail(
      "TLS",
      `${found}: not trusted (${error})`,
      "Trust its authority: set DENO_CERT=FILE.pem, or DENO_TLS_CA_STORE=system",
    );
  }
  return days < CERTIFICATE_WARN_DAYS
    ? warn("TLS", found, "Renew the hub's certificate")
    : ok("TLS", found);
}

async function certificateOf(url: URL): Promise<Certificate> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || 443);
  const { validTo, issuer } = await peerCertificate(hostname, port);
  return { validTo, issuer, error: await distrust(hostname, port) };
}

/** Why Deno's own trust refuses the server; null when it does not. */
async function distrust(hostname: string, port: number): Promise<string | null> {
  try {
    const connection = await Deno.connectTls({ hostname, port });
    try {
      await connection.handshake();
      return null;
    } finally {
      connection.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

function peerCertificate(
  host: string,
  port: number,
): Promise<{ readonly validTo: string; readonly issuer: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<
    { readonly validTo: string; readonly issuer: string }
  >();
  const named = isIP(host) === 0 ? { servername: host } : {};
  const socket = tls.connect({ host, port, ...named, rejectUnauthorized: false }, () => {
    const { valid_to: validTo, issuer } = socket.getPeerCertificate();
    const name = issuer as { readonly O?: string; readonly CN?: string } | undefined;
    socket.destroy();
    resolve({ validTo, issuer: name?.O ?? name?.CN ?? "unknown" });
  });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("no answer in 10 s")));
  socket.on("error", reject);
  return promise;
}

type Reached = { readonly response: Response; readonly version: string } | {
  readonly finding: Finding;
};

async function reached(url: string, proxy: string | null): Promise<Reached> {
  const way = proxy === null ? "" : ` through ${proxy}`;
  try {
    const response = await fetch(`${url}/version`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    if (response.ok && text.includes('"hubId"')) {
      return { response, version: (JSON.parse(text) as { version: string }).version };
    }
    return {
      finding: fail(
        "hub",
        `${url}${way} answers ${response.status}, and not as a hub does`,
        proxy === null
          ? "Something else listens there: mend --hub"
          : "The proxy does not let it through: ask for the hub's address, or set NO_PROXY",
      ),
    };
  } catch (error) {
    return {
      finding: fail(
        "hub",
        `cannot reach ${url}${way}: ${(error as Error).message}`,
        proxy === null
          ? "See whether the hub runs and no firewall is between; mend --hub"
          : "See whether the proxy runs and lets it through, or set NO_PROXY",
      ),
    };
  }
}

/** @param date Header `Date` of the hub's answer, whole seconds. */
export function clockFinding(date: string | null, nowMs: number): Finding {
  if (date === null) {
    return warn("clock", "the hub did not say its time", "A proxy took the Date header out");
  }
  // The header has lost its milliseconds: half a second is the expected loss.
  const skewMs = nowMs - (Date.parse(date) + 500);
  const shown = Math.max(0, Math.abs(skewMs) - 500);
  const side = skewMs < 0 ? "behind" : "ahead of";
  return graded("clock", shown, {
    warnFrom: SKEW_WARN_MS,
    failFrom: SKEW_FAIL_MS,
    found: shown < 1_000
      ? "less than 1 s from the hub's"
      : `${(shown / 1000).toFixed(1)} s ${side} the hub's`,
    fix: "Turn on time synchronisation: timedatectl set-ntp true",
  });
}

async function readinessFindings(url: string): Promise<Finding[]> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  try {
    const { checks } = JSON.parse(text) as { readonly checks: Readonly<Record<string, string>> };
    return Object.entries(checks).map(([name, outcome]) =>
      outcome === "ok"
        ? ok(`hub's ${name}`, "ok")
        : name.startsWith("broker ")
        ? warn(`hub's ${name}`, outcome, "Jobs that name it wait: see that broker")
        : fail(`hub's ${name}`, outcome, "Run penstock doctor on the hub's machine")
    );
  } catch {
    return [warn("readiness", `/readyz answers ${response.status}`, "See the hub's log")];
  }
}

async function tokenFinding({ url, token, tokenKind }: HubWay): Promise<Finding> {
  if (token === null) {
    return warn("token", "none is given", "Give --token, PENSTOCK_TOKEN or --context to check it");
  }
  // An agent's credential opens the control channel alone, which then asks for a WebSocket.
  const path = tokenKind === "agent" ? "/api/v1/agents/connect" : "/api/v1/me";
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (tokenKind === "agent") {
    return response.status === 426 ? ok("credential", "the hub knows this agent") : fail(
      "credential",
      `the hub answers ${response.status}: it does not know this agent any more`,
      "Enrol anew: make a join token with penstock tokens create, start the agent with it and --force",
    );
  }
  if (response.ok) {
    const { name, role } = JSON.parse(text) as { readonly name: string; readonly role: string };
    return ok("token", `role ${role}, for ${name}`);
  }
  return fail(
    "token",
    `the hub answers ${response.status}: it does not take this token`,
    "It was revoked or is over, or belongs to another hub: have one made with penstock tokens create --role",
  );
}
