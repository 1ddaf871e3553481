//! What is set for cameras and what happened at them, on the embedded engine; alarms have their own file.
//!
//! Keys: `retention/place/group`, `thresholds/place/group`, `hold/id`, `hold-of/camera/id`, `hold-open/id`,
//! `bookmark/camera/time/id`, `bookmark-key/id`, `layout/account/id`, `webhook/id`.

use super::{SledStore, alarms, cameras::camera_exists, people, timetable::time, writer::Tx};
use crate::{
    error::{Conflict, Result, StoreError},
    patrol::{
        Alarm, AlarmChange, AlarmQuery, Bookmark, By, Hold, Layout, ReleaseFailure, RetentionRule, ThresholdsAt,
        Webhook,
    },
    store::{
        BOOKMARKS_MAX, HOLDS_MAX, HOLDS_PER_CAMERA_MAX, LAYOUT_BYTES_MAX, LAYOUTS_MAX, POLICIES_MAX, Patrol,
        WEBHOOKS_MAX,
    },
};
use async_trait::async_trait;
use lectern_auth::CameraGroup;
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{self, HealthFault};
use serde::Serialize;
use std::ops::Range;
use ulid::Ulid;

fn hold_key(id: Ulid) -> String {
    format!("hold/{id}")
}

fn hold_of_key(camera: CameraId, id: Ulid) -> String {
    format!("hold-of/{camera}/{id}")
}

fn open_hold_key(id: Ulid) -> String {
    format!("hold-open/{id}")
}

pub(super) fn bookmarks_of_key(camera: CameraId) -> String {
    format!("bookmark/{camera}/")
}

fn bookmark_key(mark: &Bookmark) -> String {
    format!("bookmark/{}/{}/{}", mark.camera, time(mark.at), mark.id)
}

fn bookmark_id_key(id: Ulid) -> String {
    format!("bookmark-key/{id}")
}

/// A word of an enum as it is stored; part of a key.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(other) => Ok(other.to_string()),
        Err(source) => Err(StoreError::Record { key: "word".into(), source }),
    }
}

pub(super) fn holds_of(tx: &Tx<'_>, camera: CameraId) -> Result<Vec<Hold>> {
    let ids: Vec<Ulid> = tx.all(&format!("hold-of/{camera}/"))?;
    ids.iter().filter_map(|id| tx.get(&hold_key(*id)).transpose()).collect()
}

pub(super) fn remove_hold(tx: &mut Tx<'_>, hold: &Hold) {
    tx.remove(hold_key(hold.id));
    tx.remove(hold_of_key(hold.camera, hold.id));
}

pub(super) fn remove_bookmark(tx: &mut Tx<'_>, mark: &Bookmark) {
    tx.remove(bookmark_key(mark));
    tx.remove(bookmark_id_key(mark.id));
}

/// Writes one of a table that has a limit; `prefix` is the table's.
fn put_limited<T: Serialize>(tx: &mut Tx<'_>, prefix: &str, key: String, value: &T, limit: Limit) -> Result<()> {
    if !tx.has(&key)? && tx.keys(prefix)?.len() >= limit.max {
        return Err(StoreError::Full { what: limit.what, max: limit.max });
    }
    tx.put(key, value)
}

struct Limit {
    what: &'static str,
    max: usize,
}

fn open_hold(tx: &Tx<'_>, id: Ulid) -> Result<Hold> {
    let hold: Hold = tx.get(&hold_key(id))?.ok_or(StoreError::NotFound)?;
    if hold.released.is_some() { Err(Conflict::HoldReleased.into()) } else { Ok(hold) }
}

fn put_hold(tx: &mut Tx<'_>, hold: &Hold) -> Result<()> {
    let (known, full) = (holds_of(tx, hold.camera)?, HOLDS_PER_CAMERA_MAX);
    if known.len() >= full {
        // What was released long ago is in the audit log.
        let Some(old) = known.iter().find(|h| h.released.is_some()) else {
            return Err(StoreError::Full { what: "holds of a camera", max: full });
        };
        remove_hold(tx, old);
    }
    tx.put(open_hold_key(hold.id), &hold.id)?;
    tx.put(hold_of_key(hold.camera, hold.id), &hold.id)?;
    tx.put(hold_key(hold.id), hold)
}

#[async_trait]
impl Patrol for SledStore {
    async fn retention(&self) -> Result<Vec<RetentionRule>> {
        self.many("retention/".into(), None, usize::MAX).await
    }

    async fn set_retention(&self, place: PlaceId, group: CameraGroup, days: Option<u32>) -> Result<()> {
        self.transact(move |tx| {
            people::place_exists(tx, place)?;
            let key = format!("retention/{place}/{}", word(&group)?);
            let Some(days) = days else {
                tx.remove(key);
                return Ok(());
            };
            let limit = Limit { what: "rules of retention", max: POLICIES_MAX };
            put_limited(tx, "retention/", key, &RetentionRule { place, group, days }, limit)
        })
        .await
    }

    async fn thresholds(&self) -> Result<Vec<ThresholdsAt>> {
        self.many("thresholds/".into(), None, usize::MAX).await
    }

    async fn set_thresholds(&self, at: ThresholdsAt) -> Result<()> {
        self.transact(move |tx| {
            people::place_exists(tx, at.place)?;
            let key = format!("thresholds/{}/{}", at.place, word(&at.thresholds.group)?);
            put_limited(tx, "thresholds/", key, &at, Limit { what: "sets of thresholds", max: POLICIES_MAX })
        })
        .await
    }

    async fn remove_thresholds(&self, place: PlaceId, group: api::CameraGroup) -> Result<()> {
        let key = format!("thresholds/{place}/{}", word(&group)?);
        self.transact(move |tx| {
            tx.remove(key.clone());
            Ok(())
        })
        .await
    }

    async fn set_holds(&self, holds: Vec<Hold>) -> Result<()> {
        self.transact(move |tx| {
            if tx.keys("hold-open/")?.len() + holds.len() > HOLDS_MAX {
                return Err(StoreError::Full { what: "holds", max: HOLDS_MAX });
            }
            for hold in &holds {
                camera_exists(tx, hold.camera)?;
                put_hold(tx, hold)?;
            }
            Ok(())
        })
        .await
    }

    async fn hold(&self, id: Ulid) -> Result<Option<Hold>> {
        self.one(hold_key(id)).await
    }

    async fn holds_of(&self, camera: CameraId) -> Result<Vec<Hold>> {
        self.holds(format!("hold-of/{camera}/")).await
    }

    async fn open_holds(&self) -> Result<Vec<Hold>> {
        self.holds("hold-open/".into()).await
    }

    async fn ask_release(&self, id: Ulid, by: By) -> Result<Hold> {
        self.transact(move |tx| {
            let mut hold = open_hold(tx, id)?;
            hold.release_asked.get_or_insert_with(|| by.clone());
            tx.put(hold_key(id), &hold)?;
            Ok(hold)
        })
        .await
    }

    async fn refuse_release(&self, id: Ulid) -> Result<Hold> {
        self.transact(move |tx| {
            let mut hold = open_hold(tx, id)?;
            (hold.release_asked, hold.release_failed) = (None, None);
            tx.put(hold_key(id), &hold)?;
            Ok(hold)
        })
        .await
    }

    async fn agree_release(&self, id: Ulid, by: By) -> Result<Hold> {
        self.transact(move |tx| {
            let mut hold = open_hold(tx, id)?;
            let asked = hold.release_asked.as_ref().ok_or(Conflict::ReleaseNotAsked)?;
            if asked.account == by.account {
                return Err(Conflict::SamePerson.into());
            }
            (hold.released, hold.release_failed) = (Some(by.clone()), None);
            tx.remove(open_hold_key(id));
            tx.put(hold_key(id), &hold)?;
            Ok(hold)
        })
        .await
    }

    async fn fail_release(&self, id: Ulid, failure: ReleaseFailure) -> Result<Hold> {
        self.transact(move |tx| {
            let mut hold: Hold = tx.get(&hold_key(id))?.ok_or(StoreError::NotFound)?;
            let why = failure.why.chars().take(ReleaseFailure::WHY_MAX).collect();
            hold.released = None;
            hold.release_failed = Some(ReleaseFailure { at: failure.at, why });
            put_hold(tx, &hold)?;
            Ok(hold)
        })
        .await
    }

    async fn put_bookmark(&self, bookmark: Bookmark) -> Result<()> {
        self.transact(move |tx| {
            camera_exists(tx, bookmark.camera)?;
            if let Some(old) = tx.get::<String>(&bookmark_id_key(bookmark.id))? {
                tx.remove(old);
            }
            let key = bookmark_key(&bookmark);
            tx.put(bookmark_id_key(bookmark.id), &key)?;
            let prefix = bookmarks_of_key(bookmark.camera);
            put_limited(tx, &prefix, key, &bookmark, Limit { what: "bookmarks of a camera", max: BOOKMARKS_MAX })
        })
        .await
    }

    async fn bookmark(&self, id: Ulid) -> Result<Option<Bookmark>> {
        self.read(move |index| {
            let Some(key) = super::get::<String>(index, &bookmark_id_key(id))? else { return Ok(None) };
            super::get(index, &key)
        })
        .await
    }

    async fn bookmarks(&self, camera: CameraId, times: Range<UnixMillis>) -> Result<Vec<Bookmark>> {
        self.read(move |index| {
            let prefix = bookmarks_of_key(camera);
            let (after, end) = (format!("{prefix}{}", time(times.start)), format!("{prefix}{}", time(times.end)));
            let within =
                index.scan(&prefix, Some(&after)).take_while(|e| e.as_ref().map_or(true, |(key, _)| *key < end));
            within.map(|entry| entry.and_then(|(key, value)| super::record(&key, &value))).collect()
        })
        .await
    }

    async fn remove_bookmark(&self, id: Ulid) -> Result<()> {
        self.transact(move |tx| {
            if let Some(key) = tx.get::<String>(&bookmark_id_key(id))? {
                tx.remove(key);
                tx.remove(bookmark_id_key(id));
            }
            Ok(())
        })
        .await
    }

    async fn raise_alarm(&self, camera: CameraId, fault: HealthFault, since: UnixMillis) -> Result<(Alarm, bool)> {
        self.transact(move |tx| alarms::raise(tx, camera, fault, since)).await
    }

    async fn clear_alarm(&self, camera: CameraId, fault: HealthFault, until: UnixMillis) -> Result<Option<Alarm>> {
        self.transact(move |tx| alarms::clear(tx, camera, fault, until)).await
    }

    async fn alarm(&self, id: Ulid) -> Result<Option<Alarm>> {
        self.one(alarms::key(id)).await
    }

    async fn change_alarm(&self, id: Ulid, change: AlarmChange) -> Result<(Alarm, Alarm)> {
        self.transact(move |tx| alarms::change(tx, id, change.clone())).await
    }

    async fn alarms(&self, query: AlarmQuery) -> Result<Vec<Alarm>> {
        self.read(move |index| alarms::query(index, &query)).await
    }

    async fn put_layout(&self, layout: Layout) -> Result<()> {
        let len = layout.content.to_string().len();
        if len > LAYOUT_BYTES_MAX {
            return Err(StoreError::TooLarge { len });
        }
        self.transact(move |tx| {
            let prefix = format!("layout/{}/", layout.account);
            let key = format!("{prefix}{}", layout.id);
            put_limited(tx, &prefix, key, &layout, Limit { what: "layouts of an account", max: LAYOUTS_MAX })
        })
        .await
    }

    async fn layouts(&self, account: AccountId) -> Result<Vec<Layout>> {
        self.many(format!("layout/{account}/"), None, usize::MAX).await
    }

    async fn remove_layout(&self, account: AccountId, id: Ulid) -> Result<()> {
        self.transact(move |tx| {
            tx.remove(format!("layout/{account}/{id}"));
            Ok(())
        })
        .await
    }

    async fn put_webhook(&self, webhook: Webhook) -> Result<()> {
        self.transact(move |tx| {
            people::place_exists(tx, webhook.place)?;
            let key = format!("webhook/{}", webhook.id);
            put_limited(tx, "webhook/", key, &webhook, Limit { what: "webhooks", max: WEBHOOKS_MAX })
        })
        .await
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>> {
        self.many("webhook/".into(), None, usize::MAX).await
    }

    async fn note_webhook(&self, id: Ulid, outcome: Result<UnixMillis, String>) -> Result<()> {
        self.transact(move |tx| {
            let key = format!("webhook/{id}");
            let Some(mut webhook) = tx.get::<Webhook>(&key)? else { return Ok(()) };
            match outcome.clone() {
                Ok(at) => (webhook.delivered, webhook.failed) = (Some(at), None),
                Err(why) => webhook.failed = Some(why),
            }
            tx.put(key, &webhook)
        })
        .await
    }

    async fn remove_webhook(&self, id: Ulid) -> Result<()> {
        self.transact(move |tx| {
            tx.remove(format!("webhook/{id}"));
            Ok(())
        })
        .await
    }
}

impl SledStore {
    /// The holds whose ids these entries are.
    async fn holds(&self, prefix: String) -> Result<Vec<Hold>> {
        self.read(move |index| {
            let holds = index.scan(&prefix, None).map(|entry| {
                let (key, id) = entry?;
                super::get(index, &hold_key(super::record(&key, &id)?))
            });
            Ok(holds.collect::<Result<Vec<Option<Hold>>>>()?.into_iter().flatten().collect())
        })
        .await
    }
}
