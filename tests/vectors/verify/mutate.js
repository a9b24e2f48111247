// Changes each value of each file a little and expects the checks to notice: vectors that anything
// passes are worth nothing.

import { load } from './files.js';

/** What a reader sees, and no program. */
const LABELS = new Set(['name', 'reason']);

/** Every value with its path, its owner and its key there. */
function* leaves(value, path = '') {
	for (const [key, inner] of Object.entries(value)) {
		const at = Array.isArray(value) ? `${path}[${key}]` : `${path}${path && '.'}${key}`;
		if (inner !== null && typeof inner === 'object') yield* leaves(inner, at);
		else if (!LABELS.has(key)) yield { at, owner: value, key };
	}
}

function mutated(value) {
	if (typeof value === 'boolean') return !value;
	if (typeof value === 'number') return value === 0xffffffff ? value - 1 : value + 1;
	if (value === null) return '0';
	if (/^0x/.test(value)) {
		if (value === '0x') return '0x00';
		// One bit of the byte in the middle.
		const at = 2 + 2 * Math.floor((value.length - 2) / 4) + 1;
		return value.slice(0, at) + (parseInt(value[at], 16) ^ 1).toString(16) + value.slice(at + 1);
	}
	if (/^[0-9]+$/.test(value)) return (BigInt(value) ^ 1n).toString();
	return `${value}x`;
}

function notices(checks) {
	return checks.some(([, run]) => {
		try {
			run();
			return false;
		} catch {
			return true;
		}
	});
}

let count = 0;
const missed = [];
for (const { name, document, checks } of load()) {
	for (const { at, owner, key } of leaves(document)) {
		// The checks of the rows that the value is in, the innermost first.
		const about = checks
			.filter(([path]) => path === '' || `${at}.`.startsWith(`${path}.`) || at.startsWith(`${path}[`))
			.sort(([a], [b]) => b.length - a.length);
		const before = owner[key];
		owner[key] = mutated(before);
		// Now and then it matters to another row alone.
		if (!notices(about) && !notices(checks)) missed.push(`${name}.json ${at}: ${JSON.stringify(before)}`);
		owner[key] = before;
		count++;
	}
}
if (missed.length) {
	console.error(missed.join('\n'));
	console.error(`${missed.length} of ${count} changes went unnoticed`);
	process.exit(1);
}
console.log(`${count} changes, all noticed`);
