// The files of the payloads: one each.

import {
	type Bytes, changed, concat, fail, flip, GENESIS, hex, named, names, same, sameNames,
} from './bytes.js';
import { forgeries, type Forgery } from './forged.js';
import { malformedPayloads } from './malformed.js';
import { ERRORS, INQUIRY, type Part, type Payload, TAGS } from './payloads.js';
import {
	bytes, change, type Check, type Checks, each, file, flag, list, object, type Of, oneOf, rows, type Shape,
	text, u32,
} from './shape.js';
import {
	accepts, as, checkSignature, KEY_SCHEMES, parseSignature, scaled, schemesOf, sign, signedExactly, signer,
	signerName,
} from './signatures.js';

const layoutRow: Shape<Part> = object({ field: text, at: u32, length: u32, flip: oneOf(...ERRORS, 'other') });
const signatureRow = object(
	{ as, signer: signerName, wrapped: flag, signature: bytes() },
	// What a call carries, where somebody else may submit it.
	{ submitted: bytes() },
);
const malformedRow = object({
	name: text, of: text, changes: list(change), bytes: bytes(), error: oneOf(...ERRORS),
});
const forgedRow = object({
	reason: text, of: text, as, signer: signerName, signature: bytes(), by: signerName, signed: bytes(),
});
const headerRow = object({ of: text, signer: signerName, header: text });

type SignatureRow = Of<typeof signatureRow>;

interface ValidRow<T> {
	name: string;
	genesis: Bytes;
	fields: T;
	bytes: Bytes;
	signatures: SignatureRow[];
}

interface PayloadFile<T> {
	payload: string;
	type: number;
	length: number;
	tag: string;
	signed_by: string[];
	layout: Part[];
	valid: ValidRow<T>[];
	malformed: Of<typeof malformedRow>[];
	forged: Of<typeof forgedRow>[];
}

const shapes = <T>(payload: Payload<T>) => ({
	payload: text,
	type: u32,
	length: u32,
	tag: oneOf(...TAGS),
	signed_by: rows(as),
	layout: rows(layoutRow),
	valid: rows(
		object({
			name: text, genesis: bytes(32), fields: payload.shape, bytes: bytes(),
			signatures: rows(signatureRow),
		}),
	),
	malformed: rows(malformedRow),
	forged: rows(forgedRow),
});

/** The file of a payload, with these rows besides those that all have. */
export const payloadFile = <T>(payload: Payload<T>, samples: readonly string[] = []): Checks =>
	file(object(shapes(payload)), (found) => payloadChecks(payload, samples, found));

/** The file of inquiries, with the request headers that carry them. */
export const inquiryFile: Checks = file(object({ ...shapes(INQUIRY), headers: rows(headerRow) }), (found) => [
	...payloadChecks(INQUIRY, [], found),
	...headerChecks(found.valid, found.headers),
]);

const EXTREMES = ['all 0', 'all 1', 'all at their highest'] as const;

const claim = ({ as, signer, reason }: Pick<Forgery, 'as' | 'signer' | 'reason'>): string =>
	`${reason}, ${as} of ${signer}`;

function payloadChecks<T>(payload: Payload<T>, samples: readonly string[], found: PayloadFile<T>): Check[] {
	const { layout, valid } = found;
	const forged = forgeries(payload);
	const head = (): void => {
		same(found.payload, payload.name, 'payload');
		same(found.type, payload.type, 'type');
		same(found.tag, payload.tag, 'tag');
		same(found.signed_by, [...payload.signedBy], 'signed_by');
		same(found.length, payload.length, 'length');
		same(layout.length, payload.layout.length, 'parts');
		sameNames(names(valid), ['typical', ...samples, ...EXTREMES], 'valid');
		sameNames(names(found.malformed), names(malformedPayloads(payload, new Uint8Array())), 'malformed');
		sameNames(found.forged.map(claim), forged.map(claim), 'forged');
	};
	return [
		{ path: '', run: head },
		{ path: 'flips', run: () => checkSignedBits(payload, named(valid, 'typical')) },
		...each('layout', layout, (part, i) => same(part, payload.layout[i] ?? fail('no such part'), 'part')),
		...each('valid', valid, (row) => checkValid(payload, row)),
		...valid.flatMap((row, i) => signatureChecks(payload, row, `valid[${i}]`)),
		...each('malformed', found.malformed, (row) => checkMalformed(payload, valid, row)),
		...each('forged', found.forged, (row) => checkForged(valid, row, forged)),
	];
}

/** No flipped bit gives a payload that reads the same. */
function checkFlips<T>(payload: Payload<T>, row: ValidRow<T>): void {
	for (const part of payload.layout) {
		for (let bit = part.at * 8; bit < (part.at + part.length) * 8; bit++) {
			const read = payload.decode(flip(row.bytes, bit), row.genesis);
			const error = 'error' in read ? read.error : 'other';
			// A field may turn into what it cannot be; the header is read before all fields.
			if (part.flip !== 'other' || error !== 'field') same(error, part.flip, `bit ${bit}`);
			if ('fields' in read) sameNot(payload.encode(read.fields, row.genesis), row.bytes, `bit ${bit}`);
		}
	}
}

function sameNot(found: Bytes, other: Bytes, what: string): void {
	if (hex(found) === hex(other)) fail(`${what} means nothing`);
}

function checkValid<T>(payload: Payload<T>, row: ValidRow<T>): void {
	same(row.genesis, GENESIS, 'genesis');
	same(payload.encode(row.fields, GENESIS), row.bytes, 'bytes');
	same(payload.decode(row.bytes, GENESIS), { fields: row.fields }, 'reading');
	const extreme = ([0, 1, 2] as const).find((which) => EXTREMES[which] === row.name);
	if (extreme !== undefined) same(row.fields, payload.extreme(extreme), 'extremes');
	// As a key raw, as an account raw and wrapped, with every scheme.
	const expected = payload.signedBy.flatMap((as) =>
		schemesOf(as).flatMap((scheme) =>
			(as === 'key' ? [false] : [false, true]).map((wrapped) => `${as} signer-${scheme} ${wrapped}`),
		),
	);
	const found = row.signatures.map(({ as, signer, wrapped }) => `${as} ${signer} ${wrapped}`);
	sameNames(found, expected, 'signatures');
	checkFlips(payload, row);
}

function signatureChecks<T>(payload: Payload<T>, row: ValidRow<T>, path: string): Check[] {
	const byOthers = payload.signedBy.length > 1;
	const check = ({ as, signer: name, wrapped, signature, submitted }: SignatureRow): void => {
		const by = signer(name);
		const delegate = concat(Uint8Array.of(1), scaled(by.scheme, by.public));
		const head = as === 'account' ? Uint8Array.of(0) : delegate;
		same(submitted, byOthers ? concat(head, signature) : undefined, 'submitted');
		checkSignature(as, by, row.bytes, wrapped, signature);
	};
	return each(`${path}.signatures`, row.signatures, check);
}

/** No signature is good for a payload with a flipped bit. */
function checkSignedBits<T>({ layout }: Payload<T>, row: ValidRow<T>): void {
	for (const { at, length } of layout) {
		for (const bit of [at * 8, (at + length) * 8 - 1]) {
			const other = flip(row.bytes, bit);
			for (const { as, signer: name, signature } of row.signatures) {
				const parsed = parseSignature(signature, as);
				if (accepts(as, signer(name), other, parsed)) fail(`bit ${bit} is not signed`);
			}
		}
	}
}

type MalformedRow = Of<typeof malformedRow>;

function checkMalformed<T>(payload: Payload<T>, valid: readonly ValidRow<T>[], row: MalformedRow): void {
	same(row.of, 'typical', 'of');
	const whole = named(valid, row.of).bytes;
	const expected = named(malformedPayloads(payload, whole), row.name);
	same(row.changes, [...expected.changes], 'changes');
	same(row.bytes, changed(whole, row.changes), 'bytes');
	same(row.error, expected.error, 'error');
	same(payload.decode(row.bytes, GENESIS), { error: row.error }, 'reading');
}

type ForgedRow = Of<typeof forgedRow>;

function checkForged<T>(valid: readonly ValidRow<T>[], row: ForgedRow, forged: readonly Forgery[]): void {
	const expected = forged.find((one) => claim(one) === claim(row)) ?? fail('an unknown reason');
	same(row.of, 'typical', 'of');
	const whole = named(valid, row.of).bytes;
	const [holder, by] = [signer(row.signer), signer(row.by)];
	same(row.by, expected.by, 'by');
	same(row.signed, expected.signed(whole), 'signed');
	same(row.signature, scaled(expected.shown, sign(by, row.signed)), 'signature');
	const signature = parseSignature(row.signature, row.as);
	// It is refused for the reason given, and not because it is no signature at all.
	if (!signedExactly(by, row.signed, signature)) fail('not what was signed');
	if (accepts(row.as, holder, whole, signature)) fail('a forged signature is accepted');
}

type InquiryRow = ValidRow<Of<typeof INQUIRY.shape>>;

function headerChecks(valid: readonly InquiryRow[], headers: readonly Of<typeof headerRow>[]): Check[] {
	const expected = valid.flatMap(({ name }) => KEY_SCHEMES.map((scheme) => `${name}, signer-${scheme}`));
	const found = headers.map(({ of, signer }) => `${of}, ${signer}`);
	return [
		{ path: '', run: () => sameNames(found, expected, 'headers') },
		...each('headers', headers, ({ of, signer, header }) => {
			const { fields, signatures } = named(valid, of);
			const row = signatures.find((one) => one.signer === signer) ?? fail('signer');
			// The time may be more than a JavaScript number holds.
			const names = `"channelId":"${hex(fields.channel)}","signature":"${hex(row.signature)}"`;
			const json = `{${names},"time":${fields.time}}`;
			same(header, Buffer.from(json).toString('base64url'), 'header');
		}),
	];
}
