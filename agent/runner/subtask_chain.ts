/**
 * Compiles the chain of one subtask, its exchange outputs included.
 *
 * Touches the outputs it makes channels in.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { type Chain, compileChain } from "./chain.ts";
import type { ChainParts } from "./chain_parts.ts";
import type { ChannelOutputs } from "./channel_outputs.ts";
import { compileExchanges, type ExchangeParts } from "./exchange_edges.ts";

export function compileSubtask(
  outputs: ChannelOutputs,
  parts: ChainParts & ExchangeParts,
): Chain {
  const { job, plan } = parts;
  const exchanges = compileExchanges(outputs, parts);
  const { graph, operators } = job;
  return compileChain({ operatorUids: plan.operatorUids, edges: graph.edges, operators }, {
    ...parts,
    exchange: (edge) => {
      const emit = exchanges.get(edge);
      assert(emit !== undefined, `The plan has no output for edge ${edge}`);
      return emit;
    },
    subtaskId: plan.subtaskId,
    keyGroups: plan.keyGroups,
    broadcast: (uid) => parts.state.broadcast(uid),
  });
}
