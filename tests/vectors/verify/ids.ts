// Domains, keys, assets and channel ids.

import {
	ascii, blake2, type Bytes, changed, concat, fail, GENESIS, hex, integer, named, names, OTHER_GENESIS,
	refuses, same, sameNames, show,
} from './bytes.js';
import { MALFORMED_KEYS } from './malformed.js';
import { CHANNELS, domain, TAGS } from './payloads.js';
import {
	bytes, change, type Checks, decimal, each, file, list, nullable, object, type Of, oneOf, rows, text, u32,
} from './shape.js';
import {
	type Holder, KEY_SCHEMES, keyBytes, readKey, scaled, SCHEMES, signerName, SIGNERS,
} from './signatures.js';

const domainRow = object({ tag: oneOf(...TAGS), genesis: bytes(32), domain: bytes(32) });

const CHAINS = [GENESIS, OTHER_GENESIS, new Uint8Array(32), new Uint8Array(32).fill(0xff)];

export const domains: Checks = file(object({ valid: rows(domainRow) }), ({ valid }) => {
	const shown = (tag: string, genesis: Bytes): string => `${tag} on ${hex(genesis)}`;
	const expected = TAGS.flatMap((tag) => CHAINS.map((genesis) => shown(tag, genesis)));
	const head = (): void => {
		sameNames(valid.map(({ tag, genesis }) => shown(tag, genesis)), expected, 'valid');
		same(new Set(valid.map((row) => hex(row.domain))).size, valid.length, 'different domains');
	};
	return [
		{ path: '', run: head },
		...each('valid', valid, (row) => same(row.domain, domain(row.tag, row.genesis), 'domain')),
	];
});

/** `null` is the native token. */
const asset = nullable(u32);
type Asset = Of<typeof asset>;

const scaleAsset = (asset: Asset): Bytes =>
	asset === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), integer(asset, 4));

const assetRow = object({ asset, scale: bytes(), digest: bytes(32) });
const idRow = object({
	name: text, genesis: bytes(32), payer: bytes(32), payee: bytes(32), asset, nonce: decimal(64),
	preimage: bytes(), id: bytes(32),
});
type IdRow = Of<typeof idRow>;

/** In what a row differs from the typical one. */
const IDS = new Map<string, (typical: IdRow) => Partial<IdRow>>([
	['typical', () => ({ genesis: GENESIS })],
	['next nonce', ({ nonce }) => ({ nonce: nonce + 1n })],
	['other direction', ({ payer, payee }) => ({ payer: payee, payee: payer })],
	['other chain', () => ({ genesis: OTHER_GENESIS })],
	['native asset', () => ({ asset: null })],
	['asset 0', () => ({ asset: 0 })],
	['to oneself', ({ payer }) => ({ payee: payer })],
	['all zero', () => all(0, null, 0n)],
	['all at their highest', () => all(0xff, 0xffff_ffff, (1n << 64n) - 1n)],
]);

function all(byte: number, asset: Asset, nonce: bigint): Partial<IdRow> {
	const id = new Uint8Array(32).fill(byte);
	return { genesis: id, payer: id, payee: id, asset, nonce };
}

const preimage = ({ genesis, payer, payee, asset, nonce }: IdRow): Bytes =>
	concat(
		Uint8Array.of(0xff),
		ascii('CHAN'),
		Uint8Array.of(1),
		domain(CHANNELS, genesis),
		payer,
		payee,
		scaleAsset(asset),
		integer(nonce, 8),
	);

export const channelIds: Checks = file(
	object({ assets: rows(assetRow), valid: rows(idRow) }),
	({ assets, valid }) => {
		const checkAsset = (row: Of<typeof assetRow>): void => {
			same(row.scale, scaleAsset(row.asset), 'scale');
			same(row.digest, blake2(row.scale), 'digest');
		};
		const checkId = (row: IdRow): void => {
			const typical = named(valid, 'typical');
			const differs = IDS.get(row.name) ?? fail('an unknown row');
			const { genesis, payer, payee, asset, nonce } = { ...typical, ...differs(typical) };
			same(row, { ...row, genesis, payer, payee, asset, nonce }, 'what is hashed');
			same(row.preimage, preimage(row), 'preimage');
			same(row.id, blake2(row.preimage), 'id');
		};
		const head = (): void => {
			sameNames(assets.map(({ asset }) => show(asset)), ['null', '0', '1', '4294967295'], 'assets');
			sameNames(names(valid), [...IDS.keys()], 'valid');
			same(new Set(valid.map((row) => hex(row.id))).size, valid.length, 'different ids');
		};
		return [
			{ path: '', run: head },
			...each('assets', assets, checkAsset),
			...each('valid', valid, checkId),
		];
	},
);

const signerRow = object({
	name: signerName, scheme: oneOf(...SCHEMES), seed: bytes(32), public: bytes(), account: bytes(32),
	key: nullable(bytes(34)), scale: nullable(bytes()),
});
const malformedRow = object({ name: text, of: signerName, changes: list(change), bytes: bytes() });

/** The two encodings of a key; an account of the scheme `eth` has none. */
function encodings({ scheme: found, public: key }: Holder): { key: Bytes | null; scale: Bytes | null } {
	const scheme = KEY_SCHEMES.find((one) => one === found);
	if (scheme === undefined) return { key: null, scale: null };
	return { key: keyBytes({ scheme, public: key }), scale: scaled(scheme, key) };
}

export const keys: Checks = file(
	object({ signers: rows(signerRow), malformed: rows(malformedRow) }),
	({ signers, malformed }) => {
		const checkSigner = (row: Of<typeof signerRow>): void => {
			const holder = named(SIGNERS, row.name);
			same(row, { ...holder, ...encodings(holder) }, 'signer');
			if (row.key) same(keyBytes(readKey(row.key)), row.key, 'reading');
		};
		const checkMalformed = (row: Of<typeof malformedRow>): void => {
			const expected = MALFORMED_KEYS.find(({ name, of }) => name === row.name && of === row.of);
			same(row.changes, [...(expected ?? fail('an unknown row')).changes], 'changes');
			const good = named(signers, row.of).key ?? fail('no key');
			same(row.bytes, changed(good, row.changes), 'bytes');
			if (!refuses(() => readKey(row.bytes))) fail('a key that is none is read');
		};
		const shown = ({ name, of }: { name: string; of: string }): string => `${name} of ${of}`;
		const head = (): void => {
			sameNames(names(signers), names(SIGNERS), 'signers');
			sameNames(malformed.map(shown), MALFORMED_KEYS.map(shown), 'malformed');
		};
		return [
			{ path: '', run: head },
			...each('signers', signers, checkSigner),
			...each('malformed', malformed, checkMalformed),
		];
	},
);
