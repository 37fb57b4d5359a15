/**
 * A hostile job: each record names a way out of its process, and the job reports how that went.
 *
 * Params `in` and `out`: topics of the orders and of the reports. What takes time is started by its
 * order and reported by the next order `outcome`.
 */
import { defineJob, mqttSink, mqttSource } from "penstock";

interface Order {
  attempt: string;
  target: string;
}

type Unsafe = Record<string, (...args: unknown[]) => unknown>;

const outcomes = new Map<string, string>();

/** Reaches for names that the types of a job do not have. */
const unsafe = (code: string, ...args: unknown[]): unknown =>
  new Function("a", "b", `return ${code}`)(...args);

/** The bundler refuses jobs whose text says so; this one hides it. */
const importing = "im" + "port";

const WAYS: Unsafe = {
  read: (target) => unsafe("Deno.readTextFileSync(a)", target),
  write: (target) => unsafe("Deno.writeTextFileSync(a, 'x')", target),
  env: (target) => unsafe("Deno.env.get(a)", target),
  run: (target) => unsafe("new Deno.Command(a).outputSync()", target),
  nodeRead: (target) =>
    unsafe("process.getBuiltinModule('node:fs').readFileSync(a, 'utf8')", target),
  nodeRun: (target) => unsafe("process.getBuiltinModule('node:child_process').execSync(a)", target),
  exhaust: () => unsafe("(() => { const h = []; for (;;) h.push(new Array(1e6).fill(1)); })()"),
  spin: () => unsafe("(() => { for (;;); })()"),
};

const SLOW_WAYS: Unsafe = {
  fetch: (target) => unsafe("fetch(a).then((r) => r.text())", target),
  connect: (target) => unsafe("Deno.connect({ hostname: '127.0.0.1', port: Number(a) })", target),
  websocket: (target) =>
    unsafe(
      "new Promise((yes, no) => { const s = new WebSocket(a); s.onopen = () => yes('open'); s.onerror = (e) => no(e.message) })",
      target,
    ),
  importFile: (target) => unsafe(`${importing}(a)`, target),
  importNode: () =>
    unsafe(`${importing}('node:fs').then((fs) => fs.readFileSync('/etc/hostname', 'utf8'))`),
  importPackage: () => unsafe(`${importing}('npm:mqtt@5.16.0').then((m) => Object.keys(m).join())`),
};

function report(order: Order): Record<string, unknown> {
  if (order.attempt === "outcome") {
    return { attempt: order.target, ...outcomeOf(outcomes.get(order.target) ?? "pending") };
  }
  const slow = SLOW_WAYS[order.attempt];
  if (slow !== undefined) {
    try {
      Promise.resolve(slow(order.target)).then(
        (got) => outcomes.set(order.attempt, `escaped ${String(got).slice(0, 80)}`),
        (thrown) => outcomes.set(order.attempt, `refused ${String(thrown).slice(0, 200)}`),
      );
    } catch (thrown) {
      outcomes.set(order.attempt, `refused ${String(thrown).slice(0, 200)}`);
    }
    return { attempt: `${order.attempt}-started` };
  }
  try {
    const got = WAYS[order.attempt]!(order.target);
    return { attempt: order.attempt, ...outcomeOf(`escaped ${String(got).slice(0, 80)}`) };
  } catch (thrown) {
    return { attempt: order.attempt, ...outcomeOf(`refused ${String(thrown).slice(0, 200)}`) };
  }
}

function outcomeOf(text: string): { outcome: string; detail: string } {
  const cut = text.indexOf(" ");
  return { outcome: cut < 0 ? text : text.slice(0, cut), detail: text.slice(cut + 1) };
}

export default defineJob("escape", (job, params) => {
  job.source(
    "orders",
    mqttSource<Order>({ broker: "plant", splits: [{ topics: [params["in"] ?? "orders"] }] }),
  )
    .map("try", report)
    .sink("reports", mqttSink({ broker: "plant", topic: () => params["out"] ?? "reports" }));
});
