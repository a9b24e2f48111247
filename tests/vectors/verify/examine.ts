// Runs the checks of a file, and says what is wrong in which case.

import { fail, Refusal } from './bytes.js';
import { read, type VectorFile } from './files.js';
import { type Json, WrongShape } from './shape.js';

/** What was checked in a file, and what is wrong with it. */
export interface Findings {
	checks: number;
	cases: number;
	wrong: string[];
}

export function examine(file: VectorFile): Findings {
	const findings: Findings = { checks: 0, cases: 0, wrong: [] };
	let document: Json = null;
	const attempt = (path: string, run: () => void): void => {
		try {
			run();
		} catch (error) {
			const at = error instanceof WrongShape ? error.at : path;
			findings.wrong.push(`${file.name}.json${placeOf(document, at)}: ${explain(error)}`);
		}
	};
	attempt('', () => {
		document = read(file.name);
		const checks = file.checks(document);
		const cases = casesOf(document);
		findings.checks = checks.length;
		findings.cases = cases.length;
		for (const { path, run } of checks) attempt(path, run);
		const unchecked = cases.filter((path) => !checks.some((check) => check.path === path));
		if (unchecked.length > 0) fail(`nothing checks ${unchecked.join(', ')}`);
	});
	return findings;
}

/** The paths of all rows: whatever a file lists with names for its parts. */
function casesOf(document: Json): string[] {
	const lists = Object.entries(document ?? {}).filter(([, list]) => Array.isArray(list));
	return lists.flatMap(([key, list]: [string, Json[]]) =>
		list.flatMap((row, i) => (typeof row === 'object' ? [`${key}[${i}]`] : [])),
	);
}

/** A path, with the name of the case that it leads to. */
function placeOf(document: Json, path: string): string {
	let label = '';
	let value: Json | undefined = document;
	for (const key of path.match(/[^.[\]]+/g) ?? []) {
		if (value === null || typeof value !== 'object') break;
		value = Array.isArray(value) ? value[Number(key)] : value[key];
		label = labelOf(value) ?? label;
	}
	return `${path && ' '}${path}${label && ` (${label})`}`;
}

function labelOf(value: Json | undefined): string | undefined {
	if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
	const label = value['name'] ?? value['reason'] ?? value['of'];
	return typeof label === 'string' ? label : undefined;
}

function explain(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	// Where the verifier itself is at fault, the line matters.
	const ours = error instanceof TypeError || error instanceof ReferenceError;
	return ours && !(error instanceof Refusal) ? (error.stack ?? error.message) : error.message;
}
