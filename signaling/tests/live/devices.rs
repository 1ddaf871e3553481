//! Tokens for OBS, recording hosts and players: what each is good for, and taking them back.

use crate::world::{Answer, World};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use lectern_library::{Class, ClassEntry};
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::ws::LessonState;
use serde_json::json;

const SENDS: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789012345678901\r\n";
const RECEIVES: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789012345678901\r\n";

async fn post(w: &World, token: &str, path: &str, offer: &str) -> Answer {
    let auth = format!("Bearer {token}");
    w.whip(Method::POST, path, &[("authorization", &auth), ("content-type", "application/sdp")], offer).await
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn whoever_may_watch_may_not_publish() {
    let w = World::new().await;
    let (whip, whep) = (format!("/whip/{}", w.class.room), format!("/whep/{}", w.class.room));
    let publish = w.devices(Method::POST, json!({ "purpose": "publish" })).await.json();
    let watch = w.devices(Method::POST, json!({ "purpose": "watch" })).await.json();
    assert_eq!(
        (&publish["whip"], &publish["whep"], &publish["purpose"]),
        (&json!(whip), &json!(whep), &json!("publish"))
    );
    assert_eq!((&watch["whip"], &watch["whep"], &watch["purpose"]), (&json!(null), &json!(whep), &json!("watch")));
    let hours = watch["expires"].as_i64().map(|at| (at - UnixMillis::now().0 + 1_800_000) / 3_600_000);
    assert_eq!(hours, Some(12), "it says until when it is valid");
    assert_eq!(w.devices(Method::POST, json!({ "purpose": "rule" })).await.code(), "bad_json");
    assert_eq!(w.devices(Method::POST, json!({})).await.code(), "bad_json", "nobody gets more than was asked for");

    let (publish, watch) = (publish["token"].as_str().unwrap(), watch["token"].as_str().unwrap());
    assert_eq!(refused(&post(&w, watch, &whip, SENDS).await), (403, "grant_foreign".into()));
    assert_eq!(post(&w, publish, &whip, SENDS).await.status, StatusCode::CREATED);
    assert_eq!(post(&w, watch, &whep, RECEIVES).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn revoking_ends_what_devices_do_and_their_tokens() {
    let w = World::new().await;
    let (whip, whep) = (format!("/whip/{}", w.class.room), format!("/whep/{}", w.class.room));
    let (publish, watch) = (w.device_token_to("publish").await, w.device_token_to("watch").await);
    assert_eq!(post(&w, &publish, &whip, SENDS).await.status, StatusCode::CREATED);
    assert_eq!(post(&w, &watch, &whep, RECEIVES).await.status, StatusCode::CREATED);
    assert_eq!(w.devices(Method::DELETE, json!(null)).await.status, StatusCode::NO_CONTENT);
    w.until("both sessions are closed", |w| (w.media.closed.lock().len() == 2).then_some(())).await;
    for (token, path, offer) in [(&publish, &whip, SENDS), (&publish, &whep, RECEIVES), (&watch, &whep, RECEIVES)] {
        assert_eq!(refused(&post(&w, token, path, offer).await), (401, "grant_invalid".into()));
    }
    let fresh = w.device_token_to("watch").await;
    assert_eq!(post(&w, &fresh, &whep, RECEIVES).await.status, StatusCode::CREATED, "those made afterwards are good");
}

/// The offer is with the media plane while the tokens are revoked: nothing of it stands afterwards.
#[tokio::test]
async fn a_device_that_is_let_in_while_its_token_is_revoked_is_closed() {
    let w = World::new().await;
    let token = w.device_token().await;
    let path = format!("/whip/{}", w.class.room);
    let held = w.media.gate.lock().await;
    let revoking = async {
        // The room is opened after the token was looked at for the first time.
        w.until("the offer is under way", |w| w.app.rooms.opened(w.class.room)).await;
        assert_eq!(w.devices(Method::DELETE, json!(null)).await.status, StatusCode::NO_CONTENT);
        drop(held);
    };
    let (answer, ()) = tokio::join!(post(&w, &token, &path, SENDS), revoking);
    assert_eq!(refused(&answer), (401, "grant_invalid".into()));
    let peer = w.media.published.lock()[0].0;
    assert_eq!(*w.media.closed.lock(), [peer]);
    let facts = w.app.rooms.opened(w.class.room).unwrap().facts().await.unwrap();
    assert_eq!((facts.state, facts.present), (LessonState::Scheduled, 0), "and the class was not opened by it");
}

#[tokio::test]
async fn removing_a_class_ends_what_its_devices_do() {
    let w = World::new().await;
    let token = w.device_token().await;
    assert_eq!(post(&w, &token, &format!("/whip/{}", w.class.room), SENDS).await.status, StatusCode::CREATED);
    let admin = w.app.library.store().account_by_login("admin").await.unwrap().unwrap();
    let path = format!("/api/v1/classes/{}", w.class.id);
    let request = w.signed_in(Request::delete(&path), admin.id).await;
    assert_eq!(w.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::NO_CONTENT);
    w.until("the device's session is closed", |w| (w.media.closed.lock().len() == 1).then_some(())).await;
}

#[tokio::test]
async fn another_teacher_ends_what_the_devices_of_the_one_before_do() {
    let w = World::new().await;
    let token = w.device_token().await;
    assert_eq!(post(&w, &token, &format!("/whip/{}", w.class.room), SENDS).await.status, StatusCode::CREATED);
    let admin = w.app.library.store().account_by_login("admin").await.unwrap().unwrap();
    let path = format!("/api/v1/classes/{}", w.class.id);
    let request = w.signed_in(Request::get(&path), admin.id).await;
    let mut class = w.send(request.body(Body::empty()).unwrap()).await.json();
    class["teacher"] = json!(admin.id);
    let request = w.signed_in(Request::put(&path), admin.id).await.header("content-type", "application/json");
    let changed = w.send(request.body(Body::from(class.to_string())).unwrap()).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    w.until("the device's session is closed", |w| (w.media.closed.lock().len() == 1).then_some(())).await;
}

#[tokio::test]
async fn another_teacher_and_a_removed_class_revoke_as_well() {
    let w = World::new().await;
    let path = format!("/whip/{}", w.class.room);
    let Class { id, entry, .. } = w.class.clone();
    let library = &w.app.library;
    let old = w.device_token().await;
    library.change_class(id, ClassEntry { teacher: AccountId::generate(), ..entry.clone() }).await.unwrap();
    assert_eq!(refused(&post(&w, &old, &path, SENDS).await), (401, "grant_invalid".into()), "its teacher was replaced");
    library.change_class(id, entry).await.unwrap();
    let new = w.device_token().await;
    library.remove_class(id, Some(UnixMillis::now())).await.unwrap();
    assert_eq!(refused(&post(&w, &new, &path, SENDS).await), (401, "grant_invalid".into()), "the class is gone");
    library.remove_class(id, None).await.unwrap();
    assert_eq!(post(&w, &new, &path, SENDS).await.status, StatusCode::CREATED, "and back again");
}
