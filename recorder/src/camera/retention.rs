//! What must go, as a pure decision: rules by days, holds, and a disk that fills up (DESIGN §6).
//!
//! A recording goes when its rule's days are over. If the disk is short of space all the same, the oldest goes first, and somebody is told.
//! Nothing held goes, nothing that is not sealed, whatever the disk says; then somebody is told that nothing may go. Does not belong here:
//! removing (`removal`), who may hold (the library).

use super::Hold;
use lectern_media::{CameraId, RecordingId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long footage is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRules {
    /// Days for a camera: counts before its group's.
    pub cameras: BTreeMap<CameraId, u32>,
    /// Days for a group of cameras, by its name.
    pub groups: BTreeMap<String, u32>,
    /// Days for all others.
    pub default_days: u32,
    /// Bytes that stay free on the disk: below it the oldest goes before its time. More than the recorder's reserve.
    pub free_bytes: u64,
}

impl RetentionRules {
    /// Days for footage of a camera of this group.
    #[must_use]
    pub fn days(&self, camera: CameraId, group: &str) -> u32 {
        let by_group = || self.groups.get(group);
        self.cameras.get(&camera).or_else(by_group).copied().unwrap_or(self.default_days)
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
    /// What goes, in this order.
    pub remove: Vec<(RecordingId, RemovalReason)>,
    /// What somebody must be told.
    pub alarms: Vec<RetentionAlarm>,
}

const DAY_MS: i64 = 86_400_000;

/// When each recording ended, for counting its days: by what it says, but no earlier than the one before it. So what was recorded under
/// a clock that was years behind does not go as soon as that is set right. What says that it ends after `now` proves nothing for others.
fn ends(now: UnixMillis, items: &[Item]) -> BTreeMap<RecordingId, UnixMillis> {
    let by_id: BTreeMap<RecordingId, &Item> = items.iter().map(|i| (i.recording, i)).collect();
    let before = |i: &Item| i.previous.and_then(|p| by_id.get(&p).copied()).filter(|p| p.camera == i.camera);
    let mut ends: BTreeMap<RecordingId, UnixMillis> = BTreeMap::new();
    for item in items {
        // Back to one whose end is known, or that follows nothing that is there; whatever headers say, each is met once.
        let (mut chain, mut at) = (Vec::new(), Some(item));
        while let Some(i) = at.filter(|i| !ends.contains_key(&i.recording)) {
            ends.insert(i.recording, i.to);
            chain.push(i);
            at = before(i);
        }
        for i in chain.into_iter().rev() {
            let before = before(i).and_then(|p| ends.get(&p.recording)).copied().filter(|end| *end <= now);
            ends.insert(i.recording, before.map_or(i.to, |end| end.max(i.to)));
        }
    }
    ends
}

/// Decides what goes `now`, with `free_bytes` left on the disk.
#[must_use]
pub fn plan(now: UnixMillis, items: &[Item], rules: &RetentionRules, holds: &[Hold], free_bytes: u64) -> Plan {
    let mut by_camera: BTreeMap<CameraId, Vec<&Hold>> = BTreeMap::new();
    holds.iter().for_each(|h| by_camera.entry(h.camera).or_default().push(h));
    let held = |i: &Item| {
        by_camera
            .get(&i.camera)
            .is_some_and(|holds| holds.iter().any(|h| h.touches(i.camera, i.from, i.to.max(i.from))))
    };
    let mut may_go: Vec<&Item> = items.iter().filter(|i| i.sealed && !held(i)).collect();
    let ends = ends(now, items);
    let end = |i: &Item| ends.get(&i.recording).copied().unwrap_or(i.to);
    may_go.sort_by_key(|i| (end(i), i.from, i.recording));
    let mut plan = Plan::default();
    let mut free = free_bytes;
    let (mut early, mut early_bytes) = (0, 0);
    may_go.retain(|i| {
        let days = rules.days(i.camera, &i.group);
        let expired = now.0.saturating_sub(end(i).0) >= i64::from(days) * DAY_MS;
        if expired {
            plan.remove.push((i.recording, RemovalReason::Expired { days }));
            free = free.saturating_add(i.bytes);
        }
        !expired
    });
    for item in may_go {
        if free >= rules.free_bytes {
            break;
        }
        plan.remove.push((item.recording, RemovalReason::Space));
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
    use std::collections::BTreeSet;
    use ulid::Ulid;

    fn camera(n: u8) -> CameraId {
        CameraId(Ulid(u128::from(n) << 64))
    }

    prop_compose! {
        fn item()(n in 0u8..5, from in 0i64..100, hours in 0i64..30, bytes in 0u64..50, sealed in prop::bool::weighted(0.9), id: u128)
            -> Item {
            let from = UnixMillis(from * DAY_MS / 4);
            let group = ["exam_room", "gate", "other"][usize::from(n) % 3].into();
            let to = UnixMillis(from.0 + hours * DAY_MS / 24);
            Item { recording: RecordingId(Ulid(id)), camera: camera(n), group, from, to, bytes, sealed, previous: None }
        }
    }

    prop_compose! {
        fn hold()(n in 0u8..5, from in 0i64..100, len in 1i64..40, id: u128) -> Hold {
            let (from, to) = (UnixMillis(from * DAY_MS / 4), UnixMillis((from + len) * DAY_MS / 4));
            Hold { id: Ulid(id), camera: camera(n), from, to, why: String::new(), by: String::new(), at: from }
        }
    }

    #[test]
    fn what_a_clock_years_behind_recorded_stays_as_long_as_what_came_before_it() {
        let day = |n: i64| UnixMillis(n * DAY_MS);
        let item = |id: u128, to: i64, previous: Option<u128>| Item {
            recording: RecordingId(Ulid(id)),
            camera: camera(1),
            group: "gate".into(),
            from: day(to - 1),
            to: day(to),
            bytes: 1,
            sealed: true,
            previous: previous.map(|p| RecordingId(Ulid(p))),
        };
        // Right; then years behind for two recordings; right again. One came from the future.
        let items = [
            item(1, 1, Some(2)),
            item(2, 2, Some(30)),
            item(30, 5000, Some(29)),
            item(40, 9000, Some(2)),
            item(31, 5003, Some(40)),
        ];
        let rules = RetentionRules { cameras: [].into(), groups: [].into(), default_days: 30, free_bytes: 0 };
        let gone = |now| plan(day(now), &items, &rules, &[], 1).remove.iter().map(|r| r.0.0.0).collect::<Vec<_>>();
        assert_eq!(gone(5029), [0u128; 0]);
        assert_eq!(gone(5030), [1, 2, 30]);
        assert_eq!(gone(5033), [1, 2, 30, 31]);
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
        ) {
            let now = UnixMillis(now * DAY_MS / 4);
            // Headers name anything: later ones, each other, what is gone.
            let named = |p: usize| items.get(p).map_or(RecordingId(Ulid(7)), |p| p.recording);
            let named: Vec<Option<RecordingId>> = previous.iter().map(|p| p.map(named)).collect();
            items.iter_mut().zip(named).for_each(|(item, named)| item.previous = named);
            let rules = RetentionRules {
                cameras: [(camera(4), days[3])].into(),
                groups: [("exam_room".into(), days[0]), ("gate".into(), days[1])].into(),
                default_days: days[2],
                free_bytes: keep,
            };
            let plan = plan(now, &items, &rules, &holds, free);
            let removed: BTreeSet<RecordingId> = plan.remove.iter().map(|r| r.0).collect();
            let unique: BTreeSet<RecordingId> = items.iter().map(|i| i.recording).collect();
            prop_assume!(unique.len() == items.len());
            prop_assert_eq!(removed.len(), plan.remove.len(), "each goes once");
            let held = |i: &Item| holds.iter().any(|h| h.camera == i.camera && h.from < i.to && h.to > i.from);
            // Along the headers, as far as they lead and not in a circle.
            let end = |i: &Item| {
                let (mut at, mut seen, mut chain) = (Some(i), BTreeSet::new(), Vec::new());
                while let Some(i) = at.filter(|i| seen.insert(i.recording)) {
                    chain.push(i);
                    at = items.iter().find(|p| Some(p.recording) == i.previous && p.camera == i.camera);
                }
                let circle = at.is_some();
                let believed = |end: UnixMillis, i: &&Item| if end <= now { i.to.max(end) } else { i.to };
                (chain.iter().rev().fold(UnixMillis(i64::MIN), believed), circle)
            };
            let expired = |i: &Item| (now.0 - end(i).0.0) >= i64::from(rules.days(i.camera, &i.group)) * DAY_MS;
            let circles = items.iter().any(|i| end(i).1);
            let may = |i: &Item| i.sealed && !held(i);
            for i in &items {
                let gone = removed.contains(&i.recording);
                prop_assert!(!gone || may(i), "nothing held or unsealed goes");
                prop_assert!(circles || gone || !may(i) || !expired(i), "what is over goes");
                let young = (now.0 - i.to.0) < i64::from(rules.days(i.camera, &i.group)) * DAY_MS;
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
                let newest = early.iter().map(|i| end(i).0).max().unwrap();
                let in_order = |i: &Item| removed.contains(&i.recording) || !may(i) || end(i).0 >= newest;
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
