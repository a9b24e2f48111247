// Domains, keys, assets and channel ids.

import {
	ascii, blake2, changed, concat, fail, fixed, genesis, hex, integer, named, same, seed, unhex,
} from './bytes.js';
import { domain, refusesKey } from './payloads.js';
import { keyBytes, scaleKey, signer } from './signatures.js';

export function domainChecks(file) {
	return [
		['', () => same(new Set(file.valid.map((row) => row.domain)).size, 8, 'different domains')],
		...file.valid.map((row, i) => [
			`valid[${i}]`,
			() => same(domain(row.tag, fixed(row.genesis, 32)), unhex(row.domain), 'domain'),
		]),
	];
}

/** An asset in SCALE: `null` is the native token. */
const scaleAsset = (asset) =>
	asset === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), integer(asset, 4));

export function channelChecks(file) {
	const checkAsset = ({ asset, scale, digest }) => {
		same(scaleAsset(asset), unhex(scale), 'scale');
		same(blake2(scaleAsset(asset)), unhex(digest), 'digest');
	};
	const checkId = (row) => {
		const preimage = concat(
			Uint8Array.of(0xff),
			ascii('CHAN'),
			Uint8Array.of(1),
			domain('stoa/channels/v1', fixed(row.genesis, 32)),
			fixed(row.payer, 32),
			fixed(row.payee, 32),
			scaleAsset(row.asset),
			integer(row.nonce, 8),
		);
		same(preimage, unhex(row.preimage), 'preimage');
		same(blake2(preimage), unhex(row.id), 'id');
	};
	return [
		['', () => same(new Set(file.valid.map((row) => row.id)).size, file.valid.length, 'ids')],
		...file.assets.map((row, i) => [`assets[${i}]`, () => checkAsset(row)]),
		...file.valid.map((row, i) => [`valid[${i}]`, () => checkId(row)]),
	];
}

export function keyChecks(file) {
	const checkSigner = (row) => {
		const holder = signer(row.name);
		same(row.scheme, holder.scheme, 'scheme');
		same(row.seed, hex(holder.seed), 'seed');
		same(row.public, hex(holder.public), 'public');
		same(row.account, hex(holder.account), 'account');
		const none = row.scheme === 'eth';
		same(row.key, none ? null : hex(keyBytes(row)), 'key');
		same(row.scale, none ? null : hex(scaleKey(holder.scheme, holder.public)), 'scale');
	};
	const checkMalformed = (row) => {
		const bytes = changed(unhex(named(file.signers, row.of).key), row.changes);
		same(bytes, unhex(row.bytes), 'bytes');
		if (!refusesKey(bytes)) fail('a key that is none is read');
	};
	return [
		['', () => same(hex(genesis()), hex(seed('genesis')), 'genesis')],
		...file.signers.map((row, i) => [`signers[${i}]`, () => checkSigner(row)]),
		...file.malformed.map((row, i) => [`malformed[${i}]`, () => checkMalformed(row)]),
	];
}
