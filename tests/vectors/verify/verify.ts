// Checks every case of every file.

import { examine } from './examine.js';
import { files } from './files.js';

const total = { files: 0, checks: 0, cases: 0, wrong: 0 };
for (const file of files()) {
	const { checks, cases, wrong } = examine(file);
	for (const line of wrong) console.error(line);
	console.log(`${file.name}: ${checks} checks, ${cases} cases`);
	total.files++;
	total.checks += checks;
	total.cases += cases;
	total.wrong += wrong.length;
}
console.log(`${total.files} files: ${total.checks} checks, ${total.cases} cases`);
if (total.wrong > 0) {
	console.error(`${total.wrong} checks failed`);
	process.exit(1);
}
