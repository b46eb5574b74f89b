/** A step's files, made inside a user namespace: what layers hold may be readable only there. */
import { serveTasks } from "../core/index.ts";
import { layOutRootAlone, layOutStep } from "./step-layout.ts";

export const stepTasks = { layOut: layOutStep, layOutRoot: layOutRootAlone };

serveTasks(stepTasks);
