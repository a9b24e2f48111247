// What a JSON file may look like: reads it into typed values, and says where it is something else.

import { type Bytes, type Change, Refusal, unhex } from './bytes.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Reads the value at a place in a file. */
export type Shape<T> = (value: Json, at: string) => T;
export type Of<S> = S extends Shape<infer T> ? T : never;

/** A value that a file must not have at this place. */
export class WrongShape extends Refusal {
	readonly at: string;

	constructor(at: string, message: string) {
		super(message);
		this.at = at;
	}
}

function wrong(at: string, expected: string, value: Json): never {
	const found = JSON.stringify(value);
	const short = found.length > 60 ? `${found.slice(0, 60)}…` : found;
	throw new WrongShape(at, `${expected} expected instead of ${short}`);
}

export const text: Shape<string> = (value, at) =>
	typeof value === 'string' ? value : wrong(at, 'text', value);

export const flag: Shape<boolean> = (value, at) =>
	typeof value === 'boolean' ? value : wrong(at, 'true or false', value);

export const u32: Shape<number> = (value, at) =>
	typeof value === 'number' && value >>> 0 === value ? value : wrong(at, 'a u32', value);

/** A number of more than 32 bits: JSON numbers would not hold it. */
export const decimal =
	(bits: number): Shape<bigint> =>
	(value, at) => {
		const digits = typeof value === 'string' && /^(0|[1-9][0-9]{0,38})$/.test(value);
		const found = digits ? BigInt(value) : 1n << BigInt(bits);
		return found >> BigInt(bits) === 0n ? found : wrong(at, `a decimal u${bits}`, value);
	};

/** Bytes in hex, of one length if it is given. */
export const bytes =
	(length?: number): Shape<Bytes> =>
	(value, at) => {
		const found = typeof value === 'string' ? unhex(value) : null;
		if (found === null) return wrong(at, 'hex with 0x', value);
		return length === undefined || found.length === length ? found : wrong(at, `${length} bytes`, value);
	};

export const oneOf =
	<T extends string>(...allowed: readonly T[]): Shape<T> =>
	(value, at) =>
		allowed.find((one) => one === value) ?? wrong(at, `one of ${allowed.join(', ')}`, value);

export const nullable =
	<T>(shape: Shape<T>): Shape<T | null> =>
	(value, at) =>
		value === null ? null : shape(value, at);

export const list =
	<T>(shape: Shape<T>): Shape<T[]> =>
	(value, at) =>
		Array.isArray(value)
			? value.map((inner, i) => shape(inner, `${at}[${i}]`))
			: wrong(at, 'a list', value);

/** A list that is not empty: nothing would be checked, and nothing missed. */
export const rows =
	<T>(shape: Shape<T>): Shape<T[]> =>
	(value, at) =>
		Array.isArray(value) && value.length === 0 ? wrong(at, 'rows', value) : list(shape)(value, at);

export type Shapes = Readonly<Record<string, Shape<unknown>>>;
export type Values<S> = { -readonly [K in keyof S]: Of<S[K]> };

const within = (at: string, key: string): string => (at === '' ? key : `${at}.${key}`);

/** Exactly these keys, of which the optional ones may be missing. */
export function object<R extends Shapes, O extends Shapes = Record<never, never>>(
	required: R,
	optional?: O,
): Shape<Values<R> & Partial<Values<O>>> {
	const shapes = new Map(Object.entries<Shape<unknown>>({ ...required, ...optional }));
	const names = Object.keys(required);
	return (value, at) => {
		if (value === null || typeof value !== 'object' || Array.isArray(value)) {
			return wrong(at, 'an object', value);
		}
		const entries = Object.entries(value).map(([key, inner]) => {
			const shape = shapes.get(key) ?? unknownKey;
			return [key, shape(inner, within(at, key))] as const;
		});
		for (const key of names) {
			if (!Object.hasOwn(value, key)) throw new WrongShape(within(at, key), 'missing');
		}
		// Every key was read by its shape, and none is left out.
		return Object.fromEntries(entries) as Values<R> & Partial<Values<O>>;
	};
}

const unknownKey: Shape<never> = (_, at) => {
	throw new WrongShape(at, 'unknown');
};

const CHANGES = {
	at: object({ at: u32, bytes: bytes() }),
	cut: object({ cut: u32 }),
	append: object({ append: bytes() }),
};

/** A step from good bytes to refused ones. */
export const change: Shape<Change> = (value, at) => {
	const has = (key: string): boolean => value !== null && typeof value === 'object' && key in value;
	if (has('cut')) return CHANGES.cut(value, at);
	return has('append') ? CHANGES.append(value, at) : CHANGES.at(value, at);
};

/** A check: where in the file, and what to run. */
export interface Check {
	path: string;
	run: () => void;
}

/** Reads a file and gives its checks. */
export type Checks = (document: Json) => Check[];

/** The checks of a file of this shape. */
export const file =
	<T>(shape: Shape<T>, checks: (file: T) => Check[]): Checks =>
	(document) =>
		checks(shape(document, ''));

/** One check for each row of a list. */
export const each = <T>(path: string, list: readonly T[], check: (row: T, i: number) => void): Check[] =>
	list.map((row, i) => ({ path: `${path}[${i}]`, run: () => check(row, i) }));
