//! `[patrol]`: cameras of exam sites and what becomes of what they record.

use serde::{Deserialize, Serialize};

/// `[patrol]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patrol {
    /// Whether cameras are run. Default true; without a camera it costs nothing.
    pub enabled: bool,
    /// Whether cameras and webhooks may be addresses of this machine or of its link: for demos and tests. Default false.
    pub allow_loopback: bool,
    /// The most cameras that this server runs, 1 to 2,000. Default 500.
    pub cameras_max: u32,
    /// A camera's recording begins a new part this often, in seconds, 1 to 3,600. Default 300.
    pub roll_s: u32,
    /// Whether what is recorded is synced to the disk every second, so that a power cut takes no more. Default true; without
    /// it an operating system that dies takes up to half a minute.
    pub sync: bool,
    /// Days that footage is kept where no rule says otherwise, 1 to 3,650. Default 30.
    pub default_days: u32,
    /// Whether pictures are looked at for faults (black, frozen, covered, …), in a process of its own. Default true.
    pub health: bool,
    /// The name that apps for codes and security keys show. Default `Lectern`.
    pub issuer: String,
}

impl Default for Patrol {
    fn default() -> Self {
        Self {
            enabled: true,
            allow_loopback: false,
            cameras_max: 500,
            roll_s: 300,
            sync: true,
            default_days: 30,
            health: true,
            issuer: "Lectern".into(),
        }
    }
}

impl Patrol {
    /// What is out of range, as `(key, fault)`.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (key, value, most) in [
            ("patrol.cameras_max", self.cameras_max, 2_000),
            ("patrol.roll_s", self.roll_s, 3_600),
            ("patrol.default_days", self.default_days, 3_650),
        ] {
            if !(1..=most).contains(&value) {
                faults.push((key, format!("is not between 1 and {most}")));
            }
        }
        if self.issuer.trim().is_empty() || self.issuer.chars().count() > 40 || self.issuer.contains(':') {
            faults.push(("patrol.issuer", "is not a name of 1 to 40 characters without a colon".into()));
        }
        faults
    }
}
