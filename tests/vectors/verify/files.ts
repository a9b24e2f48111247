// All files and their checks.

import { readdirSync, readFileSync } from 'node:fs';
import { fail } from './bytes.js';
import { edges } from './edges.js';
import { channelIds, domains, keys } from './ids.js';
import { items } from './items.js';
import { offers } from './offers.js';
import { inquiryFile, payloadFile } from './payload-files.js';
import {
	CANCEL_CONSENT, CLOSE_CONSENT, CONSENT, EXTEND_CONSENT, OPEN_AUTH, RECEIPT, TICK_COMMIT, VOUCHER,
} from './payloads.js';
import type { Checks, Json } from './shape.js';
import { ticks } from './ticks.js';

const FILES: ReadonlyMap<string, Checks> = new Map([
	['cancel-consent', payloadFile(CANCEL_CONSENT)],
	['channel-ids', channelIds],
	['close-consent', payloadFile(CLOSE_CONSENT)],
	['consent', payloadFile(CONSENT)],
	['domains', domains],
	['edges', edges],
	['extend-consent', payloadFile(EXTEND_CONSENT)],
	['inquiry', inquiryFile],
	['items', items],
	['keys', keys],
	['offers', offers],
	['open-auth', payloadFile(OPEN_AUTH, ['sr25519 voucher key', 'ecdsa voucher key'])],
	['receipt', payloadFile(RECEIPT)],
	['tick-commit', payloadFile(TICK_COMMIT)],
	['ticks', ticks],
	['voucher', payloadFile(VOUCHER, ['without limit of time'])],
]);

/** The folder of the files, from the one of the compiled code. */
const FOLDER = new URL('../..', import.meta.url);

export interface VectorFile {
	name: string;
	checks: Checks;
}

/** Every file there is, and every file there should be. */
export function files(): VectorFile[] {
	const found = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
	const names = new Set([...FILES.keys(), ...found.map((name) => name.slice(0, -'.json'.length))]);
	const unknown: Checks = () => fail('no check is known for this file');
	return [...names].sort().map((name) => ({ name, checks: FILES.get(name) ?? unknown }));
}

/** The JSON of a file, of which nothing was lost in reading. */
export function read(name: string): Json {
	const text = readFileSync(new URL(`${name}.json`, FOLDER), 'utf8');
	const document: Json = JSON.parse(text);
	// A key that is there twice would be lost, and so would the way in which a number is written.
	const dense = (json: string): string => json.replace(/\s/g, '');
	if (dense(JSON.stringify(document)) !== dense(text)) fail('a key twice, or a value written oddly');
	return document;
}
