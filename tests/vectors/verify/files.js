// All files and their checks.

import { readdirSync, readFileSync } from 'node:fs';
import { fail } from './bytes.js';
import { checks as edges } from './edges.js';
import { channelChecks, domainChecks, keyChecks } from './ids.js';
import { checks as items } from './items.js';
import { checks as payload } from './payloads.js';
import { checks as ticks } from './ticks.js';

const FILES = {
	'channel-ids': channelChecks,
	'close-consent': payload,
	consent: payload,
	domains: domainChecks,
	edges,
	inquiry: payload,
	items,
	keys: keyChecks,
	'open-auth': payload,
	receipt: payload,
	'tick-commit': payload,
	ticks,
	voucher: payload,
};

const FOLDER = new URL('..', import.meta.url);

/** Each file's name, its document, and its checks as [path in the document, function that throws]. */
export function load() {
	const found = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
	const unknown = found.filter((name) => !(name.slice(0, -'.json'.length) in FILES));
	if (unknown.length) fail(`no check for ${unknown}`);
	return Object.entries(FILES).map(([name, checks]) => {
		const document = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));
		return { name, document, checks: checks(document) };
	});
}
