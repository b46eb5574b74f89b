import type { CarriedError } from "../core/index.ts";

/** What the process outside asks of the one inside. */
export type InsideRequest =
  | {
      readonly kind: "task";
      readonly id: number;
      /** Address of a worker file. */
      readonly entry: string;
      readonly task: string;
      readonly input: unknown;
      /** Whether it is carried to its end when the process outside is gone. */
      readonly finish: boolean;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "signal"; readonly pid: number; readonly signal: NodeJS.Signals };

export type InsideReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: CarriedError };
