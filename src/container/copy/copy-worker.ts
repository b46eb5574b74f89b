import { serveTasks } from "../../core/index.ts";
import { copyTasks } from "./tasks.ts";

serveTasks(copyTasks);
