/// <reference lib="dom" />
/**
 * How long things are kept and the limits of shelving: changed while nobody else changed them meanwhile.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { SettingsView } from "@shared/api.ts";
import { Loaded, Section } from "../parts/frame.tsx";
import { AdminOnly, useMayAdminister } from "../parts/permission.tsx";
import { msOf, type SpanText, spanTextOf, UNITS } from "../parts/setting_fields.ts";
import { ApiError, failureText } from "../state/api_client.ts";
import { until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

type Name = keyof SettingsView;

const FIELDS: readonly (readonly [Name, string, string])[] = [
  ["sampleRetentionMs", "Keep single samples for", "Charts of that time show every sample."],
  ["minuteRetentionMs", "Keep values of a minute for", "Least, average and most of each minute."],
  ["hourRetentionMs", "Keep values of an hour for", "For looking back over months."],
  ["eventRetentionMs", "Keep events for", "The audit log and checkpoints are kept for ever."],
  ["staleAfterMs", "A signal is stale after", "Without a sample for that long."],
  ["shelveMaxMs", "Longest time on the shelf", "No alarm can be shelved for longer."],
];

export function SettingsGeneral() {
  const { hub } = useServices();
  const settings = useResource("settings", async (signal) => {
    const answer = await hub.settings.$get({}, until(signal));
    return { value: await answer.json(), etag: answer.headers.get("etag") };
  }, []);
  // Outlives the form, which begins anew with every state of the settings.
  const [refusal, setRefusal] = useState<string | null>(null);
  return (
    <Section title="Retention and limits">
      <AdminOnly what="Changing them" />
      {refusal === null ? null : <p class="notice tone-warn" role="alert">{refusal}</p>}
      <Loaded resource={settings}>
        {({ value, etag }) => (
          <SettingsForm
            key={etag}
            settings={value}
            etag={etag}
            reload={settings.reload}
            onRefusal={setRefusal}
          />
        )}
      </Loaded>
    </Section>
  );
}

interface FormProps {
  readonly settings: SettingsView;
  readonly etag: string | null;
  readonly reload: () => void;
  readonly onRefusal: (refusal: string | null) => void;
}

function SettingsForm(props: FormProps) {
  const { hub, toasts } = useServices();
  const mayChange = useMayAdminister();
  const [texts, setTexts] = useState(() => textsOf(props.settings));
  const [isSending, setSending] = useState(false);
  const changed = changesOf(texts, props.settings);
  const isWrong = FIELDS.some(([name]) => msOf(texts[name]) === null);
  const send = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    props.onRefusal(null);
    try {
      const only = props.etag === null ? {} : { headers: { "if-match": props.etag } };
      await hub.settings.$patch({ json: changed }, only);
      toasts.done("Settings changed.");
      props.reload();
    } catch (thrown) {
      const isConflict = thrown instanceof ApiError && thrown.status === 412;
      props.onRefusal(
        isConflict
          ? "Somebody else changed the settings while you were at it. Yours were not taken: " +
            "the fields show theirs now, so look again and repeat what is still wanted."
          : failureText(thrown),
      );
      if (isConflict) props.reload();
    }
    setSending(false);
  };
  return (
    <form class="stack setting-form" onSubmit={send}>
      {FIELDS.map(([name, label, note]) => (
        <SpanField
          key={name}
          label={label}
          note={note}
          text={texts[name]}
          isDisabled={!mayChange}
          onChange={(text) => setTexts({ ...texts, [name]: text })}
        />
      ))}
      <div class="row">
        <button
          type="submit"
          class="primary"
          disabled={!mayChange || isWrong || isSending || Object.keys(changed).length === 0}
        >
          Save
        </button>
        <button
          type="button"
          disabled={Object.keys(changed).length === 0}
          onClick={() => setTexts(textsOf(props.settings))}
        >
          Undo
        </button>
        <ChangeNote changed={changed} isWrong={isWrong} />
      </div>
    </form>
  );
}

function ChangeNote(
  props: { readonly changed: Partial<Record<Name, number>>; readonly isWrong: boolean },
) {
  if (props.isWrong) return <span class="muted">Each span is a number above zero.</span>;
  const count = Object.keys(props.changed).length;
  return <span class="muted">{count === 0 ? "Nothing was changed yet." : `${count} changed.`}
  </span>;
}

function SpanField(
  props: {
    readonly label: string;
    readonly note: string;
    readonly text: SpanText;
    readonly isDisabled: boolean;
    readonly onChange: (text: SpanText) => void;
  },
) {
  const { label, note, text, isDisabled, onChange } = props;
  return (
    <div class="setting">
      <label class="field">
        <span>{label}</span>
        <input
          type="number"
          min={0}
          step="any"
          disabled={isDisabled}
          value={text.count}
          onInput={(event) => onChange({ ...text, count: event.currentTarget.value })}
        />
      </label>
      <select
        aria-label={`${label}: unit`}
        disabled={isDisabled}
        value={text.unit}
        onChange={(event) => {
          const unit = UNITS.find((one) => one.name === event.currentTarget.value);
          if (unit !== undefined) onChange({ ...text, unit: unit.name });
        }}
      >
        {UNITS.map((unit) => <option key={unit.name} value={unit.name}>{unit.text}</option>)}
      </select>
      <span class="muted">{note}</span>
    </div>
  );
}

type Texts = Readonly<Record<Name, SpanText>>;

function textsOf(settings: SettingsView): Texts {
  return Object.fromEntries(FIELDS.map(([name]) => [name, spanTextOf(settings[name])])) as Texts;
}

/** What differs from the settings in force. */
function changesOf(texts: Texts, settings: SettingsView): Partial<Record<Name, number>> {
  const changed: Partial<Record<Name, number>> = {};
  for (const [name] of FIELDS) {
    const ms = msOf(texts[name]);
    if (ms !== null && ms !== settings[name]) changed[name] = ms;
  }
  return changed;
}
