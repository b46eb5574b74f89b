import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Text that is nowhere but in the settings that builds are lent. */
export const lentMarker = "lent-to-the-build-alone";

/** Flags of `build` that lend it this machine's npm settings, and the authorities that they name, as secrets. */
export function lentNpmSettings(directory: string): string[] {
  const config = (name: string) =>
    execFileSync("npm", ["config", "get", name], { cwd: directory, encoding: "utf8" }).trim();
  const own = ["userconfig", "globalconfig"]
    .map(config)
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, "utf8").split("\n"))
    .filter((line) => /^\/\/|proxy\s*=|^strict-ssl/.test(line));
  const bundles = [
    config("cafile"),
    process.env.NODE_EXTRA_CA_CERTS ?? "",
    "/etc/ssl/certs/ca-certificates.crt",
  ];
  const bundle = bundles.find((file) => existsSync(file));
  const npmrc = join(directory, "npmrc");
  const authorities = join(directory, "npm-ca.pem");
  const settings = [
    `registry=${config("registry")}`,
    // Or the lists of what is installed would name the registry.
    "omit-lockfile-registry-resolved=true",
    ...(bundle === undefined ? [] : ["cafile=/run/secrets/npm-ca"]),
    `//registry.invalid/:_authToken=${lentMarker}`,
  ];
  writeFileSync(npmrc, [...own, ...settings, ""].join("\n"));
  writeFileSync(
    authorities,
    `${bundle === undefined ? "" : readFileSync(bundle, "utf8")}\n# ${lentMarker}\n`,
  );
  return ["--secret", `id=npmrc,src=${npmrc}`, "--secret", `id=npm-ca,src=${authorities}`];
}
