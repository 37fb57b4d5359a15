/** `deno task build`: every bundle the product needs, so that nothing is bundled at a first start. @module */
import { print } from "../cli/terminal.ts";
import { ensureBundle } from "./build_bundles.ts";
import { AGENT_FLAGS, packGateway } from "./gateway.ts";

if (import.meta.main) {
  print(`dashboard  ${await ensureBundle("dashboard")}`);
  const folder = await packGateway();
  print(`gateway    ${folder}`);
  print(`           deno run ${AGENT_FLAGS.join(" ")} ${folder}/agent.js --help`);
}
