/// <reference lib="dom" />
/**
 * Whom the hub tells of alarms: webhooks and mail, tried at once, with what became of the last delivery.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { read } from "@shared/hub_client.ts";
import type { NotificationChannelView } from "@shared/plant_api.ts";
import { NONE } from "../format.ts";
import { ChannelForm, type CreatedChannel } from "../parts/channel_form.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Loaded, Section } from "../parts/frame.tsx";
import { Age, Badge, PriorityMark } from "../parts/marks.tsx";
import { AdminOnly, useMayAdminister } from "../parts/permission.tsx";
import { SecretNotice } from "../parts/secret.tsx";
import { Table } from "../parts/table.tsx";
import { failureText } from "../state/api_client.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const EVERY_MS = 15_000;

export function SettingsNotifications() {
  const mayChange = useMayAdminister();
  const { hub } = useServices();
  const channels = useAnswer(hub.notifications.channels, {}, ["notification"], EVERY_MS);
  const [isAdding, setAdding] = useState(false);
  const [created, setCreated] = useState<CreatedChannel | null>(null);
  return (
    <Section
      title="Who is told of alarms"
      actions={
        <button
          type="button"
          disabled={!mayChange}
          aria-expanded={isAdding}
          onClick={() => setAdding(!isAdding)}
        >
          Add a channel
        </button>
      }
    >
      <AdminOnly what="Changing channels" />
      {isAdding
        ? (
          <ChannelForm
            onCreated={(channel) => {
              setAdding(false);
              setCreated(channel);
              channels.reload();
            }}
          />
        )
        : null}
      {created === null || created.secret === null ? null : (
        <SecretNotice
          title={`Secret with which ${created.name} is signed.`}
          secret={created.secret}
          onClose={() => setCreated(null)}
        />
      )}
      <Loaded resource={channels}>
        {({ items }) => <Channels channels={items} reload={channels.reload} />}
      </Loaded>
    </Section>
  );
}

interface ChannelsProps {
  readonly channels: readonly NotificationChannelView[];
  readonly reload: () => void;
}

function Channels({ channels, reload }: ChannelsProps) {
  return (
    <Table<NotificationChannelView>
      caption="Notification channels"
      isCaptionHidden
      rows={channels}
      rowKey={({ id }) => id}
      empty="Nobody is told: alarms are seen here alone."
      columns={[
        {
          header: "Name",
          cell: ({ name, isEnabled }) => (
            <span class="stack-tight">
              <strong>{name}</strong>
              {isEnabled ? null : <Badge mark={{ tone: "unknown", text: "switched off" }} />}
            </span>
          ),
        },
        {
          header: "To",
          isWide: true,
          cell: ({ kind, url, recipients }) => (
            <span class="stack-tight">
              <span>{kind === "webhook" ? "Webhook" : "E-mail"}</span>
              <span class="muted">{kind === "webhook" ? url : recipients.join(", ")}</span>
            </span>
          ),
        },
        {
          header: "From priority",
          cell: ({ minPriority }) => <PriorityMark priority={minPriority} />,
        },
        {
          header: "Part of the plant",
          cell: ({ path }) => path.length === 0 ? "all" : path.join(" / "),
        },
        {
          header: "Last delivery",
          isWide: true,
          cell: ({ lastDelivery }) => <LastDelivery last={lastDelivery} />,
        },
        {
          header: "Action",
          cell: (channel) => <ChannelActions channel={channel} reload={reload} />,
        },
      ]}
    />
  );
}

function LastDelivery({ last }: { readonly last: NotificationChannelView["lastDelivery"] }) {
  if (last === null) return <span class="muted">{NONE}</span>;
  return (
    <span class="stack-tight">
      <Badge
        mark={last.isDelivered
          ? { tone: "calm", text: "delivered" }
          : { tone: "bad", text: "failed" }}
      />
      <span class="muted">
        <Age at={last.at} />
        {last.error === null ? "" : `: ${last.error}`}
      </span>
    </span>
  );
}

function ChannelActions(
  props: { readonly channel: NotificationChannelView; readonly reload: () => void },
) {
  const { hub, toasts } = useServices();
  const mayChange = useMayAdminister();
  const [isDeleting, setDeleting] = useState(false);
  const [isTesting, setTesting] = useState(false);
  const { channel, reload } = props;
  const endpoint = hub.notifications.channels[":id"];
  const param = { id: channel.id };
  const attempt = async (run: () => Promise<string>) => {
    try {
      toasts.done(await run());
    } catch (thrown) {
      toasts.failed(failureText(thrown));
    }
    reload();
  };
  const test = async () => {
    setTesting(true);
    await attempt(async () => {
      const result = await read(endpoint.test.$post({ param }));
      if (!result.isDelivered) {
        throw new Error(`${channel.name}: ${result.error ?? "not delivered"}`);
      }
      return `${channel.name}: the test was delivered.`;
    });
    setTesting(false);
  };
  const name = <span class="visually-hidden">{channel.name}</span>;
  return (
    <span class="row">
      <button type="button" disabled={!mayChange || isTesting} onClick={test}>Test{name}</button>
      <button
        type="button"
        disabled={!mayChange}
        onClick={() =>
          attempt(async () => {
            await endpoint.$patch({ param, json: { isEnabled: !channel.isEnabled } });
            return `${channel.name} was switched ${channel.isEnabled ? "off" : "on"}.`;
          })}
      >
        {channel.isEnabled ? "Switch off" : "Switch on"}
        {name}
      </button>
      <button type="button" disabled={!mayChange} onClick={() => setDeleting(true)}>
        Delete…{name}
      </button>
      {isDeleting
        ? (
          <Confirm
            title={`Delete ${channel.name}?`}
            action="Delete"
            isDangerous
            onConfirm={() =>
              attempt(async () => {
                await endpoint.$delete({ param });
                return `${channel.name} was deleted.`;
              })}
            onClose={() => setDeleting(false)}
          >
            <p>It is told of no alarm any more.</p>
          </Confirm>
        )
        : null}
    </span>
  );
}
