//! Arbitrary sequences of calls in the real runtime, natively, on the state of the preset `development`.
//!
//! An input is a list of steps of eight bytes, some with more behind them: which call, by whom, on what;
//! time that passes; an encoded call. After each step no money was made or lost, and no call weighed more
//! than it had said; after the last one the invariants of all market pallets hold.

mod agreements;
mod calls;
mod world;

pub(crate) use calls::is_market;

use crate::bytes::Source;
use codec::{DecodeAll, DecodeLimit, Encode};
use frame_support::{
	dispatch::{GetDispatchInfo, PostDispatchInfo},
	storage::transactional::with_transaction_unchecked,
	traits::{fungibles::Inspect as _, Hooks},
	weights::Weight,
	MAX_EXTRINSIC_DEPTH,
};
use sp_runtime::{
	traits::Dispatchable, DispatchErrorWithPostInfo, DispatchResultWithInfo, TransactionOutcome,
};
use std::cell::RefCell;
use stoa_primitives::{AssetId, Balance, BlockNumber};
use stoa_runtime::{
	genesis_presets, Agents, Assets, Balances, Channels, Credits, FeeSplit, Referrals, RuntimeCall,
	RuntimeEvent, RuntimeOrigin, System,
};
use world::{Reached, World};

/// Steps of one input, at most: enough for anything, and no input takes long.
const STEPS: usize = 48;

/// Bytes of a step.
const STEP: usize = 8;

/// Supply, and custody's surplus, of both assets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Books {
	native: (Balance, Balance),
	dusd: (Balance, Balance),
}

impl Books {
	fn read() -> Self {
		Self {
			native: (Balances::total_issuance(), surplus(AssetId::Native)),
			dusd: (
				Assets::total_issuance(genesis_presets::DUSD),
				surplus(AssetId::WithId(genesis_presets::DUSD)),
			),
		}
	}

	/// Whether nothing was made out of nothing since, and nothing taken from custody. What is not of the
	/// market may burn tokens, and may send some to custody.
	fn follows(&self, before: &Self) -> bool {
		let one = |now: (Balance, Balance), before: (Balance, Balance)| {
			now.0 <= before.0 && now.1 >= before.1
		};
		one(self.native, before.native) && one(self.dusd, before.dusd)
	}
}

/// What custody holds beyond what it owes.
fn surplus(asset: AssetId) -> Balance {
	let solvency = Credits::solvency(asset);
	assert_eq!(solvency.issued, solvency.free + solvency.locked);
	solvency.custody.checked_sub(solvency.issued).expect("custody owes more than it holds")
}

fn check_invariants() {
	Agents::do_try_state().expect("agents");
	Credits::do_try_state().expect("credits");
	FeeSplit::do_try_state().expect("fee-split");
	Referrals::do_try_state().expect("referrals");
	Channels::do_try_state().expect("channels");
	stoa_runtime::Escrow::do_try_state().expect("escrow");
}

/// One thing that happens.
enum Step {
	/// A call.
	Call(RuntimeOrigin, Box<RuntimeCall>),
	/// Blocks pass.
	Wait(BlockNumber),
	/// A block has room.
	Idle(Weight),
}

thread_local! {
	static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Runs `work` in a world of its own: whatever it does is undone.
fn in_world<R>(work: impl FnOnce(&mut Reached) -> R) -> R {
	WORLD.with_borrow_mut(|world| {
		let World { state, reached } = world.get_or_insert_with(World::new);
		state.execute_with(|| {
			with_transaction_unchecked(|| TransactionOutcome::Rollback(work(reached)))
		})
	})
}

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let mut source = Source::new(bytes);
	in_world(|reached| {
		let mut books = Books::read();
		for _ in 0..STEPS {
			if source.is_empty() {
				break;
			}
			books = step(&mut source, books, reached);
		}
		check_invariants();
	});
}

/// Does one step, and checks what must hold after each.
fn step(source: &mut Source, before: Books, reached: &mut Reached) -> Books {
	let Some(step) = calls::step(source) else { return before };
	let market = match step {
		Step::Call(origin, call) => {
			let market = is_market(&call);
			dispatch(origin, *call, reached);
			market
		},
		Step::Wait(blocks) => {
			System::set_block_number(System::block_number().saturating_add(blocks));
			true
		},
		Step::Idle(room) => {
			let used = Channels::on_idle(System::block_number(), room);
			assert!(used.all_lte(room), "a hook takes {used:?} of {room:?}");
			true
		},
	};
	for event in System::read_events_no_consensus() {
		note(&event.event, reached);
	}
	System::reset_events();
	let books = Books::read();
	match market {
		true => assert_eq!(books, before, "supply or custody's surplus has changed"),
		false => assert!(books.follows(&before), "{books:?} after {before:?}"),
	}
	books
}

fn note(event: &RuntimeEvent, reached: &mut Reached) {
	match event {
		RuntimeEvent::Channels(pallet_stoa_channels::Event::Claimed { .. }) => reached.claims += 1,
		RuntimeEvent::Channels(pallet_stoa_channels::Event::Closed { .. }) => reached.closes += 1,
		_ => {},
	}
}

/// Dispatches a call, as a block does: it has the weight that it says, or less.
fn dispatch(origin: RuntimeOrigin, call: RuntimeCall, reached: &mut Reached) {
	let declared = call.get_dispatch_info().call_weight;
	let bytes = call.encode();
	let decoded = RuntimeCall::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &*bytes);
	assert_eq!(decoded.as_ref(), Ok(&call), "a call is not what it was encoded as");
	let name = calls::name(&call);
	let result: DispatchResultWithInfo<PostDispatchInfo> = call.dispatch(origin);
	let (good, info) = match &result {
		Ok(info) => (true, info),
		Err(DispatchErrorWithPostInfo { post_info, .. }) => (false, post_info),
	};
	if let Some(actual) = info.actual_weight {
		assert!(actual.all_lte(declared), "{name:?} took {actual:?} of {declared:?}");
	}
	*reached.calls.entry((name, good)).or_default() += 1;
}

/// Encoded calls of each kind, for decoders.
pub(crate) fn samples() -> Vec<Vec<u8>> {
	in_world(|_| calls::all().into_iter().map(|(_, call)| call.encode()).collect())
}

/// Transactions, bare and signed.
pub(crate) fn extrinsics() -> Vec<stoa_runtime::UncheckedExtrinsic> {
	in_world(|_| {
		let call = calls::all().into_iter().map(|(_, call)| call).next_back();
		calls::extrinsics(call.expect("there are calls"))
	})
}

/// Sequences that reach each call, and the encoded calls.
pub fn seeds() -> Vec<Vec<u8>> {
	let mut out = calls::sequences();
	let encoded = in_world(|_| {
		let calls = calls::all();
		calls.into_iter().map(|(who, call)| calls::raw(who, &call.encode())).collect::<Vec<_>>()
	});
	out.extend(encoded.chunks(4).map(<[Vec<u8>]>::concat));
	assert!(out.iter().all(|seed| RuntimeCall::decode_all(&mut &**seed).is_err()));
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	/// Every call of the market succeeds and fails in some sequence, and money is claimed.
	#[test]
	fn seeds_should_reach_every_call() {
		in_world(|reached| *reached = Reached::default());
		for seed in seeds() {
			run(&seed);
		}
		let reached = in_world(std::mem::take);
		let missing: Vec<_> = calls::names()
			.into_iter()
			.filter(|name| !reached.calls.contains_key(&(*name, true)))
			.collect();
		assert!(missing.is_empty(), "never succeeded: {missing:?}");
		assert!(reached.claims > 20 && reached.closes > 5, "{reached:?}");
	}
}
