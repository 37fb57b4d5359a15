/**
 * Every route of the REST API in one list.
 *
 * Pure. `hub/app.ts` serves them, `hub/api_type.ts` makes the type of a client of them; a test holds this
 * list against the OpenAPI document.
 *
 * @module
 */
import { agentRoutes } from "./routes/agents.ts";
import { alarmRoutes } from "./routes/alarms.ts";
import { auditRoutes } from "./routes/audit.ts";
import { brokerRoutes } from "./routes/brokers.ts";
import { deployRoutes } from "./routes/deploy.ts";
import { enrolmentRoutes } from "./routes/enrolment.ts";
import { equipmentRoutes } from "./routes/equipment.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { historyRoutes } from "./routes/history.ts";
import { installRoutes } from "./routes/install.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { logRoutes } from "./routes/logs.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { objectRoutes } from "./routes/objects.ts";
import { operationRoutes } from "./routes/operations.ts";
import { rollbackRoutes } from "./routes/rollbacks.ts";
import { savepointRoutes } from "./routes/savepoints.ts";
import { scalingRoutes } from "./routes/scaling.ts";
import { sessionRoutes } from "./routes/session.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { stateRoutes } from "./routes/state.ts";
import { tokenRoutes } from "./routes/tokens.ts";

export const API_ROUTES = [
  ...agentRoutes,
  ...alarmRoutes,
  ...auditRoutes,
  ...brokerRoutes,
  ...deployRoutes,
  ...enrolmentRoutes,
  ...equipmentRoutes,
  ...eventRoutes,
  ...healthRoutes,
  ...historyRoutes,
  ...installRoutes,
  ...jobRoutes,
  ...logRoutes,
  ...notificationRoutes,
  ...objectRoutes,
  ...operationRoutes,
  ...rollbackRoutes,
  ...savepointRoutes,
  ...scalingRoutes,
  ...sessionRoutes,
  ...settingsRoutes,
  ...stateRoutes,
  ...tokenRoutes,
] as const;
