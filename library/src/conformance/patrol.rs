//! Cameras, rules of looking, and what happens at cameras.

use super::{Bench, NOW, account, place, settled};
use crate::{
    error::{Conflict, StoreError},
    patrol::{
        AlarmChange, AlarmQuery, Bookmark, By, Camera, CameraChange, Hang, Hold, Layout, ReleaseFailure, RetentionRule,
        ThresholdsAt, Webhook,
    },
    store::{BOOKMARKS_MAX, CAMERAS_MAX, HOLDS_PER_CAMERA_MAX, LAYOUT_BYTES_MAX, LAYOUTS_MAX, Store, WEBHOOKS_MAX},
};
use lectern_auth::{
    Action, CameraGroup, CameraRule, Level, Redacted, RuleEffect, RuleScope, SealedFor, SealingKeys, Secret, Window,
};
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{self, CameraTransport, HealthFault, Thresholds};
use std::{collections::HashSet, sync::Arc, time::Duration};
use ulid::Ulid;

fn camera(place: PlaceId, name: &str) -> Camera {
    let id = CameraId::generate();
    let password = SealingKeys::generate().seal(SealedFor::Camera(id), &Secret::new("geheim".into())).unwrap();
    Camera {
        id,
        place,
        name: name.into(),
        group: CameraGroup::ExamRoom,
        code: None,
        main_url: "rtsp://192.0.2.1/main".into(),
        sub_url: Some("rtsp://192.0.2.1/sub".into()),
        transport: CameraTransport::Tcp,
        username: "admin".into(),
        password: Some(password),
        bitrate_max_kbps: 8_000,
        enabled: true,
        record: true,
        created: NOW,
        removed: None,
        stays: vec![],
    }
}

fn by(at: UnixMillis) -> By {
    By { account: AccountId::generate(), name: Redacted("王芳".into()), at }
}

/// A store with one camera.
async fn with_camera(bench: &dyn Bench) -> (Arc<dyn Store>, PlaceId, Camera) {
    let (store, _, school, _) = settled(bench).await;
    let camera = camera(school.id, "考场 1");
    store.create_cameras(vec![camera.clone()]).await.unwrap();
    (store, school.id, camera)
}

fn conflict<T>(outcome: Result<T, StoreError>) -> Option<Conflict> {
    match outcome {
        Err(StoreError::Conflict(conflict)) => Some(conflict),
        _ => None,
    }
}

pub(super) async fn cameras(bench: &dyn Bench) {
    let (store, root, school, _) = settled(bench).await;
    let mut one = camera(school.id, "考场 A");
    one.code = Some("34020000001320000001".into());
    let two = camera(school.id, "考场 2");
    store.create_cameras(vec![one.clone(), two.clone()]).await.unwrap();

    // An import is all or nothing.
    let same_name = camera(school.id, "考场 a");
    let same_code = Camera { code: one.code.clone(), ..camera(school.id, "x") };
    let twin = camera(school.id, "y");
    for (bad, want) in [
        (vec![same_name], Conflict::CameraNameTaken),
        (vec![same_code.clone()], Conflict::CameraCodeTaken),
        (vec![twin.clone(), Camera { id: CameraId::generate(), ..twin }], Conflict::CameraNameTaken),
        (vec![camera(PlaceId::generate(), "z")], Conflict::UnknownPlace),
    ] {
        let good = camera(school.id, "good");
        let import = std::iter::once(good.clone()).chain(bad).collect();
        assert_eq!(conflict(store.create_cameras(import).await), Some(want));
        assert_eq!(store.camera(good.id).await.unwrap(), None, "{want:?}: nothing is half imported");
    }
    store.create_cameras(vec![camera(root.id, "考场 A")]).await.unwrap();

    let change = CameraChange {
        name: Some("考场 3".into()),
        sub_url: Some(None),
        hang: Some(Hang { place: school.id, group: CameraGroup::SealedRoom, by: by(NOW) }),
        enabled: Some(false),
        ..CameraChange::default()
    };
    let changed = store.change_camera(two.id, change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.sub_url.as_ref(), changed.enabled), ("考场 3", None, false));
    assert_eq!(changed.password, two.password, "what is not named stays");
    let stays: Vec<_> = changed.stays.iter().map(|s| (s.place, s.group, s.name.as_str(), s.until)).collect();
    assert_eq!(stays, [(school.id, CameraGroup::ExamRoom, "考场 2", NOW)], "where it hung, as what, until when");
    let taken = CameraChange { name: Some("考场 a".into()), ..CameraChange::default() };
    assert_eq!(conflict(store.change_camera(two.id, taken).await), Some(Conflict::CameraNameTaken));
    let own = CameraChange { name: Some("考场 3".into()), ..CameraChange::default() };
    store.change_camera(two.id, own).await.unwrap();

    // A camera that is moved away keeps its old place: its footage of then is decided by it. A move by a clock that was ahead
    // is cut when the next one comes by the clock that was set right: what is recorded after that is of the newest place.
    let hang = |place, at: UnixMillis| {
        let to = Hang { place, group: CameraGroup::SealedRoom, by: by(at) };
        CameraChange { hang: Some(to), ..CameraChange::default() }
    };
    let moved = store.change_camera(two.id, hang(root.id, NOW.plus(Duration::from_secs(60)))).await.unwrap();
    let gate = Hang { place: school.id, group: CameraGroup::Gate, by: by(NOW.plus(Duration::from_secs(30))) };
    let change = CameraChange { hang: Some(gate), ..CameraChange::default() };
    let back = store.change_camera(two.id, change).await.unwrap();
    let group = |s| back.hung_at(NOW.plus(Duration::from_secs(s))).object.group;
    assert_eq!([group(29), group(30), group(60)], [CameraGroup::SealedRoom, CameraGroup::Gate, CameraGroup::Gate]);
    let at = |c: &Camera, s| c.hung_at(NOW.plus(Duration::from_secs(s))).object.place;
    assert_eq!([at(&moved, 59), at(&moved, 60)], [school.id, root.id]);
    assert_eq!([at(&back, 59), at(&back, 60), back.place], [school.id; 3]);
    let changed = store.change_camera(two.id, hang(root.id, NOW.plus(Duration::from_secs(90)))).await.unwrap();
    store.change_camera(two.id, hang(root.id, NOW.plus(Duration::from_secs(95)))).await.unwrap();

    assert_eq!(conflict(store.remove_place(school.id).await), Some(Conflict::PlaceInUse));
    let removed = store.remove_camera(one.id, NOW).await.unwrap();
    assert_eq!((removed.removed, removed.enabled, removed.password), (Some(NOW), false, None));
    let again = store.remove_camera(one.id, NOW.plus(Duration::from_secs(1))).await.unwrap();
    assert_eq!(again.removed, Some(NOW));
    let change = store.change_camera(one.id, CameraChange::default()).await;
    assert!(matches!(change, Err(StoreError::NotFound)), "what is removed is not changed");
    store.create_cameras(vec![same_code]).await.unwrap();
    assert_eq!(conflict(store.forget_camera(two.id).await), Some(Conflict::CameraInUse));
    store.forget_camera(one.id).await.unwrap();
    assert!(matches!(store.forget_camera(one.id).await, Err(StoreError::NotFound)));
    let store = bench.reopened(store).await;
    assert_eq!(store.camera(two.id).await.unwrap(), Some(changed));
    assert_eq!(store.cameras().await.unwrap().len(), 3);

    let many = (0..CAMERAS_MAX).map(|i| camera(school.id, &format!("many {i}"))).collect();
    assert!(matches!(store.create_cameras(many).await, Err(StoreError::Full { .. })));
    let fill = (0..CAMERAS_MAX - 3).map(|i| camera(school.id, &format!("fill {i}"))).collect();
    store.create_cameras(fill).await.unwrap();
    assert_eq!(store.cameras().await.unwrap().len(), CAMERAS_MAX);
}

pub(super) async fn rules(bench: &dyn Bench) {
    let (store, place, camera) = with_camera(bench).await;
    let teacher = store.account_by_login("wang.fang").await.unwrap().unwrap();
    let rule = |account, scope| CameraRule {
        id: Ulid::new(),
        account,
        scope,
        actions: vec![Action::LiveCamera, Action::PlayCamera],
        effect: RuleEffect::Limit,
        windows: vec![Window { from: NOW, to: NOW.plus(Duration::from_secs(60)) }],
    };
    let good = rule(teacher.id, RuleScope::Camera(camera.id));
    store.put_camera_rule(good.clone()).await.unwrap();
    let stranger = rule(AccountId::generate(), RuleScope::Place(place));
    assert!(matches!(store.put_camera_rule(stranger).await, Err(StoreError::NotFound)));
    let nowhere = rule(teacher.id, RuleScope::Place(PlaceId::generate()));
    assert_eq!(conflict(store.put_camera_rule(nowhere).await), Some(Conflict::UnknownPlace));
    let no_camera = rule(teacher.id, RuleScope::Camera(CameraId::generate()));
    assert!(matches!(store.put_camera_rule(no_camera).await, Err(StoreError::NotFound)));
    let window = Window { from: NOW, to: NOW };
    let long = CameraRule { windows: vec![window; CameraRule::WINDOWS_MAX + 1], ..good.clone() };
    assert!(matches!(store.put_camera_rule(long).await, Err(StoreError::Full { .. })));
    let changed = CameraRule { effect: RuleEffect::Deny, ..good.clone() };
    store.put_camera_rule(changed.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    assert_eq!(store.camera_rules().await.unwrap(), std::slice::from_ref(&changed));
    for _ in 1..CameraRule::PER_ACCOUNT_MAX {
        store.put_camera_rule(rule(teacher.id, RuleScope::Place(place))).await.unwrap();
    }
    let one_more = rule(teacher.id, RuleScope::Place(place));
    assert!(matches!(store.put_camera_rule(one_more).await, Err(StoreError::Full { .. })));
    store.put_camera_rule(changed.clone()).await.unwrap();
    assert_eq!(store.remove_camera_rule(teacher.id, good.id).await.unwrap(), changed);
    assert!(matches!(store.remove_camera_rule(teacher.id, good.id).await, Err(StoreError::NotFound)));
}

pub(super) async fn policies(bench: &dyn Bench) {
    let (store, place, _) = with_camera(bench).await;
    store.set_retention(place, CameraGroup::ExamRoom, Some(90)).await.unwrap();
    store.set_retention(place, CameraGroup::Gate, Some(7)).await.unwrap();
    store.set_retention(place, CameraGroup::ExamRoom, Some(180)).await.unwrap();
    store.set_retention(place, CameraGroup::Gate, None).await.unwrap();
    store.set_retention(place, CameraGroup::Gate, None).await.unwrap();
    let nowhere = store.set_retention(PlaceId::generate(), CameraGroup::Gate, Some(1)).await;
    assert_eq!(conflict(nowhere), Some(Conflict::UnknownPlace));
    let thresholds = Thresholds {
        group: api::CameraGroup::ExamRoom,
        watched: vec![HealthFault::Frozen],
        silent_s: 3,
        sharpness_percent: 40,
        moved_percent: 10,
        clock_ms: 1_000,
        rate_percent: 50,
        tone: true,
    };
    let at = ThresholdsAt { place, thresholds };
    store.set_thresholds(at.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    assert_eq!(store.retention().await.unwrap(), [RetentionRule { place, group: CameraGroup::ExamRoom, days: 180 }]);
    assert_eq!(store.thresholds().await.unwrap(), [at]);
    store.remove_thresholds(place, api::CameraGroup::ExamRoom).await.unwrap();
    assert_eq!(store.thresholds().await.unwrap(), []);

    let webhook = |n: usize| {
        let id = Ulid::new();
        let secret = SealingKeys::generate().seal(SealedFor::Webhook(id), &Secret::new("s".into())).unwrap();
        let url = format!("https://example.com/{n}");
        Webhook { id, url, place, secret, events: vec![], created: NOW, delivered: None, failed: None }
    };
    let one = webhook(0);
    store.put_webhook(one.clone()).await.unwrap();
    store.note_webhook(one.id, Err("timeout".into())).await.unwrap();
    assert_eq!(store.webhooks().await.unwrap()[0].failed.as_deref(), Some("timeout"));
    store.note_webhook(one.id, Ok(NOW)).await.unwrap();
    let noted = store.webhooks().await.unwrap().remove(0);
    assert_eq!((noted.delivered, noted.failed), (Some(NOW), None));
    store.note_webhook(Ulid::new(), Ok(NOW)).await.unwrap();
    for n in 1..WEBHOOKS_MAX {
        store.put_webhook(webhook(n)).await.unwrap();
    }
    assert!(matches!(store.put_webhook(webhook(99)).await, Err(StoreError::Full { .. })));
    store.remove_webhook(one.id).await.unwrap();
    store.remove_webhook(one.id).await.unwrap();
    assert_eq!(store.webhooks().await.unwrap().len(), WEBHOOKS_MAX - 1);
}

pub(super) async fn holds(bench: &dyn Bench) {
    let (store, _, camera) = with_camera(bench).await;
    let hold = |camera| Hold {
        id: Ulid::new(),
        camera,
        from: NOW,
        to: NOW.plus(Duration::from_secs(3_600)),
        why: "复核".into(),
        set: by(NOW),
        release_asked: None,
        released: None,
        release_failed: None,
    };
    let (mut one, mut other) = (hold(camera.id), hold(camera.id));
    // Ids of one millisecond are in no order.
    (one.id, other.id) = (one.id.min(other.id), one.id.max(other.id));
    store.set_holds(vec![one.clone(), other.clone()]).await.unwrap();
    let half = store.set_holds(vec![hold(camera.id), hold(CameraId::generate())]).await;
    assert!(matches!(half, Err(StoreError::NotFound)));
    assert_eq!(store.holds_of(camera.id).await.unwrap(), [one.clone(), other.clone()], "all or none");

    // Two people, whoever they are; one alone never.
    let (li, zhang) = (by(NOW), by(NOW));
    assert_eq!(conflict(store.agree_release(one.id, li.clone()).await), Some(Conflict::ReleaseNotAsked));
    store.ask_release(one.id, li.clone()).await.unwrap();
    let asked_again = store.ask_release(one.id, zhang.clone()).await.unwrap();
    assert_eq!(asked_again.release_asked, Some(li.clone()), "asking twice is not agreeing");
    assert_eq!(conflict(store.agree_release(one.id, li.clone()).await), Some(Conflict::SamePerson));
    assert_eq!(store.open_holds().await.unwrap().len(), 2);
    store.refuse_release(one.id).await.unwrap();
    assert_eq!(conflict(store.agree_release(one.id, zhang.clone()).await), Some(Conflict::ReleaseNotAsked));
    store.ask_release(one.id, li.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    // The recorder does not let go: the hold is in force again, who asked still asks, and why stands there until it ends or is kept.
    store.agree_release(one.id, zhang.clone()).await.unwrap();
    assert_eq!(store.open_holds().await.unwrap().len(), 1);
    let failure = ReleaseFailure { at: NOW, why: "x".repeat(2 * ReleaseFailure::WHY_MAX) };
    let failed = store.fail_release(one.id, failure).await.unwrap();
    assert_eq!((&failed.released, &failed.release_asked), (&None, &Some(li.clone())));
    assert_eq!(failed.release_failed.as_ref().map(|f| f.why.len()), Some(ReleaseFailure::WHY_MAX));
    let store = bench.reopened(store).await;
    assert_eq!((store.open_holds().await.unwrap().len(), store.hold(one.id).await.unwrap()), (2, Some(failed)));
    assert_eq!(store.refuse_release(one.id).await.unwrap().release_failed, None);
    store.ask_release(one.id, li.clone()).await.unwrap();
    let released = store.agree_release(one.id, zhang.clone()).await.unwrap();
    assert_eq!((&released.released, &released.release_failed), (&Some(zhang.clone()), &None));
    for done in [store.ask_release(one.id, li.clone()).await, store.agree_release(one.id, li).await] {
        assert_eq!(conflict(done), Some(Conflict::HoldReleased));
    }
    assert!(matches!(store.ask_release(Ulid::new(), zhang.clone()).await, Err(StoreError::NotFound)));
    let store = bench.reopened(store).await;
    assert_eq!(store.open_holds().await.unwrap(), [other.clone()]);
    assert_eq!(store.hold(one.id).await.unwrap(), Some(released));

    // A removed camera keeps its holds, and is not forgotten before they are released.
    store.remove_camera(camera.id, NOW).await.unwrap();
    assert_eq!(conflict(store.forget_camera(camera.id).await), Some(Conflict::CameraInUse));
    for _ in 2..HOLDS_PER_CAMERA_MAX {
        store.set_holds(vec![hold(camera.id)]).await.unwrap();
    }
    store.set_holds(vec![hold(camera.id)]).await.unwrap();
    assert_eq!(store.hold(one.id).await.unwrap(), None, "the released one made room");
    assert!(matches!(store.set_holds(vec![hold(camera.id)]).await, Err(StoreError::Full { .. })), "no open one does");
}

pub(super) async fn bookmarks_and_layouts(bench: &dyn Bench) {
    let (store, _, camera) = with_camera(bench).await;
    let mark = |at: i64| Bookmark {
        id: Ulid::new(),
        camera: camera.id,
        at: UnixMillis(at),
        text: format!("at {at}"),
        by: by(NOW),
    };
    let marks = [mark(30), mark(10), mark(20)];
    for mark in &marks {
        store.put_bookmark(mark.clone()).await.unwrap();
    }
    let moved = Bookmark { at: UnixMillis(15), text: "moved".into(), ..marks[0].clone() };
    store.put_bookmark(moved.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    let within = async |from, to| {
        let found = store.bookmarks(camera.id, UnixMillis(from)..UnixMillis(to)).await.unwrap();
        found.into_iter().map(|m| m.at.0).collect::<Vec<_>>()
    };
    assert_eq!(within(0, 100).await, [10, 15, 20]);
    assert_eq!(within(10, 20).await, [10, 15], "the end is not in it");
    assert_eq!(store.bookmark(moved.id).await.unwrap(), Some(moved.clone()));
    store.remove_bookmark(moved.id).await.unwrap();
    store.remove_bookmark(moved.id).await.unwrap();
    assert_eq!(store.bookmark(moved.id).await.unwrap(), None);
    let lost = Bookmark { camera: CameraId::generate(), ..mark(1) };
    assert!(matches!(store.put_bookmark(lost).await, Err(StoreError::NotFound)));
    for at in 2..BOOKMARKS_MAX {
        store.put_bookmark(mark(at as i64)).await.unwrap();
    }
    assert!(matches!(store.put_bookmark(mark(1)).await, Err(StoreError::Full { .. })));
    store.remove_camera(camera.id, NOW).await.unwrap();
    store.forget_camera(camera.id).await.unwrap();
    assert_eq!(within(0, i64::MAX).await, [0; 0], "forgotten with its camera");

    let me = AccountId::generate();
    let layout = |n: usize| {
        let content = serde_json::json!({ "tiles": 4, "cameras": [null, n] });
        Layout { id: Ulid::new(), account: me, name: format!("{n}"), content, saved: NOW }
    };
    let first = layout(0);
    store.put_layout(first.clone()).await.unwrap();
    let renamed = Layout { name: "巡查".into(), ..first.clone() };
    store.put_layout(renamed.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    assert_eq!(store.layouts(me).await.unwrap(), [renamed]);
    assert_eq!(store.layouts(AccountId::generate()).await.unwrap(), []);
    for n in 1..LAYOUTS_MAX {
        store.put_layout(layout(n)).await.unwrap();
    }
    assert!(matches!(store.put_layout(layout(99)).await, Err(StoreError::Full { .. })));
    let large = Layout { content: "x".repeat(LAYOUT_BYTES_MAX).into(), ..first.clone() };
    assert!(matches!(store.put_layout(large).await, Err(StoreError::TooLarge { .. })));
    store.remove_layout(AccountId::generate(), first.id).await.unwrap();
    assert_eq!(store.layouts(me).await.unwrap().len(), LAYOUTS_MAX, "another's is not mine to remove");
    store.remove_layout(me, first.id).await.unwrap();
    assert_eq!(store.layouts(me).await.unwrap().len(), LAYOUTS_MAX - 1);
}

pub(super) async fn alarms(bench: &dyn Bench) {
    let (store, place, one) = with_camera(bench).await;
    let two = camera(place, "考场 2");
    store.create_cameras(vec![two.clone()]).await.unwrap();
    let at = |s| NOW.plus(Duration::from_secs(s));
    let (frozen, new) = store.raise_alarm(one.id, HealthFault::Frozen, at(10)).await.unwrap();
    assert!(new);
    let again = store.raise_alarm(one.id, HealthFault::Frozen, at(11)).await.unwrap();
    assert_eq!(again, (frozen.clone(), false), "one alarm per fault");
    let (black, _) = store.raise_alarm(one.id, HealthFault::Black, at(20)).await.unwrap();
    let (other, _) = store.raise_alarm(two.id, HealthFault::Frozen, at(30)).await.unwrap();
    assert!(store.raise_alarm(CameraId::generate(), HealthFault::Frozen, NOW).await.is_err());
    let cleared = store.clear_alarm(one.id, HealthFault::Frozen, at(15)).await.unwrap().unwrap();
    assert_eq!((cleared.id, cleared.until), (frozen.id, Some(at(15))));
    assert_eq!(store.clear_alarm(one.id, HealthFault::Frozen, at(16)).await.unwrap(), None);
    let (second, new) = store.raise_alarm(one.id, HealthFault::Frozen, at(40)).await.unwrap();
    assert!(new && second.id != frozen.id, "it begins again");

    let (li, zhang) = (by(at(50)), by(at(51)));
    let change = AlarmChange { acknowledged: Some(li.clone()), note: Some("去看".into()), ..AlarmChange::default() };
    let (was, noted) = store.change_alarm(black.id, change).await.unwrap();
    assert_eq!((was, noted.note.as_str()), (black.clone(), "去看"));
    let handed = Some(Redacted("李".into()));
    let change = AlarmChange { acknowledged: Some(zhang), handed_to: handed.clone(), ..AlarmChange::default() };
    let (was, changed) = store.change_alarm(black.id, change).await.unwrap();
    assert_eq!(was, noted);
    let want = (Some(li), "去看", handed);
    assert_eq!((changed.acknowledged.clone(), changed.note.as_str(), changed.handed_to.clone()), want);
    // What is said of it at each place to which the camera was moved stands beside that.
    let there = (PlaceId::generate(), CameraGroup::Gate);
    let say = |there, note: Option<&str>, to: Option<&str>| {
        let (note, handed_to) = (note.map(str::to_owned), to.map(|name| Redacted(name.into())));
        store.change_alarm(black.id, AlarmChange { elsewhere: Some(there), note, handed_to, acknowledged: None })
    };
    assert_eq!(say(there, None, None).await.unwrap().1, changed, "nothing was said");
    say(there, Some("换线"), None).await.unwrap();
    say((there.0, CameraGroup::SealedRoom), Some("已封"), None).await.unwrap();
    let (_, both) = say(there, None, Some("王")).await.unwrap();
    let said: Vec<_> =
        both.elsewhere.iter().map(|s| (s.place, s.group, s.note.as_str(), s.handed_to.is_some())).collect();
    assert_eq!(said, [(there.0, there.1, "换线", true), (there.0, CameraGroup::SealedRoom, "已封", false)]);
    assert_eq!((&both.note, &both.handed_to), (&changed.note, &changed.handed_to));
    let changed = both;
    assert!(matches!(store.change_alarm(Ulid::new(), AlarmChange::default()).await, Err(StoreError::NotFound)));

    let store = bench.reopened(store).await;
    assert_eq!(store.alarm(black.id).await.unwrap(), Some(changed));
    let all = AlarmQuery { limit: 100, ..AlarmQuery::default() };
    let ids = async |query: AlarmQuery| -> Vec<Ulid> {
        store.alarms(query).await.unwrap().into_iter().map(|a| a.id).collect()
    };
    assert_eq!(ids(all.clone()).await, [second.id, other.id, black.id, frozen.id], "newest first");
    let page = ids(AlarmQuery { limit: 2, ..all.clone() }).await;
    let next = AlarmQuery { after: Some((other.since, page[1])), ..all.clone() };
    assert_eq!((page, ids(next).await), (vec![second.id, other.id], vec![black.id, frozen.id]));
    let cameras = Some(HashSet::from([two.id]));
    assert_eq!(ids(AlarmQuery { cameras, ..all.clone() }).await, [other.id]);
    assert_eq!(ids(AlarmQuery { open: true, ..all.clone() }).await, [second.id, other.id, black.id]);
    let touching = |from, to| AlarmQuery { from: Some(at(from)), to: Some(at(to)), ..all.clone() };
    assert_eq!(ids(touching(14, 21)).await, [black.id, frozen.id]);
    assert_eq!(ids(touching(16, 20)).await, [0_u128; 0].map(Ulid));
}

pub(super) async fn places_hold_cameras(bench: &dyn Bench) {
    let (store, root, _, _) = settled(bench).await;
    let site = place(Some(root.id), Level::ExamSite, "考点");
    store.put_place(site.clone()).await.unwrap();
    let gate = camera(site.id, "大门");
    store.create_cameras(vec![gate.clone()]).await.unwrap();
    store.remove_camera(gate.id, NOW).await.unwrap();
    assert_eq!(conflict(store.remove_place(site.id).await), Some(Conflict::PlaceInUse), "its footage is there");
    store.forget_camera(gate.id).await.unwrap();
    store.remove_place(site.id).await.unwrap();
    store.create_account(account("someone", vec![])).await.unwrap();
}
