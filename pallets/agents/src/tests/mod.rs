//! One test for each success and for each failure, then random sequences of calls.

mod keys;
mod properties;
mod registration;
mod registry;
mod status;
mod transfer;
