//! A small authority with people in it, and a router to ask.

use crate::patrol::{Site, patrol};
use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use bytes::Bytes;
use lectern_auth::{
    Action, CameraGroup, CameraRule, Keyring, Level, PlaceNode, Redacted, Role, RoleAt, RuleEffect, RuleScope,
    SealedFor, SealingKeys, Session, session::csrf_token,
};
use lectern_library::{
    Account, AttendanceRow, Bookmark, By, Camera, Class, ClassEntry, Hold, Layout, Lesson, Library, LibraryOptions,
    Recording, TextLine, Webhook,
};
use lectern_media::{
    AccountId, CameraId, LessonId, ParticipantId, PeerId, PlaceId, RecordingId, RoomId, TrackId, TrackSource,
    UnixMillis,
};
use lectern_protocol::{
    api::{CameraTransport, ClassEvent, ClassMode, HealthFault, RecordedTrack, RecordingStatus, Repeat, TimelineEvent},
    ws::{LineAssignment, PublishLine, RoomRole},
};
use lectern_signaling::{
    app::{App, AppState, Settings},
    extract::{COOKIE_PLAIN, CSRF_HEADER},
    http::router,
    hub::{HubConfig, Rooms},
    ports::{
        DownloadChoice, IceCredentials, LessonFacts, MediaError, MediaPlane, PortError, Published, RecordingFacts,
        RecordingFiles, Recordings, Served, ServedBody, Subscribed,
    },
};
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tower::ServiceExt as _;
use ulid::Ulid;

/// Stands in every name that only the people of the first school may learn.
pub const SECRET: &str = "凤凰";
/// What a recording's video file holds.
pub const VIDEO: &[u8] = b"0123456789abcdef";

/// No media plane.
struct NoMedia;

#[async_trait]
impl MediaPlane for NoMedia {
    async fn publish(
        &self,
        _: RoomId,
        _: ParticipantId,
        _: Option<PeerId>,
        _: &str,
        _: &[PublishLine],
    ) -> Result<Published, MediaError> {
        Err(MediaError::Busy)
    }

    async fn subscribe(
        &self,
        _: RoomId,
        _: ParticipantId,
        _: Option<PeerId>,
        _: &str,
    ) -> Result<Subscribed, MediaError> {
        Err(MediaError::Busy)
    }

    async fn assign(&self, _: PeerId, _: &[LineAssignment]) {}
    async fn audio_only(&self, _: PeerId, _: bool) {}
    async fn mute(&self, _: RoomId, _: TrackId, _: bool) {}
    async fn unpublish(&self, _: RoomId, _: TrackId) {}
    async fn restart_ice(&self, _: PeerId, _: IceCredentials) -> Result<IceCredentials, MediaError> {
        Err(MediaError::UnknownPeer)
    }
    async fn close_peer(&self, _: PeerId) {}
    async fn close_room(&self, _: RoomId) {}
}

/// No recorder, but recordings that can be read: each holds one track with a few bytes.
#[derive(Default)]
pub struct Shelf {
    /// Which were removed.
    pub removed: Mutex<Vec<RecordingId>>,
    /// Nothing can be removed now.
    pub stuck: AtomicBool,
}

fn nothing() -> PortError {
    PortError { part: "recorder", what: "record", cause: "there is none".into() }
}

#[async_trait]
impl Recordings for Shelf {
    async fn start(&self, _: &LessonFacts) -> Result<RecordingId, PortError> {
        Err(nothing())
    }
    async fn resume(&self, _: RoomId, _: RecordingId) -> Result<(), PortError> {
        Err(nothing())
    }
    fn event(&self, _: RecordingId, _: UnixMillis, _: &ClassEvent) {}
    async fn suspend(&self, _: RecordingId) -> Result<(), PortError> {
        Ok(())
    }
    async fn finish(&self, _: RecordingId) -> Result<(), PortError> {
        Ok(())
    }
}

fn served(content_type: &'static str, bytes: &'static [u8], immutable: bool) -> Served {
    Served {
        content_type,
        len_bytes: bytes.len() as u64,
        body: ServedBody::Bytes(Bytes::from_static(bytes)),
        immutable,
    }
}

#[async_trait]
impl RecordingFiles for Shelf {
    async fn facts(&self, _: RecordingId) -> Result<Option<RecordingFacts>, PortError> {
        let who = ParticipantId::generate();
        let track = RecordedTrack {
            track: TrackId::generate(),
            name: format!("{SECRET}老师"),
            teacher: true,
            source: TrackSource::Camera,
            codec: "avc1.42e01f".into(),
            from_ms: 0,
            to_ms: 60_000,
            playlist: Some("a/index.m3u8".into()),
            webm: None,
            width: 1280,
            height: 720,
        };
        let on = ClassEvent::Screen { participant: who, name: "王芳".into(), on: true };
        Ok(Some(RecordingFacts {
            started: NOW,
            duration: Duration::from_secs(61),
            status: RecordingStatus::Done,
            size_bytes: 99,
            tracks: vec![track],
            gaps: vec![],
            events: vec![TimelineEvent { at_ms: 9_000, event: on }],
        }))
    }

    async fn open(&self, _: RecordingId, path: &str) -> Result<Option<Served>, PortError> {
        Ok(match path {
            "a/index.m3u8" => Some(served("application/vnd.apple.mpegurl", b"#EXTM3U\n", false)),
            "a/1.cmf" => Some(served("video/mp4", VIDEO, true)),
            _ => None,
        })
    }

    async fn download(&self, _: RecordingId, _: &DownloadChoice) -> Result<Option<Served>, PortError> {
        Ok(Some(served("video/mp4", VIDEO, true)))
    }

    async fn remove(&self, recording: RecordingId) -> Result<(), PortError> {
        if self.stuck.load(Ordering::Relaxed) {
            return Err(nothing());
        }
        self.removed.lock().unwrap().push(recording);
        Ok(())
    }
}

pub const NOW: UnixMillis = UnixMillis(1_788_220_800_000);

/// Someone who asks.
#[derive(Debug, Clone)]
pub struct Person {
    pub account: Account,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The authority: a nation; in it two schools, the first with a class, a lesson and a recording.
pub struct World {
    _dir: tempfile::TempDir,
    pub app: App,
    pub shelf: Arc<Shelf>,
    pub root: PlaceId,
    pub school: PlaceId,
    pub other_school: PlaceId,
    pub admin: Person,
    pub head: Person,
    pub teacher: Person,
    pub staff: Person,
    pub student: Person,
    /// Everything there is to be, at the other school.
    pub outsider: Person,
    pub class: Class,
    pub lesson: Lesson,
    pub recording: Recording,
    /// A camera of the first school, with everything that can hang on one.
    pub watched: Watched,
}

/// A camera, and what hangs on it.
#[derive(Debug, Clone)]
pub struct Watched {
    pub camera: CameraId,
    pub bookmark: Ulid,
    pub hold: Ulid,
    pub alarm: Ulid,
    pub layout: Ulid,
    pub webhook: Ulid,
    pub rule: Ulid,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings { guests: true, ..Settings::default() }).await
    }

    pub async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = Arc::new(Library::open(dir.path(), LibraryOptions::default()).await.unwrap());
        library.first_run(NOW).await.unwrap();
        let root = library.tree().root().unwrap();
        let school = place(&library, root, Level::School, &format!("{SECRET}小学")).await;
        let other_school = place(&library, root, Level::School, "第七中学").await;
        let admin = Person { account: library.store().account_by_login("admin").await.unwrap().unwrap() };
        let person = async |login: &str, roles: &[Role], place| {
            let roles = roles.iter().map(|role| RoleAt { role: *role, place }).collect();
            let name = if place == school { format!("{SECRET}{login}") } else { login.to_owned() };
            Person { account: account(&library, login, &name, roles).await }
        };
        let head = person("head", &[Role::Administrator], school).await;
        let teacher = person("wang.fang", &[Role::Teacher], school).await;
        let staff = person("staff", &[Role::Staff], school).await;
        let student = person("student", &[Role::Student], school).await;
        let outsider = person("outsider", &Role::ALL, other_school).await;

        let entry = entry(teacher.account.id, school);
        let class = library.create_classes(vec![Class::new(entry, NOW)]).await.unwrap().remove(0);
        let lesson = library.store().lessons_at(vec![(class.id, NOW)]).await.unwrap().remove(0);
        let present = AttendanceRow {
            participant: ParticipantId::generate(),
            account: None,
            name: Redacted(format!("{SECRET}小明")),
            role: RoomRole::Student,
            from: NOW,
            to: None,
        };
        library.store().put_attendance(lesson.id, vec![present]).await.unwrap();
        let recording = recording(&class, lesson.id, &format!("{SECRET}分数乘法"));
        library.put_recording(recording.clone()).await.unwrap();
        let said = TextLine { at_ms: 7_000, text: "分母为零怎么办".into() };
        library.put_lines(recording.id, vec![said]).await.unwrap();

        let watched = watched(&library, school, &admin, &staff, &teacher).await;
        let shelf = Arc::new(Shelf::default());
        let media: Arc<dyn MediaPlane> = Arc::new(NoMedia);
        let rooms = Rooms::new(HubConfig {
            media: Arc::clone(&media),
            recordings: shelf.clone(),
            library: Arc::clone(&library),
            participants_max: 10,
            stage_max: 2,
            away_end: Duration::from_secs(60),
            live_max: Duration::from_secs(8 * 3_600),
        });
        let site = Arc::new(Site::default());
        let app = App::new(AppState {
            patrol: patrol(&site, &library, dir.path()),
            settings,
            keys: Keyring::generate(),
            library,
            media,
            recordings: shelf.clone(),
            files: shelf.clone(),
            rooms,
            limits: Default::default(),
            sign_in: Default::default(),
            sessions: Default::default(),
            metrics: Box::new(String::new),
        });
        Self {
            _dir: dir,
            app,
            shelf,
            root,
            school,
            other_school,
            admin,
            head,
            teacher,
            staff,
            student,
            outsider,
            class,
            lesson,
            recording,
            watched,
        }
    }

    pub fn router(&self) -> Router {
        router(self.app.clone())
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    /// A request with a session of this person (a new one each time) and its CSRF token, unless told otherwise.
    pub async fn request(
        &self,
        who: Option<&Person>,
        method: &Method,
        path: &str,
        csrf: bool,
    ) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            let (token, mut session) = Session::open(who.account.id, UnixMillis::now());
            // The second factor was shown: what it is asked for is in the tests of exam patrol.
            session.second_factor = Some(session.created);
            self.app.library.store().open_session(session).await.unwrap();
            request = request.header(header::COOKIE, format!("{COOKIE_PLAIN}={}", token.expose()));
            if csrf {
                request = request.header(CSRF_HEADER, csrf_token(&token));
            }
        }
        request
    }

    /// Asks with a JSON body, or none.
    pub async fn ask(&self, who: Option<&Person>, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(who, &method, path, true).await;
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.ask(Some(who), Method::GET, path, None).await
    }

    pub async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.ask(Some(who), Method::POST, path, Some(body)).await
    }
}

async fn place(library: &Library, parent: PlaceId, level: Level, name: &str) -> PlaceId {
    let place = PlaceNode { id: PlaceId::generate(), parent: Some(parent), level, name: name.into() };
    let id = place.id;
    library.put_place(place).await.unwrap();
    id
}

async fn account(library: &Library, login: &str, name: &str, roles: Vec<RoleAt>) -> Account {
    let account = Account {
        id: AccountId::generate(),
        login: login.into(),
        name: Redacted(name.into()),
        roles,
        disabled: false,
        password: None,
        created: NOW,
    };
    library.store().create_account(account.clone()).await.unwrap();
    account
}

fn entry(teacher: AccountId, place: PlaceId) -> ClassEntry {
    ClassEntry {
        title: format!("{SECRET}课"),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher,
        place,
        mode: ClassMode::Dedicated,
        starts: NOW,
        duration_min: 40,
        repeat: Repeat::Weekly,
        until: None,
        waiting_room: false,
        record: true,
    }
}

async fn watched(library: &Library, place: PlaceId, admin: &Person, staff: &Person, teacher: &Person) -> Watched {
    let camera = Camera {
        id: CameraId::generate(),
        place,
        name: format!("{SECRET}一号考场"),
        group: CameraGroup::ExamRoom,
        code: None,
        main_url: "rtsp://10.1.1.1/main".into(),
        sub_url: Some("rtsp://10.1.1.1/sub".into()),
        transport: CameraTransport::Tcp,
        username: format!("{SECRET}user"),
        password: None,
        bitrate_max_kbps: 6_000,
        enabled: true,
        record: true,
        created: NOW,
        removed: None,
        stays: vec![],
    };
    let id = camera.id;
    library.create_cameras(vec![camera]).await.unwrap();
    let store = library.store();
    let by = |who: &Person| By { account: who.account.id, name: who.account.name.clone(), at: NOW };
    let (bookmark, hold, layout, webhook, rule) = (Ulid::new(), Ulid::new(), Ulid::new(), Ulid::new(), Ulid::new());
    let text = format!("{SECRET}交头接耳");
    store.put_bookmark(Bookmark { id: bookmark, camera: id, at: NOW, text, by: by(admin) }).await.unwrap();
    let held = Hold {
        id: hold,
        camera: id,
        from: NOW,
        to: NOW.plus(Duration::from_secs(60)),
        why: format!("{SECRET}复核"),
        set: by(staff),
        release_asked: None,
        released: None,
        release_failed: None,
    };
    store.set_holds(vec![held]).await.unwrap();
    let (alarm, _) = store.raise_alarm(id, HealthFault::Frozen, NOW).await.unwrap();
    let content = serde_json::json!({"tiles": 4, "cameras": [id], "tour": null});
    let saved = Layout { id: layout, account: admin.account.id, name: "布局".into(), content, saved: NOW };
    store.put_layout(saved).await.unwrap();
    let hook = Webhook {
        id: webhook,
        url: format!("https://{SECRET}.example/"),
        place,
        secret: SealingKeys::generate().seal_bytes(SealedFor::Webhook(webhook), b"x").unwrap(),
        events: vec![],
        created: NOW,
        delivered: None,
        failed: None,
    };
    store.put_webhook(hook).await.unwrap();
    let shown = CameraRule {
        id: rule,
        account: teacher.account.id,
        scope: RuleScope::Camera(id),
        actions: vec![Action::ViewCamera],
        effect: RuleEffect::Allow,
        windows: vec![],
    };
    library.put_camera_rule(shown).await.unwrap();
    Watched { camera: id, bookmark, hold, alarm: alarm.id, layout, webhook, rule }
}

pub fn recording(class: &Class, lesson: LessonId, title: &str) -> Recording {
    Recording {
        id: RecordingId::generate(),
        lesson,
        class: class.id,
        place: class.entry.place,
        teacher: class.entry.teacher,
        title: title.into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher_name: format!("{SECRET}王芳"),
        school: format!("{SECRET}小学"),
        started: NOW,
        duration_ms: 61_000,
        status: RecordingStatus::Done,
        size_bytes: 99,
        deleted: None,
    }
}
