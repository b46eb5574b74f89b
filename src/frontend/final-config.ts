import type { Platform } from "../core/index.ts";
import { normalisePlatform, platformOf, withPlatform } from "./image.ts";
import type { ImageConfig } from "./image-config.ts";

/** The configuration of an image as it is kept: for the platform that was asked for, with the caller's labels. */
export function finalConfig(
  image: ImageConfig,
  labels: Readonly<Record<string, string>>,
  asked: Platform | undefined,
): ImageConfig {
  const config =
    Object.keys(labels).length === 0
      ? image.config
      : { ...image.config, Labels: { ...image.config.Labels, ...labels } };
  const platform = asked === undefined ? platformOf(image) : askedPlatform(image, asked);
  return withPlatform({ ...image, config }, normalisePlatform(platform));
}

/** What the image says beyond the platform that was asked for stays when it is for that system at all. */
function askedPlatform(image: ImageConfig, asked: Platform): Platform {
  const same = image.os === asked.os && image.architecture === asked.architecture;
  const own = platformOf(image);
  return same ? { ...own, ...asked } : asked;
}
