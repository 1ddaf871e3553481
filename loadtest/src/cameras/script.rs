//! Faults by script: JSON lines, each with a camera, a time since the start, and what goes wrong. Pure: text in, what is
//! wrong at a moment out.

use super::scene::Look;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A stream of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// 1080p.
    Main,
    /// 640×360.
    Sub,
}

/// A step of a session at which a camera may close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// DESCRIBE.
    Describe,
    /// SETUP.
    Setup,
    /// PLAY.
    Play,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// Nothing is sent; the connection stays.
    Silent,
    /// The last picture again and again, strip and clock included.
    Frozen,
    /// A black picture.
    Black,
    /// A white picture.
    White,
    /// Nine tenths dark and warm.
    Covered,
    /// Out of focus.
    Blurred,
    /// Shifted by 15 %.
    Moved,
    /// The camera's clock is wrong (sender reports and text; not the strip).
    ClockOff {
        /// By so much; positive is fast.
        seconds: f64,
    },
    /// The camera's clock runs wrong (sender reports, text and RTP time stamps; not the strip).
    ClockDrift {
        /// Parts per million; positive is fast.
        ppm: f64,
    },
    /// Packets are not sent.
    Loss {
        /// This share of them, at random, 0 to 1.
        #[serde(default)]
        share: f64,
        /// So many behind each other …
        #[serde(default)]
        burst: u32,
        /// … at the beginning of each such time.
        #[serde(default = "one_second")]
        every_s: f64,
    },
    /// The camera closes its connections at the beginning, and again after each such time.
    Reconnect {
        /// Seconds; none: once.
        #[serde(default)]
        every_s: Option<f64>,
    },
    /// Every log-in is refused; connections are closed at the beginning.
    WrongPassword,
    /// Another picture size, with new parameter sets in mid-stream.
    ParameterChange,
    /// A keyframe in 30 s only.
    #[serde(rename = "keyframes_30s")]
    Keyframes30s,
    /// The camera's own port is closed (with `--port-each`); with one port for all, its requests end the connection.
    PortClosed,
    /// Ten times the pictures.
    Flood,
    /// Another camera's pictures under its SSRC.
    OtherStream,
    /// Broken packets among the others.
    Garbage,
    /// The connection is closed at a step, or at each in turn.
    CloseAtStep {
        /// Which.
        #[serde(default)]
        step: Option<Step>,
    },
    /// No sound is sent.
    NoSound,
    /// Sound is sent, but it is silence.
    MutedSound,
    /// Half the pictures.
    SlowFrames,
}

fn one_second() -> f64 {
    1.0
}

/// A line of the script.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Camera number, from 1.
    pub camera: u16,
    /// Only this stream; none: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamKind>,
    /// From so many seconds after the start …
    pub from_s: f64,
    /// … to so many; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Entry {
    /// Whether it is on, so long after the start.
    #[must_use]
    pub fn is_on(&self, at: Duration) -> bool {
        let at = at.as_secs_f64();
        at >= self.from_s && self.to_s.is_none_or(|to| at < to)
    }

    /// Seconds for which it has been on by then.
    fn on_for(&self, at: Duration) -> f64 {
        (self.to_s.unwrap_or(f64::MAX).min(at.as_secs_f64()) - self.from_s).max(0.0)
    }

    fn concerns(&self, stream: StreamKind) -> bool {
        self.stream.is_none_or(|only| only == stream)
    }
}

/// All faults, by camera.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    cameras: BTreeMap<u16, Vec<Entry>>,
}

/// How pictures are made at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// What the scene looks like.
    pub look: Look,
    /// Another size than the usual.
    pub other_size: bool,
    /// A keyframe in 30 s.
    pub long_gop: bool,
}

impl Script {
    /// Reads JSON lines; empty ones and those that begin with `#` are left out.
    ///
    /// # Errors
    /// With the number of the first line that is wrong.
    pub fn read(text: &str) -> Result<Self> {
        let mut script = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry: Entry = serde_json::from_str(line).with_context(|| format!("line {} of the script", n + 1))?;
            let times = entry.from_s >= 0.0 && entry.to_s.is_none_or(|to| to > entry.from_s);
            ensure!(times && entry.camera > 0, "line {} of the script: from_s < to_s, cameras from 1", n + 1);
            if let Fault::Loss { share, burst, every_s } = entry.fault {
                let some = share > 0.0 || burst > 0;
                ensure!(
                    some && (0.0..=1.0).contains(&share) && every_s > 0.0,
                    "line {} of the script: share 0 to 1, or burst",
                    n + 1
                );
            }
            if let Fault::Reconnect { every_s: Some(every) } = entry.fault {
                ensure!(every >= 0.1, "line {} of the script: every_s is 0.1 at least", n + 1);
            }
            script.cameras.entry(entry.camera).or_default().push(entry);
        }
        Ok(script)
    }

    /// For a demonstration: for a day, a fault now and then, about `every`; each for 15 to 30 s. Faults of the picture only
    /// at three cameras: each needs clips of its own.
    #[must_use]
    pub fn now_and_then(cameras: u16, every: Duration, rng: &mut impl rand::Rng) -> Self {
        let (mut script, mut at) = (Self::default(), every.as_secs_f64());
        while at < 86_400.0 {
            let fault = match rng.random_range(0..6) {
                0 => Fault::Frozen,
                1 => Fault::Black,
                2 => Fault::Covered,
                3 => Fault::Silent,
                4 => Fault::ClockOff { seconds: 7.0 },
                _ => Fault::Reconnect { every_s: None },
            };
            let among = if fault.is_of_picture() { cameras.min(3) } else { cameras };
            let camera = rng.random_range(1..=among.max(1));
            let to_s = Some(at + f64::from(rng.random_range(15..30)));
            script.cameras.entry(camera).or_default().push(Entry { camera, stream: None, from_s: at, to_s, fault });
            at += (every.as_secs_f64() * rng.random_range(0.5..1.5)).round();
        }
        script
    }

    /// All entries of a camera.
    #[must_use]
    pub fn of(&self, camera: u16) -> &[Entry] {
        self.cameras.get(&camera).map_or(&[], Vec::as_slice)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.cameras.values().flatten()
    }

    /// Faults of a stream that are on.
    pub fn on(&self, camera: u16, stream: StreamKind, at: Duration) -> impl Iterator<Item = Fault> {
        self.of(camera).iter().filter(move |e| e.concerns(stream) && e.is_on(at)).map(|e| e.fault)
    }

    /// Whether a fault that `is` tells of is on.
    pub fn has(&self, camera: u16, stream: StreamKind, at: Duration, is: impl Fn(Fault) -> bool) -> bool {
        self.on(camera, stream, at).any(is)
    }

    /// How pictures are made.
    #[must_use]
    pub fn show(&self, camera: u16, stream: StreamKind, at: Duration) -> Show {
        let mut show = Show { look: Look::Healthy, other_size: false, long_gop: false };
        for fault in self.on(camera, stream, at) {
            show.apply(fault);
        }
        show
    }

    /// Every way in which pictures of a stream will be made.
    #[must_use]
    pub fn shows(&self, camera: u16, stream: StreamKind) -> Vec<Show> {
        let mut shows = vec![self.show(camera, stream, Duration::ZERO)];
        let times = self.of(camera).iter().flat_map(|e| [Some(e.from_s), e.to_s]).flatten();
        shows.extend(times.map(|at| self.show(camera, stream, Duration::from_secs_f64(at + 1e-6))));
        shows
    }

    /// Microseconds by which a camera's clock is ahead of ours.
    #[must_use]
    pub fn clock_ahead_us(&self, camera: u16, at: Duration) -> i64 {
        let ahead = |entry: &Entry| match entry.fault {
            Fault::ClockOff { seconds } => seconds,
            Fault::ClockDrift { ppm } => ppm * 1e-6 * entry.on_for(at),
            _ => 0.0,
        };
        let on = self.of(camera).iter().filter(|e| e.is_on(at));
        (on.map(ahead).sum::<f64>() * 1e6).round() as i64
    }

    /// Microseconds by which a camera's RTP time stamps are ahead: a drift that ended is not taken back, since time stamps
    /// never go back.
    #[must_use]
    pub fn stamps_ahead_us(&self, camera: u16, at: Duration) -> i64 {
        let ahead = |entry: &Entry| match entry.fault {
            Fault::ClockDrift { ppm } => ppm * 1e-6 * entry.on_for(at),
            _ => 0.0,
        };
        (self.of(camera).iter().map(ahead).sum::<f64>() * 1e6).round() as i64
    }
}

impl Show {
    /// Whether it comes of this fault.
    #[must_use]
    pub fn has(self, fault: Fault) -> bool {
        let mut with = self;
        with.apply(fault);
        fault.is_of_picture() && with == self
    }

    fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Frozen => self.look = Look::Frozen,
            Fault::Black => self.look = Look::Black,
            Fault::White => self.look = Look::White,
            Fault::Covered => self.look = Look::Covered,
            Fault::Blurred => self.look = Look::Blurred,
            Fault::Moved => self.look = Look::Moved,
            Fault::ParameterChange => self.other_size = true,
            Fault::Keyframes30s => self.long_gop = true,
            _ => {}
        }
    }
}

impl Fault {
    /// Whether it begins and ends with a keyframe of the stream, because it is another clip.
    #[must_use]
    pub fn is_of_picture(self) -> bool {
        let mut show = Show { look: Look::Healthy, other_size: false, long_gop: false };
        let usual = show;
        show.apply(self);
        show != usual
    }

    /// As the script says it.
    #[must_use]
    pub fn name(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["fault"].as_str().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        # a comment
        {"camera":3,"from_s":10,"to_s":20,"fault":"frozen"}
        {"camera":3,"from_s":15,"to_s":25,"fault":"clock_off","seconds":-5}
        {"camera":3,"from_s":0,"to_s":100,"fault":"clock_drift","ppm":100}
        {"camera":4,"from_s":1,"fault":"loss","share":0.05,"stream":"sub"}
        {"camera":4,"from_s":1,"fault":"loss","burst":20}
        {"camera":5,"from_s":1,"fault":"keyframes_30s"}
        {"camera":5,"from_s":2,"fault":"close_at_step","step":"setup"}
    "#;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn faults_are_on_between_their_times() {
        let script = Script::read(TEXT).expect("a script");
        let look = |at| script.show(3, StreamKind::Main, secs(at)).look;
        assert_eq!([9, 10, 19, 20].map(look), [Look::Healthy, Look::Frozen, Look::Frozen, Look::Healthy]);
        assert_eq!(script.clock_ahead_us(3, secs(14)), 1400);
        assert_eq!(script.clock_ahead_us(3, secs(20)), -5_000_000 + 2000);
        assert_eq!(script.clock_ahead_us(3, secs(200)), 0, "set right again");
        assert_eq!(script.stamps_ahead_us(3, secs(200)), 10_000, "never back");
        assert_eq!(script.on(4, StreamKind::Sub, secs(5)).count(), 2);
        assert_eq!(script.on(4, StreamKind::Main, secs(5)).count(), 1);
        assert!(script.show(5, StreamKind::Main, secs(9)).long_gop);
        assert_eq!(script.shows(3, StreamKind::Main).iter().filter(|s| s.look == Look::Frozen).count(), 2);
        assert_eq!(Fault::Keyframes30s.name(), "keyframes_30s");
        assert!(Fault::Black.is_of_picture() && !Fault::Flood.is_of_picture());
    }

    #[test]
    fn a_demonstration_has_a_fault_now_and_then() {
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1);
        let script = Script::now_and_then(12, secs(60), &mut rng);
        let count = script.entries().count();
        assert!((1200..1700).contains(&count), "{count}");
        assert!(script.entries().all(|e| e.camera <= if e.fault.is_of_picture() { 3 } else { 12 }));
        let text: Vec<String> = script.entries().map(|e| serde_json::to_string(e).expect("JSON")).collect();
        assert!(Script::read(&text.join("\n")).expect("a script") == script, "it reads as it is written");
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, want) in [
            (r#"{"camera":1,"from_s":5,"to_s":4,"fault":"black"}"#, "line 1"),
            ("\n{\"camera\":1,\"from_s\":5,\"fault\":\"explodes\"}", "line 2"),
            (r#"{"camera":0,"from_s":5,"fault":"black"}"#, "line 1"),
            (r#"{"camera":1,"from_s":5,"fault":"loss"}"#, "line 1"),
            (r#"{"camera":1,"from_s":5,"fault":"loss","share":2}"#, "line 1"),
        ] {
            let error = Script::read(text).expect_err(text);
            assert!(format!("{error:#}").contains(want), "{error:#}");
        }
    }
}
