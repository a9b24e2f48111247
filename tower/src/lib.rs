#![doc = include_str!("../README.md")]
#![cfg_attr(
	not(test),
	deny(
		clippy::arithmetic_side_effects,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::panic,
		clippy::unwrap_used
	)
)]

pub mod chain;
pub mod channel;
pub mod door;
pub mod judge;
pub mod later;
pub mod machine;
mod patience;
mod progress;
#[cfg(feature = "service")]
pub mod service;
pub mod statement;
pub mod tower;

pub use self::{
	chain::{ChainFailure, TowerChain},
	channel::ChannelState,
	door::{Door, DoorError},
	judge::{Held, Refused},
	later::Later,
	machine::{Config, Machine, MinClaim, Outcome},
	progress::Health,
	statement::{Backup, List},
	tower::{Keep, KeepFailure, Report, Tower, TowerError},
};
