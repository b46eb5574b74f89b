import { goText } from "../../core/index.ts";
import type {
  CmdInstruction,
  CommandLine,
  EntrypointInstruction,
  ShellInstruction,
} from "../../dockerfile/index.ts";
import type { ImageConfig } from "../image-config.ts";
import { commit, type StageState, type Step, withConfig } from "../stage-state.ts";
import { onlyLastCounts, warn } from "./warn.ts";

/** CMD: what containers run, or the arguments of ENTRYPOINT. */
export function convertCmd(state: StageState, step: Step<CmdInstruction>): StageState {
  const tracked = onlyLastCounts(state, step, "cmd");
  warnOfShellForm(state, step);
  const args = commandOf(state.image, step.instruction.command);
  const next = withConfig(tracked, { Cmd: args, ArgsEscaped: true });
  return commit(next, step.stage.build, `CMD ${goText.quoteList(args)}`);
}

/** ENTRYPOINT: a CMD that comes from the base no longer fits and goes. */
export function convertEntrypoint(state: StageState, step: Step<EntrypointInstruction>): StageState {
  const tracked = onlyLastCounts(state, step, "entrypoint");
  warnOfShellForm(state, step);
  const args = commandOf(state.image, step.instruction.command);
  const hasCmd = state.last.cmd !== undefined;
  const next = withConfig(tracked, { Entrypoint: args, ...(!hasCmd && { Cmd: undefined }) });
  return commit(next, step.stage.build, `ENTRYPOINT ${goText.quoteList(args)}`);
}

/** Whoever set a SHELL is taken to know what the shell form does. */
function warnOfShellForm({ image }: StageState, step: Step<CmdInstruction | EntrypointInstruction>): void {
  const { name, command } = step.instruction;
  if (!command.shell || (image.config.Shell ?? []).length > 0) return;
  const message = `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`;
  warn(step, "JSONArgsRecommended", message);
}

/** SHELL: what runs commands in shell form from here on. */
export function convertShell(state: StageState, step: Step<ShellInstruction>): StageState {
  const { shell } = step.instruction;
  return commit(withConfig(state, { Shell: shell }), step.stage.build, `SHELL ${goText.plainList(shell)}`);
}

/** A command's arguments, those of a command in shell form behind the stage's shell. */
export function commandOf(image: ImageConfig, command: CommandLine): readonly string[] {
  return command.shell ? [...shellOf(image), command.args.join(" ")] : command.args;
}

function shellOf(image: ImageConfig): readonly string[] {
  const { Shell } = image.config;
  if (Shell !== undefined && Shell.length > 0) return Shell;
  return image.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
}
