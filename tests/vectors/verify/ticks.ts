// Hash chains.

import {
	type Bytes, blake2, concat, fail, flip, hex, integer, named, names, same, sameNames,
} from './bytes.js';
import { bytes, type Checks, each, file, object, type Of, oneOf, rows, text, u32 } from './shape.js';

export const MOST_ON_CHAIN = 1024;

const preimage = (prefix: Bytes, index: number, tick: Bytes): Bytes =>
	concat(Uint8Array.of(0x54), prefix, integer(index, 4), tick);

/** More than any vector needs: a wrong number must not take hours to be noticed. */
const MOST_STEPS = 10_000;

/** The value `steps` places before the one at `index`. */
export function walk(prefix: Bytes, index: number, steps: number, tick: Bytes): Bytes {
	if (steps > MOST_STEPS) fail(`${steps} ticks are too many to walk`);
	for (let i = index; i > index - steps; i--) tick = blake2(preimage(prefix, i, tick));
	return tick;
}

export const inRange = ({ index, count }: { index: number; count: number }): boolean =>
	index >= 1 && index <= Math.min(count, MOST_ON_CHAIN);

const hashRow = object({
	prefix: bytes(16), index: u32, tick: bytes(32), preimage: bytes(53), image: bytes(32),
});
const tickRow = object({ index: u32, tick: bytes(32) });
const chainRow = object({
	name: text, prefix: bytes(16), seed: bytes(32), count: u32, root: bytes(32), ticks: rows(tickRow),
});
const claimRow = object({
	name: text, of: text, index: u32, tick: bytes(32), image: bytes(32), valid: oneOf('yes', 'range', 'root'),
});
type Chain = Of<typeof chainRow>;
type Claim = Of<typeof claimRow>;

/** How often hashing is shown: both ends of the index, and each of its bytes. */
const HASHES = [0, 1, 1, 1, 0x0403_0201, 0xffff_ffff];

/** The chains by name, and which ticks of each are shown: the last is the seed. */
const CHAINS = new Map([
	['typical', [0, 1, 2, 5, 999, 1000]],
	['longer than is walked on chain', [0, 1024, 1025, 2048]],
	['another prefix', [0, 5, 1000]],
	['of one tick', [0, 1]],
	['of none', [0]],
	['all 0', [0, 1, 2, 3]],
	['all 255', [0, 1, 2, 3]],
]);

/** What seed and prefix consist of, in chains that are named after it. */
const FILLS = new Map([
	['all 0', 0],
	['all 255', 255],
]);

/** The tick of a chain at an index; at the highest the seed, as nothing comes after it. */
const at = ({ prefix, seed, count }: Chain, index: number): Bytes =>
	walk(prefix, count, Math.max(count - index, 0), seed);

type Chains = (name: string) => Chain;
type Expected = Pick<Claim, 'of' | 'index' | 'tick' | 'valid'>;

/** What each claim is, by its name. */
const CLAIMS = new Map<string, (chain: Chains) => Expected>();

function claim(
	valid: Claim['valid'],
	name: string,
	of: string,
	index: number,
	tick: (chain: Chains) => Bytes,
): void {
	CLAIMS.set(name, (chain) => ({ of, index, tick: tick(chain), valid }));
}

const LONG = 'longer than is walked on chain';
/** The tick of a chain that stands at this index there. */
const tickOf = (name: string, index: number) => (chain: Chains): Bytes => at(chain(name), index);

claim('yes', 'first tick', 'typical', 1, tickOf('typical', 1));
claim('yes', 'some tick', 'typical', 500, tickOf('typical', 500));
claim('yes', 'last tick', 'typical', 1000, tickOf('typical', 1000));
claim('yes', 'only tick', 'of one tick', 1, tickOf('of one tick', 1));
claim('yes', 'last that is walked on chain', LONG, 1024, tickOf(LONG, 1024));
claim('range', 'genuine, and too far for the chain', LONG, 1025, tickOf(LONG, 1025));
claim('range', 'the root itself', 'typical', 0, tickOf('typical', 0));
claim('range', 'index above the count', 'typical', 1001, tickOf('typical', 1000));
claim('range', 'highest index', 'typical', 0xffff_ffff, tickOf('typical', 1000));
claim('range', 'of a chain without ticks', 'of none', 1, tickOf('of none', 0));
claim('root', 'index one too high', 'typical', 6, tickOf('typical', 5));
claim('root', 'index one too low', 'typical', 4, tickOf('typical', 5));
claim('root', 'under another prefix', 'another prefix', 5, tickOf('typical', 5));
claim('root', 'of a chain with another prefix', 'typical', 5, tickOf('another prefix', 5));
claim('root', 'of a shorter chain', LONG, 5, tickOf('typical', 5));
claim('root', 'the root as a tick', 'typical', 1, tickOf('typical', 0));
claim('root', 'one bit flipped', 'typical', 5, (chain) => flip(at(chain('typical'), 5), 8 * 32 - 1));
// As if indices were counted from the seed on.
claim('root', 'numbered from the seed on', 'typical', 999, (chain) => {
	const { prefix, seed } = chain('typical');
	return walk(prefix, 1, 1, seed);
});

function checkHash(row: Of<typeof hashRow>): void {
	same(row.preimage, preimage(row.prefix, row.index, row.tick), 'preimage');
	same(row.image, blake2(row.preimage), 'image');
}

function checkChain(chain: Chain): void {
	const { count, root, ticks } = chain;
	const shown = CHAINS.get(chain.name) ?? fail('an unknown chain');
	same(ticks.map(({ index }) => index), shown, 'indices');
	same(count, shown.at(-1) ?? 0, 'count');
	for (const { index, tick } of ticks) same(tick, at(chain, index), `tick ${index}`);
	same(root, at(chain, 0), 'root');
	const fill = FILLS.get(chain.name);
	if (fill === undefined) return;
	same(chain.seed, new Uint8Array(32).fill(fill), 'seed');
	same(chain.prefix, new Uint8Array(16).fill(fill), 'prefix');
}

function checkClaim(row: Claim, chain: Chains): void {
	const expected = CLAIMS.get(row.name) ?? fail('an unknown claim');
	same(row, { ...row, ...expected(chain) }, 'claim');
	const { prefix, root, count } = chain(row.of);
	same(row.image, walk(prefix, row.index, 1, row.tick), 'image');
	const leads = (): boolean => hex(walk(prefix, row.index, row.index, row.tick)) === hex(root);
	const found = inRange({ index: row.index, count }) ? (leads() ? 'yes' : 'root') : 'range';
	same(row.valid, found, 'verdict');
}

export const ticks: Checks = file(
	object({ most_on_chain: u32, hashes: rows(hashRow), chains: rows(chainRow), claims: rows(claimRow) }),
	({ most_on_chain, hashes, chains, claims }) => {
		const head = (): void => {
			same(most_on_chain, MOST_ON_CHAIN, 'most_on_chain');
			same(hashes.map(({ index }) => index).sort((a, b) => a - b), HASHES, 'indices of hashes');
			same(new Set(hashes.map((row) => hex(row.preimage))).size, hashes.length, 'different hashes');
			sameNames(names(chains), [...CHAINS.keys()], 'chains');
			sameNames(names(claims), [...CLAIMS.keys()], 'claims');
		};
		return [
			{ path: '', run: head },
			...each('hashes', hashes, checkHash),
			...each('chains', chains, checkChain),
			...each('claims', claims, (row) => checkClaim(row, (name) => named(chains, name))),
		];
	},
);
