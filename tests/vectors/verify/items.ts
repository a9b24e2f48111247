// Items: what is settled.

import {
	type Bytes, changed, concat, fail, GENESIS, hex, integer, named, names, Reader, refuses, same,
	sameNames, seed,
} from './bytes.js';
import { MALFORMED_ITEMS } from './malformed.js';
import { TICK_COMMIT, VOUCHER } from './payloads.js';
import {
	bytes, change, type Checks, decimal, each, file, flag, list, nullable, object, type Of, oneOf, rows,
	type Shape, text, u32,
} from './shape.js';
import {
	accepts, parseSignature, readSignature, scaled, sign, signer, type SignerName, signerName,
} from './signatures.js';
import { inRange, walk } from './ticks.js';

const u128 = decimal(128);

const voucherProof = object({
	kind: oneOf('voucher'), cumulative: u128, valid_until: u32, signature: bytes(),
});
const tickProof = object({
	kind: oneOf('ticks'), base: u128, value: u128, count: u32, prefix: bytes(16), root: bytes(32),
	valid_until: u32, signature: bytes(), index: u32, tick: bytes(32),
});
type Proof = Of<typeof voucherProof> | Of<typeof tickProof>;

const proof: Shape<Proof> = (value, at) => {
	const ticks = value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'ticks';
	return ticks ? tickProof(value, at) : voucherProof(value, at);
};

const item = object({ channel: bytes(32), lane: u32, capture: nullable(u128), proof });
type Item = Of<typeof item>;

const validRow = object({
	name: text, genesis: bytes(32), item, scale: bytes(), message: bytes(), allowed: nullable(u128),
	valid_until: u32, hashes: u32, in_range: nullable(flag), leads_to_root: nullable(flag),
	signer: signerName, signed: flag,
});
const batchRow = object({ of: list(text), scale: bytes() });
const malformedRow = object({ name: text, of: text, changes: list(change), scale: bytes() });
type ValidRow = Of<typeof validRow>;

function writeProof(proof: Proof): Bytes {
	parseSignature(proof.signature, 'key');
	const until = integer(proof.valid_until, 4);
	if (proof.kind === 'voucher') {
		return concat(Uint8Array.of(0), integer(proof.cumulative, 16), until, proof.signature);
	}
	const { base, value, count, prefix, root, signature, index, tick } = proof;
	const chain = concat(integer(base, 16), integer(value, 16), integer(count, 4), prefix, root);
	return concat(Uint8Array.of(1), chain, until, signature, integer(index, 4), tick);
}

function write({ channel, lane, capture, proof }: Item): Bytes {
	const option = capture === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), integer(capture, 16));
	return concat(channel, integer(lane, 4), option, writeProof(proof));
}

function readProof(reader: Reader): Proof {
	const signature = (): Bytes => {
		const { scheme, bytes } = readSignature(reader, 'key');
		return scaled(scheme, bytes);
	};
	switch (reader.byte()) {
		case 0:
			return {
				kind: 'voucher', cumulative: reader.u128(), valid_until: reader.u32(), signature: signature(),
			};
		case 1:
			return {
				kind: 'ticks', base: reader.u128(), value: reader.u128(), count: reader.u32(),
				prefix: reader.take(16), root: reader.take(32), valid_until: reader.u32(),
				signature: signature(), index: reader.u32(), tick: reader.take(32),
			};
		default:
			return fail('kind of proof');
	}
}

function read(bytes: Bytes): Item {
	const reader = new Reader(bytes);
	const [channel, lane, option] = [reader.take(32), reader.u32(), reader.byte()];
	if (option > 1) fail('option');
	const capture = option === 1 ? reader.u128() : null;
	const found = { channel, lane, capture, proof: readProof(reader) };
	reader.end();
	return found;
}

/** The payload that a proof's signature is over. */
function message({ channel, lane, proof }: Item): Bytes {
	const { valid_until } = proof;
	if (proof.kind === 'voucher') {
		return VOUCHER.encode({ channel, lane, cumulative: proof.cumulative, valid_until }, GENESIS);
	}
	const { base, value, count, prefix, root } = proof;
	return TICK_COMMIT.encode({ channel, lane, base, value, count, prefix, root, valid_until }, GENESIS);
}

function allowed(proof: Proof): bigint | null {
	if (proof.kind === 'voucher') return proof.cumulative;
	const sum = proof.base + BigInt(proof.index) * proof.value;
	return sum >> 128n ? null : sum;
}

/** What an item is, by its name: whose it is, and what was signed by whom instead. */
interface Expected {
	kind: Proof['kind'];
	signer: SignerName;
	by?: SignerName;
	signed?: (item: Item) => Item;
}

const of = (kind: Proof['kind'], signer: SignerName, other: Partial<Expected> = {}): Expected =>
	({ kind, signer, ...other });
const lessValue = ({ proof, ...rest }: Item): Item =>
	({ ...rest, proof: proof.kind === 'ticks' ? { ...proof, value: proof.value - 1n } : proof });

const ITEMS = new Map<string, Expected>([
	['voucher, ed25519', of('voucher', 'signer-ed25519')],
	['voucher, sr25519', of('voucher', 'signer-sr25519')],
	['voucher, ecdsa', of('voucher', 'signer-ecdsa')],
	['captures less', of('voucher', 'signer-ed25519')],
	['ticks, ed25519', of('ticks', 'signer-ed25519')],
	['ticks, sr25519', of('ticks', 'signer-sr25519')],
	['ticks, ecdsa', of('ticks', 'signer-ecdsa')],
	['ticks, captures less', of('ticks', 'signer-ed25519')],
	['captures nothing', of('voucher', 'signer-ed25519')],
	['all at their highest', of('voucher', 'signer-ed25519')],
	['tick 0', of('ticks', 'signer-ed25519')],
	['index above the count', of('ticks', 'signer-ed25519')],
	['tick of another index', of('ticks', 'signer-ed25519')],
	['more than any number holds', of('ticks', 'signer-ed25519')],
	['voucher of a stranger', of('voucher', 'signer-ed25519', { by: 'stranger-ed25519' })],
	['ticks of a stranger', of('ticks', 'signer-ed25519', { by: 'stranger-ed25519' })],
	[
		'voucher of another lane',
		of('voucher', 'signer-ed25519', { signed: (item) => ({ ...item, lane: 3 }) }),
	],
	[
		'voucher of another channel',
		of('voucher', 'signer-ed25519', { signed: (item) => ({ ...item, channel: seed('channel') }) }),
	],
	['another value per tick', of('ticks', 'signer-ed25519', { signed: lessValue })],
]);

/** The signature is the one that somebody has made, and good where nothing else was signed. */
function checkSigned({ item, signer: name, signed, message: whole }: ValidRow, expected: Expected): void {
	const by = signer(expected.by ?? name);
	const over = expected.signed ? message(expected.signed(item)) : whole;
	same(item.proof.signature, scaled(by.scheme, sign(by, over)), 'signature');
	const good = expected.by === undefined && expected.signed === undefined;
	same(signed, good, 'signed');
	same(accepts('key', signer(name), whole, parseSignature(item.proof.signature, 'key')), good, 'signed');
}

function checkTicks({ item: { proof }, in_range, leads_to_root, hashes }: ValidRow): void {
	if (proof.kind === 'voucher') {
		same([in_range, leads_to_root, hashes], [null, null, 0], 'ticks');
		return;
	}
	const { prefix, index, tick, root } = proof;
	same(in_range, inRange(proof), 'in_range');
	same(leads_to_root, hex(walk(prefix, index, index, tick)) === hex(root), 'leads_to_root');
	same(hashes, inRange(proof) ? index : 0, 'hashes');
}

function checkValid(row: ValidRow): void {
	const { item, scale } = row;
	const expected = ITEMS.get(row.name) ?? fail('an unknown item');
	same(row.genesis, GENESIS, 'genesis');
	same(write(item), scale, 'scale');
	same(read(scale), item, 'scale read');
	same(message(item), row.message, 'message');
	same(allowed(item.proof), row.allowed, 'allowed');
	same(row.valid_until, item.proof.valid_until, 'valid_until');
	same(item.proof.kind, expected.kind, 'kind');
	same(row.signer, expected.signer, 'signer');
	checkTicks(row);
	checkSigned(row, expected);
}

/** The names of the items in each batch. */
const BATCHES = [[], ['voucher, ed25519', 'ticks, ed25519']];

/** A list in SCALE, as long as its length is one byte. */
const scaleList = (items: readonly Bytes[]): Bytes =>
	items.length < 64 ? concat(Uint8Array.of(items.length << 2), ...items) : fail('a long list');

export const items: Checks = file(
	object({ valid: rows(validRow), batches: rows(batchRow), malformed: rows(malformedRow) }),
	({ valid, batches, malformed }) => {
		const checkBatch = ({ of, scale }: Of<typeof batchRow>): void =>
			same(scale, scaleList(of.map((name) => named(valid, name).scale)), 'scale');
		const checkMalformed = (row: Of<typeof malformedRow>): void => {
			const expected = MALFORMED_ITEMS.find(({ name, of }) => name === row.name && of === row.of);
			same(row.changes, [...(expected ?? fail('an unknown row')).changes], 'changes');
			same(row.scale, changed(named(valid, row.of).scale, row.changes), 'scale');
			if (!refuses(() => read(row.scale))) fail('an item that is none is read');
		};
		const shown = ({ name, of }: { name: string; of: string }): string => `${name} of ${of}`;
		const head = (): void => {
			sameNames(names(valid), [...ITEMS.keys()], 'valid');
			same(batches.map(({ of }) => of), BATCHES, 'batches');
			sameNames(malformed.map(shown), MALFORMED_ITEMS.map(shown), 'malformed');
		};
		return [
			{ path: '', run: head },
			...each('valid', valid, checkValid),
			...each('batches', batches, checkBatch),
			...each('malformed', malformed, checkMalformed),
		];
	},
);
