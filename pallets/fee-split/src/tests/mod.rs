//! One test per success and per failure path; invariants are checked after each.

mod conservation;
mod invariants;
mod pay;
mod schedules;
mod settle;
mod view;
