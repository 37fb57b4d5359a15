/**
 * Questions for the state of a key that are on their way to an agent.
 *
 * Touches the agents' links. Each question ends: with the agent's answer, or with `no-answer` after
 * `ANSWER_WITHIN_MS`. What comes later is for nobody.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { AgentId } from "@shared/ids.ts";
import type { HubMessage, HubMessageOf, KeyAnswer } from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";

const ANSWER_WITHIN_MS = 5_000;
/** Questions under way at once; more are refused at once. */
const QUESTIONS_MAX = 1_000;

export type KeyQuestion = Omit<HubMessageOf<"queryState">, "kind" | "requestId">;

/** Sends to an agent; false when it is away. */
export type SendToAgent = (agentId: AgentId, message: HubMessage) => boolean;

export class StateQueries {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting = new Map<string, { agentId: AgentId; settle: (answer: KeyAnswer) => void }>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The agent's answer; `refused` when it is away or says nothing in time. */
  ask(send: SendToAgent, agentId: AgentId, question: KeyQuestion): Promise<KeyAnswer> {
    const noAnswer: KeyAnswer = { kind: "refused", reason: "no-answer" };
    if (this.#waiting.size >= QUESTIONS_MAX) return Promise.resolve(noAnswer);
    const requestId = this.#random.uuid();
    const { promise, resolve } = Promise.withResolvers<KeyAnswer>();
    const cancel = this.#clock.after(ANSWER_WITHIN_MS, () => settle(noAnswer));
    const settle = (answer: KeyAnswer) => {
      this.#waiting.delete(requestId);
      cancel();
      resolve(answer);
    };
    this.#waiting.set(requestId, { agentId, settle });
    if (!send(agentId, { kind: "queryState", requestId, ...question })) settle(noAnswer);
    return promise;
  }

  /** Takes an answer; one that nobody waits for, or of another agent, is dropped. */
  answered(agentId: AgentId, requestId: string, answer: KeyAnswer): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting?.agentId === agentId) waiting.settle(answer);
  }
}
