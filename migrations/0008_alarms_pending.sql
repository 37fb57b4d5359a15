DROP INDEX "alarms_open";--> statement-breakpoint
CREATE INDEX "alarms_pending" ON "alarms" USING btree ("job_id","sink_uid","equipment") WHERE is_active or not is_acknowledged or due_at is not null;--> statement-breakpoint
CREATE INDEX "notifications_ended" ON "notifications" USING btree ("channel_id","ended_at","id");