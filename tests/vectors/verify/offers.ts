// Offers: their bytes, digests, and signatures over those.

import {
	append, blake2, type Bytes, type Change, changed, concat, cut, fail, fromInteger, GENESIS, hex, integer,
	named, names, OTHER_GENESIS, put, putBytes, Reader, Refusal, same, sameNames,
} from './bytes.js';
import {
	AGREEMENTS, CHANNELS, domain, ERRORS, HEADER, head, headerError, type PayloadError, TAGS,
} from './payloads.js';
import {
	bytes, change, type Check, type Checks, decimal, each, file, flag, list, nullable, object, type Of, oneOf,
	rows, text, u32,
} from './shape.js';
import { accepts, as, checkSignature, parseSignature, scaled, schemesOf, signer, signerName } from './signatures.js';

const TYPE = 6;
const SIDES = ['buyer', 'seller'] as const;

const milestone = object({
	amount: decimal(128), deliver_within: u32, review: u32, rework: u32, changes: u32, penalty: decimal(128),
	lock: nullable(bytes(32)),
});
type Milestone = Of<typeof milestone>;

const offer = object({
	negotiation: bytes(32), buyer: bytes(32), seller: bytes(32), asset: nullable(u32),
	milestones: list(milestone), terms: bytes(32), bond: decimal(128),
	panel: object({ arbiters: list(bytes(32)), fee: decimal(128), turn: u32, fallback: u32 }),
	by: oneOf(...SIDES), round: u32, previous: nullable(bytes(32)), opened: u32, first_ask: decimal(128),
	valid_until: u32, nonce: decimal(64),
});
type Offer = Of<typeof offer>;

const signatureRow = object({
	as, signer: signerName, wrapped: flag, signature: bytes(), submitted: bytes(),
});
const validRow = object({
	name: text, genesis: bytes(32), fields: offer, bytes: bytes(), digest: bytes(32), key: bytes(32),
	signatures: rows(signatureRow),
});
const malformedRow = object({
	name: text, of: text, changes: list(change), bytes: bytes(), error: oneOf(...ERRORS),
});
type ValidRow = Of<typeof validRow>;

const option = <T>(value: T | null, write: (value: T) => Bytes): Bytes =>
	value === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), write(value));

/** A list of no more than 63 elements: its compact length is one byte. */
const several = <T>(values: readonly T[], write: (value: T) => Bytes): Bytes =>
	concat(Uint8Array.of(values.length << 2), ...values.map(write));

const number = (length: number) => (value: number | bigint): Bytes => integer(value, length);
const [byte, short, long, longest] = [number(1), number(4), number(8), number(16)];
const same32 = (value: Bytes): Bytes => value;

const writeMilestone = (one: Milestone): Bytes =>
	concat(
		longest(one.amount), short(one.deliver_within), short(one.review), short(one.rework), byte(one.changes),
		longest(one.penalty), option(one.lock, same32),
	);

const write = (one: Offer, genesis: Bytes): Bytes =>
	concat(
		head(TYPE, AGREEMENTS, genesis),
		one.negotiation, one.buyer, one.seller, option(one.asset, short), several(one.milestones, writeMilestone),
		one.terms, longest(one.bond), several(one.panel.arbiters, same32), longest(one.panel.fee),
		short(one.panel.turn), short(one.panel.fallback), byte(SIDES.indexOf(one.by)), short(one.round),
		option(one.previous, same32), short(one.opened), longest(one.first_ask), short(one.valid_until),
		long(one.nonce),
	);

function readOption<T>(reader: Reader, read: () => T): T | null {
	const there = reader.byte();
	if (there > 1) fail('an option is there or not');
	return there === 0 ? null : read();
}

function readSeveral<T>(reader: Reader, most: number, read: () => T): T[] {
	const length = reader.byte();
	if (length % 4 !== 0 || length >> 2 > most) fail('a list that is too long');
	return Array.from({ length: length >> 2 }, read);
}

function readBody(reader: Reader): Offer {
	const [hash, small, large] = [() => reader.take(32), () => reader.u32(), () => reader.u128()];
	const [negotiation, buyer, seller] = [hash(), hash(), hash()];
	const asset = readOption(reader, small);
	const milestones = readSeveral(reader, 16, () => ({
		amount: large(), deliver_within: small(), review: small(), rework: small(), changes: reader.byte(),
		penalty: large(), lock: readOption(reader, hash),
	}));
	const [terms, bond] = [hash(), large()];
	const panel = { arbiters: readSeveral(reader, 3, hash), fee: large(), turn: small(), fallback: small() };
	if (panel.fallback > 1_000_000) fail('a share of more than the whole');
	const by = SIDES[reader.byte()] ?? fail('no such side');
	const round = small();
	const previous = readOption(reader, hash);
	const [opened, first_ask, valid_until] = [small(), large(), small()];
	const nonce = fromInteger(reader.take(8));
	reader.end();
	return {
		negotiation, buyer, seller, asset, milestones, terms, bond, panel, by, round, previous, opened, first_ask,
		valid_until, nonce,
	};
}

/** Header, the names, the asset, 16 milestones under locks, terms and bond, three arbiters, and the rest. */
const LONGEST =
	HEADER + 3 * 32 + 5 + 1 + 16 * (2 * 16 + 3 * 4 + 1 + 33) + 32 + 16 + 1 + 3 * 32 + 16 + 4 + 4 +
	1 + 4 + 33 + 4 + 16 + 4 + 8;

function read(whole: Bytes): { fields: Offer } | { error: PayloadError } {
	if (whole.length < HEADER || whole.length > LONGEST) return { error: 'length' };
	const reader = new Reader(whole);
	const error = headerError(reader, TYPE, domain(AGREEMENTS, GENESIS));
	if (error !== null) return { error };
	try {
		return { fields: readBody(reader) };
	} catch (fault) {
		if (fault instanceof Refusal) return { error: 'field' };
		throw fault;
	}
}

/** What is no offer for a reader on the chain of the vectors. */
function refused(whole: Bytes): { name: string; error: PayloadError; changes: readonly Change[] }[] {
	const of = (error: PayloadError) => (name: string, ...changes: Change[]) => ({ name, error, changes });
	const [length, header, wrongDomain, field] = [of('length'), of('header'), of('domain'), of('field')];
	const asset = HEADER + 3 * 32;
	const by = whole.length - 4 - 33 - 4 - 16 - 4 - 8 - 1;
	return [
		length('nothing', cut(whole.length)),
		length('a byte less than a header', cut(whole.length - HEADER + 1)),
		length('longer than any offer', append(new Uint8Array(LONGEST))),
		field('header alone', cut(whole.length - HEADER)),
		field('one byte short', cut(1)),
		field('one byte long', append(Uint8Array.of(0))),
		header('first byte of a call', put(0, 0)),
		header('version 2', put(5, 2)),
		header('lowest flag', put(7, 1)),
		of('type')('type 9', put(6, 9)),
		wrongDomain('another chain', putBytes(8, domain(AGREEMENTS, OTHER_GENESIS))),
		wrongDomain('another use', putBytes(8, domain(CHANNELS, GENESIS))),
		field('asset of an unknown kind', put(asset, 2)),
		field('17 milestones', put(asset + 5, 17 << 2)),
		field('a side that there is not', put(by, 2)),
		field('a share of more than the whole', putBytes(by - 4, integer(1_000_001, 4))),
		field('previous that is neither there nor not', put(by + 5, 2)),
	];
}

const SIGNED_AS = ['account', 'key'] as const;

function checkValid(row: ValidRow): void {
	same(row.genesis, GENESIS, 'genesis');
	same(row.bytes, write(row.fields, GENESIS), 'bytes');
	same(read(row.bytes), { fields: row.fields }, 'reading');
	same(row.digest, blake2(row.bytes), 'digest');
	same(row.key, blake2(concat(row.fields.buyer, row.fields.seller, row.fields.negotiation)), 'key');
	const expected = SIGNED_AS.flatMap((as) =>
		schemesOf(as).flatMap((scheme) =>
			(as === 'key' ? [false] : [false, true]).map((wrapped) => `${as} signer-${scheme} ${wrapped}`),
		),
	);
	const found = row.signatures.map(({ as, signer, wrapped }) => `${as} ${signer} ${wrapped}`);
	sameNames(found, expected, 'signatures');
}

function signatureChecks(row: ValidRow, path: string): Check[] {
	return each(`${path}.signatures`, row.signatures, ({ as, signer: name, wrapped, signature, submitted }) => {
		const by = signer(name);
		const delegate = concat(Uint8Array.of(1), scaled(by.scheme, by.public));
		same(submitted, concat(as === 'account' ? Uint8Array.of(0) : delegate, signature), 'submitted');
		checkSignature(as, by, row.digest, wrapped, signature);
		// What the digest is made of is not what is signed.
		if (accepts(as, by, row.bytes, parseSignature(signature, as))) fail('the bytes are signed');
	});
}

/** What a sample is named for. */
function checkNames(valid: readonly ValidRow[]): void {
	const [first, full] = [named(valid, 'first of a buyer').fields, named(valid, 'longest')];
	same([first.by, first.round, first.previous], ['buyer', 1, null], 'first of a buyer');
	same(full.bytes.length, LONGEST, 'longest');
	same(new Set(valid.map(({ digest }) => hex(digest))).size, valid.length, 'different digests');
}

export const offers: Checks = file(
	object({
		type: u32, tag: oneOf(...TAGS), longest: u32, valid: rows(validRow), malformed: rows(malformedRow),
	}),
	(found) => {
		const { valid, malformed } = found;
		const headCheck = (): void => {
			same(found.type, TYPE, 'type');
			same(found.tag, AGREEMENTS, 'tag');
			same(found.longest, LONGEST, 'longest');
			sameNames(names(valid), ['typical', 'first of a buyer', 'longest'], 'valid');
			sameNames(names(malformed), names(refused(new Uint8Array(LONGEST))), 'malformed');
			checkNames(valid);
		};
		return [
			{ path: '', run: headCheck },
			...each('valid', valid, checkValid),
			...valid.flatMap((row, i) => signatureChecks(row, `valid[${i}]`)),
			...each('malformed', malformed, (row) => {
				same(row.of, 'typical', 'of');
				const whole = named(valid, row.of).bytes;
				const expected = named(refused(whole), row.name);
				same(row.changes, [...expected.changes], 'changes');
				same(row.bytes, changed(whole, row.changes), 'bytes');
				same(row.error, expected.error, 'error');
				same(read(row.bytes), { error: row.error }, 'reading');
			}),
		];
	},
);
