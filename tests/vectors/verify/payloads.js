// Payloads: header, fields, who signs.

import {
	ascii, blake2, changed, concat, fail, fixed, genesis, hex, integer, named, number, Reader, refuses,
	same, unhex,
} from './bytes.js';
import {
	accepts, checkSignature, keyBytes, parseSignature, readKey, scaleKey, signedExactly, signer,
} from './signatures.js';

const CHANNELS = 'stoa/channels/v1';
const AGENTS = 'stoa/agents/v1';

const bytes = (length) => ({ length, write: (text) => fixed(text, length), read: hex });
const int = (length) => ({ length, write: (value) => integer(value, length), read: number });
const [u32, u64, u128] = [4, 8, 16].map(int);
const key = {
	length: 34,
	write: keyBytes,
	read: (bytes) => {
		const { scheme, public: key } = readKey(bytes);
		return { scheme, public: hex(key) };
	},
};

const PAYLOADS = {
	Voucher: {
		type: 1,
		tag: CHANNELS,
		signedBy: ['key'],
		fields: { channel: bytes(32), lane: u32, cumulative: u128, valid_until: u32 },
	},
	TickCommit: {
		type: 2,
		tag: CHANNELS,
		signedBy: ['key'],
		fields: {
			channel: bytes(32), lane: u32, base: u128, value: u128, count: u32, prefix: bytes(16),
			root: bytes(32), valid_until: u32,
		},
	},
	OpenAuth: {
		type: 3,
		tag: CHANNELS,
		signedBy: ['account', 'key'],
		fields: {
			payee: bytes(32), asset: bytes(32), amount: u128, voucher_key: key, grace: u32, nonce: u64,
			expires: u32,
		},
	},
	CloseConsent: {
		type: 4,
		tag: CHANNELS,
		signedBy: ['account', 'key'],
		fields: { channel: bytes(32), total: u128, expires: u32 },
	},
	Receipt: {
		type: 5,
		tag: CHANNELS,
		signedBy: ['account'],
		fields: {
			channel: bytes(32), lane: u32, cumulative: u128, request: bytes(32), response: bytes(32),
		},
	},
	Consent: {
		type: 7,
		tag: AGENTS,
		signedBy: ['account'],
		fields: { operator: bytes(32), agent: bytes(32), expires: u32 },
	},
	Inquiry: {
		type: 8,
		tag: CHANNELS,
		signedBy: ['key'],
		fields: { channel: bytes(32), time: u64 },
	},
};

export function domain(tag, genesis) {
	if (tag !== CHANNELS && tag !== AGENTS) fail(`unknown tag ${tag}`);
	return blake2(concat(ascii(tag), genesis));
}

const MAGIC = concat(Uint8Array.of(0xff), ascii('STOA'), Uint8Array.of(1));

export function encode(name, fields, genesis) {
	const { type, tag, fields: kinds } = PAYLOADS[name];
	same(Object.keys(fields).sort(), Object.keys(kinds).sort(), 'names of fields');
	const body = Object.entries(kinds).map(([field, { write }]) => write(fields[field]));
	return concat(MAGIC, Uint8Array.of(type, 0), domain(tag, genesis), ...body);
}

/** The fields, or the error as a string. */
function decode(name, whole, genesis) {
	const { type, tag, fields: kinds } = PAYLOADS[name];
	if (whole.length !== layout(name).at(-1).end) return 'length';
	const reader = new Reader(whole);
	const magic = reader.take(6);
	const [kind, flags] = reader.take(2);
	if (hex(magic) !== hex(MAGIC) || flags !== 0) return 'header';
	if (kind !== type) return 'type';
	if (hex(reader.take(32)) !== hex(domain(tag, genesis))) return 'domain';
	try {
		return Object.fromEntries(
			Object.entries(kinds).map(([field, { length, read }]) => [field, read(reader.take(length))]),
		);
	} catch {
		return 'field';
	}
}

function layout(name) {
	let at = 0;
	const part = (field, length, flip) => ({ field, at, length, flip, end: (at += length) });
	return [
		part('mark and version', 6, 'header'),
		part('type', 1, 'type'),
		part('flags', 1, 'header'),
		part('domain', 32, 'domain'),
		...Object.entries(PAYLOADS[name].fields).map(([field, { length }]) => part(field, length, 'other')),
	];
}

const flip = (whole, bit) => {
	const out = Uint8Array.from(whole);
	out[bit >> 3] ^= 1 << (bit & 7);
	return out;
};

/** Every check of a payload's file: where in it, and what to run. */
export function checks(file) {
	const name = file.payload;
	const rows = (list, check) => file[list].map((row, i) => [`${list}[${i}]`, () => check(file, row)]);
	return [
		['', () => checkHead(file)],
		['flips', () => checkFlips(file)],
		...rows('valid', checkValid),
		...file.valid.flatMap((row, i) =>
			row.signatures.map((signature, j) => [
				`valid[${i}].signatures[${j}]`,
				() => checkValidSignature(name, row, signature),
			]),
		),
		...rows('malformed', checkMalformed),
		...rows('forged', checkForged),
		...(file.headers ? rows('headers', checkHeader) : []),
	];
}

function checkHead(file) {
	const { type, tag, signedBy } = PAYLOADS[file.payload] ?? fail('unknown payload');
	const parts = layout(file.payload);
	same(file.type, type, 'type');
	same(file.tag, tag, 'tag');
	same(file.signed_by, signedBy, 'signed_by');
	same(file.length, parts.at(-1).end, 'length');
	same(file.layout.length, parts.length, 'parts');
	parts.forEach(({ end, ...part }, i) => {
		for (const key of Object.keys(part)) same(file.layout[i][key], part[key], `layout ${key}`);
	});
}

/** No flipped bit gives a payload that reads the same, or that somebody has signed. */
function checkFlips({ payload: name, valid: [row] }) {
	const whole = unhex(row.bytes);
	const chain = unhex(row.genesis);
	for (const part of layout(name)) {
		const [first, last] = [part.at * 8, part.end * 8 - 1];
		for (let bit = first; bit <= last; bit++) {
			const read = decode(name, flip(whole, bit), chain);
			if (part.flip !== 'other') same(read, part.flip, `bit ${bit}`);
			else if (JSON.stringify(read) === JSON.stringify(decode(name, whole, chain))) fail(`bit ${bit}`);
		}
		for (const { as, signer: by, signature } of row.signatures) {
			for (const bit of [first, last]) {
				const parsed = parseSignature(unhex(signature), as);
				if (accepts(as, signer(by), flip(whole, bit), parsed)) fail(`bit ${bit} is not covered`);
			}
		}
	}
}

function checkValid({ payload: name }, row) {
	same(row.genesis, hex(genesis()), 'genesis');
	same(hex(encode(name, row.fields, genesis())), row.bytes, 'bytes');
	same(hex(encode(name, decode(name, unhex(row.bytes), genesis()), genesis())), row.bytes, 'reading');
	// As a key raw, as an account raw and wrapped, with every scheme.
	const found = row.signatures.map(({ as, signer, wrapped }) => `${as} ${signer} ${wrapped}`);
	const expected = PAYLOADS[name].signedBy.flatMap((as) =>
		as === 'key'
			? ['ed25519', 'sr25519', 'ecdsa'].map((scheme) => `key signer-${scheme} false`)
			: ['ed25519', 'sr25519', 'ecdsa', 'eth'].flatMap((scheme) => [
					`account signer-${scheme} false`,
					`account signer-${scheme} true`,
				]),
	);
	same(found, expected, 'signers');
}

function checkValidSignature(name, row, { as, signer: by, wrapped, signature, submitted }) {
	if (!PAYLOADS[name].signedBy.includes(as)) fail(`${as} must not sign`);
	const bytes = unhex(signature);
	if (as === 'key' && wrapped !== false) fail('a key signs raw');
	checkSignature(as, by, unhex(row.bytes), wrapped, bytes);
	if (PAYLOADS[name].signedBy.length > 1) {
		const holder = signer(by);
		const head = as === 'account' ? [0] : [1, ...scaleKey(holder.scheme, holder.public)];
		same(unhex(submitted), concat(Uint8Array.from(head), bytes), 'submitted');
	}
}

function checkMalformed({ payload: name, valid }, row) {
	const whole = unhex(row.bytes);
	same(whole, changed(unhex(named(valid, row.of).bytes), row.changes), 'bytes');
	same(decode(name, whole, genesis()), row.error, 'error');
}

function checkForged({ payload: name, valid }, row) {
	if (!PAYLOADS[name].signedBy.includes(row.as)) fail(`${row.as} must not sign`);
	const whole = unhex(named(valid, row.of).bytes);
	const signature = parseSignature(unhex(row.signature), row.as);
	const [holder, by] = [signer(row.signer), signer(row.by)];
	if (accepts(row.as, holder, whole, signature)) fail(`accepted: ${row.reason}`);
	// It is refused for the reason given, and not because it is no signature at all.
	if (!signedExactly(by, unhex(row.signed), signature)) fail('not what was signed');
	const shown = /^(disguised|keccak|blake2b)/.test(row.reason) ? holder : by;
	same(signature.scheme, shown.scheme, 'scheme of signature');
	checkReason(name, row, whole, holder, by);
}

/** Signer and signed bytes differ from what is claimed as the reason says, and in nothing else. */
function checkReason(name, { reason, signed }, whole, holder, by) {
	const aboutSigner = /^(another signer$|(disguised )?signature of|keccak|blake2b)/.test(reason);
	if ((holder.name !== by.name) !== aboutSigner) fail(`signer does not fit the reason: ${reason}`);
	const part = layout(name).find(({ field, flip }) => flip === 'other' && reason === `another ${field}`);
	if (aboutSigner) same(signed, hex(whole), reason);
	else if (part) same(signed, hex(flip(whole, part.at * 8)), reason);
	else if (signed === hex(whole)) fail(`nothing is wrong: ${reason}`);
}

/** The request header of an inquiry. */
function checkHeader({ valid }, { of, signer: by, header }) {
	const row = named(valid, of);
	const { signature } = row.signatures.find((signature) => signature.signer === by) ?? fail('signer');
	const { channel, time } = row.fields;
	// The time may be more than a JavaScript number holds.
	const json = `{"channelId":"${channel}","signature":"${signature}","time":${time}}`;
	same(header, Buffer.from(json).toString('base64url'), 'header');
}

/** Whether bytes are refused as a key of a payload. */
export const refusesKey = (bytes) => refuses(() => readKey(bytes));
