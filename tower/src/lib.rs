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
pub mod machine;
#[cfg(feature = "service")]
pub mod service;
pub mod statement;
pub mod tower;

pub use self::{
	chain::{ChainFailure, TowerChain},
	channel::ChannelState,
	door::{Door, DoorError},
	judge::{Held, Refused},
	machine::{Config, Machine, Outcome},
	statement::Backup,
	tower::{Keep, KeepFailure, Report, Tower, TowerError},
};
