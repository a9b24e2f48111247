// Payloads: header and fields.

import {
	ascii, blake2, type Bytes, concat, fail, fromInteger, hex, integer, Reader, Refusal,
} from './bytes.js';
import * as shape from './shape.js';
import { type As, type Key, KEY_SCHEMES, keyBytes, publicLength, readKey } from './signatures.js';

export const CHANNELS = 'stoa/channels/v1';
export const AGENTS = 'stoa/agents/v1';
export const AGREEMENTS = 'stoa/escrow/v1';
export const TAGS = [CHANNELS, AGENTS, AGREEMENTS] as const;
export type Tag = (typeof TAGS)[number];

export const domain = (tag: Tag, genesis: Bytes): Bytes => blake2(concat(ascii(tag), genesis));

/** The rows "all 0", "all 1" and "all at their highest" have these bytes in each field. */
const EXTREMES = [0x00, 0x01, 0xff] as const;

/** What a field holds, in a file and in a payload. */
interface Kind<T> {
	length: number;
	shape: shape.Shape<T>;
	write(value: T): Bytes;
	read(bytes: Bytes): T;
	extreme(which: 0 | 1 | 2): T;
}

const bytes = (length: number): Kind<Bytes> => ({
	length,
	shape: shape.bytes(length),
	write: (value) => value,
	read: (value) => value,
	extreme: (which) => new Uint8Array(length).fill(EXTREMES[which]),
});

const u32: Kind<number> = {
	length: 4,
	shape: shape.u32,
	write: (value) => integer(value, 4),
	read: (value) => Number(fromInteger(value)),
	extreme: (which) => [0, 1, 0xffff_ffff][which] ?? fail('extreme'),
};

const large = (length: number): Kind<bigint> => ({
	length,
	shape: shape.decimal(8 * length),
	write: (value) => integer(value, length),
	read: fromInteger,
	extreme: (which) => [0n, 1n, (1n << BigInt(8 * length)) - 1n][which] ?? fail('extreme'),
});
const u64 = large(8);
const u128 = large(16);

const key: Kind<Key> = {
	length: 34,
	shape: shape.object({ scheme: shape.oneOf(...KEY_SCHEMES), public: shape.bytes() }),
	write: keyBytes,
	read: readKey,
	extreme: (which) => {
		const scheme = KEY_SCHEMES[which];
		return { scheme, public: bytes(publicLength(scheme)).extreme(which) };
	},
};

type Kinds = Readonly<Record<string, Kind<unknown>>>;
type Fields<K> = { [N in keyof K]: K[N] extends Kind<infer T> ? T : never };

export const ERRORS = ['length', 'header', 'type', 'domain', 'field'] as const;
export type PayloadError = (typeof ERRORS)[number];

/** A stretch of a payload's bytes, and what reading gives when any one bit of it is flipped. */
export interface Part {
	field: string;
	at: number;
	length: number;
	flip: PayloadError | 'other';
}

export interface Payload<T> {
	name: string;
	type: number;
	tag: Tag;
	signedBy: readonly As[];
	/** All bytes, header included. */
	length: number;
	layout: readonly Part[];
	/** Where a voucher key is, if there is one. */
	keyAt: number | null;
	shape: shape.Shape<T>;
	encode(fields: T, genesis: Bytes): Bytes;
	decode(whole: Bytes, genesis: Bytes): { fields: T } | { error: PayloadError };
	/** The fields of the rows named after their extremes. */
	extreme(which: 0 | 1 | 2): T;
}

const MAGIC = concat(Uint8Array.of(0xff), ascii('STOA'), Uint8Array.of(1));
export const HEADER = 40;

function layoutOf(kinds: Kinds): Part[] {
	let at = 0;
	const part = (field: string, length: number, flip: Part['flip']): Part => {
		at += length;
		return { field, at: at - length, length, flip };
	};
	return [
		part('mark and version', 6, 'header'),
		part('type', 1, 'type'),
		part('flags', 1, 'header'),
		part('domain', 32, 'domain'),
		...Object.entries(kinds).map(([field, { length }]) => part(field, length, 'other')),
	];
}

/** A header: mark, version, type, flags, domain. */
export const head = (type: number, tag: Tag, genesis: Bytes): Bytes =>
	concat(MAGIC, Uint8Array.of(type, 0), domain(tag, genesis));

/** What is wrong with a header, in the order in which it is read. */
export function headerError(reader: Reader, type: number, expected: Bytes): PayloadError | null {
	const [magic, found, flags] = [reader.take(6), reader.byte(), reader.byte()];
	if (hex(magic) !== hex(MAGIC) || flags !== 0) return 'header';
	if (found !== type) return 'type';
	return hex(reader.take(32)) === hex(expected) ? null : 'domain';
}

function payload<K extends Kinds>(
	name: string,
	type: number,
	tag: Tag,
	signedBy: readonly As[],
	kinds: K,
): Payload<Fields<K>> {
	const layout = layoutOf(kinds);
	const length = layout.reduce((sum, part) => sum + part.length, 0);
	const entries: [string, Kind<unknown>][] = Object.entries(kinds);
	// One value for each kind, so that these are the fields; the compiler does not follow keys so far.
	const build = (make: (kind: Kind<unknown>) => unknown): Fields<K> =>
		Object.fromEntries(entries.map(([field, kind]) => [field, make(kind)])) as Fields<K>;
	const shapes = Object.fromEntries(entries.map(([field, kind]) => [field, kind.shape]));
	return {
		name, type, tag, signedBy, layout, length,
		keyAt: layout.find(({ field }) => kinds[field] === key)?.at ?? null,
		shape: shape.object(shapes) as shape.Shape<Fields<K>>,
		encode: (fields, genesis) =>
			concat(head(type, tag, genesis), ...entries.map(([field, kind]) => kind.write(fields[field]))),
		decode: (whole, genesis) => {
			if (whole.length !== length) return { error: 'length' };
			const reader = new Reader(whole);
			const error = headerError(reader, type, domain(tag, genesis));
			if (error !== null) return { error };
			try {
				return { fields: build((kind) => kind.read(reader.take(kind.length))) };
			} catch (fault) {
				if (fault instanceof Refusal) return { error: 'field' };
				throw fault;
			}
		},
		extreme: (which) => build((kind) => kind.extreme(which)),
	};
}

export const VOUCHER = payload('Voucher', 1, CHANNELS, ['key'], {
	channel: bytes(32), lane: u32, cumulative: u128, valid_until: u32,
});
export const TICK_COMMIT = payload('TickCommit', 2, CHANNELS, ['key'], {
	channel: bytes(32), lane: u32, base: u128, value: u128, count: u32, prefix: bytes(16), root: bytes(32),
	valid_until: u32,
});
export const OPEN_AUTH = payload('OpenAuth', 3, CHANNELS, ['account', 'key'], {
	payee: bytes(32), asset: bytes(32), amount: u128, voucher_key: key, grace: u32, nonce: u64, expires: u32,
});
export const CLOSE_CONSENT = payload('CloseConsent', 4, CHANNELS, ['account', 'key'], {
	channel: bytes(32), total: u128, expires: u32,
});
export const RECEIPT = payload('Receipt', 5, CHANNELS, ['account'], {
	channel: bytes(32), lane: u32, cumulative: u128, request: bytes(32), response: bytes(32),
});
export const CONSENT = payload('Consent', 7, AGENTS, ['account'], {
	operator: bytes(32), agent: bytes(32), expires: u32,
});
export const CANCEL_CONSENT = payload('CancelConsent', 9, AGREEMENTS, ['account', 'key'], {
	agreement: bytes(32), seller: u128, sequence: u32, expires: u32,
});
export const EXTEND_CONSENT = payload('ExtendConsent', 10, AGREEMENTS, ['account', 'key'], {
	agreement: bytes(32), milestone: u32, deliver_by: u32, sequence: u32, expires: u32,
});
export const INQUIRY = payload('Inquiry', 8, CHANNELS, ['key'], { channel: bytes(32), time: u64 });
