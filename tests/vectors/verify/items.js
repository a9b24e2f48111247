// Items: what is settled.

import {
	changed, concat, fail, fixed, genesis, hex, integer, named, number, Reader, refuses, same, unhex,
} from './bytes.js';
import { encode } from './payloads.js';
import { accepts, parseSignature, readSignature, scaleKey, signer } from './signatures.js';
import { inRange, walk } from './ticks.js';

function writeProof(proof) {
	const u32 = (value) => integer(value, 4);
	const u128 = (value) => integer(value, 16);
	const signature = unhex(proof.signature);
	parseSignature(signature, 'key');
	if (proof.kind === 'voucher') {
		return concat(Uint8Array.of(0), u128(proof.cumulative), u32(proof.valid_until), signature);
	}
	if (proof.kind !== 'ticks') fail('kind of proof');
	return concat(
		Uint8Array.of(1), u128(proof.base), u128(proof.value), u32(proof.count), fixed(proof.prefix, 16),
		fixed(proof.root, 32), u32(proof.valid_until), signature, u32(proof.index), fixed(proof.tick, 32),
	);
}

function write({ channel, lane, capture, proof }) {
	const option = capture === null ? [0] : [1, ...integer(capture, 16)];
	return concat(fixed(channel, 32), integer(lane, 4), Uint8Array.from(option), writeProof(proof));
}

function readProof(reader) {
	const bytes = (length) => hex(reader.take(length));
	const int = (length) => number(reader.take(length));
	const signature = () => {
		const { scheme, bytes } = readSignature(reader, 'key');
		return hex(scaleKey(scheme, bytes));
	};
	switch (reader.byte()) {
		case 0:
			return { kind: 'voucher', cumulative: int(16), valid_until: int(4), signature: signature() };
		case 1:
			return {
				kind: 'ticks', base: int(16), value: int(16), count: int(4), prefix: bytes(16),
				root: bytes(32), valid_until: int(4), signature: signature(), index: int(4), tick: bytes(32),
			};
		default:
			return fail('kind of proof');
	}
}

function read(bytes) {
	const reader = new Reader(bytes);
	const [channel, lane] = [hex(reader.take(32)), number(reader.take(4))];
	const option = reader.byte();
	if (option > 1) fail('option');
	const capture = option ? number(reader.take(16)) : null;
	const item = { channel, lane, capture, proof: readProof(reader) };
	reader.end();
	return item;
}

/** The payload that a proof's signature is over. */
function message({ channel, lane, proof }, chain) {
	if (proof.kind === 'voucher') {
		const { cumulative, valid_until } = proof;
		return encode('Voucher', { channel, lane, cumulative, valid_until }, chain);
	}
	const { base, value, count, prefix, root, valid_until } = proof;
	return encode('TickCommit', { channel, lane, base, value, count, prefix, root, valid_until }, chain);
}

function allowed(proof) {
	if (proof.kind === 'voucher') return proof.cumulative;
	const sum = BigInt(proof.base) + BigInt(proof.index) * BigInt(proof.value);
	return sum >> 128n ? null : sum.toString();
}

function checkValid(row) {
	const { item } = row;
	const { proof } = item;
	same(row.genesis, hex(genesis()), 'genesis');
	same(write(item), unhex(row.scale), 'scale');
	same(hex(write(read(unhex(row.scale)))), row.scale, 'scale read and written');
	const signed = message(item, unhex(row.genesis));
	same(signed, unhex(row.message), 'message');
	same(allowed(proof), row.allowed, 'allowed');
	same(proof.valid_until, row.valid_until, 'valid_until');
	const ticks = proof.kind === 'ticks';
	const walked = ticks && walk(proof.prefix, proof.index, proof.index, proof.tick);
	same(row.in_range, ticks ? inRange(proof) : null, 'in_range');
	same(row.leads_to_root, ticks ? walked === proof.root : null, 'leads_to_root');
	same(row.hashes, ticks && inRange(proof) ? proof.index : 0, 'hashes');
	const signature = parseSignature(unhex(proof.signature), 'key');
	same(accepts('key', signer(row.signer), signed, signature), row.signed, 'signed');
}

/** A list in SCALE; all of these are shorter than 64. */
const list = (items) => concat(Uint8Array.of(items.length << 2), ...items);

export function checks(file) {
	const checkBatch = (row) => {
		const items = row.of.map((name) => unhex(named(file.valid, name).scale));
		same(list(items), unhex(row.scale), 'scale');
	};
	const checkMalformed = (row) => {
		const bytes = changed(unhex(named(file.valid, row.of).scale), row.changes);
		same(bytes, unhex(row.scale), 'scale');
		if (!refuses(() => read(bytes))) fail('an item that is none is read');
	};
	return [
		...file.valid.map((row, i) => [`valid[${i}]`, () => checkValid(row)]),
		...file.batches.map((row, i) => [`batches[${i}]`, () => checkBatch(row)]),
		...file.malformed.map((row, i) => [`malformed[${i}]`, () => checkMalformed(row)]),
	];
}
