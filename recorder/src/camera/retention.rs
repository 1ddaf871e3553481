//! What must go, as a pure decision: rules by days, holds, and a disk that fills up (DESIGN §6).
//!
//! A recording goes when its rule's days are over. If the disk is short of space all the same, the oldest goes first, and somebody is told.
//! Nothing held goes, nothing that is not sealed, whatever the disk says; then somebody is told that nothing may go. Does not belong here:
//! removing (`removal`), who may hold (the library).

use super::{Hold, trust::EARLIEST};
use lectern_media::{CameraId, RecordingId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long footage is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRules {
    /// Days for a camera: counts before its group's.
    pub cameras: BTreeMap<CameraId, u32>,
    /// Of cameras that were moved: days for what they recorded up to each of these moments, in order of time; `None`: by its group.
    /// The rule of the place where it was recorded goes with what was recorded.
    pub moved: BTreeMap<CameraId, Vec<(UnixMillis, Option<u32>)>>,
    /// Days for a group of cameras, by its name.
    pub groups: BTreeMap<String, u32>,
    /// Days for all others.
    pub default_days: u32,
    /// Bytes that stay free on the disk: below it the oldest goes before its time. More than the recorder's reserve.
    pub free_bytes: u64,
}

impl RetentionRules {
    /// Days for footage of a camera of this group, recorded between two moments: across a move the longest of them, as a recording goes
    /// whole.
    #[must_use]
    pub fn days(&self, camera: CameraId, group: &str, from: UnixMillis, to: UnixMillis) -> u32 {
        let known = |days: Option<u32>| days.or_else(|| self.groups.get(group).copied()).unwrap_or(self.default_days);
        let (mut most, mut since) = (None, UnixMillis(i64::MIN));
        for (until, days) in self.moved.get(&camera).into_iter().flatten() {
            if from < *until && to > since {
                most = most.max(Some(known(*days)));
            }
            since = *until;
        }
        if to > since || most.is_none() {
            most = most.max(Some(known(self.cameras.get(&camera).copied())));
        }
        most.unwrap_or(self.default_days)
    }
}

/// A recording as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub recording: RecordingId,
    /// The camera.
    pub camera: CameraId,
    /// The camera's group, as the recording tells.
    pub group: std::sync::Arc<str>,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether it is sealed; others never go.
    pub sealed: bool,
    /// The one before it, as its header tells.
    pub previous: Option<RecordingId>,
}

/// Why a recording goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    /// Its days were over.
    Expired {
        /// How many they were.
        days: u32,
    },
    /// The disk was short of space, and nothing older might go.
    Space,
}

impl RemovalReason {
    /// The label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::Space => "space",
        }
    }
}

/// What somebody must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionAlarm {
    /// Footage goes before its days are over.
    Early {
        /// Recordings.
        recordings: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The disk is short of space and nothing may go.
    NothingMayGo {
        /// Bytes that are missing.
        short_bytes: u64,
    },
}

/// The decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What goes, in this order, and when it ended, as far as is known: no earlier than that.
    pub remove: Vec<(RecordingId, RemovalReason, UnixMillis)>,
    /// How many sealed recordings no rule removes, because nobody knows when they were made.
    pub ageless: u64,
    /// What somebody must be told.
    pub alarms: Vec<RetentionAlarm>,
}

const DAY_MS: i64 = 86_400_000;

/// When recordings ended that retention removed, by what was believed of them.
pub type Ended = BTreeMap<RecordingId, UnixMillis>;

/// When each recording ended, for counting its days: by what it says, but no earlier than the one before it, there or removed. So what
/// was recorded under a clock that was years behind does not go as soon as that is set right. What says that it ends after `now` proves
/// nothing for others. Where nothing is proven, no recording ended before there was any; such a one ended no later than the one that
/// follows it. `None`: nobody knows.
fn ends(now: UnixMillis, items: &[Item], removed: &Ended) -> BTreeMap<RecordingId, Option<UnixMillis>> {
    let by_id: BTreeMap<RecordingId, &Item> = items.iter().map(|i| (i.recording, i)).collect();
    let before = |i: &Item| i.previous.and_then(|p| by_id.get(&p).copied()).filter(|p| p.camera == i.camera);
    // A recording's id tells when it began, whatever became of it.
    let began = |p: RecordingId| UnixMillis(i64::try_from(p.0.timestamp_ms()).unwrap_or(i64::MAX));
    let gone = |i: &Item| {
        let told = i.previous.map(|p| removed.get(&p).copied().unwrap_or(began(p)));
        told.filter(|end| (EARLIEST..=now).contains(end))
    };
    // Of each: when it ended, and how late that proves what follows to have ended at least.
    type Known = (Option<UnixMillis>, Option<UnixMillis>);
    let mut known: BTreeMap<RecordingId, Known> = BTreeMap::new();
    for item in items {
        // Back to one that is known, or that follows nothing that is there; whatever headers say, each is met once.
        let (mut chain, mut at) = (Vec::new(), Some(item));
        while let Some(i) = at.filter(|i| !known.contains_key(&i.recording)) {
            known.insert(i.recording, (None, None));
            chain.push(i);
            at = before(i);
        }
        for i in chain.into_iter().rev() {
            let proven = match before(i) {
                Some(p) => known.get(&p.recording).and_then(|(_, proven)| *proven),
                None => gone(i),
            };
            let own = Some(i.to).filter(|to| *to >= EARLIEST);
            let end = own.max(proven);
            known.insert(i.recording, (end, end.filter(|end| *end <= now).or(proven)));
        }
    }
    let next: BTreeMap<RecordingId, RecordingId> =
        items.iter().filter_map(|i| Some((before(i)?.recording, i.recording))).collect();
    let mut ends: BTreeMap<RecordingId, Option<UnixMillis>> =
        known.into_iter().map(|(id, (end, _))| (id, end)).collect();
    let mut looked = BTreeSet::new();
    for item in items {
        let (mut unknown, mut at) = (Vec::new(), Some(item.recording));
        while let Some(id) = at.filter(|id| ends.get(id) == Some(&None) && looked.insert(*id)) {
            unknown.push(id);
            at = next.get(&id).copied();
        }
        let end = at.and_then(|id| ends.get(&id).copied().flatten());
        unknown.into_iter().for_each(|id| _ = ends.insert(id, end));
    }
    ends
}

/// Decides what goes `now`, with `free_bytes` left on the disk; `removed` is of those that recordings name as the one before them and
/// that are not there.
#[must_use]
pub fn plan(
    now: UnixMillis,
    items: &[Item],
    removed: &Ended,
    rules: &RetentionRules,
    holds: &[Hold],
    free_bytes: u64,
) -> Plan {
    let mut by_camera: BTreeMap<CameraId, Vec<&Hold>> = BTreeMap::new();
    holds.iter().for_each(|h| by_camera.entry(h.camera).or_default().push(h));
    let held = |i: &Item| {
        by_camera
            .get(&i.camera)
            .is_some_and(|holds| holds.iter().any(|h| h.touches(i.camera, i.from, i.to.max(i.from))))
    };
    let mut may_go: Vec<&Item> = items.iter().filter(|i| i.sealed && !held(i)).collect();
    let ends = ends(now, items, removed);
    let end = |i: &Item| ends.get(&i.recording).copied().flatten();
    // Of what nobody knows the age of, nothing is known to be older than anything else.
    let age = |i: &Item| end(i).unwrap_or(UnixMillis(i64::MAX));
    let began = |i: &Item| if age(i) > i.to { age(i) } else { i.from };
    may_go.sort_by_key(|i| (age(i), began(i), i.from, i.recording));
    let mut plan = Plan::default();
    let mut free = free_bytes;
    let (mut early, mut early_bytes) = (0, 0);
    // What follows counts from here, and all that is removed has ended.
    let ended = |i: &Item| end(i).map_or(now, |end| end.min(now));
    may_go.retain(|i| {
        let days = rules.days(i.camera, &i.group, i.from, i.to);
        let expired = end(i).is_some_and(|end| now.0.saturating_sub(end.0) >= i64::from(days) * DAY_MS);
        if expired {
            plan.remove.push((i.recording, RemovalReason::Expired { days }, ended(i)));
            free = free.saturating_add(i.bytes);
        }
        !expired
    });
    plan.ageless = may_go.iter().filter(|i| end(i).is_none()).count() as u64;
    for item in may_go {
        if free >= rules.free_bytes {
            break;
        }
        plan.remove.push((item.recording, RemovalReason::Space, ended(item)));
        free = free.saturating_add(item.bytes);
        early += 1;
        early_bytes += item.bytes;
    }
    if early > 0 {
        plan.alarms.push(RetentionAlarm::Early { recordings: early, bytes: early_bytes });
    }
    if free < rules.free_bytes {
        plan.alarms.push(RetentionAlarm::NothingMayGo { short_bytes: rules.free_bytes - free });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ulid::Ulid;

    /// Days before the first from which recordings can be.
    const BEFORE: i64 = 8;

    /// A moment, in days.
    fn day(n: i64) -> UnixMillis {
        UnixMillis(EARLIEST.0 + n * DAY_MS)
    }

    fn id(n: u128) -> RecordingId {
        RecordingId(Ulid(n))
    }

    fn camera(n: u8) -> CameraId {
        CameraId(Ulid(u128::from(n) << 64))
    }

    prop_compose! {
        fn item()(n in 0u8..5, from in 0i64..100, hours in 0i64..30, bytes in 0u64..50, sealed in prop::bool::weighted(0.9), id: u128)
            -> Item {
            let from = UnixMillis(day(-BEFORE).0 + from * DAY_MS / 4);
            let group = ["exam_room", "gate", "other"][usize::from(n) % 3].into();
            let to = UnixMillis(from.0 + hours * DAY_MS / 24);
            Item { recording: RecordingId(Ulid(id)), camera: camera(n), group, from, to, bytes, sealed, previous: None }
        }
    }

    prop_compose! {
        fn hold()(n in 0u8..5, from in 0i64..100, len in 1i64..40, id: u128) -> Hold {
            let at = |n: i64| UnixMillis(day(-BEFORE).0 + n * DAY_MS / 4);
            let (from, to) = (at(from), at(from + len));
            Hold { id: Ulid(id), camera: camera(n), from, to, why: String::new(), by: String::new(), at: from }
        }
    }

    #[test]
    fn the_rule_of_the_place_goes_with_what_was_recorded_there() {
        let camera = CameraId(ulid::Ulid(1));
        let rules = RetentionRules {
            cameras: [(camera, 7)].into(),
            moved: [(camera, vec![(UnixMillis(100), Some(90)), (UnixMillis(200), None)])].into(),
            groups: [("gate".into(), 30)].into(),
            ..rule(60)
        };
        for (from, to, want) in
            [(0, 100, 90), (90, 110, 90), (100, 200, 30), (150, 210, 30), (200, 300, 7), (0, 300, 90)]
        {
            assert_eq!(rules.days(camera, "gate", UnixMillis(from), UnixMillis(to)), want, "{from}–{to}");
        }
        let still = CameraId(ulid::Ulid(2));
        assert_eq!(rules.days(still, "gate", UnixMillis(5), UnixMillis(5)), 30, "it hung nowhere else");
        assert_eq!(rules.days(still, "corridor", UnixMillis(0), UnixMillis(9)), 60);
    }

    fn rule(default_days: u32) -> RetentionRules {
        RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days, free_bytes: 0 }
    }

    /// A day that ends at `to`.
    fn one(n: u128, to: i64, previous: Option<u128>) -> Item {
        Item {
            recording: id(n),
            camera: camera(1),
            group: "gate".into(),
            from: day(to - 1),
            to: day(to),
            bytes: 1,
            sealed: true,
            previous: previous.map(id),
        }
    }

    #[test]
    fn what_a_clock_years_behind_recorded_stays_as_long_as_what_came_before_it() {
        // Right; then years behind for two recordings; right again. One came from the future, and one under a clock behind after it.
        let items = [
            one(1, 1, Some(2)),
            one(2, 2, Some(30)),
            one(30, 5000, None),
            one(40, 9000, Some(2)),
            one(41, 3, Some(40)),
            one(31, 5003, Some(41)),
        ];
        let gone = |now| {
            plan(day(now), &items, &Ended::new(), &rule(30), &[], 1).remove.iter().map(|r| r.0.0.0).collect::<Vec<_>>()
        };
        assert_eq!(gone(5029), [0u128; 0]);
        assert_eq!(gone(5030), [30, 1, 2, 41]);
        assert_eq!(gone(5033), [30, 1, 2, 41, 31]);
    }

    #[test]
    fn it_stays_when_what_came_before_it_is_gone() {
        // Three under a clock years behind, some even before there were recordings; the first of all is removed a day before it.
        let mut items = vec![
            one(1, 5000, None),
            one(2, 100, Some(1)),
            one(3, -20_000, Some(2)),
            one(4, -19_999, Some(3)),
            one(5, 5040, Some(4)),
        ];
        let short = RetentionRules { free_bytes: 2, ..rule(30) };
        let early = plan(day(5003), &items, &Ended::new(), &short, &[], 1).remove;
        assert_eq!(early, [(id(1), RemovalReason::Space, day(5000))]);
        let mut removed = Ended::from([(id(1), day(5000))]);
        items.remove(0);
        let mut gone = Vec::new();
        for now in 5003..5080 {
            // Two at a time, and then only what is there tells.
            for _ in 0..2 {
                let plan = plan(day(now), &items, &removed, &rule(30), &[], 1);
                let Some((first, _, ended)) = plan.remove.first().copied() else { break };
                removed.insert(first, ended);
                items.retain(|i| i.recording != first);
                gone.push((now, first.0.0));
            }
        }
        assert_eq!(gone, [(5030, 3), (5030, 4), (5031, 2), (5070, 5)]);
    }

    #[test]
    fn what_was_recorded_before_there_were_recordings_goes_with_what_follows_or_for_space() {
        let first = [one(1, -20_000, None), one(2, -19_999, Some(1))];
        let short = RetentionRules { free_bytes: 2, ..rule(30) };
        for previous in [None, Some(7)] {
            let mut items = first.to_vec();
            items[0].previous = previous.map(id);
            let kept = plan(day(9000), &items, &Ended::new(), &rule(30), &[], 1);
            assert_eq!((kept.remove.len(), kept.ageless), (0, 2), "nobody knows how old they are");
            let early = plan(day(9000), &items, &Ended::new(), &short, &[], 1);
            assert_eq!(early.remove, [(id(1), RemovalReason::Space, day(9000))]);
            assert_eq!(early.alarms, [RetentionAlarm::Early { recordings: 1, bytes: 1 }]);
            // Then the one after it counts from there.
            let (removed, left) = (Ended::from([(id(1), day(9000))]), &items[1..]);
            assert_eq!(plan(day(9029), left, &removed, &rule(30), &[], 1).remove, []);
            assert_eq!(plan(day(9030), left, &removed, &rule(30), &[], 1).remove.len(), 1);
            // The clock was set right.
            items.push(one(3, 1, Some(2)));
            assert_eq!(plan(day(30), &items, &Ended::new(), &rule(30), &[], 1).remove, []);
            let gone: Vec<u128> =
                plan(day(31), &items, &Ended::new(), &rule(30), &[], 1).remove.iter().map(|r| r.0.0.0).collect();
            assert_eq!(gone, [3, 1, 2]);
        }
        // What is removed tells when the first of all began, if nothing else.
        let began = Ulid::from_parts(day(50).0 as u64, 1);
        let mut item = one(2, 1, None);
        item.previous = Some(RecordingId(began));
        let at = |now| plan(day(now), std::slice::from_ref(&item), &Ended::new(), &rule(30), &[], 1).remove.len();
        assert_eq!((at(79), at(80)), (0, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// The engine against what it promises, whatever the recordings, holds, rules and space are.
        #[test]
        fn nothing_goes_that_must_stay_and_nothing_stays_that_must_go(
            mut items in prop::collection::vec(item(), 0..40),
            previous in prop::collection::vec(prop::option::of(0usize..60), 40),
            holds in prop::collection::vec(hold(), 0..6),
            days in prop::array::uniform4(0u32..30),
            now in 0i64..140,
            free in 0u64..600,
            keep in 0u64..600,
            gone in prop::collection::btree_map(0u128..60, 0i64..140, 0..40),
        ) {
            let now = UnixMillis(day(-BEFORE).0 + now * DAY_MS / 4);
            // Headers name anything: later ones, each other, what is gone and known, or not.
            let named = |p: usize| items.get(p).map_or(id(p as u128), |p| p.recording);
            let named: Vec<Option<RecordingId>> = previous.iter().map(|p| p.map(named)).collect();
            items.iter_mut().zip(named).for_each(|(item, named)| item.previous = named);
            let rules = RetentionRules {
                cameras: [(camera(4), days[3])].into(),
                moved: [(camera(4), vec![(UnixMillis(now.0 - 9 * DAY_MS), Some(days[1]))])].into(),
                groups: [("exam_room".into(), days[0]), ("gate".into(), days[1])].into(),
                default_days: days[2],
                free_bytes: keep,
            };
            let gone: Ended = gone.into_iter().map(|(n, to)| (id(n), UnixMillis(day(-BEFORE).0 + to * DAY_MS / 4))).collect();
            let plan = plan(now, &items, &gone, &rules, &holds, free);
            let removed: BTreeSet<RecordingId> = plan.remove.iter().map(|r| r.0).collect();
            let unique: BTreeSet<RecordingId> = items.iter().map(|i| i.recording).collect();
            prop_assume!(unique.len() == items.len());
            prop_assert_eq!(removed.len(), plan.remove.len(), "each goes once");
            let held = |i: &Item| holds.iter().any(|h| h.camera == i.camera && h.from < i.to && h.to > i.from);
            // Along the headers, as far as they lead and not in a circle.
            let before = |i: &Item| items.iter().find(|p| Some(p.recording) == i.previous && p.camera == i.camera);
            let told = |i: &Item| {
                let (mut at, mut seen, mut chain) = (Some(i), BTreeSet::new(), Vec::new());
                while let Some(i) = at.filter(|i| seen.insert(i.recording)) {
                    chain.push(i);
                    at = before(i);
                }
                let gone = chain.last().and_then(|i| i.previous).and_then(|p| gone.get(&p)).copied();
                let (mut end, mut proven) = (None, gone.filter(|end| *end >= EARLIEST && *end <= now));
                for i in chain.iter().rev() {
                    end = Some(i.to).filter(|to| *to >= EARLIEST).max(proven);
                    proven = end.filter(|end| *end <= now).or(proven);
                }
                (end, at.is_some())
            };
            // Of what is known by nothing before it, what follows tells.
            let end = |i: &Item| {
                let (mut at, mut circle) = (i, false);
                for _ in 0..=items.len() {
                    let (end, round) = told(at);
                    circle |= round;
                    let next = items.iter().rev().find(|n| before(n).is_some_and(|p| p.recording == at.recording));
                    match (end, next) {
                        (Some(_), _) | (None, None) => return (end, circle),
                        (None, Some(next)) => at = next,
                    }
                }
                (None, true)
            };
            let of = |i: &Item| i64::from(rules.days(i.camera, &i.group, i.from, i.to)) * DAY_MS;
            let expired = |i: &Item| end(i).0.is_some_and(|end| now.0 - end.0 >= of(i));
            let circles = items.iter().any(|i| end(i).1);
            let may = |i: &Item| i.sealed && !held(i);
            for i in &items {
                let gone = removed.contains(&i.recording);
                prop_assert!(!gone || may(i), "nothing held or unsealed goes");
                prop_assert!(circles || gone || !may(i) || !expired(i), "what is over goes");
                let young = (now.0 - i.to.0) < i64::from(rules.days(i.camera, &i.group, i.from, i.to)) * DAY_MS;
                let why = plan.remove.iter().find(|r| r.0 == i.recording).map(|r| r.1);
                let by_rule = matches!(why, Some(RemovalReason::Expired { .. }));
                prop_assert!(!by_rule || !young && (circles || expired(i)), "by rule only what is over");
            }
            let size = |reason: fn(&RemovalReason) -> bool| -> u64 {
                let of = |id| items.iter().find(|i| i.recording == id).unwrap().bytes;
                plan.remove.iter().filter(|r| reason(&r.1)).map(|r| of(r.0)).sum()
            };
            let by_rule = size(|r| matches!(r, RemovalReason::Expired { .. }));
            let early: Vec<&Item> = plan.remove.iter().filter(|r| r.1 == RemovalReason::Space)
                .map(|r| items.iter().find(|i| i.recording == r.0).unwrap()).collect();
            let early_bytes: u64 = early.iter().map(|i| i.bytes).sum();
            if !early.is_empty() {
                prop_assert!(free + by_rule < keep, "before its time only if space is short");
                let last = early.last().unwrap();
                prop_assert!(free + by_rule + early_bytes - last.bytes < keep, "and no more than that");
                let age = |i: &Item| end(i).0.unwrap_or(UnixMillis(i64::MAX));
                let newest = early.iter().map(|i| age(i)).max().unwrap();
                let in_order = |i: &Item| removed.contains(&i.recording) || !may(i) || age(i) >= newest;
                prop_assert!(circles || items.iter().all(in_order), "oldest first");
            }
            let short = keep.saturating_sub(free + by_rule + early_bytes);
            prop_assert!(short == 0 || items.iter().all(|i| removed.contains(&i.recording) || !may(i)));
            let alarms: Vec<RetentionAlarm> = [
                (!early.is_empty())
                    .then_some(RetentionAlarm::Early { recordings: early.len() as u64, bytes: early_bytes }),
                (short > 0).then_some(RetentionAlarm::NothingMayGo { short_bytes: short }),
            ].into_iter().flatten().collect();
            prop_assert_eq!(&plan.alarms, &alarms);
        }
    }
}
