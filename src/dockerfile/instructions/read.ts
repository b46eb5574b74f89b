import { instructionNames } from "../parser/arguments.ts";
import type { InstructionNode, SourceText } from "../parser/ast.ts";
import { trimSpace } from "../space.ts";
import { didYouMean } from "../suggest.ts";
import { readAdd, readCopy } from "./copy.ts";
import { readHealthcheck } from "./healthcheck.ts";
import { mountSource, parseDevice } from "./mounts.ts";
import {
  docComment,
  located,
  onlyArgument,
  type Reading,
  readFlags,
  refuse,
  someArguments,
} from "./reading.ts";
import type { CommandLine, Instruction, KeyValue, NetworkMode, SecurityMode } from "./types.ts";

/**
 * Reads and checks one instruction as BuildKit does. Throws `invalid-argument` that names the line, and
 * points at the flag or word where that is known. `range` replaces the place for an instruction that does
 * not come from this file, such as a base image's trigger.
 */
export function readInstruction(node: InstructionNode, source: SourceText, range = node.range): Instruction {
  const reading: Reading = { node, source, range };
  const common = { node, name: node.name.text, code: trimSpace(node.line), range };
  switch (node.keyword) {
    case "FROM":
      return { kind: "from", ...common, ...readFrom(reading) };
    case "ARG":
      return { kind: "arg", ...common, args: readArgs(reading) };
    case "ENV":
      return { kind: "env", ...common, pairs: readPairs(reading) };
    case "LABEL":
      return { kind: "label", ...common, pairs: readPairs(reading) };
    case "MAINTAINER":
      return { kind: "maintainer", ...common, maintainer: plainArgument(reading) };
    case "RUN":
      return { kind: "run", ...common, ...readRun(reading) };
    case "COPY":
      return { kind: "copy", ...common, ...readCopy(reading) };
    case "ADD":
      return { kind: "add", ...common, ...readAdd(reading) };
    case "WORKDIR":
      return { kind: "workdir", ...common, path: plainArgument(reading) };
    case "USER":
      return { kind: "user", ...common, user: plainArgument(reading) };
    case "EXPOSE":
      return { kind: "expose", ...common, ports: [...plainArguments(reading)].sort() };
    case "VOLUME":
      return { kind: "volume", ...common, volumes: readVolumes(reading) };
    case "CMD":
    case "ENTRYPOINT":
      readFlags(reading);
      return { kind: node.keyword === "CMD" ? "cmd" : "entrypoint", ...common, command: commandLine(node) };
    case "SHELL":
      return { kind: "shell", ...common, shell: readShell(reading) };
    case "STOPSIGNAL":
      return { kind: "stopsignal", ...common, signal: plainArgument(reading) };
    case "HEALTHCHECK":
      return { kind: "healthcheck", ...common, healthcheck: readHealthcheck(reading) };
    case "ONBUILD":
      return { kind: "onbuild", ...common, ...readOnbuild(reading) };
    default:
      return refuse(reading, `unknown instruction: ${node.name.text}`, {
        at: node.name.range,
        hint: didYouMean(node.name.text, instructionNames, { ignoreCase: true }) ?? stray(node),
      });
  }
}

/** What a line that is no instruction most often is. */
function stray(node: InstructionNode): string {
  return node.name.text.startsWith("<<") || !/^[A-Za-z]+$/.test(node.name.text)
    ? "does the line before lack a \\ at its end, or a here-document its <<EOF?"
    : `instructions are ${instructionNames.join(", ")}`;
}

function plainArgument(reading: Reading): string {
  const argument = onlyArgument(reading);
  readFlags(reading);
  return argument;
}

function plainArguments(reading: Reading): readonly string[] {
  const found = someArguments(reading);
  readFlags(reading);
  return found;
}

const stageName = /^[a-z][a-z0-9-_.]*$/;

function readFrom(reading: Reading) {
  const { words, comments } = reading.node;
  const [base, as, name] = words;
  const named = words.length === 3 && as?.text.toLowerCase() === "as";
  if (base === undefined || !(named || words.length === 1))
    refuse(reading, "FROM requires either one or three arguments", {
      hint: "FROM <image or stage> [AS <name>]",
    });
  const lower = named ? name!.text.toLowerCase() : undefined;
  if (lower !== undefined && !stageName.test(lower))
    refuse(
      reading,
      `invalid name for build stage: ${JSON.stringify(name!.text)}, name can't start with a number or contain symbols`,
      { at: name!.range },
    );
  const platform = readFlags(reading, { platform: "string" }).text("platform");
  const doc = lower === undefined ? undefined : docComment(comments, lower);
  return {
    base: base.text,
    baseRange: base.range,
    ...(lower === undefined ? {} : { stageName: lower }),
    ...(platform === "" ? {} : { platform }),
    ...(doc === undefined ? {} : { doc }),
  };
}

function readArgs(reading: Reading) {
  const { words, comments } = reading.node;
  plainArguments(reading);
  return words.map(({ text, range }) => {
    const equals = text.indexOf("=");
    if (equals === 0) refuse(reading, "ARG names can not be blank", { at: range });
    const key = equals < 0 ? text : text.slice(0, equals);
    const doc = docComment(comments, key);
    return {
      key,
      range,
      ...(equals < 0 ? {} : { value: text.slice(equals + 1) }),
      ...(doc === undefined ? {} : { doc }),
    };
  });
}

function readPairs(reading: Reading): KeyValue[] {
  const { words, form, keyword } = reading.node;
  plainArguments(reading);
  if (form === "pairs-legacy") {
    const [key, value] = words;
    const range = { start: key!.range.start, end: value!.range.end };
    return [{ key: key!.text, value: value!.text, legacy: true, range }];
  }
  return words.map(({ text, range }) => {
    const equals = text.indexOf("=");
    if (equals === 0) refuse(reading, `${keyword} names can not be blank`, { at: range });
    return { key: text.slice(0, equals), value: text.slice(equals + 1), legacy: false, range };
  });
}

function commandLine(node: InstructionNode): CommandLine {
  return { args: node.words.map((word) => word.text), shell: node.form !== "json" };
}

function readRun(reading: Reading) {
  const { node } = reading;
  const flags = readFlags(reading, {
    mount: "strings",
    network: "string",
    security: "string",
    device: "strings",
  });
  const network = flags.range("network") === undefined ? "default" : flags.text("network");
  if (!isNetwork(network))
    refuse(reading, `invalid network mode ${JSON.stringify(network)}`, {
      at: flags.range("network")!,
      hint: "default, none or host",
    });
  const security = flags.range("security") === undefined ? "sandbox" : flags.text("security");
  if (!isSecurity(security))
    refuse(reading, `security ${JSON.stringify(security)} is not valid`, {
      at: flags.range("security")!,
      hint: "sandbox or insecure",
    });
  return {
    command: commandLine(node),
    files: node.heredocs.map(({ name, content, chomp, expand }) => ({ name, data: content, chomp, expand })),
    mounts: flags.list("mount").map(({ value, range }) => ({
      text: value,
      from: located(reading, range, () => mountSource(value)),
      range,
    })),
    network,
    security,
    devices: flags
      .list("device")
      .map(({ value, range }) => located(reading, range, () => parseDevice(value))),
  };
}

function isNetwork(text: string): text is NetworkMode {
  return text === "default" || text === "none" || text === "host";
}

function isSecurity(text: string): text is SecurityMode {
  return text === "sandbox" || text === "insecure";
}

function readVolumes(reading: Reading): string[] {
  return plainArguments(reading).map((volume, i) => {
    const path = trimSpace(volume);
    if (path === "")
      refuse(reading, "VOLUME specified can not be an empty string", { at: reading.node.words[i]!.range });
    return path;
  });
}

function readShell(reading: Reading): readonly string[] {
  readFlags(reading);
  const shell = someArguments(reading);
  if (reading.node.form === "json") return shell;
  return refuse(reading, "SHELL requires the arguments to be in JSON form", {
    hint: 'such as SHELL ["/bin/bash", "-c"]',
  });
}

function readOnbuild(reading: Reading): { expression: string } {
  const { node } = reading;
  if (node.trigger === undefined) refuse(reading, "ONBUILD requires at least one argument");
  readFlags(reading);
  const { keyword } = node.trigger;
  if (keyword === "MAINTAINER" || keyword === "FROM")
    refuse(reading, `${keyword} isn't allowed as an ONBUILD trigger`);
  const lines = node.heredocs.map(({ content, name }) => `\n${content}${name}`);
  return { expression: node.line.replace(/^\s*ONBUILD\s*/i, "") + lines.join("") };
}
