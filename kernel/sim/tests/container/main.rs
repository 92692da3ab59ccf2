//! Containers over the simulated machine: whole lives, and whatever may come between: failures of
//! every step, refused charges, hooks, kills, others who want the same container. The leak audit
//! after each.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod configuration;
mod life;
mod system;
mod transaction;
mod update;
mod verbs;
