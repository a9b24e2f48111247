#![doc = include_str!("../README.md")]

pub mod bytes;
pub mod chain;
pub mod dispatch;
pub mod heap;
pub mod http;
pub mod items;
pub mod mutate;
pub mod negotiation;
pub mod payload;
pub mod rows;
pub mod sample;
pub mod service;
pub mod statement;

/// Something that takes arbitrary bytes. It panics when a property does not hold.
#[derive(Clone, Copy)]
pub struct Target {
	/// What it is called: its corpus is in `corpus/<name>`.
	pub name: &'static str,
	/// What it feeds with the bytes.
	pub about: &'static str,
	/// Tries one input.
	pub run: fn(&[u8]),
	/// Good inputs of each kind, with which a corpus begins.
	pub seeds: fn() -> Vec<Vec<u8>>,
	/// How many changed inputs the test command tries beside the corpus.
	pub mutations: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
	Target {
		name: "payload",
		about: "what agents sign: all payload types",
		run: payload::run,
		seeds: payload::seeds,
		mutations: 2_000,
	},
	Target {
		name: "items",
		about: "SCALE: items, proofs, keys, signatures, batches, calls, extrinsics",
		run: items::run,
		seeds: items::seeds,
		mutations: 2_000,
	},
	Target {
		name: "statement",
		about: "backups of a payee's proofs, as a watchtower takes them",
		run: statement::run,
		seeds: statement::seeds,
		mutations: 2_000,
	},
	Target {
		name: "http",
		about: "headers and documents of the Payment scheme",
		run: http::run,
		seeds: http::seeds,
		mutations: 2_000,
	},
	Target {
		name: "negotiation",
		about: "messages, terms and transcripts of negotiations, and a side that is told them",
		run: negotiation::run,
		seeds: negotiation::seeds,
		mutations: 2_000,
	},
	Target {
		name: "service",
		about: "requests to the gateway and to a watchtower",
		run: service::run,
		seeds: service::seeds,
		mutations: 1_000,
	},
	Target {
		name: "rows",
		about: "stores with arbitrary rows, on which payee, payer and watchtower start",
		run: rows::run,
		seeds: rows::seeds,
		mutations: 2_000,
	},
	Target {
		name: "dispatch",
		about: "arbitrary sequences of calls in the real runtime",
		run: dispatch::run,
		seeds: dispatch::seeds,
		mutations: 300,
	},
	Target {
		name: "consistency",
		about: "agent, provider, watchtower and chain under faults",
		run: stoa_consistency::run,
		// Long ones: the corpus of this target is what has broken a bound before.
		seeds: || (0..4).map(stoa_consistency::input::random).collect(),
		mutations: 100,
	},
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
	TARGETS.iter().find(|target| target.name == name)
}
