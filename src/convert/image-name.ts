/** An image name in the parts that matter for choosing a smaller variant. */
export interface ImageName {
  /** `node` of `registry.example/team/node:18`. */
  readonly last: string;
  readonly repository: string;
  /** Empty when there is none. */
  readonly tag: string;
  readonly hasDigest: boolean;
}

/** Takes a name apart as it is written; nothing is added to it. */
export function splitImageName(text: string): ImageName {
  const [name = "", digest] = text.split("@");
  const tagAt = name.lastIndexOf(":") > name.lastIndexOf("/") ? name.lastIndexOf(":") : name.length;
  const repository = name.slice(0, tagAt);
  const last = repository.slice(repository.lastIndexOf("/") + 1);
  return { last, repository, tag: name.slice(tagAt + 1), hasDigest: digest !== undefined };
}
