import {
  type Dockerfile,
  type DockerfileStages,
  detectSyntax,
  errorAt,
  parseDockerfile,
  readStages,
} from "../dockerfile/index.ts";

/** Far more than an image can have layers; bounds the time that a hostile file can take. */
const maxInstructions = 5000;

/** Parses and checks the whole file. Another frontend than Dockerfile's own is refused. */
export function readDockerfile(content: Uint8Array | string, file: string): DockerfileStages {
  return readStages(parseOwnSyntax(content, file));
}

/** Parses the file. Another frontend than Dockerfile's own is refused. */
export function parseOwnSyntax(content: Uint8Array | string, file: string): Dockerfile {
  const syntax = detectSyntax(content);
  const dockerfile = parseDockerfile(content, file);
  if (dockerfile.instructions.length > maxInstructions)
    throw errorAt(
      dockerfile.source,
      [],
      "resource-exhausted",
      `${file}: more than ${maxInstructions} instructions`,
    );
  if (syntax !== undefined && !isOwnSyntax(syntax.ref)) {
    const range = syntax.range ?? [];
    throw errorAt(dockerfile.source, range, "unimplemented", `frontend ${syntax.ref} is not supported`, {
      hint: "only docker/dockerfile is built in; remove the syntax line, or build this file with BuildKit",
    });
  }
  return dockerfile;
}

function isOwnSyntax(ref: string): boolean {
  return /^((index\.)?docker\.io\/)?docker\/dockerfile(-upstream)?([:@]|$)/.test(ref);
}
