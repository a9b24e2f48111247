// Keys, accounts and signatures.

import { ed25519, ristretto255 } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha512 } from '@noble/hashes/sha2.js';
import * as sr25519 from '@scure/sr25519';
import {
	ascii, blake2, byteAt, type Bytes, concat, fail, fromInteger, hex, keccak256, Reader, refuses, same,
	seed,
} from './bytes.js';
import { oneOf } from './shape.js';

/** In the order of their bytes. Keys cannot be of the last. */
export const SCHEMES = ['ed25519', 'sr25519', 'ecdsa', 'eth'] as const;
export const KEY_SCHEMES = ['ed25519', 'sr25519', 'ecdsa'] as const;
export type Scheme = (typeof SCHEMES)[number];
export type KeyScheme = (typeof KEY_SCHEMES)[number];

/** In whose name: a voucher or delegate key, or an account. */
export type As = 'key' | 'account';

export interface Signature {
	scheme: Scheme;
	bytes: Bytes;
}

export interface Key {
	scheme: KeyScheme;
	public: Bytes;
}

export type SignerName = `${'signer' | 'stranger'}-${Scheme}`;

/** What a signature is checked against. */
export interface Holder {
	scheme: Scheme;
	public: Bytes;
	account: Bytes;
}

export interface Signer extends Holder {
	name: SignerName;
	seed: Bytes;
}

export const schemesOf = (as: As): readonly Scheme[] => (as === 'key' ? KEY_SCHEMES : SCHEMES);

const schemeByte = (scheme: Scheme): number => SCHEMES.indexOf(scheme);
export const publicLength = (scheme: Scheme): number => (schemeByte(scheme) < 2 ? 32 : 33);

/** Takes a signature off a reader. */
export function readSignature(reader: Reader, as: As): Signature {
	const scheme = schemesOf(as)[reader.byte()] ?? fail('unknown scheme of signature');
	return { scheme, bytes: reader.take(schemeByte(scheme) < 2 ? 64 : 65) };
}

export function parseSignature(bytes: Bytes, as: As): Signature {
	const reader = new Reader(bytes);
	const signature = readSignature(reader, as);
	reader.end();
	return signature;
}

/** A key in the 34 bytes that payloads have. */
export function keyBytes({ scheme, public: key }: Key): Bytes {
	if (key.length !== publicLength(scheme)) fail('length of a public key');
	return concat(scaled(scheme, key), new Uint8Array(33 - key.length));
}

/** The inverse of `keyBytes`. */
export function readKey(bytes: Bytes): Key {
	if (bytes.length !== 34) fail('length of a key');
	const scheme = KEY_SCHEMES[byteAt(bytes, 0)] ?? fail('unknown scheme of key');
	const end = 1 + publicLength(scheme);
	if (bytes.slice(end).some((byte) => byte !== 0)) fail('padding of a key');
	return { scheme, public: bytes.slice(1, end) };
}

/** A key or a signature in SCALE: its scheme, and no padding. */
export const scaled = (scheme: Scheme, bytes: Bytes): Bytes =>
	concat(Uint8Array.of(schemeByte(scheme)), bytes);

/** The account of a public key. */
export function account(scheme: Scheme, key: Bytes): Bytes {
	if (scheme === 'ecdsa') return blake2(key);
	if (scheme === 'eth') return concat(keccak256(key).slice(12), new Uint8Array(12).fill(0xee));
	return key;
}

/** The public key that has made an ECDSA signature. */
function recover(hash: Bytes, signature: Bytes, as: As): Bytes {
	let v = byteAt(signature, 64);
	if (as === 'account' && v > 26) v -= 27;
	if (v > 3) fail('v');
	const compact = secp256k1.Signature.fromBytes(signature.slice(0, 64), 'compact');
	return compact.addRecoveryBit(v).recoverPublicKey(hash).toBytes(true);
}

/** The order of the group of ed25519 and ristretto255. */
export const ORDER = ed25519.Point.CURVE().n;

/** What `s` answers to. It hashes R and A as they are sent, canonical or not. */
export const challenge = (r: Bytes, key: Bytes, message: Bytes): bigint =>
	fromInteger(sha512(concat(r, key, message))) % ORDER;

/**
 * The equation of ed25519 with all that goes into it: ZIP-215, or RFC 8032 read narrowly if `strict`.
 *
 * `ed25519.verify` of the library hashes R and A as it would encode them. ZIP-215 hashes what was
 * sent, and so does the chain: it makes a difference when R is not canonical.
 */
export function ed25519Verify(signature: Bytes, message: Bytes, key: Bytes, strict: boolean): boolean {
	const { Point } = ed25519;
	const [r, s] = [signature.slice(0, 32), fromInteger(signature.slice(32))];
	if (s >= ORDER) fail('s');
	const [A, R] = [Point.fromBytes(key, !strict), Point.fromBytes(r, !strict)];
	const k = challenge(r, key, message);
	const difference = R.add(A.multiplyUnsafe(k)).subtract(Point.BASE.multiplyUnsafe(s));
	return (strict ? difference : difference.clearCofactor()).is0();
}

function sr25519Verify(message: Bytes, signature: Bytes, key: Bytes): boolean {
	if (key.some((byte) => byte !== 0)) return sr25519.verify(message, signature, key);
	// The library refuses the public key 0. The chain does not: what is left is R = s · B.
	const { Point } = ristretto255;
	if (byteAt(signature, 63) < 128) fail('mark');
	const s = fromInteger(signature.slice(32)) - (1n << 255n);
	if (s >= ORDER) fail('s');
	return Point.BASE.multiplyUnsafe(s).equals(Point.fromBytes(signature.slice(0, 32)));
}

function verify(as: As, holder: Holder, message: Bytes, { scheme, bytes }: Signature): boolean {
	if (as === 'key' && holder.scheme !== scheme) return false;
	const id = as === 'key' ? holder.public : holder.account;
	if (scheme === 'ed25519') return ed25519Verify(bytes, message, id, false);
	if (scheme === 'sr25519') return sr25519Verify(message, bytes, id);
	const key = recover(digest(scheme, message), bytes, as);
	return hex(as === 'key' ? key : account(scheme, key)) === hex(id);
}

/** What is signed on secp256k1. */
const digest = (scheme: 'ecdsa' | 'eth', message: Bytes): Bytes =>
	scheme === 'eth' ? keccak256(message) : blake2(message);

/** Whether `run` returns `true`; the libraries throw at what is no point or no number. */
export const holds = (run: () => boolean): boolean => !refuses(() => run() || fail('false'));

/** Whether `signature` is good over exactly `message`, by a key or by an account. */
const verifyRaw = (as: As, holder: Holder, message: Bytes, signature: Signature): boolean =>
	holds(() => verify(as, holder, message, signature));

export const wrap = (bytes: Bytes): Bytes => concat(ascii('<Bytes>'), bytes, ascii('</Bytes>'));

/** Whether the chain takes `signature` as the holder's over a payload. */
export function accepts(as: As, holder: Holder, message: Bytes, signature: Signature): boolean {
	if (verifyRaw(as, holder, message, signature)) return true;
	return as === 'account' && verifyRaw(as, holder, wrap(message), signature);
}

/** Whether the holder has signed exactly these bytes, whatever scheme byte the signature shows. */
export function signedExactly(holder: Holder, message: Bytes, { bytes }: Signature): boolean {
	const as = holder.scheme === 'eth' ? 'account' : 'key';
	return verifyRaw(as, holder, message, { scheme: holder.scheme, bytes });
}

/** The signature that the vectors have: without randomness. */
export function sign({ scheme, seed: secret }: Signer, message: Bytes): Bytes {
	if (scheme === 'ed25519') return ed25519.sign(message, secret);
	if (scheme === 'sr25519') {
		const expanded = sr25519.secretFromSeed(secret);
		return sr25519.sign(expanded, message, (length) => new Uint8Array(length));
	}
	const signature = secp256k1.sign(digest(scheme, message), secret, { lowS: true });
	return concat(signature.toBytes('compact'), Uint8Array.of(signature.recovery));
}

function publicKey(scheme: Scheme, secret: Bytes): Bytes {
	if (scheme === 'ed25519') return ed25519.getPublicKey(secret);
	if (scheme === 'sr25519') return sr25519.getPublicKey(sr25519.secretFromSeed(secret));
	return secp256k1.getPublicKey(secret, true);
}

function makeSigner(who: 'signer' | 'stranger', scheme: Scheme): Signer {
	const secret = seed(`${who}-${scheme === 'eth' ? 'ecdsa' : scheme}`);
	const key = publicKey(scheme, secret);
	return { name: `${who}-${scheme}`, scheme, seed: secret, public: key, account: account(scheme, key) };
}

/** Everybody who signs, made from nothing but the names. */
export const SIGNERS: readonly Signer[] = (['signer', 'stranger'] as const).flatMap((who) =>
	SCHEMES.map((scheme) => makeSigner(who, scheme)),
);

export const signer = (name: SignerName): Signer =>
	SIGNERS.find((one) => one.name === name) ?? fail(`no signer ${name}`);

export const signerName = oneOf(...SIGNERS.map(({ name }) => name));
export const as = oneOf<As>('key', 'account');

/** Checks that a row's signature is good, and the one that its signer makes. */
export function checkSignature(as: As, by: Signer, message: Bytes, wrapped: boolean, bytes: Bytes): void {
	const expected = sign(by, wrapped ? wrap(message) : message);
	same(bytes, scaled(by.scheme, expected), 'signature');
	if (!accepts(as, by, message, parseSignature(bytes, as))) fail('a good signature is refused');
}
