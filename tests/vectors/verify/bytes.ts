// Bytes, integers and the hashes of the protocol.

import { blake2b } from '@noble/hashes/blake2.js';
import { keccak_256 as keccak } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export type Bytes = Uint8Array;

export { concatBytes as concat, utf8ToBytes as ascii };

export const blake2 = (bytes: Bytes): Bytes => blake2b(bytes, { dkLen: 32 });
export const keccak256 = (bytes: Bytes): Bytes => keccak(bytes);

/** Something is wrong with a vector. */
export class Refusal extends Error {}

export function fail(message: string): never {
	throw new Refusal(message);
}

/** Whether `run` throws. A fault of the verifier itself must not pass for a refusal. */
export function refuses(run: () => void): boolean {
	try {
		run();
		return false;
	} catch (error) {
		if (error instanceof TypeError || error instanceof ReferenceError) throw error;
		return true;
	}
}

/** A value as text; the order of an object's keys means nothing. */
export function show(value: unknown): string {
	if (value instanceof Uint8Array) return hex(value);
	if (typeof value === 'bigint' || value === undefined) return String(value);
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
	const entries: [string, unknown][] = Object.entries(value);
	entries.sort(([a], [b]) => (a < b ? -1 : 1));
	return `{ ${entries.map(([key, inner]) => `${key}: ${show(inner)}`).join(', ')} }`;
}

/** Throws unless the two are the same. */
export function same<T>(found: T, expected: NoInfer<T>, what: string): void {
	if (show(found) !== show(expected)) fail(`${what}: ${show(found)} instead of ${show(expected)}`);
}

/** Throws unless each expected name is there once, and no other. */
export function sameNames(found: readonly string[], expected: readonly string[], what: string): void {
	const told = (list: readonly string[], how: string): string[] => list.map((name) => `${how} "${name}"`);
	const wrong = [
		...told(expected.filter((name) => !found.includes(name)), 'missing'),
		...told(found.filter((name) => !expected.includes(name)), 'unknown'),
		...told(found.filter((name, i) => found.indexOf(name) < i), 'twice'),
	];
	if (wrong.length > 0) fail(`${what}: ${wrong.join(', ')}`);
}

export const names = (rows: readonly { name: string }[]): string[] => rows.map(({ name }) => name);

/** The row of this name. */
export function named<T extends { name: string }>(rows: readonly T[], name: string): T {
	return rows.find((row) => row.name === name) ?? fail(`no row is named "${name}"`);
}

export const hex = (bytes: Bytes): string => `0x${bytesToHex(bytes)}`;

/** `null` when the text is not bytes as the files have them. */
export function unhex(text: string): Bytes | null {
	return /^0x([0-9a-f]{2})*$/.test(text) ? hexToBytes(text.slice(2)) : null;
}

/** `length` bytes, little-endian. */
export function integer(value: number | bigint, length: number): Bytes {
	const whole = BigInt(value);
	if (whole < 0n || whole >> BigInt(8 * length)) fail(`${value} does not fit ${length} bytes`);
	return Uint8Array.from({ length }, (_, i) => Number((whole >> BigInt(8 * i)) & 0xffn));
}

/** The inverse of `integer`. */
export function fromInteger(bytes: Bytes): bigint {
	return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export const byteAt = (bytes: Bytes, at: number): number => bytes[at] ?? fail('too short');

/** Takes bytes off the front; whoever is done says so. */
export class Reader {
	#rest: Bytes;

	constructor(bytes: Bytes) {
		this.#rest = bytes;
	}
	take(length: number): Bytes {
		if (this.#rest.length < length) fail('too short');
		const head = this.#rest.slice(0, length);
		this.#rest = this.#rest.slice(length);
		return head;
	}
	byte(): number {
		return byteAt(this.take(1), 0);
	}
	u32(): number {
		return Number(fromInteger(this.take(4)));
	}
	u128(): bigint {
		return fromInteger(this.take(16));
	}
	end(): void {
		if (this.#rest.length > 0) fail('too long');
	}
}

/** One step from good bytes to bytes that are refused. */
export type Change = { at: number; bytes: Bytes } | { cut: number } | { append: Bytes };

export const put = (at: number, ...bytes: number[]): Change => putBytes(at, Uint8Array.from(bytes));
export const putBytes = (at: number, bytes: Bytes): Change => ({ at, bytes });
export const cut = (count: number): Change => ({ cut: count });
export const append = (bytes: Bytes): Change => ({ append: bytes });

function change(bytes: Bytes, step: Change): Bytes {
	if ('append' in step) return concatBytes(bytes, step.append);
	if ('cut' in step) {
		if (step.cut > bytes.length) fail('a cut beyond the beginning');
		return bytes.slice(0, bytes.length - step.cut);
	}
	if (step.at + step.bytes.length > bytes.length) fail('a change beyond the end');
	const out = Uint8Array.from(bytes);
	out.set(step.bytes, step.at);
	return out;
}

export const changed = (bytes: Bytes, steps: readonly Change[]): Bytes => steps.reduce(change, bytes);

/** With one bit flipped. */
export function flip(bytes: Bytes, bit: number): Bytes {
	const at = bit >> 3;
	return changed(bytes, [put(at, byteAt(bytes, at) ^ (1 << (bit & 7)))]);
}

/** The bytes that a label stands for. */
export const seed = (label: string): Bytes => blake2(utf8ToBytes(`stoa/vectors/${label}`));

/** The chain of the vectors, and another one. */
export const GENESIS = seed('genesis');
export const OTHER_GENESIS = seed('other genesis');
