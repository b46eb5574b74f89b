import { isSpace } from "../space.ts";

/** Collects words while text arrives piece by piece. */
export class WordList {
  readonly #words: { text: string; start: number }[] = [];
  #current = "";
  #start = 0;

  /** Adds text that is not split. `start` is where it lies in the source. */
  add(text: string, start: number): void {
    if (this.#current === "") this.#start = start;
    this.#current += text;
  }

  /** Adds text in which white space ends a word. */
  addSplitting(text: string, start: number): void {
    for (let i = 0; i < text.length; i++) {
      const char = text[i]!;
      if (isSpace(char)) this.#end();
      else this.add(char, start);
    }
  }

  finish(): readonly { readonly text: string; readonly start: number }[] {
    this.#end();
    return this.#words;
  }

  #end(): void {
    if (this.#current === "") return;
    this.#words.push({ text: this.#current, start: this.#start });
    this.#current = "";
  }
}
