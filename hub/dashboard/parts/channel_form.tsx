/// <reference lib="dom" />
/** Makes a channel over which alarms are told. @module */
import { useState } from "preact/hooks";
import type { AlarmPriority, NotificationChannelView } from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import { failureText } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { PRIORITIES } from "./alarm_filter.ts";
import { Choice } from "./choice.tsx";

/** The answer to making one; the secret of a webhook is in it this once. */
export interface CreatedChannel extends NotificationChannelView {
  readonly secret: string | null;
}

export function ChannelForm(props: { readonly onCreated: (channel: CreatedChannel) => void }) {
  const { hub } = useServices();
  const [kind, setKind] = useState<"webhook" | "email">("webhook");
  const [name, setName] = useState("");
  const [to, setTo] = useState("");
  const [minPriority, setMinPriority] = useState<AlarmPriority>("high");
  const [place, setPlace] = useState("");
  const [refusal, setRefusal] = useState<string | null>(null);
  const create = async (event: Event) => {
    event.preventDefault();
    setRefusal(null);
    const target = kind === "webhook" ? { url: to.trim() } : { recipients: partsOf(to, /[,\s]+/) };
    try {
      const json = { kind, name: name.trim(), minPriority, path: partsOf(place, "/"), ...target };
      props.onCreated(await read(hub.notifications.channels.$post({ json })));
    } catch (thrown) {
      setRefusal(failureText(thrown));
    }
  };
  return (
    <form class="stack channel-form" onSubmit={create}>
      {refusal === null ? null : <p class="notice tone-bad" role="alert">{refusal}</p>}
      <Choice<"webhook" | "email">
        legend="Kind"
        name="channel-kind"
        options={[{ value: "webhook", text: "Webhook" }, { value: "email", text: "E-mail" }]}
        chosen={kind}
        onChoose={setKind}
      />
      <div class="filters">
        <TextInput label="Name" value={name} onInput={setName} />
        <TextInput
          label={kind === "webhook" ? "URL" : "Recipients, separated by commas"}
          value={to}
          onInput={setTo}
        />
        <label class="filter">
          <span>From priority</span>
          <select
            value={minPriority}
            onChange={(event) => {
              const chosen = PRIORITIES.find((one) => one === event.currentTarget.value);
              if (chosen !== undefined) setMinPriority(chosen);
            }}
          >
            {PRIORITIES.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        <TextInput label="Part of the plant (empty: all)" value={place} onInput={setPlace} />
      </div>
      <div>
        <button
          type="submit"
          class="primary"
          disabled={name.trim() === "" || to.trim() === ""}
        >
          Add channel
        </button>
      </div>
    </form>
  );
}

function partsOf(text: string, separator: string | RegExp): string[] {
  return text.split(separator).map((one) => one.trim()).filter((one) => one !== "");
}

function TextInput(
  props: {
    readonly label: string;
    readonly value: string;
    readonly onInput: (text: string) => void;
  },
) {
  return (
    <label class="filter">
      <span>{props.label}</span>
      <input
        type="text"
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  );
}
