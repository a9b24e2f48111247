// Genuine signatures of something else: what each reason in the files stands for.

import {
	append, ascii, blake2, byteAt, type Bytes, changed, concat, cut, GENESIS, OTHER_GENESIS, put, putBytes,
} from './bytes.js';
import { AGENTS, CHANNELS, domain, HEADER, type Payload } from './payloads.js';
import { type As, type Scheme, schemesOf, type SignerName, wrap } from './signatures.js';

/** A claim that `signer` has signed a payload, `as` a key or an account, and what is behind it. */
export interface Forgery {
	as: As;
	signer: SignerName;
	reason: string;
	by: SignerName;
	/** What `by` has signed instead, or as well. */
	signed: (whole: Bytes) => Bytes;
	/** The scheme that the signature shows. */
	shown: Scheme;
}

type Signed = Forgery['signed'];
const whole: Signed = (bytes) => bytes;

/** Everything that must be refused of somebody who may sign a payload. */
export const forgeries = <T>(payload: Payload<T>): Forgery[] =>
	payload.signedBy.flatMap((as) =>
		schemesOf(as).flatMap((scheme, i) => [
			...ofEachScheme(payload, as, scheme),
			// What does not depend on the scheme is shown with one.
			...(i === 0 ? [...otherBytes(payload, as, scheme), ...otherSchemes(as, scheme)] : []),
		]),
	);

/** What the signer of one scheme has signed. */
const signs = (as: As, scheme: Scheme) => (reason: string, signed: Signed): Forgery =>
	({ as, signer: `signer-${scheme}`, reason, by: `signer-${scheme}`, signed, shown: scheme });

function ofEachScheme<T>({ tag }: Payload<T>, as: As, scheme: Scheme): Forgery[] {
	const own = signs(as, scheme);
	const by = (other: SignerName, reason: string): Forgery => ({ ...own(reason, whole), by: other });
	const wrapped =
		as === 'key'
			? [own('wrapped, by a key', wrap)]
			: [
					own('wrapped twice', (bytes) => wrap(wrap(bytes))),
					own('the digest, wrapped', (bytes) => wrap(blake2(bytes))),
				];
	return [
		by(`stranger-${scheme}`, 'another signer'),
		own('another chain', (bytes) => changed(bytes, [putBytes(8, domain(tag, OTHER_GENESIS))])),
		own('the digest instead of the bytes', blake2),
		...wrapped,
		...(scheme === 'ecdsa' ? [by('signer-eth', 'keccak-256 instead of blake2b-256')] : []),
		...(scheme === 'eth' ? [by('signer-ecdsa', 'blake2b-256 instead of keccak-256')] : []),
	];
}

function otherBytes<T>({ type, tag, layout }: Payload<T>, as: As, scheme: Scheme): Forgery[] {
	const own = signs(as, scheme);
	const otherUse = domain(tag === AGENTS ? CHANNELS : AGENTS, GENESIS);
	const parts = layout.filter(({ flip }) => flip === 'other');
	return [
		own('another use', (bytes) => changed(bytes, [putBytes(8, otherUse)])),
		own('another type', (bytes) => changed(bytes, [put(6, type === 1 ? 8 : 1)])),
		own('another version', (bytes) => changed(bytes, [put(5, 2)])),
		own('another flag', (bytes) => changed(bytes, [put(7, 1)])),
		own('one byte short', (bytes) => changed(bytes, [cut(1)])),
		own('one byte long', (bytes) => changed(bytes, [append(Uint8Array.of(0))])),
		own('the body without its header', (bytes) => bytes.slice(HEADER)),
		own('nothing', () => new Uint8Array()),
		// One bit of one field: another channel, another lane, another amount.
		...parts.map(({ field, at }) =>
			own(`another ${field}`, (bytes) => changed(bytes, [put(at, byteAt(bytes, at) ^ 1)])),
		),
		...(as === 'key'
			? []
			: [
					own('wrapping without its end', (bytes) => concat(ascii('<Bytes>'), bytes)),
					own('wrapping in lower case', (bytes) =>
						concat(ascii('<bytes>'), bytes, ascii('</bytes>')),
					),
				]),
	];
}

/** Signatures of the other schemes, and those of the same length under the signer's own scheme byte. */
function otherSchemes(as: As, scheme: Scheme): Forgery[] {
	const others = schemesOf(as).filter((other) => other !== scheme);
	return others.flatMap((other) => {
		const reason = `signature of the scheme ${other}`;
		const open: Forgery = { ...signs(as, scheme)(reason, whole), by: `signer-${other}`, shown: other };
		const short = other === 'ed25519' || other === 'sr25519';
		return short ? [open, { ...open, reason: `disguised ${reason}`, shown: scheme }] : [open];
	});
}
