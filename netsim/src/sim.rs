//! Scenarios on virtual time: named ends, links between them, a clock that jumps to whatever happens next.
//!
//! Belongs here: moving bytes and time. Does not belong here: the protocol that is simulated; the caller owns its
//! cores, feeds them what [`Sim::step`] delivers and sends what they answer.
//!
//! ```
//! use lectern_netsim::{LinkConfig, sim::{Sim, Step}};
//! use std::time::Duration;
//!
//! let mut sim = Sim::new(7);
//! sim.link("sfu", "viewer", LinkConfig::kbps(800).delay_ms(40));
//! sim.send("sfu", "viewer", vec![0; 1000]);
//! let Step::Delivered { to, .. } = sim.step(Duration::from_secs(1)) else { panic!("nothing arrived") };
//! assert_eq!((to, sim.now()), ("viewer", Duration::from_millis(50)));
//! ```

use crate::link::{Counters, DropReason, Link, LinkConfig};
use std::{collections::BTreeMap, time::Duration};

/// The name of an end.
pub type End = &'static str;

/// What happened next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes arrived.
    Delivered {
        /// Who sent them.
        from: End,
        /// Where they are now.
        to: End,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Nothing arrived before the time that was asked for; it is that time now.
    Time,
}

/// Ends, links and a virtual clock.
#[derive(Debug)]
pub struct Sim {
    now: Duration,
    seed: u64,
    links: BTreeMap<(End, End), Link<Vec<u8>>>,
}

impl Sim {
    /// An empty world. Print the seed when a scenario fails: it repeats the run exactly.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { now: Duration::ZERO, seed, links: BTreeMap::new() }
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Makes or changes the link in one direction.
    pub fn link(&mut self, from: End, to: End, config: LinkConfig) {
        // Each link has luck of its own, so that adding one does not change what the others do.
        let salt = from.bytes().chain([0]).chain(to.bytes()).fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let (now, seed) = (self.now, self.seed ^ salt);
        self.links.entry((from, to)).or_insert_with(|| Link::new(config, seed)).set_config(now, config);
    }

    /// Makes or changes the links in both directions.
    pub fn duplex(&mut self, a: End, b: End, config: LinkConfig) {
        self.link(a, b, config);
        self.link(b, a, config);
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If there is no such link: the scenario is wrong.
    pub fn send(&mut self, from: End, to: End, bytes: Vec<u8>) -> Option<DropReason> {
        let now = self.now;
        let link = self.links.get_mut(&(from, to)).unwrap_or_else(|| panic!("no link from {from} to {to}"));
        link.push(now, bytes.len() as u64, bytes).err()
    }

    /// What a link has counted; nothing if there is no such link.
    #[must_use]
    pub fn counters(&self, from: End, to: End) -> Option<&Counters> {
        self.links.get(&(from, to)).map(Link::counters)
    }

    /// Goes on to the next arrival, but not beyond `until` (the caller's next timer).
    pub fn step(&mut self, until: Duration) -> Step {
        loop {
            for ((from, to), link) in &mut self.links {
                if let Some(bytes) = link.pop(self.now) {
                    return Step::Delivered { from, to, bytes };
                }
            }
            match self.links.values().filter_map(Link::next_due).min() {
                Some(due) if due <= until => self.now = self.now.max(due),
                _ => {
                    self.now = self.now.max(until);
                    return Step::Time;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_comes_back_after_two_flights() {
        let mut sim = Sim::new(1);
        sim.duplex("a", "b", LinkConfig::default().delay_ms(40));
        sim.send("a", "b", vec![1]);
        let second = Duration::from_secs(1);
        assert_eq!(sim.step(second), Step::Delivered { from: "a", to: "b", bytes: vec![1] });
        sim.send("b", "a", vec![2]);
        assert_eq!(sim.step(second), Step::Delivered { from: "b", to: "a", bytes: vec![2] });
        assert_eq!(sim.now(), Duration::from_millis(80));
        assert_eq!(sim.step(second), Step::Time);
        assert_eq!(sim.now(), second);
    }

    #[test]
    fn another_link_does_not_change_the_luck_of_the_first() {
        let lost = |extra: bool| {
            let mut sim = Sim::new(9);
            sim.link("a", "b", LinkConfig::default().loss_percent(30.0));
            if extra {
                sim.link("a", "c", LinkConfig::default().loss_percent(30.0));
            }
            (0..200u8)
                .filter(|n| {
                    sim.send("a", "b", vec![*n]);
                    if extra {
                        sim.send("a", "c", vec![*n]);
                    }
                    let mut got = false;
                    let until = sim.now() + Duration::from_millis(1);
                    while let Step::Delivered { to, .. } = sim.step(until) {
                        got |= to == "b";
                    }
                    !got
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(lost(false), lost(true));
    }
}
