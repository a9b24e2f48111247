// Bytes that must be refused: what each name in the files stands for.

import {
	append, ascii, type Bytes, type Change, cut, GENESIS, OTHER_GENESIS, put, putBytes,
} from './bytes.js';
import { AGENTS, CHANNELS, domain, HEADER, type Payload, type PayloadError } from './payloads.js';
import { KEY_SCHEMES, type SignerName } from './signatures.js';

/** What a row says about itself: how its bytes came from good ones. */
export interface Malformed {
	name: string;
	changes: readonly Change[];
}

export interface MalformedPayload extends Malformed {
	error: PayloadError;
}

/** What is no payload of this kind for a reader on the chain of the vectors. */
export function malformedPayloads<T>(payload: Payload<T>, whole: Bytes): MalformedPayload[] {
	const { type, tag, length, keyAt } = payload;
	const of = (error: PayloadError) => (name: string, ...changes: Change[]): MalformedPayload =>
		({ name, changes, error });
	const [tooShortOrLong, header, wrongType] = [of('length'), of('header'), of('type')];
	const [wrongDomain, field] = [of('domain'), of('field')];
	const otherTypes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255].filter((other) => other !== type);
	const otherChain = putBytes(8, domain(tag, OTHER_GENESIS));
	return [
		tooShortOrLong('one byte short', cut(1)),
		tooShortOrLong('one byte long', append(Uint8Array.of(0))),
		tooShortOrLong('twice', append(whole)),
		tooShortOrLong('header alone', cut(length - HEADER)),
		tooShortOrLong('nothing', cut(length)),
		header('first byte of a call', put(0, 0)),
		header('another magic', putBytes(1, ascii('stoa'))),
		header('version 0', put(5, 0)),
		header('version 2', put(5, 2)),
		header('lowest flag', put(7, 1)),
		header('highest flag', put(7, 128)),
		...otherTypes.map((other) => wrongType(`type ${other}`, put(6, other))),
		wrongDomain('another chain', otherChain),
		wrongDomain('another use', putBytes(8, domain(tag === AGENTS ? CHANNELS : AGENTS, GENESIS))),
		wrongDomain('genesis hash as domain', putBytes(8, GENESIS)),
		...(keyAt === null
			? []
			: [
					field('voucher key of an unknown scheme', put(keyAt, 3)),
					field('voucher key with padding that is not 0', put(keyAt + 33, 1)),
				]),
		// Of several causes, the first in the order of reading is the error.
		tooShortOrLong('version 2, short', put(5, 2), cut(1)),
		header('type 0 of version 2', put(5, 2), put(6, 0)),
		wrongType('type 0 of another chain', put(6, 0), otherChain),
	];
}

export interface MalformedKey extends Malformed {
	of: SignerName;
}

/** What is no key in the 34 bytes that payloads have. */
export const MALFORMED_KEYS: readonly MalformedKey[] = [
	...KEY_SCHEMES.flatMap((scheme): MalformedKey[] => [
		{ name: 'a scheme that is not known', of: `signer-${scheme}`, changes: [put(0, 3)] },
		{ name: 'the highest scheme byte', of: `signer-${scheme}`, changes: [put(0, 255)] },
		{ name: 'one byte short', of: `signer-${scheme}`, changes: [cut(1)] },
		{ name: 'one byte long', of: `signer-${scheme}`, changes: [append(Uint8Array.of(0))] },
	]),
	...(['ed25519', 'sr25519'] as const).flatMap((scheme): MalformedKey[] => [
		{ name: 'padding that is not 0', of: `signer-${scheme}`, changes: [put(33, 1)] },
		{ name: 'padding with its highest bit', of: `signer-${scheme}`, changes: [put(33, 128)] },
	]),
	{ name: '33 bytes that claim to be an ed25519 key', of: 'signer-ecdsa', changes: [put(0, 0)] },
];

export interface MalformedItem extends Malformed {
	of: string;
}

const ITEM_LENGTHS = ['voucher, ed25519', 'captures less', 'ticks, ed25519'] as const;
const [A_VOUCHER, , TICKS] = ITEM_LENGTHS;

/** What is no item. After channel and lane, 36 bytes, come the capture, the kind of proof, its fields. */
export const MALFORMED_ITEMS: readonly MalformedItem[] = [
	...ITEM_LENGTHS.flatMap((of): MalformedItem[] => [
		{ name: 'one byte short', of, changes: [cut(1)] },
		{ name: 'one byte long', of, changes: [append(Uint8Array.of(0))] },
	]),
	{ name: 'capture that is neither there nor not', of: A_VOUCHER, changes: [put(36, 2)] },
	{ name: 'capture that is not there', of: A_VOUCHER, changes: [put(36, 1)] },
	{ name: 'unknown kind of proof', of: A_VOUCHER, changes: [put(37, 2)] },
	{ name: 'voucher that claims to be ticks', of: A_VOUCHER, changes: [put(37, 1)] },
	{ name: 'ticks that claim to be a voucher', of: TICKS, changes: [put(37, 0)] },
	{ name: 'unknown scheme of signature', of: A_VOUCHER, changes: [put(58, 3)] },
	{ name: 'ed25519 signature that claims to be ecdsa', of: A_VOUCHER, changes: [put(58, 2)] },
];
