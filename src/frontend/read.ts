import { BuildError } from "../core/index.ts";
import {
  type Dockerfile,
  type DockerfileStages,
  errorAt,
  parseDockerfile,
  readStages,
  type Syntax,
} from "../dockerfile/index.ts";
import { isOwnSyntax, syntaxArgument } from "./build-arguments.ts";

/** Far more than an image can have layers; bounds the time that a hostile file can take. */
const maxInstructions = 5000;

/** Parses and checks the whole file. Another frontend than Dockerfile's own is refused. */
export function readDockerfile(content: Uint8Array | string, file: string): DockerfileStages {
  return readStages(parseOwnSyntax(content, file));
}

/** Parses the file. Another frontend than Dockerfile's own is refused, whether the file or an argument asks for it. */
export function parseOwnSyntax(
  content: Uint8Array | string,
  file: string,
  buildArgs?: Readonly<Record<string, string>>,
): Dockerfile {
  const dockerfile = parseDockerfile(content, file);
  const argument = syntaxArgument(buildArgs);
  const syntax = argument === undefined ? dockerfile.syntax : { ref: argument, range: undefined };
  if (dockerfile.instructions.length > maxInstructions)
    throw errorAt(
      dockerfile.source,
      [],
      "resource-exhausted",
      `${file}: more than ${maxInstructions} instructions`,
    );
  if (syntax !== undefined && !isOwnSyntax(syntax.ref)) throw foreignSyntax(dockerfile, syntax);
  return dockerfile;
}

function foreignSyntax({ source }: Dockerfile, { ref, range }: Syntax): BuildError {
  const message = `frontend ${ref} is not supported`;
  if (range === undefined)
    return new BuildError("unimplemented", message, { hint: "only docker/dockerfile is built in" });
  return errorAt(source, range, "unimplemented", message, {
    hint: "only docker/dockerfile is built in; remove the syntax line, or build this file with BuildKit",
  });
}
