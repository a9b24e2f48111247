//! What happens more often in one run than in another.
//!
//! Most losses need several things at the same time: calls under way on all lanes when the deposit is
//! nearly used up, a disk that fails just before a process dies. In one mix of steps such things are rare.
//! So each run has a temper: half of its steps are of a few kinds, the others of all kinds.

use crate::input::Input;

/// A kind of step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
	/// The agent calls.
	Call,
	/// A message arrives.
	Deliver,
	/// A message gets lost.
	Lose,
	/// The agent sends a request once more.
	Repeat,
	/// The agent waits no longer.
	GiveUp,
	/// A call that is being served is answered, or fails.
	Work,
	/// The provider settles, or looks whether it should.
	Settle,
	/// The tower is given what is not settled.
	Feed,
	/// The tower looks.
	Pass,
	/// Blocks are made, finalized or taken back.
	Blocks,
	/// Much time passes.
	Time,
	/// Something breaks.
	Fault,
	/// Who is down starts.
	Restart,
	/// The agent changes a channel.
	Change,
	/// Somebody wants to end a channel, or not any more.
	Close,
	/// The agent reads a channel.
	Sync,
	/// Who cheats tries something.
	Cheat,
	/// A channel is opened.
	Open,
	/// The agent asks what it has signed.
	Recover,
	/// The agent calls on all lanes at once.
	Rush,
	/// Who cheats tries something that it has thought out.
	Trick,
	/// Somebody dies and is back at once.
	Reboot,
	/// The provider agrees to a close, or the agent makes use of that.
	Agree,
	/// The agent sets a cap, mostly a tight one.
	Tighten,
	/// A disk fails for a moment in which there are calls.
	Hiccup,
}

use Kind::*;

/// Of every temper; each place is as likely as any other.
const USUAL: [Kind; 32] = [
	Call, Call, Call, Call, Call, Call, Deliver, Deliver, Deliver, Deliver, Deliver, Deliver,
	Deliver, Lose, Repeat, GiveUp, Work, Work, Settle, Feed, Pass, Blocks, Blocks, Time, Fault,
	Restart, Change, Close, Sync, Cheat, Open, Recover,
];

/// Many calls at the same time, and little that they may cost.
const RUSHED: [Kind; 6] = [Rush, Rush, Trick, Work, Tighten, Settle];
/// Processes die and disks fail.
const SICK: [Kind; 6] = [Trick, Trick, Hiccup, Fault, Reboot, Reboot];
/// Blocks are taken back and nodes lag.
const SHAKY: [Kind; 7] = [Rush, Trick, Trick, Blocks, Settle, Fault, Time];
/// Channels are about to end.
const ENDING: [Kind; 7] = [Rush, Trick, Agree, Change, Tighten, Time, Pass];

/// Which of the four a run has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temper(u8);

impl Temper {
	/// Of the lowest four bits. Without any, all steps are usual ones.
	pub(super) fn new(bits: u8) -> Self {
		Self(bits & 15)
	}

	/// Whether nothing is favoured.
	pub(super) fn is_usual(self) -> bool {
		self.0 == 0
	}

	/// Whether money is tight.
	pub(super) fn is_rushed(self) -> bool {
		self.0 & 1 != 0
	}

	/// Whether the agent calls up to the last block.
	pub(super) fn is_ending(self) -> bool {
		self.0 & 8 != 0
	}

	/// The next step.
	pub(super) fn next(self, input: &mut Input<'_>) -> Kind {
		if self.is_usual() || !input.chance(128) {
			return input.pick(&USUAL);
		}
		let all = [&RUSHED[..], &SICK, &SHAKY, &ENDING];
		let own = (0..).zip(all).filter(|(bit, _)| self.0 >> bit & 1 != 0);
		let kinds: Vec<Kind> = own.flat_map(|(_, kinds)| kinds.iter().copied()).collect();
		input.pick(&kinds)
	}
}
