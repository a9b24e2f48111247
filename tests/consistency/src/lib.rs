//! Agent, provider, watchtower and chain under faults, driven by bytes.
//!
//! The parts are those that are shipped: the payer's and the payee's machines with their drivers, the
//! settler, the tower, and the runtime, run block by block. What is made up is the world around them:
//! messages get lost, come twice and overtake each other, processes die and come back with an older disk,
//! disks fill up and lie, nodes lag behind and fall silent, unfinalized blocks are reverted, transactions
//! get lost or come late, clocks run too fast, keys are replaced, caps set, lanes revoked and channels
//! closed, by whoever may, honest or not. Every decision is a byte: see [`run`].
//!
//! [`world`] says which losses are bounded by what. After the faults all wounds are dressed, channels are
//! closed, and the bounds are checked to the unit against [`books`], which the actors never see.
//!
//! | module | has |
//! |---|---|
//! | [`input`] | bytes as decisions |
//! | [`chain`] | the runtime with forks, finality and nodes that lag |
//! | [`disk`] | stores that fail and that can be put back |
//! | [`network`] | messages under way |
//! | [`agent`], [`provider`], [`watch`] | the actors |
//! | [`books`] | what really happened |
//! | [`world`] | the steps, what is tried, what happens more often in one run than in another, and the bounds |

pub mod agent;
pub mod books;
pub mod chain;
pub mod disk;
pub mod input;
pub mod network;
pub mod provider;
pub mod watch;
pub mod world;

pub use world::run;
