import { usageError } from "./cli-error.ts";

type OptionValue = string | boolean | readonly (string | boolean)[];

/** Options as they were given, read by name. A value that does not fit is a usage error that names the option. */
export class CommandOptions {
  readonly #values: Readonly<Record<string, OptionValue | undefined>>;

  constructor(values: Readonly<Record<string, OptionValue | undefined>>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** Null when it was not given. */
  text(name: string): string | null {
    const value = this.#values[name];
    return typeof value === "string" ? value : null;
  }

  /** Every value of an option that may be given several times. */
  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** Null when it was not given. */
  wholeNumber(name: string, { minimum, maximum = Number.MAX_SAFE_INTEGER }: Bounds): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    const bounds = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw usageError(`--${name} takes a whole number ${bounds}, not ${JSON.stringify(text)}`);
  }

  /** Null when it was not given. */
  oneOf<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | null {
    const text = this.text(name);
    if (text === null) return null;
    const choice = choices.find((each) => each === text);
    if (choice !== undefined) return choice;
    throw usageError(`--${name} takes one of ${choices.join(", ")}, not ${JSON.stringify(text)}`);
  }
}

interface Bounds {
  readonly minimum: number;
  readonly maximum?: number;
}
