import Mustache from "mustache";

const template = "<!doctype html><title>{{title}}</title><ul>{{#items}}<li>{{.}}</li>{{/items}}</ul>\n";

/** A page with a list on it; Mustache escapes what is put in. */
export function page(title: string, items: readonly string[]): string {
  return Mustache.render(template, { title, items });
}
