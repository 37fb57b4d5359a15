/// <reference lib="dom" />
/** Brokers that jobs may name: whether they answer, what they were measured to give, and why. @module */
import type { BrokerView } from "@shared/api.ts";
import { hrefOf } from "../router.ts";
import { Loaded, Section } from "../parts/frame.tsx";
import { Badge } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

type Profile = BrokerView["profiles"][number];

const EVERY_MS = 30_000;

export function SettingsBrokers() {
  const { hub } = useServices();
  const brokers = useAnswer(hub.brokers, {}, ["region.broker-profile"], EVERY_MS);
  return (
    <Loaded resource={brokers}>
      {({ items }) => (
        <>
          {items.map((broker) => <BrokerSection key={broker.name} broker={broker} />)}
          {items.length === 0 ? <p class="empty">The hub was given no broker.</p> : null}
        </>
      )}
    </Loaded>
  );
}

function BrokerSection({ broker }: { readonly broker: BrokerView }) {
  return (
    <Section
      title={broker.name}
      actions={
        <Badge
          mark={broker.isReachable
            ? { tone: "calm", text: "answers" }
            : { tone: "bad", text: "does not answer" }}
        />
      }
    >
      <p>
        <code>{broker.url}</code>
        {broker.detail === null ? "" : ` ${broker.detail}`}
      </p>
      <Table<Profile>
        caption="What sources measured of it"
        rows={broker.profiles}
        rowKey={({ jobId, split }) => `${jobId}/${split}`}
        empty="No source has measured it since the hub started."
        columns={[
          {
            header: "Job",
            cell: ({ jobId, jobName }) => (
              <a href={hrefOf({ kind: "job", jobId, tab: "graph" })}>{jobName ?? jobId}</a>
            ),
          },
          { header: "Split", cell: ({ split }) => split },
          { header: "Found", isWide: true, cell: ({ detail }) => detail },
          { header: "Measured", isWide: true, cell: (profile) => <Measured profile={profile} /> },
        ]}
      />
    </Section>
  );
}

function Measured({ profile }: { readonly profile: Profile }) {
  return (
    <span class="chips">
      {Object.entries(profile.fields).map(([name, value]) => (
        <span key={name} class="chip">{name} {String(value)}</span>
      ))}
    </span>
  );
}
