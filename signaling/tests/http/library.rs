//! Recordings: found, watched, remembered, deleted, restored.

use crate::world::{NOW, SECRET, VIDEO, World, recording};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use lectern_library::Recording;
use lectern_media::{LessonId, UnixMillis};
use lectern_protocol::api::RecordingStatus;
use lectern_signaling::http::{UNDO_FOR, purge_deleted};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn recordings_are_found_by_what_was_said() {
    let w = World::new().await;
    let find = async |query: &str| w.get(&w.student, &format!("/api/v1/recordings?{query}")).await.json();
    for (query, want) in [
        ("", 1),
        ("q=%E5%88%86%E6%95%B0", 1),       // 分数
        ("q=%E4%B8%BA%E9%9B%B6", 1),       // 为零
        ("q=%E5%8C%96%E5%AD%A6", 0),       // 化学
        ("subject=%E6%95%B0%E5%AD%A6", 1), // 数学
        ("subject=%E8%AF%AD%E6%96%87", 0), // 语文
        ("subject=&teacher=&cursor=", 1),
    ] {
        let page = find(query).await;
        assert_eq!(
            (page["total"].as_u64(), page["items"].as_array().map(Vec::len)),
            (Some(want), Some(want as usize)),
            "{query}"
        );
    }
    let hit = find("q=%E4%B8%BA%E9%9B%B6").await;
    assert_eq!(hit["items"][0]["hit"], json!({"at_ms": 7000, "text": "分母为零怎么办"}));
    assert_eq!(find("place=nonsense").await["code"], "bad_request");
}

#[tokio::test]
async fn pages_follow_each_other() {
    let w = World::new().await;
    for i in 1..=30 {
        let r = Recording {
            started: UnixMillis(NOW.0 + i),
            ..recording(&w.class, LessonId::generate(), &format!("第{i}课"))
        };
        w.app.library.put_recording(r).await.unwrap();
    }
    let first = w.get(&w.staff, "/api/v1/recordings").await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["total"]), (24, &json!(31)));
    assert_eq!(first["items"][0]["title"], "第30课", "newest first");
    let next = first["next"].as_str().unwrap();
    let second = w.get(&w.staff, &format!("/api/v1/recordings?cursor={next}")).await.json();
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next"]), (7, &Value::Null));
    assert_eq!(second["items"][0]["title"], "第6课");
}

#[tokio::test]
async fn the_player_gets_tracks_chapters_and_where_one_stopped() {
    let w = World::new().await;
    let path = format!("/api/v1/recordings/{}", w.recording.id);
    let put = async |ms: Value| {
        w.ask(Some(&w.student), Method::PUT, &format!("{path}/position"), Some(json!({"position_ms": ms}))).await
    };
    assert_eq!(put(json!(5_000)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(put(json!(u64::MAX)).await.json()["field"], "position_ms");
    assert_eq!(put(json!(-1)).await.code(), "bad_json");
    let detail = w.get(&w.student, &path).await.json();
    assert_eq!(detail["position_ms"], 5_000);
    assert_eq!(w.get(&w.staff, &path).await.json()["position_ms"], Value::Null, "each has their own");
    assert_eq!(detail["tracks"][0]["playlist"], format!("/vod/{}/a/index.m3u8", w.recording.id));
    let kinds: Vec<_> =
        detail["chapters"].as_array().unwrap().iter().map(|c| (c["at_ms"].as_u64(), c["kind"].as_str())).collect();
    assert_eq!(kinds, [(Some(0), Some("start")), (Some(9_000), Some("screen_on"))]);
    assert_eq!(w.get(&w.student, "/api/v1/recordings").await.json()["items"][0]["position_ms"], 5_000);
}

#[tokio::test]
async fn bytes_come_whole_in_ranges_or_not_at_all() {
    let w = World::new().await;
    let fetch = async |path: &str, headers: &[(header::HeaderName, &str)]| {
        let mut request = w.request(Some(&w.student), &Method::GET, path, false).await;
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        w.send(request.body(Body::empty()).unwrap()).await
    };
    let path = format!("/vod/{}/a/1.cmf", w.recording.id);
    let whole = fetch(&path, &[]).await;
    assert_eq!((whole.status, &whole.bytes[..]), (StatusCode::OK, VIDEO));
    assert_eq!(whole.headers[header::ACCEPT_RANGES], "bytes");
    assert!(whole.headers[header::CACHE_CONTROL].to_str().unwrap().starts_with("private"));
    let part = fetch(&path, &[(header::RANGE, "bytes=4-7")]).await;
    assert_eq!((part.status, &part.bytes[..]), (StatusCode::PARTIAL_CONTENT, &VIDEO[4..8]));
    assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 4-7/16");
    let beyond = fetch(&path, &[(header::RANGE, "bytes=16-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.code().as_str()), (416, "bad_range"));
    let etag = whole.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(fetch(&path, &[(header::IF_NONE_MATCH, &etag)]).await.status, StatusCode::NOT_MODIFIED);
    let playlist = fetch(&format!("/vod/{}/a/index.m3u8", w.recording.id), &[]).await;
    assert_eq!(playlist.headers[header::CACHE_CONTROL], "private, no-cache");
    for bad in ["a/2.cmf", "../recording.json", "a/..%2f..%2fetc", "a/.hidden", "%00", &"x".repeat(300)] {
        let answer = fetch(&format!("/vod/{}/{bad}", w.recording.id), &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{bad}");
    }
    let download = fetch(&format!("/api/v1/recordings/{}/download", w.recording.id), &[]).await;
    assert_eq!(&download.bytes[..], VIDEO);
    let name = download.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(name.starts_with("attachment; filename*=UTF-8''2026-09-01%20") && name.ends_with(".mp4"), "{name}");
}

#[tokio::test]
async fn a_deletion_can_be_taken_back_for_ten_seconds() {
    let w = World::new().await;
    let path = format!("/api/v1/recordings/{}", w.recording.id);
    let delete = async || w.ask(Some(&w.teacher), Method::DELETE, &path, None).await.status;
    let restore = async || w.post(&w.teacher, &format!("{path}/restore"), json!(null)).await.status;
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    for gone in [path.clone(), format!("{path}/download"), format!("/vod/{}/a/1.cmf", w.recording.id)] {
        assert_eq!(w.get(&w.teacher, &gone).await.status, StatusCode::NOT_FOUND, "{gone}");
    }
    assert_eq!(w.get(&w.teacher, "/api/v1/recordings").await.json()["total"], 0);
    purge_deleted(&w.app, UnixMillis::now()).await;
    assert_eq!(restore().await, StatusCode::NO_CONTENT);
    assert_eq!(w.get(&w.teacher, &path).await.status, StatusCode::OK);
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    purge_deleted(&w.app, UnixMillis::now().plus(UNDO_FOR + UNDO_FOR)).await;
    assert_eq!(w.shelf.removed.lock().unwrap().as_slice(), [w.recording.id], "the files go with it");
    assert_eq!(restore().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_deleted_stays_deleted_while_its_files_can_t_be_removed() {
    let w = World::new().await;
    let path = format!("/api/v1/recordings/{}", w.recording.id);
    w.ask(Some(&w.teacher), Method::DELETE, &path, None).await;
    let late = UnixMillis::now().plus(UNDO_FOR + UNDO_FOR);
    w.shelf.stuck.store(true, Ordering::Relaxed);
    purge_deleted(&w.app, late).await;
    let restored = w.post(&w.teacher, &format!("{path}/restore"), json!(null)).await;
    assert_eq!(restored.status, StatusCode::NOT_FOUND, "some of its files may be gone");
    assert_eq!(w.get(&w.teacher, "/api/v1/recordings").await.json()["total"], 0);
    // What registers it again, such as sealing it, brings nothing back.
    w.app.library.put_recording(w.recording.clone()).await.unwrap();
    assert_eq!(w.get(&w.teacher, "/api/v1/recordings").await.json()["total"], 0);
    w.shelf.stuck.store(false, Ordering::Relaxed);
    purge_deleted(&w.app, late).await;
    assert_eq!(w.shelf.removed.lock().unwrap().as_slice(), [w.recording.id]);
    assert_eq!(w.app.library.store().recording(w.recording.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_running_recording_is_not_deleted() {
    let w = World::new().await;
    let live = Recording { status: RecordingStatus::Live, ..w.recording.clone() };
    w.app.library.put_recording(live).await.unwrap();
    let refused =
        w.ask(Some(&w.teacher), Method::DELETE, &format!("/api/v1/recordings/{}", w.recording.id), None).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "conflict"));
    assert!(w.get(&w.teacher, "/api/v1/recordings").await.text().contains(SECRET));
}
