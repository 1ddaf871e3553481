//! What is told of an alarm. It is a matter of each place where its camera hung while it went on; whoever looks at some of these places
//! only, a person or a webhook, is told their side of it.
//!
//! Does not belong here: who sees which place (`access`), when a webhook's calls go out (`hooks`).

use super::{Patrol, hooks::Call, run::FAULTS, wall::About};
use lectern_auth::{CameraObject, PlaceTree};
use lectern_library::{
    Alarm, AlarmQuery, Camera,
    patrol::{group_from_api, group_to_api},
};
use lectern_media::{PlaceId, UnixMillis};
use lectern_protocol::{
    api::{AlarmItem, AlarmSaid, Span},
    wall::WallMessage,
};
use serde_json::json;
use ulid::Ulid;

/// An alarm as the place where it began knows it, and its camera.
type Known = (AlarmItem, Camera);

impl Patrol {
    /// Tells walls and webhooks of an alarm; `was` is what it was before somebody changed it.
    pub(crate) fn alarm_news(&self, alarm: &Alarm, was: Option<&Alarm>, what: &'static str) {
        let cameras = self.0.library.cameras();
        let Some(camera) = cameras.get(alarm.camera) else { return };
        let tree = self.0.library.tree();
        let known = |alarm: &Alarm| (item(alarm, camera, &tree), camera.clone());
        let now = known(alarm);
        self.tell_walls(&WallMessage::Alarm { alarm: now.0.clone() }, About::Recorded);
        self.queue_calls(vec![(now, was.map(known))], what);
    }

    /// Tells webhooks of the place where a camera was moved to of its alarms that go on there. `old` is the camera before that.
    pub(crate) async fn alarms_moved(&self, old: &Camera, new: &Camera) {
        let open =
            AlarmQuery { cameras: Some([old.id].into()), open: true, limit: FAULTS.len(), ..AlarmQuery::default() };
        match self.0.library.store().alarms(open).await {
            Ok(open) => {
                let tree = self.0.library.tree();
                let known = |alarm, camera: &Camera| (item(alarm, camera, &tree), camera.clone());
                let news = open.iter().map(|alarm| (known(alarm, new), Some(known(alarm, old))));
                self.queue_calls(news.collect(), "raised");
            }
            Err(error) => {
                tracing::error!(camera = %old.id, %error, "alarms of a camera that was moved could not be read")
            }
        }
    }

    /// An alarm as the place where it began knows it; none if its camera is gone. What of it a client is told: `Viewer::alarm`.
    #[must_use]
    pub fn alarm_item(&self, alarm: &Alarm) -> Option<AlarmItem> {
        let (cameras, tree) = (self.0.library.cameras(), self.0.library.tree());
        cameras.get(alarm.camera).map(|camera| item(alarm, camera, &tree))
    }

    /// Each alarm as it is, and as it was. A webhook for which it is now what it was is not called.
    fn queue_calls(&self, news: Vec<(Known, Option<Known>)>, what: &'static str) {
        let this = self.clone();
        tokio::spawn(async move {
            let hooks = match this.0.library.store().webhooks().await {
                Ok(hooks) => hooks,
                Err(error) => return tracing::error!(%error, "webhooks could not be read"),
            };
            let tree = this.0.library.tree();
            for (now, was) in &news {
                for hook in hooks.iter().filter(|h| h.events.is_empty() || h.events.contains(&now.0.fault)) {
                    let there = |known: &Known| to_hook(known, &tree, hook.place);
                    let Some(alarm) = there(now) else { continue };
                    if was.as_ref().and_then(there).as_ref() == Some(&alarm) {
                        continue;
                    }
                    let body = json!({ "event": what, "alarm": alarm }).to_string().into_bytes();
                    this.0.hooks.lock().push(hook.id, Call { id: Ulid::new(), at: UnixMillis::now(), body });
                }
            }
            this.0.hook_wake.notify_one();
        });
    }
}

fn name(tree: &PlaceTree, place: PlaceId) -> String {
    tree.get(place).map(|p| p.name.clone()).unwrap_or_default()
}

fn item(alarm: &Alarm, camera: &Camera, tree: &PlaceTree) -> AlarmItem {
    let hung = camera.hung_at(alarm.since);
    let elsewhere = alarm.elsewhere.iter().map(|said| AlarmSaid {
        place: said.place,
        place_name: name(tree, said.place),
        group: group_to_api(said.group),
        note: said.note.clone(),
        handed_to: said.handed_to.as_ref().map(|name| name.0.clone()),
    });
    AlarmItem {
        id: alarm.id,
        camera: alarm.camera,
        camera_name: hung.name.to_owned(),
        place: hung.object.place,
        place_name: name(tree, hung.object.place),
        group: group_to_api(hung.object.group),
        fault: alarm.fault,
        since: alarm.since,
        until: alarm.until,
        acknowledged_by: alarm.acknowledged.as_ref().map(|by| by.name.0.clone()),
        acknowledged_at: alarm.acknowledged.as_ref().map(|by| by.at),
        note: alarm.note.clone(),
        handed_to: alarm.handed_to.as_ref().map(|name| name.0.clone()),
        elsewhere: elsewhere.collect(),
    }
}

/// An alarm as a webhook for `place` and what lies below it is told of it; none if its camera never hung there while it went on.
fn to_hook((alarm, camera): &Known, tree: &PlaceTree, place: PlaceId) -> Option<AlarmItem> {
    let within = |object: &CameraObject| tree.within(object.place, place);
    let mut alarm = alarm.clone();
    // A person may know who of elsewhere has it; a machine of this place is told names of its own people.
    if alarm.acknowledged_at.is_none_or(|at| !within(&camera.hung_at(at).object)) {
        alarm.acknowledged_by = None;
    }
    // One that is not over goes on where the camera hangs now.
    told(alarm, camera, tree, UnixMillis(i64::MAX), within)
}

/// An alarm as those are told of it who see these places and groups of its camera: whoever does not see where it began is told their own
/// place and what was said there, and neither what was said where it began nor who said so, unless that was there. None if they see
/// none.
pub(super) fn told(
    mut alarm: AlarmItem,
    camera: &Camera,
    tree: &PlaceTree,
    now: UnixMillis,
    sees: impl Fn(&CameraObject) -> bool,
) -> Option<AlarmItem> {
    let over = alarm_span(alarm.since, alarm.until, now);
    let own = camera.hung_over(over.from, over.to).find(|h| sees(&h.object))?;
    let object = |s: &AlarmSaid| CameraObject { id: camera.id, place: s.place, group: group_from_api(s.group) };
    alarm.elsewhere.retain(|s| sees(&object(s)));
    if own.from <= alarm.since {
        return Some(alarm);
    }
    let here = |at: &UnixMillis| sees(&camera.hung_at(*at).object);
    let acknowledged_by = alarm.acknowledged_by.filter(|_| alarm.acknowledged_at.as_ref().is_some_and(here));
    let said = alarm.elsewhere.iter().position(|s| object(s) == own.object).map(|at| alarm.elsewhere.remove(at));
    let (note, handed_to) = said.map_or_else(Default::default, |s| (s.note, s.handed_to));
    Some(AlarmItem {
        place: own.object.place,
        place_name: name(tree, own.object.place),
        camera_name: own.name.to_owned(),
        group: group_to_api(own.object.group),
        acknowledged_by,
        note,
        handed_to,
        ..alarm
    })
}

/// While an alarm went on, or goes on; never empty.
pub(crate) fn alarm_span(since: UnixMillis, until: Option<UnixMillis>, now: UnixMillis) -> Span {
    Span { from: since, to: until.unwrap_or(now).max(UnixMillis(since.0.saturating_add(1))) }
}
