//! The records of exam patrol as they are kept: cameras, what is set for them, what happened at them. Plain data; fields
//! that are added later have a default, so that an older record stays readable.
//!
//! Does not belong here: footage (the recorder's), rules of looking ([`lectern_auth::CameraRule`]), the audit log
//! (`lectern-audit`: a catalogue can be changed, that can't).

use lectern_auth::{CameraGroup, CameraObject, PlaceTree, Redacted, Sealed};
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{self, CameraTransport, HealthFault, Thresholds};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// A camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Id.
    pub id: CameraId,
    /// Where it hangs: a site, or a room below it.
    pub place: PlaceId,
    /// Name, unlike others at the place.
    pub name: String,
    /// What it watches.
    pub group: CameraGroup,
    /// Its code of 20 digits by GB/T 28181 §7.3.4, unlike all others.
    pub code: Option<String>,
    /// `rtsp://host:port/path` of the main stream, without user and password.
    pub main_url: String,
    /// … of the substream.
    pub sub_url: Option<String>,
    /// How its packets travel.
    pub transport: CameraTransport,
    /// User.
    pub username: String,
    /// Password, sealed for this camera.
    pub password: Option<Sealed>,
    /// The most the main stream may send, in kilobits a second.
    pub bitrate_max_kbps: u32,
    /// Whether an operator wants it to run.
    pub enabled: bool,
    /// Whether it is recorded.
    pub record: bool,
    /// When it was added.
    pub created: UnixMillis,
    /// When it was removed; its footage stays as long as its rule says.
    #[serde(default)]
    pub removed: Option<UnixMillis>,
    /// Where it hung before, the oldest first; the present place counts from where the last one ends. Of a catalogue from before
    /// this was kept: nothing, so the present place counts from the beginning. At most [`Camera::STAYS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Stay>,
}

/// Where a camera hung up to a moment, and as what. Who may look at what it recorded then follows from this, not from where it hangs
/// now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    /// Where it hung.
    pub place: PlaceId,
    /// What it watched.
    pub group: CameraGroup,
    /// What it was called there.
    pub name: String,
    /// Up to when, that moment not in it: the next place begins with it.
    pub until: UnixMillis,
    /// Who moved it away.
    pub by: By,
}

/// A camera in one place: a part of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hung<'a> {
    /// From; the beginning of time at its first place.
    pub from: UnixMillis,
    /// Up to, not including; the end of time at its present place.
    pub to: UnixMillis,
    /// What it was there, as rights see it.
    pub object: CameraObject,
    /// What it was called there.
    pub name: &'a str,
}

impl Camera {
    /// Moves of one camera.
    pub const STAYS_MAX: usize = 200;

    /// As rights see it.
    #[must_use]
    pub fn object(&self) -> CameraObject {
        CameraObject { id: self.id, place: self.place, group: self.group }
    }

    /// Every place where it hung, in order of time, the present one last; together they are all of time.
    pub fn hung(&self) -> impl Iterator<Item = Hung<'_>> {
        let ends = self.stays.iter().map(|s| (s.until, s.place, s.group, s.name.as_str()));
        let now = (UnixMillis(i64::MAX), self.place, self.group, self.name.as_str());
        let mut from = UnixMillis(i64::MIN);
        ends.chain([now]).map(move |(to, place, group, name)| {
            let from = std::mem::replace(&mut from, to);
            Hung { from, to, object: CameraObject { id: self.id, place, group }, name }
        })
    }

    /// Where it hung at a moment.
    #[must_use]
    pub fn hung_at(&self, at: UnixMillis) -> Hung<'_> {
        let present = Hung {
            from: self.stays.last().map_or(UnixMillis(i64::MIN), |s| s.until),
            to: UnixMillis(i64::MAX),
            object: self.object(),
            name: &self.name,
        };
        self.hung().find(|h| h.from <= at && at < h.to).unwrap_or(present)
    }

    /// Where it hung between two moments, cut to them, in order of time. Nothing if `to` is not after `from`.
    pub fn hung_over(&self, from: UnixMillis, to: UnixMillis) -> impl Iterator<Item = Hung<'_>> {
        let cut = move |h: Hung<'_>| (h.from.max(from), h.to.min(to));
        self.hung().filter_map(move |h| {
            let (from, to) = cut(h);
            (from < to).then_some(Hung { from, to, ..h })
        })
    }
}

/// Where a camera hangs from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Hang {
    /// Where.
    pub place: PlaceId,
    /// What it watches there.
    pub group: CameraGroup,
    /// Who says so, and from when. If that is before the last move (a clock that was ahead was set back), that one is cut to it.
    pub by: By,
}

/// What to change of a camera; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraChange {
    /// Where it hangs and what it watches. If that is another place or group, the one before is kept as a [`Stay`].
    pub hang: Option<Hang>,
    /// Name.
    pub name: Option<String>,
    /// Its code, or none.
    pub code: Option<Option<String>>,
    /// Main stream.
    pub main_url: Option<String>,
    /// Substream, or none.
    pub sub_url: Option<Option<String>>,
    /// How its packets travel.
    pub transport: Option<CameraTransport>,
    /// User.
    pub username: Option<String>,
    /// Password, or none.
    pub password: Option<Option<Sealed>>,
    /// The most the main stream may send.
    pub bitrate_max_kbps: Option<u32>,
    /// Whether it runs.
    pub enabled: Option<bool>,
    /// Whether it is recorded.
    pub record: Option<bool>,
}

/// Who did something, and when. The name is that of the day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct By {
    /// Account.
    pub account: AccountId,
    /// Name.
    pub name: Redacted<String>,
    /// When.
    pub at: UnixMillis,
}

/// How long footage of a group is kept at a place and below it, where no rule is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRule {
    /// Where.
    pub place: PlaceId,
    /// Of which group.
    pub group: CameraGroup,
    /// Days.
    pub days: u32,
}

/// The days that the nearest rule at or above `place` says; none if no rule does.
#[must_use]
pub fn retention_days(rules: &[RetentionRule], place: PlaceId, group: CameraGroup, tree: &PlaceTree) -> Option<u32> {
    let depth = |p: PlaceId| tree.get(p).map_or(0, |node| node.level.depth());
    let fitting = rules.iter().filter(|r| r.group == group && tree.within(place, r.place));
    fitting.max_by_key(|r| depth(r.place)).map(|r| r.days)
}

/// A hold: no rule removes what it covers until two people released it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Id.
    pub id: Ulid,
    /// The camera.
    pub camera: CameraId,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Why.
    pub why: String,
    /// Who set it.
    pub set: By,
    /// Who asked for its release.
    #[serde(default)]
    pub release_asked: Option<By>,
    /// Who, another, agreed: the hold is over.
    #[serde(default)]
    pub released: Option<By>,
    /// Two people agreed, and the recorder did not let go: the hold is in force, and can be agreed to again.
    #[serde(default)]
    pub release_failed: Option<ReleaseFailure>,
}

/// A release that two people agreed to and that did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFailure {
    /// When.
    pub at: UnixMillis,
    /// Why, in words of the recorder; at most [`ReleaseFailure::WHY_MAX`] characters.
    pub why: String,
}

impl ReleaseFailure {
    /// Characters of a reason.
    pub const WHY_MAX: usize = 200;
}

/// A bookmark in a camera's recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Id.
    pub id: Ulid,
    /// The camera.
    pub camera: CameraId,
    /// When in the recording.
    pub at: UnixMillis,
    /// Text.
    pub text: String,
    /// Who set it.
    pub by: By,
}

/// An alarm: a fault of a camera from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Id.
    pub id: Ulid,
    /// The camera.
    pub camera: CameraId,
    /// What is wrong.
    pub fault: HealthFault,
    /// Since when.
    pub since: UnixMillis,
    /// When it was over.
    #[serde(default)]
    pub until: Option<UnixMillis>,
    /// Who acknowledged it.
    #[serde(default)]
    pub acknowledged: Option<By>,
    /// Note, of the place where it began.
    #[serde(default)]
    pub note: String,
    /// To whom it was handed over there, by name.
    #[serde(default)]
    pub handed_to: Option<Redacted<String>>,
    /// What was said of it where the camera was moved to while it went on: once for each place and group, so at most
    /// [`Camera::STAYS_MAX`] times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Said>,
}

/// What was said of an alarm at another place than that where it began. Each place has words of its own, because the people of one can't
/// see, and must not change, what those of another wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Where the camera hung, for those who said it …
    pub place: PlaceId,
    /// … and as what.
    pub group: CameraGroup,
    /// Note.
    #[serde(default)]
    pub note: String,
    /// To whom it was handed over there, by name.
    #[serde(default)]
    pub handed_to: Option<Redacted<String>>,
}

/// What to change of an alarm; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmChange {
    /// Where note and hand-over are said, if that is not where it began: the place, and what the camera was there.
    pub elsewhere: Option<(PlaceId, CameraGroup)>,
    /// Acknowledged by.
    pub acknowledged: Option<By>,
    /// Note.
    pub note: Option<String>,
    /// To whom it is handed over.
    pub handed_to: Option<Redacted<String>>,
}

/// Which alarms to read; newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmQuery {
    /// Of these cameras; none: of all.
    pub cameras: Option<std::collections::HashSet<CameraId>>,
    /// Only those that are not over.
    pub open: bool,
    /// Only those that touch the time from here …
    pub from: Option<UnixMillis>,
    /// … to here.
    pub to: Option<UnixMillis>,
    /// Only those behind this one in the order of the answer: (since, id) of the last of the page before.
    pub after: Option<(UnixMillis, Ulid)>,
    /// At most so many.
    pub limit: usize,
}

/// From when faults are faults, for a group at a place and below it, where nothing nearer is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdsAt {
    /// Where.
    pub place: PlaceId,
    /// The thresholds, with their group.
    pub thresholds: Thresholds,
}

/// A layout of a wall that its owner saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Id.
    pub id: Ulid,
    /// Whose.
    pub account: AccountId,
    /// Name.
    pub name: String,
    /// What it shows, as the page wrote it.
    pub content: serde_json::Value,
    /// When it was last saved.
    pub saved: UnixMillis,
}

/// Where alarms are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Id.
    pub id: Ulid,
    /// `https://…`
    pub url: String,
    /// Cameras below this place.
    pub place: PlaceId,
    /// The secret that signs, sealed for this webhook.
    pub secret: Sealed,
    /// Only these faults; empty: all.
    #[serde(default)]
    pub events: Vec<HealthFault>,
    /// When it was made.
    pub created: UnixMillis,
    /// When a call last arrived.
    #[serde(default)]
    pub delivered: Option<UnixMillis>,
    /// What the last failed try met.
    #[serde(default)]
    pub failed: Option<String>,
}

/// Whether system, security and audit administrators are separated (三员分立).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authority {
    /// Whether they are.
    pub separated: bool,
    /// When that last changed.
    pub since: Option<UnixMillis>,
    /// Who asked for its end. The other of system and security administrator has to agree within
    /// [`Authority::ASK_LIFE`].
    #[serde(default)]
    pub end_asked: Option<By>,
}

impl Authority {
    /// How long a request to end the separation waits for its second person.
    pub const ASK_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
}

/// The three accounts that the first administrator hands over to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separation {
    /// Who hands over, and ends.
    pub by: AccountId,
    /// System administrator.
    pub system: AccountId,
    /// Security administrator.
    pub security: AccountId,
    /// Audit administrator.
    pub audit: AccountId,
}

/// The group in words of the wire.
#[must_use]
pub const fn group_to_api(group: CameraGroup) -> api::CameraGroup {
    match group {
        CameraGroup::ExamRoom => api::CameraGroup::ExamRoom,
        CameraGroup::SealedRoom => api::CameraGroup::SealedRoom,
        CameraGroup::Gate => api::CameraGroup::Gate,
        CameraGroup::Corridor => api::CameraGroup::Corridor,
        CameraGroup::Other => api::CameraGroup::Other,
    }
}

/// The group from words of the wire.
#[must_use]
pub const fn group_from_api(group: api::CameraGroup) -> CameraGroup {
    match group {
        api::CameraGroup::ExamRoom => CameraGroup::ExamRoom,
        api::CameraGroup::SealedRoom => CameraGroup::SealedRoom,
        api::CameraGroup::Gate => CameraGroup::Gate,
        api::CameraGroup::Corridor => CameraGroup::Corridor,
        api::CameraGroup::Other => CameraGroup::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_auth::{Level, PlaceNode};

    #[test]
    fn the_nearest_rule_counts() {
        let node = |parent, level| PlaceNode { id: PlaceId::generate(), parent, level, name: "x".into() };
        let city = node(None, Level::City);
        let site = node(Some(city.id), Level::ExamSite);
        let other = node(Some(city.id), Level::ExamSite);
        let (c, s, o) = (city.id, site.id, other.id);
        let tree = PlaceTree::build([city, site, other]).unwrap();
        let rule = |place, group, days| RetentionRule { place, group, days };
        let rules =
            [rule(s, CameraGroup::ExamRoom, 7), rule(c, CameraGroup::ExamRoom, 90), rule(c, CameraGroup::Gate, 30)];
        for (place, group, want) in [
            (s, CameraGroup::ExamRoom, Some(7)),
            (o, CameraGroup::ExamRoom, Some(90)),
            (s, CameraGroup::Gate, Some(30)),
            (s, CameraGroup::SealedRoom, None),
        ] {
            assert_eq!(retention_days(&rules, place, group, &tree), want, "{group:?}");
        }
    }

    #[test]
    fn the_places_of_a_camera_are_all_of_time_each_moment_once() {
        let place = PlaceId::generate;
        let by = By { account: AccountId::generate(), name: Redacted("王芳".into()), at: UnixMillis(0) };
        let stay = |until, group| Stay {
            place: place(),
            group,
            name: format!("to {until}"),
            until: UnixMillis(until),
            by: by.clone(),
        };
        let old = r#"{"id":"01J9ZZZZZZZZZZZZZZZZZZZZZZ","place":"01J9ZZZZZZZZZZZZZZZZZZZZZY","name":"x","group":"gate","code":null,
            "main_url":"rtsp://192.0.2.1/","sub_url":null,"transport":"udp","username":"","password":null,"bitrate_max_kbps":1,
            "enabled":true,"record":true,"created":5}"#;
        let mut camera: Camera = serde_json::from_str(old).expect("a record from before places were kept is readable");
        let whole = (UnixMillis(i64::MIN), UnixMillis(i64::MAX));
        let hung: Vec<_> = camera.hung().map(|h| ((h.from, h.to), h.object)).collect();
        assert_eq!(hung, [(whole, camera.object())], "the present place counts from the beginning");
        // Two moves in one moment: the place between never had any of time.
        camera.stays = vec![stay(10, CameraGroup::ExamRoom), stay(10, CameraGroup::Other), stay(20, CameraGroup::Gate)];
        let at = |ms| camera.hung_at(UnixMillis(ms)).name.to_owned();
        assert_eq!(
            [at(i64::MIN), at(9), at(10), at(19), at(20), at(i64::MAX)],
            ["to 10", "to 10", "to 20", "to 20", "x", "x"]
        );
        let over = |from, to| -> Vec<(i64, i64)> {
            camera.hung_over(UnixMillis(from), UnixMillis(to)).map(|h| (h.from.0, h.to.0)).collect()
        };
        assert_eq!(over(5, 25), [(5, 10), (10, 20), (20, 25)]);
        assert_eq!((over(10, 20), over(20, 20)), (vec![(10, 20)], vec![]));
    }

    #[test]
    fn groups_survive_the_way_through_the_wire() {
        for group in CameraGroup::ALL {
            assert_eq!(group_from_api(group_to_api(group)), group);
        }
    }
}
