// Changes the files a little, place by place, and expects the checks to notice: vectors that anything
// passes are worth nothing.

import { refuses } from './bytes.js';
import { examine } from './examine.js';
import { files, read, type VectorFile } from './files.js';
import type { Check, Json } from './shape.js';

type Branch = Json[] | { [key: string]: Json };

const isBranch = (value: Json): value is Branch => value !== null && typeof value === 'object';

/** A place in a document, with what is there. */
interface Place {
	at: string;
	/** The last key that is no index: what the value means. */
	key: string;
	value: Json;
	set: (value: Json) => void;
}

function childrenOf(value: Branch, at: string, key: string): Place[] {
	if (Array.isArray(value)) {
		return value.map((inner, i) => ({
			at: `${at}[${i}]`, key, value: inner, set: (other) => void (value[i] = other),
		}));
	}
	return Object.entries(value).map(([name, inner]) => ({
		at: at === '' ? name : `${at}.${name}`, key: name, value: inner,
		set: (other) => void (value[name] = other),
	}));
}

/** All places below a value. */
function placesIn(value: Json, at = '', key = ''): Place[] {
	if (!isBranch(value)) return [];
	return childrenOf(value, at, key).flatMap((place) => [
		place,
		...placesIn(place.value, place.at, place.key),
	]);
}

/** Bytes with one bit flipped in the middle, one byte less, and one more. */
function otherBytes(text: string): string[] {
	if (text === '0x') return ['0x00'];
	const at = 2 + 2 * Math.floor((text.length - 2) / 4) + 1;
	const digit = (parseInt(text.charAt(at), 16) ^ 1).toString(16);
	return [`${text.slice(0, at)}${digit}${text.slice(at + 1)}`, text.slice(0, -2), `${text}00`];
}

/** What a single value is changed into; `others` are those that its key has elsewhere. */
function otherValues(value: Json, others: readonly Json[]): Json[] {
	if (typeof value === 'boolean') return [!value];
	if (typeof value === 'number') return [value === 0xffff_ffff ? value - 1 : value + 1];
	const another = others.filter((other) => other !== value && !isBranch(other)).slice(0, 1);
	if (typeof value !== 'string') return ['0', ...another];
	if (value.startsWith('0x')) return otherBytes(value);
	if (/^[0-9]+$/.test(value)) return [(BigInt(value) ^ 1n).toString()];
	return [`${value}x`, ...another];
}

/** A list with each element left out, or there twice; an object without each key, or with one more. */
function otherBranches(value: Branch): Branch[] {
	if (Array.isArray(value)) {
		return value.flatMap((inner, i) => {
			const [before, after] = [value.slice(0, i), value.slice(i + 1)];
			return [[...before, ...after], [...before, inner, inner, ...after]];
		});
	}
	const entries = Object.entries(value);
	const without = entries.map(([key]) => Object.fromEntries(entries.filter(([other]) => other !== key)));
	return [...without, { ...value, unknown: 0 }];
}

/** Whether a check of the file fails, those about the place first: it may matter to another row alone. */
function notices({ checks }: VectorFile, document: Json, at: string): boolean {
	let all: Check[] = [];
	if (refuses(() => void (all = checks(document)))) return true;
	const isAbout = ({ path }: Check): boolean =>
		path === '' || at === path || at.startsWith(`${path}.`) || at.startsWith(`${path}[`);
	const about = all.filter(isAbout).sort((a, b) => b.path.length - a.path.length);
	return [...about, ...all.filter((check) => !isAbout(check))].some(({ run }) => refuses(run));
}

/** How many changes there were, and which of them nothing has noticed. */
interface Tally {
	count: number;
	missed: string[];
}

function mutate(file: VectorFile, tally: Tally): void {
	const document = read(file.name);
	const places = placesIn(document);
	const attempt = (at: string, mutant: Json, whole: Json): void => {
		tally.count++;
		if (notices(file, whole, at)) return;
		tally.missed.push(`${file.name}.json ${at}: ${JSON.stringify(mutant).slice(0, 100)}`);
	};
	if (isBranch(document)) for (const mutant of otherBranches(document)) attempt('', mutant, mutant);
	for (const { at, key, value, set } of places) {
		const others = places.filter((place) => place.key === key).map((place) => place.value);
		for (const mutant of isBranch(value) ? otherBranches(value) : otherValues(value, others)) {
			set(mutant);
			attempt(at, mutant, document);
		}
		set(value);
	}
}

const tally: Tally = { count: 0, missed: [] };
for (const file of files()) {
	// In a file that fails as it is, every change would be noticed.
	const { wrong } = examine(file);
	if (wrong.length > 0) {
		console.error(wrong.join('\n'));
		console.error(`${file.name}.json is not good as it is`);
		process.exit(1);
	}
	mutate(file, tally);
}
if (tally.missed.length > 0) {
	console.error(tally.missed.join('\n'));
	console.error(`${tally.missed.length} of ${tally.count} changes went unnoticed`);
	process.exit(1);
}
console.log(`${tally.count} changes, all noticed`);
