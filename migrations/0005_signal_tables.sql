CREATE TABLE "signal_due" (
	"level" text NOT NULL,
	"at" timestamp with time zone NOT NULL,
	CONSTRAINT "signal_due_level_at_pk" PRIMARY KEY("level","at")
);
--> statement-breakpoint
CREATE TABLE "signal_chunks" (
	"series_id" integer NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"n" integer NOT NULL,
	"lowest" double precision,
	"highest" double precision,
	"total" double precision NOT NULL,
	"latest" double precision,
	"score" real,
	"low" real,
	"high" real,
	"points" bytea NOT NULL,
	CONSTRAINT "signal_chunks_pk" PRIMARY KEY("series_id","at")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
CREATE TABLE "signal_minutes" (
	"series_id" integer NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"n" integer NOT NULL,
	"lowest" double precision,
	"highest" double precision,
	"total" double precision NOT NULL,
	"latest" double precision,
	"score" real,
	"low" real,
	"high" real,
	CONSTRAINT "signal_minutes_pk" PRIMARY KEY("series_id","at")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
CREATE TABLE "signal_hours" (
	"series_id" integer NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"n" integer NOT NULL,
	"lowest" double precision,
	"highest" double precision,
	"total" double precision NOT NULL,
	"latest" double precision,
	"score" real,
	"low" real,
	"high" real,
	CONSTRAINT "signal_hours_pk" PRIMARY KEY("series_id","at")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
DROP TABLE "samples";
