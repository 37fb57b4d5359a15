ALTER TABLE "attempts" ADD COLUMN "placement" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "parallelism" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "regions" ADD COLUMN "placement" jsonb DEFAULT '{}'::jsonb NOT NULL;