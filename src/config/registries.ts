/** Files in PEM form of a client certificate. */
export interface RegistryKeyPair {
  readonly key: string;
  readonly cert: string;
}

/** What is set for one registry host: the table `[registry."host"]` of a file in buildkitd.toml's syntax. */
export interface RegistryHost {
  /** Asked before the host itself, in order: `mirror.example.com`, with optional port and path. */
  readonly mirrors?: readonly string[];
  /** Plain HTTP. Without it only loopback hosts are spoken to in HTTP. */
  readonly http?: boolean;
  /** HTTPS without checking the certificate. */
  readonly insecure?: boolean;
  /** Files with further certificate authorities. */
  readonly ca?: readonly string[];
  readonly keypair?: readonly RegistryKeyPair[];
}

/** By host as it stands in image names: `docker.io`, `registry.example.com:5000`. */
export type RegistrySettings = Readonly<Record<string, RegistryHost>>;
