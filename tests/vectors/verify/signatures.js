// Keys, accounts and signatures.

import { ed25519, RistrettoPoint } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha512 } from '@noble/hashes/sha2.js';
import * as sr25519 from '@scure/sr25519';
import { ascii, blake2, concat, fail, keccak256, Reader, same, seed, unhex } from './bytes.js';

const SCHEMES = ['ed25519', 'sr25519', 'ecdsa', 'eth'];
const schemeByte = (scheme) => {
	const byte = SCHEMES.indexOf(scheme);
	return byte < 0 ? fail(`unknown scheme ${scheme}`) : byte;
};

/** Takes a signature off a reader. A key has no scheme `eth`. */
export function readSignature(reader, as) {
	const scheme = reader.byte();
	if (scheme > (as === 'key' ? 2 : 3)) fail('unknown scheme of signature');
	return { scheme: SCHEMES[scheme], bytes: reader.take(scheme < 2 ? 64 : 65) };
}

export function parseSignature(bytes, as) {
	const reader = new Reader(bytes);
	const signature = readSignature(reader, as);
	reader.end();
	return signature;
}

/** A key in the 34 bytes that payloads have. */
export function keyBytes({ scheme, public: key }) {
	const bytes = unhex(key);
	if (bytes.length !== (scheme === 'ecdsa' ? 33 : 32)) fail('length of a public key');
	return concat(Uint8Array.of(schemeByte(scheme)), bytes, new Uint8Array(33 - bytes.length));
}

/** The inverse of `keyBytes`. */
export function readKey(bytes) {
	if (bytes.length !== 34) fail('length of a key');
	if (bytes[0] > 2) fail('unknown scheme of key');
	if (bytes[0] < 2 && bytes[33] !== 0) fail('padding of a key');
	return { scheme: SCHEMES[bytes[0]], public: bytes.slice(1, bytes[0] < 2 ? 33 : 34) };
}

/** A key in SCALE: no padding. */
export const scaleKey = (scheme, key) => concat(Uint8Array.of(schemeByte(scheme)), key);

/** The account of a public key. */
export function account(scheme, key) {
	if (scheme === 'ecdsa') return blake2(key);
	if (scheme === 'eth') return concat(keccak256(key).slice(12), new Uint8Array(12).fill(0xee));
	return key;
}

function recover(hash, signature, highestV) {
	let v = signature[64];
	if (highestV === 30 && v > 26) v -= 27;
	if (v > 3) fail('v');
	const compact = secp256k1.Signature.fromCompact(signature.slice(0, 64));
	return compact.addRecoveryBit(v).recoverPublicKey(hash).toRawBytes(true);
}

const littleEndian = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const ORDER = ed25519.CURVE.n;

/**
 * The equation of ed25519 with all that goes into it: ZIP-215, or RFC 8032 read narrowly if `strict`.
 *
 * `ed25519.verify` of the library hashes R and A as it would encode them. ZIP-215 hashes what was
 * sent, and so does the chain: it makes a difference when R is not canonical.
 */
export function ed25519Verify(signature, message, key, strict) {
	const { Point } = ed25519;
	const times = (point, scalar) => (scalar ? point.multiplyUnsafe(scalar) : Point.ZERO);
	const [r, s] = [signature.slice(0, 32), littleEndian(signature.slice(32))];
	if (s >= ORDER) fail('s');
	const [A, R] = [Point.fromHex(key, !strict), Point.fromHex(r, !strict)];
	const k = littleEndian(sha512(concat(r, key, message))) % ORDER;
	const difference = R.add(times(A, k)).subtract(times(Point.BASE, s));
	return (strict ? difference : difference.clearCofactor()).is0();
}

function sr25519Verify(message, signature, key) {
	if (key.some((byte) => byte !== 0)) return sr25519.verify(message, signature, key);
	// The library refuses the public key 0. The chain does not: what is left is R = s · B.
	if (signature[63] < 128) fail('mark');
	const scalar = littleEndian(signature.slice(32)) - (1n << 255n);
	if (scalar >= ORDER) fail('s');
	const product = scalar ? RistrettoPoint.BASE.multiply(scalar) : RistrettoPoint.ZERO;
	return product.equals(RistrettoPoint.fromHex(signature.slice(0, 32)));
}

/** Whether `signature` is good over exactly `message`, by a key or by an account. */
function verifyRaw(as, holder, message, { scheme, bytes }) {
	try {
		if (as === 'key' && holder.scheme !== scheme) return false;
		const id = as === 'key' ? holder.public : holder.account;
		switch (scheme) {
			case 'ed25519':
				return ed25519Verify(bytes, message, id, false);
			case 'sr25519':
				return sr25519Verify(message, bytes, id);
			default: {
				const hash = scheme === 'eth' ? keccak256(message) : blake2(message);
				const key = recover(hash, bytes, as === 'key' ? 3 : 30);
				return equal(as === 'key' ? key : account(scheme, key), id);
			}
		}
	} catch {
		return false;
	}
}

const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

export const wrap = (bytes) => concat(ascii('<Bytes>'), bytes, ascii('</Bytes>'));

/** Whether the chain takes `signature` as the holder's over a payload. */
export function accepts(as, holder, message, signature) {
	if (verifyRaw(as, holder, message, signature)) return true;
	return as === 'account' && verifyRaw(as, holder, wrap(message), signature);
}

/** Whether the holder has signed exactly these bytes, whatever scheme byte the signature shows. */
export function signedExactly(holder, message, { bytes }) {
	const as = holder.scheme === 'eth' ? 'account' : 'key';
	return verifyRaw(as, holder, message, { scheme: holder.scheme, bytes });
}

/** The signature that the vectors have: without randomness. */
export function sign(holder, message) {
	switch (holder.scheme) {
		case 'ed25519':
			return ed25519.sign(message, holder.seed);
		case 'sr25519': {
			const secret = sr25519.secretFromSeed(holder.seed);
			return sr25519.sign(secret, message, (length) => new Uint8Array(length));
		}
		default: {
			const hash = holder.scheme === 'eth' ? keccak256(message) : blake2(message);
			const signature = secp256k1.sign(hash, holder.seed, { lowS: true });
			return concat(signature.toCompactRawBytes(), Uint8Array.of(signature.recovery));
		}
	}
}

/** A signer by name, made from nothing but the name. */
const known = new Map();
export function signer(name) {
	if (!known.has(name)) known.set(name, makeSigner(name));
	return known.get(name);
}

function makeSigner(name) {
	const [, who, scheme] = /^(signer|stranger)-([a-z0-9]+)$/.exec(name) ?? fail(`no signer ${name}`);
	const secret = seed(`${who}-${scheme === 'eth' ? 'ecdsa' : scheme}`);
	let key;
	if (scheme === 'ed25519') key = ed25519.getPublicKey(secret);
	else if (scheme === 'sr25519') key = sr25519.getPublicKey(sr25519.secretFromSeed(secret));
	else if (schemeByte(scheme)) key = secp256k1.getPublicKey(secret, true);
	return { name, scheme, seed: secret, public: key, account: account(scheme, key) };
}

/** Checks that a row's signature is good, and the one that its signer makes. */
export function checkSignature(as, name, message, wrapped, bytes) {
	const holder = signer(name);
	const signature = parseSignature(bytes, as);
	const expected = sign(holder, wrapped ? wrap(message) : message);
	same(bytes, scaleKey(holder.scheme, expected), 'signature');
	if (!accepts(as, holder, message, signature)) fail('a good signature is refused');
}
