//! One test per success and per failure path; `try_state` runs after each.

mod admin;
mod deposit;
mod fees;
mod invariants;
mod ledger;
mod model;
mod references;
mod view;
mod withdraw;
