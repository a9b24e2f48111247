// Signatures at the edge of what a scheme allows. Each is made anew from what its name says.

import { ed25519, ristretto255 } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import {
	byteAt, type Bytes, type Change, changed, concat, fail, fromInteger, GENESIS, integer, named, names, put,
	putBytes, refuses, same, sameNames, seed, unhex,
} from './bytes.js';
import { VOUCHER } from './payloads.js';
import {
	bytes, change, type Checks, each, file, flag, list, object, type Of, oneOf, rows, text,
} from './shape.js';
import {
	accepts, account, challenge, ed25519Verify, holds, KEY_SCHEMES, type KeyScheme, ORDER, parseSignature,
	publicLength, scaled, sign, signer,
} from './signatures.js';

const row = object(
	{
		name: text, scheme: oneOf(...KEY_SCHEMES), public: bytes(), signature: bytes(), key: flag,
		account: flag,
	},
	{ of: text, public_changes: list(change), signature_changes: list(change), strict: flag },
);
type Row = Of<typeof row>;

const MESSAGE = VOUCHER.encode(
	{ channel: seed('channel'), lane: 3, cumulative: 1_234_567n, valid_until: 43_200 },
	GENESIS,
);

/** A public key and a signature, and how they came from the genuine ones of their scheme. */
type Edge = Omit<Row, 'key' | 'account' | 'strict'>;

const own = (name: string, scheme: KeyScheme, key: Bytes, signature: Bytes): Edge =>
	({ name, scheme, public: key, signature: scaled(scheme, signature) });

/** What a signer makes. */
function genuine(scheme: KeyScheme): Edge {
	const by = signer(`signer-${scheme}`);
	return own(scheme, scheme, by.public, sign(by, MESSAGE));
}

const otherSignature = (base: Edge) => (name: string, ...changes: Change[]): Edge => ({
	...base, name, signature: changed(base.signature, changes), of: base.name, signature_changes: changes,
});
const otherPublic = (base: Edge) => (name: string, ...changes: Change[]): Edge => ({
	...base, name, public: changed(base.public, changes), of: base.name, public_changes: changes,
});

/** The byte at a place with these of its bits flipped. */
const xor = (bytes: Bytes, at: number, mask: number): Change => put(at, byteAt(bytes, at) ^ mask);

const { Point: Edwards } = ed25519;
const { Point: Ristretto } = ristretto255;
const P = Edwards.CURVE().p;
const SIGN = 1n << 255n;

function changedEd25519(): Edge[] {
	const base = genuine('ed25519');
	const [other, key] = [otherSignature(base), otherPublic(base)];
	const s = fromInteger(base.signature.slice(33));
	// y = 2 is the least of no point.
	const offCurve = integer(2, 32);
	if (!refuses(() => Edwards.fromBytes(offCurve, true))) fail('y = 2 is on the curve');
	return [
		base,
		other('s + L', putBytes(33, integer(s + ORDER, 32))),
		other('s = L', putBytes(33, integer(ORDER, 32))),
		other('highest bit of s', xor(base.signature, 64, 128)),
		other('sign of R', xor(base.signature, 32, 128)),
		key('sign of A', xor(base.public, 31, 128)),
		other('R is not on the curve', putBytes(1, offCurve)),
		key('A is not on the curve', putBytes(0, offCurve)),
	];
}

/** A secret that is a plain scalar, and one for R, for signatures that no ordinary signer makes. */
const SECRET = fromInteger(seed('scalar')) % ORDER;
const NONCE = fromInteger(seed('nonce')) % ORDER;

/** A point of order 8; the others of small order are its multiples. */
const TORSION = Edwards.fromBytes(
	unhex('0xc7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a') ?? fail('torsion'),
);

/** All encodings of points of small order: the canonical ones, and those that only ZIP-215 reads. */
const SMALL_ORDER: readonly (readonly [string, Bytes])[] = [
	...[0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map(
		(i) => [`small order ${i}`, TORSION.multiplyUnsafe(i).toBytes()] as const,
	),
	['small order, y = 1 with a sign', integer(1n + SIGN, 32)],
	['small order, y = p', integer(P, 32)],
	['small order, y = p with a sign', integer(P + SIGN, 32)],
	['small order, y = p + 1', integer(P + 1n, 32)],
	['small order, y = p + 1 with a sign', integer(P + 1n + SIGN, 32)],
	['small order, y = p - 1 with a sign', integer(P - 1n + SIGN, 32)],
];

function madeEd25519(): Edge[] {
	const [A, R] = [Edwards.BASE.multiply(SECRET), Edwards.BASE.multiply(NONCE)];
	const made = (name: string, key: Bytes, r: Bytes, nonce: bigint): Edge => {
		const s = (nonce + challenge(r, key, MESSAGE) * SECRET) % ORDER;
		return own(name, 'ed25519', key, concat(r, integer(s, 32)));
	};
	const [a, r] = [A.toBytes(), R.toBytes()];
	const ofSmallOrder = SMALL_ORDER.flatMap(([name, point]) => [
		// Under a key of small order this signature is good for every message.
		own(`A and R of ${name}`, 'ed25519', point, concat(point, new Uint8Array(32))),
		made(`R of ${name}`, a, point, 0n),
	]);
	return [
		made('plain scalar', a, r, NONCE),
		made('A of mixed order', A.add(TORSION).toBytes(), r, NONCE),
		made('R of mixed order', a, R.add(TORSION).toBytes(), NONCE),
		made('R is the identity', a, Edwards.ZERO.toBytes(), 0n),
		...ofSmallOrder,
	];
}

/** `s` with the mark of sr25519. */
const marked = (s: bigint): Bytes => integer(s + SIGN, 32);

function edgesOfSr25519(): Edge[] {
	const base = genuine('sr25519');
	const [other, key] = [otherSignature(base), otherPublic(base)];
	const s = fromInteger(base.signature.slice(33)) - SIGN;
	// The other encoding of the same field element is negative, so not canonical.
	const negated = (bytes: Bytes): Bytes => integer(P - fromInteger(bytes), 32);
	// Nobody's key: whatever is signed, R = s · B is good.
	const nobodys = (name: string, s: bigint): Edge => {
		const R = Ristretto.BASE.multiplyUnsafe(s);
		return own(name, 'sr25519', new Uint8Array(32), concat(R.toBytes(), marked(s)));
	};
	return [
		base,
		other('mark is missing', xor(base.signature, 64, 128)),
		other('s + L, marked', putBytes(33, marked(s + ORDER))),
		other('s = L, marked', putBytes(33, marked(ORDER))),
		other('negative R', putBytes(1, negated(base.signature.slice(1, 33)))),
		key('negative public key', putBytes(0, negated(base.public))),
		key('p as public key', putBytes(0, integer(P, 32))),
		nobodys('public key 0, s not 0', NONCE),
		nobodys('public key 0, s = 0', 0n),
	];
}

function edgesOfEcdsa(): Edge[] {
	const base = genuine('ecdsa');
	const [other, key] = [otherSignature(base), otherPublic(base)];
	const { n } = secp256k1.Point.CURVE();
	const bigEndian = (value: bigint): Bytes => integer(value, 32).reverse();
	const s = fromInteger(base.signature.slice(33, 65).reverse());
	const v = byteAt(base.signature, 65);
	const higher = putBytes(33, bigEndian(n - s));
	return [
		base,
		other('higher s', higher, put(65, v ^ 1)),
		other('higher s, v unchanged', higher, put(65, v)),
		other('the other v', put(65, v ^ 1)),
		other('v + 2', put(65, v + 2)),
		other('v = 4', put(65, 4)),
		other('v + 27', put(65, v + 27)),
		other('the other v + 27', put(65, (v ^ 1) + 27)),
		other('v = 26', put(65, 26)),
		other('v = 31', put(65, 31)),
		other('v = 255', put(65, 255)),
		other('r = 0', putBytes(1, bigEndian(0n))),
		other('s = 0', putBytes(33, bigEndian(0n))),
		other('r = n', putBytes(1, bigEndian(n))),
		other('s = n', putBytes(33, bigEndian(n))),
		other('s above n', putBytes(33, new Uint8Array(32).fill(0xff))),
		key('the other y', xor(base.public, 0, 1)),
		key('mark of a long public key', put(0, 4)),
	];
}

const EDGES = [...changedEd25519(), ...madeEd25519(), ...edgesOfSr25519(), ...edgesOfEcdsa()];

function check(row: Row, message: Bytes): void {
	const { scheme, public: key } = row;
	same(row, { ...row, ...named(EDGES, row.name) }, 'row');
	if (key.length !== publicLength(scheme)) fail('length of a public key');
	const holder = { scheme, public: key, account: account(scheme, key) };
	const signature = parseSignature(row.signature, 'key');
	same(signature.scheme, scheme, 'scheme');
	for (const as of ['key', 'account'] as const) same(row[as], accepts(as, holder, message, signature), as);
	// What RFC 8032 read narrowly says: canonical points, `s · B = R + k · A` as it stands.
	const narrow = holds(() => ed25519Verify(signature.bytes, message, key, true));
	same(row.strict, scheme === 'ed25519' ? narrow : undefined, 'strict');
}

export const edges: Checks = file(object({ message: bytes(), rows: rows(row) }), ({ message, rows }) => {
	const head = (): void => {
		same(message, MESSAGE, 'message');
		sameNames(names(rows), names(EDGES), 'rows');
	};
	return [{ path: '', run: head }, ...each('rows', rows, (row) => check(row, message))];
});
