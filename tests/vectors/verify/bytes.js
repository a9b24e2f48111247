// Bytes, integers and the hashes of the protocol.

import { blake2b } from '@noble/hashes/blake2.js';
import { keccak_256 as keccak } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export { concatBytes as concat, utf8ToBytes as ascii };

export const blake2 = (bytes) => blake2b(bytes, { dkLen: 32 });
export const keccak256 = keccak;

export function fail(message) {
	throw new Error(message);
}

/** Throws unless the two are the same: bytes, or anything that JSON has. */
export function same(found, expected, what) {
	const show = (value) => (value instanceof Uint8Array ? hex(value) : JSON.stringify(value));
	if (show(found) !== show(expected)) fail(`${what}: ${show(found)} instead of ${show(expected)}`);
}

export const hex = (bytes) => `0x${bytesToHex(bytes)}`;

export function unhex(text) {
	if (typeof text !== 'string' || !/^0x([0-9a-f]{2})*$/.test(text)) fail(`not bytes: ${text}`);
	return hexToBytes(text.slice(2));
}

/** `length` bytes, little-endian, of a number or a decimal string. */
export function integer(value, length) {
	const asNumber = typeof value === 'number' && Number.isInteger(value);
	const asText = typeof value === 'string' && /^(0|[1-9][0-9]*)$/.test(value);
	// JSON numbers are exact up to 32 bits, and only those are written as such.
	if (asNumber !== length <= 4 || !(asNumber || asText)) fail(`not an integer: ${value}`);
	let rest = BigInt(value);
	if (rest < 0n || rest >> BigInt(8 * length)) fail(`${value} does not fit ${length} bytes`);
	const out = new Uint8Array(length);
	for (let i = 0; i < length; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
	return out;
}

/** The inverse of `integer`. */
export function number(bytes) {
	const value = [...bytes].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
	return bytes.length <= 4 ? Number(value) : value.toString();
}

/** Exactly `length` bytes of hex. */
export function fixed(text, length) {
	const bytes = unhex(text);
	return bytes.length === length ? bytes : fail(`${bytes.length} bytes instead of ${length}`);
}

/** Takes bytes off the front; whoever is done says so. */
export class Reader {
	constructor(bytes) {
		this.rest = bytes;
	}
	take(length) {
		if (this.rest.length < length) fail('too short');
		const head = this.rest.slice(0, length);
		this.rest = this.rest.slice(length);
		return head;
	}
	byte() {
		return this.take(1)[0];
	}
	end() {
		if (this.rest.length) fail('too long');
	}
}

/** The bytes after a row's changes. */
export function changed(bytes, changes) {
	let out = Uint8Array.from(bytes);
	for (const { at, bytes: put, cut, append } of changes) {
		if (put !== undefined) {
			if (at + unhex(put).length > out.length) fail('change beyond the end');
			out.set(unhex(put), at);
		} else if (cut !== undefined) {
			out = out.slice(0, out.length - cut);
		} else {
			out = concatBytes(out, unhex(append));
		}
	}
	return out;
}

/** The row of this name. */
export function named(rows, name) {
	return rows.find((row) => row.name === name) ?? fail(`no row is named ${name}`);
}

/** Whether `run` throws. */
export function refuses(run) {
	try {
		run();
		return false;
	} catch {
		return true;
	}
}

/** The bytes that a label stands for. */
export const seed = (label) => blake2(utf8ToBytes(`stoa/vectors/${label}`));
export const genesis = () => seed('genesis');
