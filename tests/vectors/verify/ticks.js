// Hash chains.

import { blake2, concat, fixed, hex, integer, named, same, unhex } from './bytes.js';

export const MOST_ON_CHAIN = 1024;

const preimage = (prefix, index, tick) =>
	concat(Uint8Array.of(0x54), fixed(prefix, 16), integer(index, 4), fixed(tick, 32));

/** The value `steps` places before the one at `index`. */
export function walk(prefix, index, steps, tick) {
	for (let i = index; i > index - steps; i--) tick = hex(blake2(preimage(prefix, i, tick)));
	return tick;
}

export const inRange = ({ index, count }) => index >= 1 && index <= Math.min(count, MOST_ON_CHAIN);

export function checks(file) {
	const checkHash = (row) => {
		same(preimage(row.prefix, row.index, row.tick), unhex(row.preimage), 'preimage');
		same(blake2(unhex(row.preimage)), unhex(row.image), 'image');
	};
	const checkChain = ({ prefix, seed, count, root, ticks }) => {
		integer(count, 4);
		const at = new Map(ticks.map(({ index, tick }) => [index, tick]));
		let value = seed;
		let shown = 0;
		for (let index = count; index >= 0; index--) {
			if (at.has(index)) {
				same(value, at.get(index), `tick ${index}`);
				shown++;
			}
			if (index) value = walk(prefix, index, 1, value);
		}
		same(value, root, 'root');
		same(shown, ticks.length, 'ticks of the chain');
	};
	const checkClaim = ({ of, index, tick, image, valid }) => {
		const { prefix, root, count } = named(file.chains, of);
		same(walk(prefix, index, 1, tick), image, 'image');
		const leads = () => walk(prefix, index, index, tick) === root;
		same(valid, inRange({ index, count }) ? (leads() ? 'yes' : 'root') : 'range', 'verdict');
	};
	return [
		['', () => same(file.most_on_chain, MOST_ON_CHAIN, 'most_on_chain')],
		...file.hashes.map((row, i) => [`hashes[${i}]`, () => checkHash(row)]),
		...file.chains.map((row, i) => [`chains[${i}]`, () => checkChain(row)]),
		...file.claims.map((row, i) => [`claims[${i}]`, () => checkClaim(row)]),
	];
}
