// Signatures at the edge of what a scheme allows.

import { changed, fixed, genesis, hex, named, same, seed, unhex } from './bytes.js';
import { encode } from './payloads.js';
import { accepts, account, ed25519Verify, parseSignature } from './signatures.js';

/** What RFC 8032 read narrowly says: canonical points, `s · B = R + k · A` as it stands. */
function strict(key, signature, message) {
	try {
		return ed25519Verify(signature, message, key, true);
	} catch {
		return false;
	}
}

export function checks(file) {
	const voucher = {
		channel: hex(seed('channel')),
		lane: 3,
		cumulative: '1234567',
		valid_until: 43200,
	};
	const check = (row) => {
		const message = unhex(file.message);
		const key = fixed(row.public, row.scheme === 'ecdsa' ? 33 : 32);
		const bytes = unhex(row.signature);
		if (row.of !== undefined) {
			const of = named(file.rows, row.of);
			same(row.scheme, of.scheme, 'scheme');
			same(key, changed(unhex(of.public), row.public_changes ?? []), 'public');
			same(bytes, changed(unhex(of.signature), row.signature_changes ?? []), 'signature');
		}
		const holder = { scheme: row.scheme, public: key, account: account(row.scheme, key) };
		const signature = parseSignature(bytes, 'key');
		same(signature.scheme, row.scheme, 'scheme');
		for (const as of ['key', 'account']) same(accepts(as, holder, message, signature), row[as], as);
		const narrow = row.scheme === 'ed25519' ? strict(key, signature.bytes, message) : undefined;
		same(narrow, row.strict, 'strict');
	};
	return [
		['', () => same(encode('Voucher', voucher, genesis()), unhex(file.message), 'message')],
		...file.rows.map((row, i) => [`rows[${i}]`, () => check(row)]),
	];
}
