//! The emulator's control language: one JSON object a line in, one JSON object a line out.
//!
//! `{"cmd":"set","viewer":1,"dir":"down","rate_kbps":800,"queue_ms":200,"delay_ms":40,"jitter_ms":5,"reorder":false,
//! "loss":0.02,"burst_loss":0.02,"burst_len":4,"cut":false}`: what is not named stays as it is; without `viewer` all
//! lines, without `dir` both directions. `"rate_kbps":null` is an unlimited rate; `queue_bytes` may stand for
//! `queue_ms`. `{"cmd":"stats"}` tells what was counted, `{"cmd":"quit"}` ends.

use super::{Direction, EmulatorError, Hub, LineStats, Place};
use crate::link::{BurstLoss, Counters, Fraction, LinkConfig, QueueLimit};
use lectern_media::{Bitrate, DataSize};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// The longest command line that is read, in bytes.
pub const LINE_LEN_BYTES_MAX: usize = 4096;

/// A command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Command {
    /// Changes lines.
    Set(Change),
    /// Tells the state.
    Stats,
    /// Ends the emulator.
    Quit,
}

/// What `set` changes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Whose line, counted from 1; nobody named = everyone's.
    pub viewer: Option<usize>,
    /// Which direction; none named = both.
    pub dir: Option<Direction>,
    /// Rate in kilobits per second; `null` = unlimited.
    #[serde(deserialize_with = "named")]
    pub rate_kbps: Option<Option<u64>>,
    /// Queue as time at the present rate.
    pub queue_ms: Option<u64>,
    /// Queue in bytes.
    pub queue_bytes: Option<u64>,
    /// Flight time.
    pub delay_ms: Option<u64>,
    /// Jitter.
    pub jitter_ms: Option<u64>,
    /// Whether jitter may reorder.
    pub reorder: Option<bool>,
    /// Random loss, 0 to 1.
    pub loss: Option<Fraction>,
    /// Long-run share of loss in bursts, 0 to 1; 0 = none.
    pub burst_loss: Option<Fraction>,
    /// Mean length of a burst in packets (4 if not named).
    pub burst_len: Option<f64>,
    /// Cut or not.
    pub cut: Option<bool>,
}

/// Tells a field that is `null` from one that is not there.
fn named<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl Change {
    /// Carries the change out on one direction's settings.
    pub fn apply(&self, config: &mut LinkConfig) {
        if let Some(kbps) = self.rate_kbps {
            config.rate = kbps.map(Bitrate::kbps);
        }
        if let Some(ms) = self.queue_ms {
            config.queue = QueueLimit::Time(Duration::from_millis(ms));
        }
        if let Some(bytes) = self.queue_bytes {
            config.queue = QueueLimit::Bytes(DataSize::bytes(bytes));
        }
        if let Some(ms) = self.delay_ms {
            config.delay = Duration::from_millis(ms);
        }
        if let Some(ms) = self.jitter_ms {
            config.jitter = Duration::from_millis(ms);
        }
        if let Some(reorder) = self.reorder {
            config.reorder = reorder;
        }
        if let Some(loss) = self.loss {
            config.loss = loss;
        }
        if let Some(loss) = self.burst_loss {
            let burst = BurstLoss::with_mean(loss, self.burst_len.unwrap_or(4.0));
            config.burst = Some(burst).filter(|_| loss > Fraction::ZERO);
        }
        if let Some(cut) = self.cut {
            config.cut = cut;
        }
    }
}

/// The first line that the emulator says.
#[derive(Debug, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The server's end.
    pub server: Place,
    /// The viewers' ends, viewer 1 first.
    pub viewers: Vec<Place>,
}

impl Ready {
    /// Describes `hub`.
    #[must_use]
    pub fn of(hub: &Hub) -> Self {
        Self { ready: true, server: hub.server().clone(), viewers: hub.viewers().cloned().collect() }
    }
}

/// The answer to a command.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Done.
    Ok {
        /// Always true.
        ok: bool,
    },
    /// Not done.
    Error {
        /// Why.
        error: String,
    },
    /// The state of all lines.
    Stats {
        /// Viewer 1 first.
        lines: Vec<LineAnswer>,
    },
}

/// The state of one line.
#[derive(Debug, Serialize)]
pub struct LineAnswer {
    /// Whose, counted from 1.
    pub viewer: usize,
    /// From the server to the viewer.
    pub down: LaneAnswer,
    /// From the viewer to the server.
    pub up: LaneAnswer,
}

/// The state of one direction.
#[derive(Debug, Serialize)]
pub struct LaneAnswer {
    /// Rate in kilobits per second, or unlimited.
    pub rate_kbps: Option<u64>,
    /// Flight time.
    pub delay_ms: u64,
    /// Whether it is cut.
    pub cut: bool,
    /// Share of the offered packets that were dropped, whatever the reason.
    pub loss: f64,
    /// Mean time from offer to delivery.
    pub delay_us_mean: u64,
    /// Bytes that wait now.
    pub queued_bytes: u64,
    /// Reads and writes that the devices refused.
    pub device_errors: u64,
    /// The account.
    #[serde(flatten)]
    pub counters: Counters,
}

impl From<LineStats> for LaneAnswer {
    fn from(s: LineStats) -> Self {
        Self {
            rate_kbps: s.config.rate.map(|r| r.as_bps() / 1000),
            delay_ms: s.config.delay.as_millis() as u64,
            cut: s.config.cut,
            loss: s.counters.loss(),
            delay_us_mean: s.counters.delay_us_mean(),
            queued_bytes: s.queued_bytes,
            device_errors: s.device_errors,
            counters: s.counters,
        }
    }
}

/// Carries out one line of control. Nothing is returned for `quit`.
#[must_use]
pub fn obey(hub: &Hub, line: &str) -> Option<Answer> {
    let command = match serde_json::from_str(line) {
        Ok(command) => command,
        Err(error) => return Some(Answer::Error { error: format!("not a command: {error}") }),
    };
    let done = match command {
        Command::Quit => return None,
        Command::Set(change) => set(hub, &change).map(|()| Answer::Ok { ok: true }),
        Command::Stats => hub.stats().map(|lines| Answer::Stats {
            lines: lines
                .into_iter()
                .zip(1..)
                .map(|((down, up), viewer)| LineAnswer { viewer, down: down.into(), up: up.into() })
                .collect(),
        }),
    };
    Some(done.unwrap_or_else(|error| Answer::Error { error: error.to_string() }))
}

fn set(hub: &Hub, change: &Change) -> Result<(), EmulatorError> {
    let viewers = match change.viewer {
        Some(n) => n..=n,
        None => 1..=hub.viewers().len(),
    };
    for n in viewers {
        for dir in [Direction::Down, Direction::Up] {
            if change.dir.is_none_or(|d| d == dir) {
                let change = change.clone();
                hub.update(n, dir, move |config| change.apply(config))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_change_what_they_name_and_nothing_else() {
        let before = LinkConfig::kbps(800).delay_ms(40).loss_percent(1.0).burst_loss_percent(2.0, 4.0);
        // (fields, after)
        for (fields, want) in [
            ("", before),
            (r#","rate_kbps":250"#, LinkConfig { rate: Some(Bitrate::kbps(250)), ..before }),
            (r#","rate_kbps":null"#, LinkConfig { rate: None, ..before }),
            (r#","delay_ms":5,"jitter_ms":3"#, before.delay_ms(5).jitter_ms(3)),
            (r#","loss":0.05,"burst_loss":0"#, LinkConfig { burst: None, ..before.loss_percent(5.0) }),
            (r#","cut":true,"queue_ms":50"#, LinkConfig { cut: true, ..before.queue_ms(50) }),
        ] {
            let Command::Set(change) = serde_json::from_str(&format!(r#"{{"cmd":"set"{fields}}}"#)).unwrap() else {
                panic!("{fields} is no set");
            };
            let mut after = before;
            change.apply(&mut after);
            assert_eq!(after, want, "{fields}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [r#"{"cmd":"set","speed":3}"#, r#"{"cmd":"fly"}"#, r#"{"cmd":"set","loss":2}"#, "", "[]"] {
            assert!(serde_json::from_str::<Command>(line).is_err(), "{line}");
        }
    }
}
