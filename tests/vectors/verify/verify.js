// Checks every row of every file.

import { load } from './files.js';

let failed = 0;
for (const { name, checks } of load()) {
	for (const [path, run] of checks) {
		try {
			run();
		} catch (error) {
			failed++;
			console.error(`${name}.json ${path}: ${error.message}`);
		}
	}
	console.log(`${name}: ${checks.length} checks`);
}
if (failed) {
	console.error(`${failed} checks failed`);
	process.exit(1);
}
