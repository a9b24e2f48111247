//! Hash chains.

use crate::{json::hex, samples::commitment, signers::seed};
use serde_json::{json, Value};
use stoa_primitives::{
	channel::TickProof,
	keys::KeySignature,
	payload::TickCommit,
	tick::{hash, walk, Prefix, Tick, MAX_TICKS},
};

/// `ticks.json`.
pub fn file() -> Value {
	let chains = chains();
	json!({
		"most_on_chain": MAX_TICKS,
		"hashes": hashes(),
		"chains": chains.iter().map(Chain::to_json).collect::<Value>(),
		"claims": claims(&chains),
	})
}

fn hashes() -> Value {
	let prefix = *b"sixteen bytes of";
	[
		(prefix, 1, seed("tick")),
		(prefix, 0x0403_0201, seed("tick")),
		(prefix, 0, seed("tick")),
		([0; 16], 1, [0; 32]),
		([1; 16], 1, [1; 32]),
		([0xFF; 16], u32::MAX, [0xFF; 32]),
	]
	.iter()
	.map(|(prefix, index, tick)| {
		let preimage = [&[0x54], &prefix[..], &index.to_le_bytes(), tick].concat();
		let image = hash(prefix, *index, tick);
		assert_eq!((preimage.len(), image), (53, sp_crypto_hashing::blake2_256(&preimage)));
		json!({
			"prefix": hex(prefix),
			"index": index,
			"tick": hex(tick),
			"preimage": hex(preimage),
			"image": hex(image),
		})
	})
	.collect()
}

/// A hash chain of which some ticks are shown.
struct Chain {
	name: &'static str,
	prefix: Prefix,
	secret: Tick,
	count: u32,
	shown: &'static [u32],
}

impl Chain {
	fn at(&self, index: u32) -> Tick {
		walk(&self.prefix, self.count, index, self.secret)
	}

	fn to_json(&self) -> Value {
		let show = |index: &u32| {
			let tick = self.at(*index);
			assert_eq!(walk(&self.prefix, *index, 0, tick), self.at(0));
			json!({ "index": index, "tick": hex(tick) })
		};
		json!({
			"name": self.name,
			"prefix": hex(self.prefix),
			"seed": hex(self.secret),
			"count": self.count,
			"root": hex(self.at(0)),
			"ticks": self.shown.iter().map(show).collect::<Value>(),
		})
	}
}

fn chains() -> [Chain; 7] {
	let (TickCommit { prefix, count, .. }, secret) = commitment();
	let of = |name, prefix, secret, count, shown| Chain { name, prefix, secret, count, shown };
	[
		of("typical", prefix, secret, count, &[0, 1, 2, 5, 999, 1_000]),
		of("longer than is walked on chain", prefix, secret, 2_048, &[0, 1_024, 1_025, 2_048]),
		of("another prefix", *b"and sixteen more", secret, count, &[0, 5, 1_000]),
		of("of one tick", [7; 16], seed("one tick"), 1, &[0, 1]),
		of("of none", prefix, secret, 0, &[0]),
		of("all 0", [0; 16], [0; 32], 3, &[0, 1, 2, 3]),
		of("all 255", [0xFF; 16], [0xFF; 32], 3, &[0, 1, 2, 3]),
	]
}

fn claims(chains: &[Chain; 7]) -> Value {
	let [typical, long, other, one, none, ..] = chains;
	let mut flipped = typical.at(5);
	flipped[31] ^= 0x80;
	// As if indices were counted from the seed on.
	let upside_down = hash(&typical.prefix, 1, &typical.secret);
	[
		("first tick", typical, 1, typical.at(1), "yes"),
		("some tick", typical, 500, typical.at(500), "yes"),
		("last tick", typical, 1_000, typical.secret, "yes"),
		("only tick", one, 1, one.secret, "yes"),
		("last that is walked on chain", long, 1_024, long.at(1_024), "yes"),
		("genuine, and too far for the chain", long, 1_025, long.at(1_025), "range"),
		("the root itself", typical, 0, typical.at(0), "range"),
		("index above the count", typical, 1_001, typical.secret, "range"),
		("highest index", typical, u32::MAX, typical.secret, "range"),
		("of a chain without ticks", none, 1, none.secret, "range"),
		("index one too high", typical, 6, typical.at(5), "root"),
		("index one too low", typical, 4, typical.at(5), "root"),
		("under another prefix", other, 5, typical.at(5), "root"),
		("of a chain with another prefix", typical, 5, other.at(5), "root"),
		("of a shorter chain", long, 5, typical.at(5), "root"),
		("the root as a tick", typical, 1, typical.at(0), "root"),
		("one bit flipped", typical, 5, flipped, "root"),
		("numbered from the seed on", typical, 999, upside_down, "root"),
	]
	.map(|(name, chain, index, tick, verdict)| {
		let Chain { prefix, count, .. } = *chain;
		let commit = TickCommit { prefix, root: chain.at(0), count, ..commitment().0 };
		let proof = TickProof::new(&commit, KeySignature::Ed25519([0; 64]), index, tick);
		let found = match proof.in_range() {
			false => "range",
			true if proof.leads_to_root() => "yes",
			true => "root",
		};
		assert_eq!(found, verdict, "{name}");
		json!({
			"name": name,
			"of": chain.name,
			"index": index,
			"tick": hex(tick),
			"image": hex(hash(&prefix, index, &tick)),
			"valid": verdict,
		})
	})
	.into_iter()
	.collect()
}
