import { BuildError, csvFields } from "../core/index.ts";
import type { SecretSource, SshSource } from "./types.ts";

/**
 * Reads `--secret`, in buildx's syntax: `id=ID[,src=FILE|,env=NAME][,type=file|env]`. With an id alone it is the variable of
 * that name, else the file.
 */
export function parseSecret(text: string, env: NodeJS.ProcessEnv = process.env): [string, SecretSource] {
  let id = "";
  let file = "";
  let variable = "";
  let type = "";
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw invalid(text, `invalid field '${field}' must be a key=value pair`);
    const key = field.slice(0, equals).toLowerCase();
    const value = field.slice(equals + 1);
    if (key === "id") id = value;
    else if (key === "src" || key === "source") file = value;
    else if (key === "env") variable = value;
    else if (key === "type" && (value === "file" || value === "env")) type = value;
    else if (key === "type") throw invalid(text, `unsupported secret type ${JSON.stringify(value)}`);
    else throw invalid(text, `unexpected key '${key}' in '${field}'`);
  }
  if (id === "") throw invalid(text, "secret missing ID");
  if (type === "env" && variable === "") [variable, file] = [file, ""];
  if (variable !== "") return [id, { env: variable }];
  if (file !== "") return [id, { file }];
  return [id, env[id] === undefined ? { file: id } : { env: id }];
}

/** Reads `--ssh`: `default` or `ID[=SOCKET|KEY[,KEY]]`. */
export function parseSsh(text: string): [string, SshSource] {
  const equals = text.indexOf("=");
  const id = equals < 0 ? text : text.slice(0, equals);
  const paths = equals < 0 ? [] : text.slice(equals + 1).split(",");
  return [id || "default", { paths: paths.filter((path) => path !== "") }];
}

function invalid(text: string, problem: string): BuildError {
  return new BuildError("invalid-argument", `--secret ${text}: ${problem}`, {
    hint: "id=ID,src=FILE or id=ID,env=NAME",
  });
}
