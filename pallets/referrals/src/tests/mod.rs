//! One test for each success and for each failure, then random graphs and settlements.

mod bind;
mod bonus;
mod codes;
mod parameters;
mod properties;
mod rewards;
