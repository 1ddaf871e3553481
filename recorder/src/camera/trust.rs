//! Whether retention may believe the wall clock, as a pure decision: footage that a wrong clock calls old is gone for good (invariant 17).
//!
//! What is believed is what is explained: the time that was believed last, and what ran since then on a clock that nobody sets. A wall
//! clock that stands elsewhere is doubted: days are then counted by whichever of the two is earlier, so that nothing goes too early. A doubt
//! ends when the clock stands where it should again, when cameras were recorded for a day under it, or when an operator confirms it. A day
//! does not explain a leap of months: a machine that wakes up in 2036 on a Friday must not have removed everything by Monday.
//! Does not belong here: what goes (`retention`), what time recordings carry (`UnixMillis::steady`).

use crate::storage::{Disk, Storage, write_whole};
use lectern_media::UnixMillis;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};
use ulid::Ulid;

/// 2026-01-01: no camera was recorded before. A wall clock that is earlier is one that nobody set.
pub(super) const EARLIEST: UnixMillis = UnixMillis(1_767_225_600_000);
/// The file that outlives the process.
const FILE: &str = "clock.json";
/// The file by which an operator confirms the clock.
const CONFIRMED: &str = "clock.confirmed.json";
/// A wall clock this far off is no error of retention, while what runs can be compared: time zones set wrongly are more.
const SLACK_RUNNING: Duration = Duration::from_secs(2 * 3600);
/// … after a restart of the machine: nobody counts while it is off, and most are off for less.
const SLACK_RESTARTED: Duration = Duration::from_secs(24 * 3600);
/// What slack hides is followed this slowly, so that a clock that runs wild does not stay hidden: an hour in twenty.
const FOLLOW: i64 = 20;
/// So long must be recorded under a doubted clock.
const PROOF: Duration = Duration::from_secs(24 * 3600);
/// … which explains a leap forward of this at most: a machine that was off over the longest holiday.
const PROVES: Duration = Duration::from_secs(90 * 86_400);
/// A machine that was off for no longer than this and starts late is told in the log only.
const QUIET: Duration = Duration::from_secs(8 * 86_400);
/// Of the time between two looks at most so much counts as recorded.
const STEP: Duration = Duration::from_secs(600);
/// A machine without a clock of its own has learnt the time so long after its start.
const SETTING: Duration = Duration::from_secs(900);
/// How often the mark is written while nothing happens.
const WRITE_EVERY: Duration = Duration::from_secs(600);
/// How long an operator's word is good.
const CONFIRMED_FOR: Duration = Duration::from_secs(24 * 3600);

/// A clock that nobody sets: how long the machine runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// The start of the machine that is counted from, by a name that no other start has.
    pub boot: String,
    /// Milliseconds since some moment of that start, sleep counted.
    pub ms: u64,
}

impl Uptime {
    /// Now. For shells only.
    #[must_use]
    pub fn now() -> Self {
        static BOOT: OnceLock<(String, Instant)> = OnceLock::new();
        let (boot, began) = BOOT.get_or_init(|| {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned());
            // Elsewhere nothing outlives the process.
            (id.unwrap_or_else(|_| format!("process {}", Ulid::new())), Instant::now())
        });
        let ms = match boot.starts_with("process") {
            true => began.elapsed().as_millis() as u64,
            false => since_boot().unwrap_or(began.elapsed()).as_millis() as u64,
        };
        Self { boot: boot.clone(), ms }
    }

    /// Milliseconds since `earlier`; `None` if nobody counted them.
    fn since(&self, earlier: &Self) -> Option<i64> {
        (self.boot == earlier.boot).then(|| self.ms.checked_sub(earlier.ms))?.and_then(|ms| i64::try_from(ms).ok())
    }
}

#[cfg(target_os = "linux")]
fn since_boot() -> Option<Duration> {
    let mut at = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `at` has room for the result.
    if unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, at.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: clock_gettime succeeded, so it filled `at`.
    let at = unsafe { at.assume_init() };
    Some(Duration::new(at.tv_sec.try_into().ok()?, at.tv_nsec.try_into().ok()?))
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Option<Duration> {
    None
}

/// A wall clock that is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDoubt {
    /// How far it is ahead of what is explained, in milliseconds; negative: behind.
    pub ahead_ms: i64,
    /// The time by which days are counted meanwhile.
    pub counted: UnixMillis,
    /// Since when, by the doubted clock.
    pub since: UnixMillis,
    /// Milliseconds that must still be recorded before it is believed; `None`: only an operator can say that it is right.
    pub left_ms: Option<u64>,
    /// Whether somebody must be told: it leapt while the machine ran, or further than a machine is off over a long week-end.
    pub alarm: bool,
}

impl ClockDoubt {
    /// The label in metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        if self.ahead_ms > 0 { "ahead" } else { "behind" }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Doubt {
    /// The doubted clock when it was looked at last.
    wall: UnixMillis,
    uptime: Uptime,
    since: UnixMillis,
    ran_ms: u64,
    alarm: bool,
}

/// What is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    wall: UnixMillis,
    uptime: Uptime,
    /// The wall clock was not believed since the machine started, so nobody knows for how long it was off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unbelieved: bool,
    /// Since when the wall clock, by itself, is one that nobody set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unset: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doubt: Option<Doubt>,
}

/// Where a clock that stood at `wall` should stand now, how far from that it does, and whether that is further than `running` explains,
/// or what a restart explains.
fn off(wall: UnixMillis, at: &Uptime, now: UnixMillis, uptime: &Uptime, running: Duration) -> (UnixMillis, i64, bool) {
    let ran = uptime.since(at);
    let slack = if ran.is_some() { running } else { SLACK_RESTARTED };
    let explained = UnixMillis(wall.0.saturating_add(ran.unwrap_or(0)));
    let off = now.0.saturating_sub(explained.0);
    (explained, off, off.unsigned_abs() > ms(slack))
}

const fn ms(d: Duration) -> u64 {
    d.as_millis() as u64
}

impl Mark {
    fn at(wall: UnixMillis, uptime: Uptime) -> Self {
        Self { wall, uptime, unbelieved: false, unset: None, doubt: None }
    }

    /// Looks at the wall clock; `recorded`: whether cameras were recorded since the last look. Returns by what time days are counted.
    fn look(&mut self, now: UnixMillis, uptime: &Uptime, recorded: bool) -> (UnixMillis, Option<ClockDoubt>) {
        if uptime.since(&self.uptime).is_none() {
            (self.uptime, self.unbelieved) = (uptime.clone(), true);
        }
        let ran = uptime.since(&self.uptime).unwrap_or(0);
        let slack = if self.unbelieved { SLACK_RESTARTED } else { SLACK_RUNNING };
        let (explained, ahead_ms, doubted) = off(self.wall, &self.uptime, now, uptime, slack);
        if !doubted {
            let wall = match self.unbelieved {
                false => UnixMillis(explained.0 + ahead_ms.clamp(-(ran / FOLLOW), ran / FOLLOW)),
                true => now,
            };
            *self = Self::at(wall, uptime.clone());
            return (now, None);
        }
        let counted = explained.min(now);
        let starting = self.unbelieved && uptime.ms < ms(SETTING);
        if now < EARLIEST || starting && ahead_ms < 0 {
            // Nobody set it (yet). It takes nothing from what was proven before, and proves nothing.
            let since = *self.unset.get_or_insert(now);
            return (counted, Some(ClockDoubt { ahead_ms, counted, since, left_ms: None, alarm: !starting }));
        }
        let doubt = match self.doubt.take() {
            Some(d) if !off(d.wall, &d.uptime, now, uptime, SLACK_RUNNING).2 => {
                let ran = uptime.since(&d.uptime).unwrap_or(0).unsigned_abs().min(ms(STEP));
                let ran_ms = d.ran_ms.saturating_add(if recorded { ran } else { 0 });
                Doubt { wall: now, uptime: uptime.clone(), ran_ms, ..d }
            }
            // It leapt again, or for the first time.
            d => Doubt {
                wall: now,
                uptime: uptime.clone(),
                since: now,
                ran_ms: 0,
                alarm: !self.unbelieved || d.is_some_and(|d| d.alarm),
            },
        };
        let alarm = doubt.alarm || ahead_ms.unsigned_abs() > ms(QUIET);
        let left_ms = (ahead_ms <= ms(PROVES) as i64).then(|| ms(PROOF).saturating_sub(doubt.ran_ms));
        if left_ms == Some(0) {
            *self = Self::at(now, uptime.clone());
            return (now, None);
        }
        let told = ClockDoubt { ahead_ms, counted, since: doubt.since, left_ms, alarm };
        let doubt = Some(Doubt { alarm, ..doubt });
        *self = Self { wall: explained, uptime: uptime.clone(), unbelieved: self.unbelieved, unset: None, doubt };
        (counted, Some(told))
    }
}

/// An operator's word.
#[derive(Debug, Serialize, Deserialize)]
struct Confirmed {
    wall: UnixMillis,
}

/// Confirms, for the server that has the archive in `root` open or opens it within a day, that the clock is right, standing at `now`. It
/// heeds that when it looks through footage next, a minute later at most.
///
/// # Errors
/// As the disk says.
pub fn confirm_clock(root: &Path, now: UnixMillis) -> io::Result<()> {
    write_whole(&Disk, root, CONFIRMED, &serde_json::to_vec(&Confirmed { wall: now })?)
}

/// The mark, and when it was written.
#[derive(Debug)]
pub(crate) struct Trust {
    mark: Option<Mark>,
    written: Option<Uptime>,
    told: Option<ClockDoubt>,
    /// What cameras had written at the last look.
    bytes: u64,
}

impl Trust {
    /// Reads the mark; `newest` is what the archive says itself, if there is none.
    pub(crate) fn open(root: &Path, newest: Option<UnixMillis>) -> Self {
        let path = root.join(FILE);
        let mark = std::fs::read(&path).ok().and_then(|bytes| {
            let read = serde_json::from_slice(&bytes);
            read.inspect_err(
                |e| tracing::error!(file = %path.display(), error = %e, "the mark of the clock is damaged"),
            )
            .ok()
        });
        let of_archive = || Some(Mark::at(newest?, Uptime { boot: String::new(), ms: 0 }));
        let set = |m: &Mark| m.wall >= EARLIEST;
        let mark = mark.filter(set).or_else(|| of_archive().filter(set));
        Self { mark, written: None, told: None, bytes: 0 }
    }

    /// Looks at the wall clock and keeps what is believed from now on. Returns by what time days are counted.
    pub(crate) fn look(
        &mut self,
        storage: &dyn Storage,
        root: &Path,
        now: UnixMillis,
        uptime: &Uptime,
        bytes: u64,
    ) -> (UnixMillis, Option<ClockDoubt>) {
        let recorded = std::mem::replace(&mut self.bytes, bytes) != bytes;
        if now < EARLIEST && self.mark.is_none() {
            // Nothing is older than that, and what is set right later has not leapt.
            return (now, None);
        }
        let mark = self.mark.get_or_insert_with(|| Mark::at(now, uptime.clone()));
        if confirmed(storage, root, now) {
            tracing::warn!(now = now.0, "an operator confirmed the server's clock: days of footage are counted by it");
            *mark = Mark::at(now, uptime.clone());
        }
        let (counted, doubt) = mark.look(now, uptime, recorded);
        let news = doubt.map(|d| d.since) != self.told.map(|d| d.since);
        if news {
            match &doubt {
                Some(d) => {
                    metrics::counter!("lectern_recorder_clock_doubts_total", "reason" => d.reason()).increment(1);
                    let (hours, left_hours) = (d.ahead_ms / 3_600_000, d.left_ms.map(|ms| ms / 3_600_000));
                    tracing::warn!(
                        hours,
                        left_hours,
                        reason = d.reason(),
                        "the server's clock is not believed: days of footage \
                         are counted without what it leapt"
                    );
                }
                None => tracing::info!("the server's clock is believed: days of footage are counted by it"),
            }
        }
        metrics::gauge!("lectern_recorder_clock_doubted").set(if doubt.is_some() { 1.0 } else { 0.0 });
        self.told = doubt;
        let due =
            self.written.as_ref().and_then(|w| uptime.since(w)).is_none_or(|ran| ran.unsigned_abs() >= ms(WRITE_EVERY));
        if news || due {
            let bytes = serde_json::to_vec(mark).map_err(io::Error::from);
            match bytes.and_then(|bytes| write_whole(storage, root, FILE, &bytes)) {
                Ok(()) => self.written = Some(uptime.clone()),
                // A full disk must not keep retention from making room; what is known here still counts.
                Err(error) => tracing::error!(%error, "the mark of the clock can't be written"),
            }
        }
        (counted, doubt)
    }
}

/// Takes an operator's word, which is good once.
fn confirmed(storage: &dyn Storage, root: &Path, now: UnixMillis) -> bool {
    let path = root.join(CONFIRMED);
    let Ok(bytes) = std::fs::read(&path) else { return false };
    let word = serde_json::from_slice::<Confirmed>(&bytes).ok();
    let good = now >= EARLIEST
        && word.is_some_and(|c| now.since(c.wall) <= CONFIRMED_FOR && c.wall.since(now) <= SLACK_RUNNING);
    if !good {
        tracing::warn!(file = %path.display(), "an operator's word on the clock is of another time: not heeded");
    }
    match storage.remove_file(&path) {
        Ok(()) => good,
        Err(error) => {
            tracing::error!(%error, "an operator's word on the clock can't be taken");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{Ended, Item, RemovalReason, RetentionRules, plan};
    use lectern_media::{CameraId, RecordingId};
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const T0: i64 = 1_790_000_000_000;

    /// A machine: what time it truly is, how far its wall clock is off, how long it runs.
    struct Machine {
        truth: i64,
        error: i64,
        boot: u32,
        up: i64,
        mark: Mark,
    }

    impl Machine {
        fn new() -> Self {
            let mark = Mark::at(UnixMillis(T0), Uptime { boot: "0".into(), ms: 0 });
            Self { truth: T0, error: 0, boot: 0, up: 0, mark }
        }

        fn run(&mut self, ms: i64) {
            self.truth += ms;
            self.up += ms;
        }

        fn off(&mut self, ms: i64) {
            self.truth += ms;
            self.up = 5000;
            self.boot += 1;
            // The mark is read from its file.
            self.mark = serde_json::from_slice(&serde_json::to_vec(&self.mark).unwrap()).unwrap();
        }

        fn wall(&self) -> UnixMillis {
            UnixMillis(self.truth + self.error)
        }

        fn uptime(&self) -> Uptime {
            Uptime { boot: self.boot.to_string(), ms: self.up as u64 }
        }

        fn look(&mut self, recorded: bool) -> (UnixMillis, Option<ClockDoubt>) {
            let (wall, uptime) = (self.wall(), self.uptime());
            self.mark.look(wall, &uptime, recorded)
        }

        /// Runs and looks every minute, recording.
        fn work(&mut self, ms: i64) -> Option<ClockDoubt> {
            let mut last = None;
            for _ in 0..ms / 60_000 {
                self.run(60_000);
                last = self.look(true).1;
            }
            last
        }
    }

    #[test]
    fn a_clock_that_leaps_to_2036_is_never_believed_by_itself_and_is_when_it_is_set_right() {
        let mut m = Machine::new();
        assert_eq!(m.work(DAY), None);
        m.error = 9 * 365 * DAY;
        let doubt = m.work(30 * DAY).unwrap();
        assert!(doubt.alarm && doubt.left_ms.is_none() && (doubt.counted.0 - m.truth).abs() < HOUR, "{doubt:?}");
        m.off(DAY);
        let doubt = m.work(2 * DAY).unwrap();
        assert!(doubt.alarm && doubt.left_ms.is_none() && doubt.counted.0 <= m.truth, "{doubt:?}");
        m.error = 0;
        assert_eq!(m.work(DAY + HOUR), None);
    }

    #[test]
    fn a_week_end_off_is_believed_after_a_day_of_footage_and_nobody_is_called() {
        let mut m = Machine::new();
        m.work(HOUR);
        m.off(62 * HOUR);
        let doubt = m.work(HOUR).unwrap();
        assert!(!doubt.alarm && doubt.left_ms.unwrap() <= (23 * HOUR + 120_000) as u64, "{doubt:?}");
        // Nothing recorded, nothing proven; nights off take nothing back.
        for _ in 0..10_000 {
            m.run(60_000);
            assert!(m.look(false).1.is_some());
        }
        for night in 0..2 {
            assert!(m.work(10 * HOUR).is_some(), "night {night}");
            m.off(14 * HOUR);
        }
        assert_eq!(m.work(4 * HOUR), None);
        // A night alone needs no proof.
        m.off(14 * HOUR);
        assert_eq!(m.work(60_000), None);
        assert_eq!(m.look(true).0, m.wall());
    }

    #[test]
    fn a_machine_that_learns_the_time_after_its_start_is_believed_then() {
        // Its own clock starts in 1970, or when it was built.
        for own in [0, T0 - 200 * DAY] {
            let mut m = Machine::new();
            let morning = |m: &mut Machine, off: i64| {
                m.off(off);
                m.error = own - m.truth;
                let doubt = m.work(5 * 60_000).unwrap();
                assert!(!doubt.alarm && doubt.counted == m.wall() && doubt.reason() == "behind", "{doubt:?}");
                m.error = 0;
            };
            m.work(10 * HOUR);
            for night in 0..5 {
                morning(&mut m, 14 * HOUR);
                assert_eq!(m.work(10 * HOUR), None, "night {night}");
            }
            // Over a week-end it needs its day of footage, and gets it.
            for day in 0..3 {
                morning(&mut m, if day == 0 { 62 * HOUR } else { 14 * HOUR });
                let doubt = m.work(10 * HOUR);
                assert_eq!(doubt.is_some(), day < 2, "day {day}: {doubt:?}");
            }
            // One that never learns it is told.
            m.off(14 * HOUR);
            m.error = -m.truth;
            assert!(m.work(HOUR).is_some_and(|d| d.alarm && d.left_ms.is_none()));
        }
    }

    #[test]
    fn a_clock_that_nobody_set_makes_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let up = |ms| Uptime { boot: "a".into(), ms };
        let mut trust = Trust::open(root, Some(UnixMillis(5000)));
        assert_eq!(trust.look(&Disk, root, UnixMillis(60_000), &up(0), 1), (UnixMillis(60_000), None));
        confirm_clock(root, UnixMillis(60_000)).unwrap();
        assert_eq!(trust.look(&Disk, root, UnixMillis(61_000), &up(1000), 1), (UnixMillis(61_000), None));
        assert!(!root.join(FILE).exists());
        assert_eq!(trust.look(&Disk, root, UnixMillis(T0), &up(2000), 2), (UnixMillis(T0), None));
        let word = trust.look(&Disk, root, UnixMillis(62_000), &up(3000), 2);
        assert!(word.0 == UnixMillis(62_000) && word.1.is_some_and(|d| d.alarm), "it leapt while the machine ran");
        confirm_clock(root, UnixMillis(62_000)).unwrap();
        assert!(
            trust.look(&Disk, root, UnixMillis(62_000), &up(3000), 2).1.is_some(),
            "not on an operator's word, either"
        );
    }

    #[test]
    fn a_clock_set_back_removes_nothing_and_is_told() {
        let mut m = Machine::new();
        m.work(HOUR);
        m.error = -400 * DAY;
        let doubt = m.work(HOUR).unwrap();
        assert!(doubt.alarm && doubt.ahead_ms < 0 && doubt.counted == m.wall() && doubt.reason() == "behind");
        m.error = 0;
        assert_eq!(m.work(60_000), None, "it is right again");
        m.error = -3 * DAY;
        assert_eq!(m.work(DAY + HOUR), None, "a day under it");
        assert_eq!(m.look(true).0, m.wall());
    }

    #[test]
    fn a_clock_that_runs_wild_shows() {
        let mut m = Machine::new();
        for _ in 0..6000 {
            m.run(60_000);
            m.error += 30_000;
            if m.look(true).1.is_some() {
                return;
            }
        }
        panic!("half as fast again, for four days, and believed");
    }

    #[test]
    fn the_mark_and_an_operators_word_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let up = |ms| Uptime { boot: "a".into(), ms };
        let mut trust = Trust::open(root, None);
        assert_eq!(trust.look(&Disk, root, UnixMillis(T0), &up(0), 1).1, None);
        let wrong = UnixMillis(T0 + 3650 * DAY);
        let mut trust = Trust::open(root, None);
        let (counted, doubt) = trust.look(&Disk, root, wrong, &up(60_000), 2);
        assert_eq!((counted, doubt.map(|d| d.alarm)), (UnixMillis(T0 + 60_000), Some(true)));
        // A word of another time is not heeded, and gone.
        confirm_clock(root, UnixMillis(T0)).unwrap();
        assert!(trust.look(&Disk, root, wrong, &up(61_000), 3).1.is_some() && !root.join(CONFIRMED).exists());
        confirm_clock(root, wrong).unwrap();
        let mut trust = Trust::open(root, None);
        assert_eq!(trust.look(&Disk, root, wrong, &up(62_000), 4), (wrong, None));
        assert!(!root.join(CONFIRMED).exists());
        assert_eq!(Trust::open(root, None).look(&Disk, root, wrong, &up(63_000), 5).1, None);
        // Without a mark the archive tells; a damaged mark is none.
        std::fs::write(root.join(FILE), b"{").unwrap();
        let told = Trust::open(root, Some(UnixMillis(T0))).look(&Disk, root, wrong, &up(64_000), 6);
        assert!(told.0 == UnixMillis(T0) && told.1.is_some_and(|d| d.left_ms.is_none()));
        let now = Uptime::now();
        assert!(Uptime::now().since(&now).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]
        /// Retention against what truly is old, whatever leaps the clock takes, as long as nobody confirms it.
        #[test]
        fn no_leap_of_the_clock_removes_what_is_not_old(
            // What happens, for how many hours, and how far the clock is off from then on, in days.
            steps in prop::collection::vec((0u8..3, 1i64..150, prop_oneof![Just(0i64), 100i64..4000, -4000i64..0]), 1..25),
            days in 1u32..40,
        ) {
            let mut m = Machine::new();
            let rules = RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days: days, free_bytes: 0 };
            let mut items: Vec<Item> = Vec::new();
            let mut truly: Vec<i64> = Vec::new();
            let mut removed = Ended::new();
            for (what, hours, error) in steps {
                match what {
                    0 => m.off(hours * HOUR),
                    1 => m.error = error * DAY,
                    _ => m.error = 0,
                }
                for n in 0..hours {
                    m.run(HOUR / 6);
                    let (counted, _) = m.look(true);
                    prop_assert!(counted.0 <= m.truth + ms(SLACK_RESTARTED) as i64, "{} hours early", (counted.0 - m.truth) / HOUR);
                    // An hour of footage, under whatever the clock says, but no earlier than the last.
                    let to = m.wall().max(items.last().map_or(m.wall(), |i: &Item| i.to));
                    items.push(Item {
                        recording: RecordingId(Ulid(items.len() as u128)),
                        camera: CameraId(Ulid(1)),
                        group: "gate".into(),
                        from: UnixMillis(to.0 - HOUR),
                        to,
                        bytes: 1,
                        sealed: true,
                        previous: items.last().map(|i: &Item| i.recording),
                    });
                    truly.push(m.truth);
                    if n % 10 != 0 && n + 1 != hours {
                        continue;
                    }
                    let there: Vec<Item> = items.iter().filter(|i| !removed.contains_key(&i.recording)).cloned().collect();
                    // Now and then the disk is short, too.
                    let space = u64::from(n % 30 == 0);
                    let rules = RetentionRules { free_bytes: 1 + space, ..rules.clone() };
                    for (id, reason, ended) in plan(counted, &there, &removed, &rules, &[], 1).remove {
                        removed.insert(id, ended);
                        if reason == RemovalReason::Space {
                            continue;
                        }
                        let n = id.0.0 as usize;
                        // Under a clock that was behind it was recorded as older than it is: as old as what came before that at most.
                        // What came from the future tells nothing.
                        let tells = |k: &usize| items[*k].to.0 >= truly[*k] && items[*k].to <= counted;
                        let Some(k) = (0..=n).rev().find(tells) else {
                            prop_assert!(items[n].to >= EARLIEST || items[n..].iter().any(|i| i.to >= EARLIEST));
                            continue;
                        };
                        let age = m.truth - truly[k];
                        prop_assert!(age >= i64::from(days) * DAY - ms(SLACK_RESTARTED) as i64, "after {} hours", age / HOUR);
                    }
                }
            }
            // Set right and left alone, it is believed: at once, or after a day if a leap back was believed for the truth; one of
            // months needs somebody.
            m.error = 0;
            let doubt = m.work(DAY + HOUR);
            prop_assert!(doubt.is_none_or(|d| d.ahead_ms > ms(PROVES) as i64), "{doubt:?}");
        }
    }
}
