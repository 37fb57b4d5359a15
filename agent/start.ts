/** The first line of a bundled agent. Touches the process. @module */
import { agentProcess } from "./main.ts";

void agentProcess();
