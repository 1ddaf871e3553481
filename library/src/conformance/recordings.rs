//! Recordings, positions, states of rooms.

use super::{Bench, NOW, entry, settled};
use crate::{
    error::StoreError,
    model::{Class, Position, Recording, RecordingSummary, TextLine},
    store::ROOM_STATE_BYTES_MAX,
};
use lectern_media::{AccountId, ClassId, LessonId, PlaceId, RecordingId, RoomId};
use lectern_protocol::api::RecordingStatus;

fn recording(place: PlaceId, lesson: LessonId) -> Recording {
    Recording {
        id: RecordingId::generate(),
        lesson,
        class: ClassId::generate(),
        place,
        teacher: AccountId::generate(),
        title: "分数乘法".into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher_name: "王芳".into(),
        school: "第一小学".into(),
        started: NOW,
        duration_ms: 1,
        status: RecordingStatus::Live,
        size_bytes: 2,
        deleted: None,
    }
}

fn line(at_ms: u64, text: &str) -> TextLine {
    TextLine { at_ms, text: text.into() }
}

pub(super) async fn facts_and_lines(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let lesson = store.lessons_at(vec![(class.id, NOW)]).await.unwrap().remove(0);
    let mut r = recording(school.id, lesson.id);
    assert!(matches!(store.put_lines(r.id, vec![]).await, Err(StoreError::NotFound)));
    store.put_recording(r.clone()).await.unwrap();
    assert_eq!(store.lesson(lesson.id).await.unwrap().unwrap().recording, Some(r.id), "the lesson knows it");
    assert!(store.remove_place(school.id).await.is_err(), "a recording holds its place");
    store.put_lines(r.id, vec![line(5, "为什么？\n\"因为\"")]).await.unwrap();
    r.duration_ms = 77;
    store.put_recording(r.clone()).await.unwrap();
    let other = recording(school.id, LessonId::generate());
    store.put_recording(other.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    assert_eq!(store.recording(r.id).await.unwrap().as_ref(), Some(&r));
    assert_eq!(store.recording(RecordingId::generate()).await.unwrap(), None);
    let all = store.recordings(None, 10).await.unwrap();
    let mut want = vec![
        RecordingSummary { recording: r.clone(), lines: vec![line(5, "为什么？\n\"因为\"")] },
        RecordingSummary { recording: other, lines: vec![] },
    ];
    want.sort_by_key(|s| s.recording.id);
    assert_eq!(all, want, "facts keep the lines, in the order of ids");
    assert_eq!(store.recordings(Some(all[0].recording.id), 10).await.unwrap(), all[1..]);
    assert_eq!(store.recordings(None, 1).await.unwrap(), all[..1]);
    let facts = store.recording_facts(None, 10).await.unwrap();
    assert!(facts.iter().eq(all.iter().map(|s| &s.recording)), "the same, without lines");
    assert_eq!(store.recording_facts(Some(facts[0].id), 10).await.unwrap(), facts[1..]);

    store.put_lines(r.id, vec![line(0, "x"); TextLine::LINES_MAX + 1]).await.unwrap();
    let long = "长".repeat(TextLine::BYTES_MAX / 3 / 4);
    let kept = async |id| {
        let all = store.recordings(None, 10).await.unwrap();
        all.into_iter().find(|s| s.recording.id == id).unwrap().lines.len()
    };
    assert_eq!(kept(r.id).await, TextLine::LINES_MAX);
    store.put_lines(r.id, vec![line(0, &long); 9]).await.unwrap();
    assert_eq!(kept(r.id).await, 4, "text is bounded too");
}

pub(super) async fn added_lines(bench: &dyn Bench) {
    let (store, _, school, _) = settled(bench).await;
    let r = recording(school.id, LessonId::generate());
    assert!(matches!(store.add_lines(r.id, 0, vec![]).await, Err(StoreError::NotFound)));
    store.put_recording(r.clone()).await.unwrap();
    let lines =
        |range: std::ops::Range<u64>| -> Vec<TextLine> { range.map(|i| line(i, &format!("第{i}句"))).collect() };
    store.put_lines(r.id, lines(0..2)).await.unwrap();
    store.add_lines(r.id, 2, lines(2..4)).await.unwrap();
    // Made again with more, because its answer was lost.
    store.add_lines(r.id, 2, lines(2..5)).await.unwrap();
    store.add_lines(r.id, 5, lines(5..12)).await.unwrap();
    let store = bench.reopened(store).await;
    let read = async || store.recordings(None, 10).await.unwrap().remove(0).lines;
    assert_eq!(read().await, lines(0..12));
    store.add_lines(r.id, TextLine::LINES_MAX, lines(0..1)).await.unwrap();
    assert_eq!(read().await.len(), 12, "beyond the limit nothing is kept");
    store.put_lines(r.id, lines(0..1)).await.unwrap();
    assert_eq!(read().await, lines(0..1), "replaced as a whole");
}

pub(super) async fn deletion(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let lesson = store.lessons_at(vec![(class.id, NOW)]).await.unwrap().remove(0);
    let r = recording(school.id, lesson.id);
    store.put_recording(r.clone()).await.unwrap();
    assert_eq!(store.mark_deleted(r.id, Some(NOW)).await.unwrap().deleted, Some(NOW));
    store.put_recording(r.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    let kept = store.recording(r.id).await.unwrap().unwrap();
    assert_eq!(kept.deleted, Some(NOW), "new facts don't take a deletion back");
    assert_eq!(store.mark_deleted(r.id, None).await.unwrap().deleted, None);
    assert!(!store.purge_recording(r.id).await.unwrap(), "restored, so not purged");
    assert!(!store.begin_purge(r.id).await.unwrap(), "nor begun to be");
    store.mark_deleted(r.id, Some(NOW)).await.unwrap();
    store.add_lines(r.id, 0, vec![line(1, "再见")]).await.unwrap();
    let position = Position { position_ms: 5, at: NOW };
    store.set_position(teacher.id, r.id, position).await.unwrap();
    assert!(store.begin_purge(r.id).await.unwrap() && store.begin_purge(r.id).await.unwrap());
    let store = bench.reopened(store).await;
    assert!(matches!(store.mark_deleted(r.id, None).await, Err(StoreError::NotFound)), "now it is final");
    assert!(store.purge_recording(r.id).await.unwrap());
    assert!(!store.purge_recording(r.id).await.unwrap());
    assert!(store.positions(teacher.id, vec![r.id]).await.unwrap().is_empty(), "positions go with it");
    store.put_recording(r.clone()).await.unwrap();
    assert_eq!(store.recordings(None, 10).await.unwrap()[0].lines, [], "and lines");
    store.mark_deleted(r.id, Some(NOW)).await.unwrap();
    store.mark_deleted(r.id, None).await.unwrap();
    store.mark_deleted(r.id, Some(NOW)).await.unwrap();
    assert!(store.purge_recording(r.id).await.unwrap());
    assert_eq!(store.recording(r.id).await.unwrap(), None);
    assert_eq!(store.lesson(lesson.id).await.unwrap().unwrap().recording, None, "the lesson forgets it");
    assert!(matches!(store.mark_deleted(r.id, None).await, Err(StoreError::NotFound)));
}

pub(super) async fn replacement(bench: &dyn Bench) {
    let (store, _, school, _) = settled(bench).await;
    let stale = recording(school.id, LessonId::generate());
    store.put_recording(stale.clone()).await.unwrap();
    store.put_lines(stale.id, vec![line(0, "旧")]).await.unwrap();
    let keep = recording(school.id, LessonId::generate());
    store.put_recording(keep.clone()).await.unwrap();
    let mut summaries: Vec<RecordingSummary> = (0..40)
        .map(|i| RecordingSummary {
            recording: recording(school.id, LessonId::generate()), lines: vec![line(i, "新")]
        })
        .chain([RecordingSummary { recording: keep, lines: vec![] }])
        .collect();
    store.replace_recordings(summaries.clone()).await.unwrap();
    let store = bench.reopened(store).await;
    summaries.sort_by_key(|s| s.recording.id);
    assert_eq!(store.recordings(None, 100).await.unwrap(), summaries);
}

pub(super) async fn positions(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let r = recording(school.id, LessonId::generate());
    let position = |position_ms| Position { position_ms, at: NOW };
    let unknown = store.set_position(teacher.id, r.id, position(1)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
    store.put_recording(r.clone()).await.unwrap();
    let other = AccountId::generate();
    store.set_position(teacher.id, r.id, position(1)).await.unwrap();
    store.set_position(teacher.id, r.id, position(2)).await.unwrap();
    store.set_position(other, r.id, position(9)).await.unwrap();
    let store = bench.reopened(store).await;
    let found = store.positions(teacher.id, vec![RecordingId::generate(), r.id]).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(r.id, position(2))]);
    assert!(store.positions(teacher.id, vec![]).await.unwrap().is_empty());
}

pub(super) async fn rooms(bench: &dyn Bench) {
    let store = bench.fresh().await;
    let (a, b) = (RoomId::generate(), RoomId::generate());
    store.put_room(a, "{\"chat\": [1,\n 2]}".into()).await.unwrap();
    store.put_room(b, "{}".into()).await.unwrap();
    store.put_room(a, "{\"chat\":[1,\n2,3]}".into()).await.unwrap();
    assert!(matches!(store.put_room(a, "not json".into()).await, Err(StoreError::Record { .. })));
    let large = format!("\"{}\"", "x".repeat(ROOM_STATE_BYTES_MAX));
    assert!(matches!(store.put_room(a, large).await, Err(StoreError::TooLarge { .. })));
    let store = bench.reopened(store).await;
    let mut rooms = store.rooms().await.unwrap();
    rooms.sort();
    let mut want = vec![(a, "{\"chat\":[1,2,3]}".to_owned()), (b, "{}".to_owned())];
    want.sort();
    assert_eq!(rooms, want);
    store.remove_room(a).await.unwrap();
    store.remove_room(a).await.unwrap();
    assert_eq!(store.rooms().await.unwrap(), [(b, "{}".to_owned())]);
    // Many states of one room: the journal is compacted rather than growing without end.
    let state = format!("{{\"text\":\"{}\"}}", "长".repeat(100_000));
    for _ in 0..60 {
        store.put_room(b, state.clone()).await.unwrap();
    }
    let store = bench.reopened(store).await;
    assert_eq!(store.rooms().await.unwrap(), [(b, state)]);
}
