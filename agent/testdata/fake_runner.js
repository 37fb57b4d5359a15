/**
 * A runner without operators: takes the agent's frames, answers as a real one would, and misbehaves when
 * the job's parameter `mode` asks for it. Plain JavaScript, so that it runs under the exact command line
 * of a runner without being bundled.
 */
const [mode, regions] = [{ value: "" }, new Map()];
const output = Deno.stdout.writable.getWriter();

function report(header, body = new Uint8Array(0)) {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const frame = new Uint8Array(8 + json.length + body.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 4 + json.length + body.length);
  view.setUint32(4, json.length);
  frame.set(json, 8);
  frame.set(body, 8 + json.length);
  return output.write(frame);
}

async function digestOf(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function snapshot({ regionId, attempt, checkpointId }) {
  const subtaskId = regions.get(regionId);
  const body = new TextEncoder().encode(`state of ${regionId} at ${checkpointId}`);
  const digest = await digestOf(body);
  const pieces = [{ digest, bytes: body.length, sections: [] }];
  await report({ kind: "piece", regionId, attempt, subtaskId, checkpointId, digest }, body);
  const phases = { alignmentMs: 0, syncMs: 0, asyncMs: 0 };
  const content = {
    version: 1,
    subtaskId,
    keyGroupCount: 128,
    keyHash: "x",
    operators: [],
    splits: [],
    pieces,
  };
  await report({
    kind: "snapshot",
    regionId,
    attempt,
    checkpointId,
    subtaskId,
    snapshot: content,
    ...phases,
  });
}

async function take(header) {
  const { kind, regionId, attempt } = header;
  switch (kind) {
    case "init":
      mode.value = header.params.mode ?? "";
      return await report({ kind: "ready" });
    case "start":
      regions.set(regionId, header.subtasks[0].subtaskId);
      return await report({ kind: "restored", regionId, attempt });
    case "run":
      await report({ kind: "running", regionId, attempt });
      if (mode.value === "memory") {
        for (const hoard = [];;) hoard.push(new Array(100_000).fill({ hoard }));
      }
      return;
    case "stop":
      return await report({ kind: "stopped", regionId, attempt });
    case "trigger":
      return await snapshot(header);
    case "completed": {
      const fields = { completed: header.checkpointId };
      const event = { type: "broker-profile", detail: "", fields };
      return await report({ kind: "event", regionId, attempt, event });
    }
  }
}

let buffer = new Uint8Array(0);
for await (const chunk of Deno.stdin.readable) {
  const joined = new Uint8Array(buffer.length + chunk.length);
  joined.set(buffer);
  joined.set(chunk, buffer.length);
  buffer = joined;
  while (buffer.length >= 8) {
    const view = new DataView(buffer.buffer, buffer.byteOffset);
    const end = 4 + view.getUint32(0);
    if (buffer.length < end) break;
    const header = JSON.parse(new TextDecoder().decode(buffer.subarray(8, 8 + view.getUint32(4))));
    buffer = buffer.subarray(end);
    await take(header);
  }
}
