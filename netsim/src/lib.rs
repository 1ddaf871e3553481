//! Bad networks: a link on virtual time ([`link`]), small scenarios on it ([`sim`]), and the same link between real
//! processes in network namespaces ([`emulator`], binary `lectern-netem`).
//!
//! Belongs here: what happens to bytes between two ends. Does not belong here: what the ends do with them.
//!
//! The kernels that Lectern is built and tested on have no `tc netem`, hence an own emulator; and the same core serves
//! the simulations, so that a scenario found on virtual time can be shown to real programs with the same settings.

pub mod emulator;
pub mod link;
pub mod sim;

pub use link::{BurstLoss, Counters, DropReason, Fraction, Link, LinkConfig, QueueLimit};
