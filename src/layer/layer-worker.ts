import { serveTasks } from "../core/index.ts";
import { layerTasks } from "./tasks.ts";

serveTasks(layerTasks);
