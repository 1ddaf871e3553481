use super::*;
use crate::{adapt_recordings::RecordingsPort, assemble::Server, assemble::assemble};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use lectern_auth::{Session, TokenText};
use lectern_library::{Class, ClassEntry};
use lectern_media::{
    Codec, ExtSeq, ExtTimestamp, LessonId, ParticipantId, RecordingId, RoomId, TrackId, TrackInfo, TrackSource,
    tap::{TapHandle, TapPacket},
};
use lectern_protocol::api::{ClassMode, Repeat};
use lectern_signaling::{
    extract::COOKIE_PLAIN,
    http::router,
    ports::{LessonFacts, Recordings as _},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tower::ServiceExt as _;

/// A recording of a lesson that began this many days ago.
pub(crate) fn meta(ago_days: u64) -> RecordingMeta {
    RecordingMeta {
        id: RecordingId::generate(),
        lesson: LessonId::generate(),
        room: RoomId::generate(),
        class: None,
        place: None,
        places: vec![],
        teacher_account: None,
        title: "分数乘法".into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher: "王芳".into(),
        school: "东山村小学".into(),
        started: UnixMillis(UnixMillis::now().0 - ago_days as i64 * 24 * 3_600_000),
    }
}

/// Two seconds of a microphone.
pub(crate) fn speak(tap: &TapHandle, started: UnixMillis) {
    let (id, participant) = (TrackId::generate(), ParticipantId::generate());
    let info = TrackInfo { id, participant, source: TrackSource::Microphone, codec: Codec::Opus, layers: 1 };
    let mut sender = tap.start(&info).expect("the recorder reads");
    for i in 0..100 {
        sender.offer(TapPacket {
            track: id,
            seq: ExtSeq(i),
            timestamp: ExtTimestamp(i * 960),
            arrival: started.plus(Duration::from_millis(i * 20)),
            marker: false,
            keyframe: true,
            payload: Bytes::from(vec![0xfc, i as u8, 1]),
        });
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.media.listen = vec![([127, 0, 0, 1], 0).into()];
    config.storage.reserve_mib = 0;
    config
}

/// A server on a data directory, and its administrator.
struct Running {
    server: Server,
    cookie: String,
}

impl Running {
    async fn start(data: &DataDir) -> Self {
        let server = assemble(&config(), data, false, None).await.unwrap();
        server.library.first_run(UnixMillis::now()).await.unwrap();
        let admin = server.library.store().account_by_login("admin").await.unwrap().unwrap();
        let (token, session): (TokenText, Session) = Session::open(admin.id, UnixMillis::now());
        server.library.store().open_session(session).await.unwrap();
        Self { server, cookie: format!("{COOKIE_PLAIN}={}", token.expose()) }
    }

    async fn get(&self, path: &str) -> (StatusCode, Bytes) {
        let request = Request::builder().uri(path).header(header::COOKIE, &self.cookie).body(Body::empty()).unwrap();
        let answer = router(self.server.app.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        (status, axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, bytes) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn stop(self) {
        self.server.sfu.shutdown().await;
        self.server.library.store().close().await;
    }
}

/// What another process would find: the same files, without the locks that this one keeps until it ends.
fn taken_over(from: &Path) -> (tempfile::TempDir, DataDir) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to.join(entry.file_name())),
                false => _ = std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap(),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(from, dir.path());
    let data = DataDir::open(dir.path()).unwrap();
    (dir, data)
}

/// Lists the one recording and plays it, as the administrator.
async fn watch(running: &Running, school: &str) {
    let page = running.json("/api/v1/recordings").await;
    assert_eq!((&page["total"], &page["items"][0]["title"]), (&Value::from(1), &Value::from("分数乘法")), "{page}");
    let id = page["items"][0]["id"].as_str().unwrap();
    let detail = running.json(&format!("/api/v1/recordings/{id}")).await;
    assert_eq!(detail["school"], school);
    let playlist = detail["tracks"][0]["playlist"].as_str().unwrap();
    let (status, text) = running.get(playlist).await;
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(status, StatusCode::OK);
    let segment = text.lines().find(|line| line.ends_with(".m4s")).unwrap_or_else(|| panic!("{text}"));
    let segment = format!("/vod/{id}/{}", segment.trim_start_matches("../"));
    assert_eq!(running.get(&segment).await.0, StatusCode::OK, "{segment}");
}

async fn places(running: &Running) -> Vec<(String, usize)> {
    let tree = running.server.library.tree();
    let mut all: Vec<_> = tree.iter().map(|node| (node.name.clone(), tree.upward(node.id).count())).collect();
    all.sort();
    all
}

/// A class of a school in a city, recorded. Tells the recording.
async fn record(running: &Running) -> RecordingId {
    let library = &running.server.library;
    let mut parent = library.tree().root().unwrap();
    for (level, name) in [(Level::City, "成都"), (Level::School, "东山村小学"), (Level::Class, "六年级一班")]
    {
        let node = PlaceNode { id: PlaceId::generate(), parent: Some(parent), level, name: name.into() };
        parent = node.id;
        library.put_place(node).await.unwrap();
    }
    let admin = library.store().account_by_login("admin").await.unwrap().unwrap();
    let now = UnixMillis::now();
    let entry = ClassEntry {
        title: "分数乘法".into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher: admin.id,
        place: parent,
        mode: ClassMode::Dedicated,
        starts: now,
        duration_min: 40,
        repeat: Repeat::Once,
        until: None,
        waiting_room: false,
        record: true,
    };
    let class = library.create_classes(vec![Class::new(entry, now)]).await.unwrap().remove(0);
    let lesson = library.store().lessons_at(vec![(class.id, now)]).await.unwrap().remove(0);
    let facts = LessonFacts {
        class: class.id,
        lesson: lesson.id,
        room: class.room,
        title: class.entry.title.clone(),
        subject: class.entry.subject.clone(),
        grade: class.entry.grade.clone(),
        teacher: class.entry.teacher,
        teacher_name: "王芳".into(),
        place: parent,
        school: "东山村小学".into(),
        opened: UnixMillis(now.0 - 5_000),
    };
    let port = RecordingsPort(Arc::clone(&running.server.recorders));
    let id = port.start(&facts).await.unwrap();
    speak(&port.0.tap_of(id).unwrap(), facts.opened);
    port.finish(id).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_catalogue_is_rebuilt_so_that_its_administrator_sees_everything() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let running = Running::start(&data).await;
    record(&running).await;
    watch(&running, "东山村小学").await;
    let before = places(&running).await;
    assert_eq!(before.len(), 4);
    running.stop().await;

    // Lost.
    let (dir, data) = taken_over(dir.path());
    std::fs::remove_dir_all(catalogue_dir(dir.path())).unwrap();
    let rebuilt = rebuild(&config(), &data, false).await.unwrap();
    assert_eq!((rebuilt.recordings, rebuilt.places), (1, 4));
    let (dir, data) = taken_over(dir.path());
    let running = Running::start(&data).await;
    watch(&running, "东山村小学").await;
    assert_eq!(places(&running).await, before, "the tree is as it was");
    running.stop().await;

    // Damaged: neither the server nor a plain rebuild touches it.
    let (dir, data) = taken_over(dir.path());
    let journal = catalogue_dir(dir.path()).join("journal.jsonl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 40;
    bytes[second] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let refused = rebuild(&config(), &data, false).await.err().expect("it is damaged");
    assert!(format!("{refused:#}").contains("rebuild --new"), "{refused:#}");
    assert_eq!(std::fs::read(&journal).unwrap(), bytes, "it is left alone");
    let rebuilt = rebuild(&config(), &data, true).await.unwrap();
    assert_eq!(std::fs::read(rebuilt.aside.unwrap()).unwrap(), bytes, "and kept");
    let (_dir, data) = taken_over(dir.path());
    let running = Running::start(&data).await;
    watch(&running, "东山村小学").await;
    running.stop().await;
}

async fn empty_library(dir: &Path) -> Library {
    Library::open(dir, LibraryOptions::default()).await.unwrap()
}

#[tokio::test]
async fn recordings_of_before_come_back_under_their_schools_name() {
    let dir = tempfile::tempdir().unwrap();
    let library = empty_library(dir.path()).await;
    let place = PlaceId::generate();
    let known = RecordingMeta { place: Some(place), ..meta(1) };
    let nameless = RecordingMeta { place: Some(PlaceId::generate()), school: String::new(), ..meta(0) };
    let at = replant(&library, [&known, &nameless, &meta(2)].into_iter()).await.unwrap();
    assert_eq!(at.into_iter().collect::<Vec<_>>(), [(place, place)]);
    let tree = library.tree();
    let names: Vec<_> = tree.upward(place).map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["东山村小学", "全国"]);
    // With a tree there is nothing to do.
    replant(&library, [&known].into_iter()).await.unwrap();
    assert_eq!(library.tree().iter().count(), 2);
}

#[tokio::test]
async fn a_tree_that_was_begun_anew_takes_the_old_places_in() {
    let dir = tempfile::tempdir().unwrap();
    let library = empty_library(dir.path()).await;
    let root = library.plant_root().await.unwrap();
    let node = |parent, level, name: &str| PlaceNode { id: PlaceId::generate(), parent, level, name: name.into() };
    let nation = node(None, Level::Nation, "中国");
    let school = node(Some(nation.id), Level::School, "第一小学");
    let below = node(Some(school.id), Level::School, "不合适");
    let path = vec![nation, school.clone()];
    let fits = RecordingMeta { place: Some(school.id), places: path.clone(), ..meta(0) };
    let misfit = RecordingMeta { place: Some(below.id), places: [path, vec![below.clone()]].concat(), ..meta(1) };
    let at = replant(&library, [&fits, &misfit].into_iter()).await.unwrap();
    assert_eq!(at[&school.id], school.id);
    assert_eq!(at[&below.id], school.id, "what does not fit belongs to the place above");
    assert_eq!(library.tree().root(), Some(root));
}

#[test]
fn a_recording_of_an_unknown_place_belongs_to_the_root() {
    let state = State { duration_ms: 1, size_bytes: 1, status: RecordingStatus::Done };
    let root = PlaceNode { id: PlaceId::generate(), parent: None, level: Level::Nation, name: "全国".into() };
    let tree = PlaceTree::build([root.clone()]).unwrap();
    let lost = RecordingMeta { place: Some(PlaceId::generate()), ..meta(0) };
    for meta in [meta(0), lost, RecordingMeta { place: Some(root.id), ..meta(0) }] {
        assert_eq!(entry(&meta, &tree, state).unwrap().place, root.id);
    }
    assert_eq!(entry(&meta(0), &PlaceTree::default(), state), None, "there is no tree yet");
}
