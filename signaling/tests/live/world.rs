//! One class with its teacher, a server on a loopback port, and parts beside it that take notes.

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use futures::{SinkExt as _, StreamExt as _};
use lectern_auth::{Grant, GrantRole, Keyring, Purpose, Redacted, Role, RoleAt, Session, session::csrf_token};
use lectern_library::{Account, Class, ClassEntry, Library, LibraryOptions};
use lectern_media::{
    AccountId, Codec, ParticipantId, PeerId, RecordingId, RoomId, TrackId, TrackInfo, TrackKind, UnixMillis,
};
use lectern_protocol::{
    api::{ClassEvent, ClassMode, Repeat},
    ws::{ClientMessage, LineAssignment, PublishLine, ServerMessage},
};
use lectern_signaling::{
    app::{App, AppState, Settings},
    extract::{COOKIE_PLAIN, CSRF_HEADER},
    http::router,
    hub::{HubConfig, Rooms},
    ports::*,
};
use parking_lot::Mutex;
use serde_json::Value;
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use tower::ServiceExt as _;

/// A media plane that says yes and writes down what it was told.
#[derive(Default)]
pub struct Notes {
    pub published: Mutex<Vec<(PeerId, Vec<TrackInfo>)>>,
    pub assigned: Mutex<Vec<(PeerId, Vec<LineAssignment>)>>,
    pub closed: Mutex<Vec<PeerId>>,
    pub busy: Mutex<bool>,
    pub dead: Mutex<bool>,
    /// While a test holds it, offers are not answered.
    pub gate: tokio::sync::Mutex<()>,
}

pub const ANSWER: &str =
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 7788 typ host\r\n";

impl Notes {
    fn check(&self, sdp: &str) -> Result<(), MediaError> {
        match sdp {
            _ if *self.busy.lock() => Err(MediaError::Busy),
            _ if sdp.contains("a=unusable") => Err(MediaError::BadOffer("unusable".into())),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl MediaPlane for Notes {
    async fn publish(
        &self,
        _: RoomId,
        participant: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
        lines: &[PublishLine],
    ) -> Result<Published, MediaError> {
        let _open = self.gate.lock().await;
        self.check(sdp)?;
        let track = |l: &PublishLine| TrackInfo {
            id: TrackId::generate(),
            participant,
            source: l.source,
            codec: if l.source.kind() == TrackKind::Video { Codec::Vp8 } else { Codec::Opus },
            layers: 1,
        };
        let (peer, tracks): (_, Vec<_>) =
            (replaces.unwrap_or_else(PeerId::generate), lines.iter().map(track).collect());
        self.published.lock().push((peer, tracks.clone()));
        Ok(Published { peer, sdp: ANSWER.into(), tracks })
    }

    async fn subscribe(
        &self,
        _: RoomId,
        _: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
    ) -> Result<Subscribed, MediaError> {
        self.check(sdp)?;
        Ok(Subscribed { peer: replaces.unwrap_or_else(PeerId::generate), sdp: ANSWER.into() })
    }

    async fn assign(&self, peer: PeerId, lines: &[LineAssignment]) {
        self.assigned.lock().push((peer, lines.to_vec()));
    }
    async fn audio_only(&self, _: PeerId, _: bool) {}
    async fn mute(&self, _: RoomId, _: TrackId, _: bool) {}
    async fn unpublish(&self, _: RoomId, _: TrackId) {}
    async fn restart_ice(&self, _: PeerId, _: IceCredentials) -> Result<IceCredentials, MediaError> {
        Ok(IceCredentials { ufrag: "newfrag".into(), pwd: "newpassword0123456789ab".into() })
    }
    async fn close_peer(&self, peer: PeerId) {
        self.closed.lock().push(peer);
    }
    async fn close_room(&self, _: RoomId) {}
    fn media_alive(&self) -> bool {
        !*self.dead.lock()
    }
}

/// A recorder that writes down what it was told.
#[derive(Default)]
pub struct Tape {
    pub log: Mutex<Vec<String>>,
    pub events: Mutex<Vec<ClassEvent>>,
    /// While a test holds it, recordings do not start.
    pub gate: tokio::sync::Mutex<()>,
    /// How many starts fail from now on.
    pub failing: Mutex<u32>,
}

#[async_trait]
impl Recordings for Tape {
    async fn start(&self, facts: &LessonFacts) -> Result<RecordingId, PortError> {
        let _open = self.gate.lock().await;
        let mut failing = self.failing.lock();
        if *failing > 0 {
            *failing -= 1;
            self.log.lock().push("no start".into());
            return Err(PortError { part: "the recorder", what: "start", cause: "the disk is full".into() });
        }
        self.log.lock().push(format!("start {}", facts.title));
        Ok(RecordingId::generate())
    }
    async fn resume(&self, _: RoomId, recording: RecordingId) -> Result<(), PortError> {
        self.log.lock().push(format!("resume {recording}"));
        Ok(())
    }
    fn event(&self, _: RecordingId, _: UnixMillis, event: &ClassEvent) {
        self.events.lock().push(event.clone());
    }
    async fn suspend(&self, recording: RecordingId) -> Result<(), PortError> {
        self.log.lock().push(format!("suspend {recording}"));
        Ok(())
    }
    async fn finish(&self, recording: RecordingId) -> Result<(), PortError> {
        self.log.lock().push(format!("finish {recording}"));
        Ok(())
    }
}

/// No archive.
struct Empty;

#[async_trait]
impl RecordingFiles for Empty {
    async fn facts(&self, _: RecordingId) -> Result<Option<RecordingFacts>, PortError> {
        Ok(None)
    }
    async fn open(&self, _: RecordingId, _: &str) -> Result<Option<Served>, PortError> {
        Ok(None)
    }
    async fn download(&self, _: RecordingId, _: &DownloadChoice) -> Result<Option<Served>, PortError> {
        Ok(None)
    }
    async fn remove(&self, _: RecordingId) -> Result<(), PortError> {
        Ok(())
    }
}

pub struct World {
    pub app: App,
    pub media: Arc<Notes>,
    pub tape: Arc<Tape>,
    pub class: Class,
    pub teacher: AccountId,
    pub addr: SocketAddr,
    pub dir: Arc<tempfile::TempDir>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A world whose class is changed before anybody sees it.
    pub async fn with(change: impl FnOnce(&mut ClassEntry)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let library = open(dir.path()).await;
        library.first_run(UnixMillis::now()).await.unwrap();
        let place = library.tree().root().unwrap();
        let teacher = AccountId::generate();
        let account = Account {
            id: teacher,
            login: "wang".into(),
            name: Redacted("王老师".into()),
            roles: vec![RoleAt { role: Role::Teacher, place }],
            disabled: false,
            password: None,
            created: UnixMillis::now(),
        };
        library.store().create_account(account).await.unwrap();
        let mut entry = ClassEntry {
            title: "分数乘法".into(),
            subject: "数学".into(),
            grade: "六年级".into(),
            teacher,
            place,
            mode: ClassMode::Dedicated,
            starts: UnixMillis::now(),
            duration_min: 40,
            repeat: Repeat::Once,
            until: None,
            waiting_room: false,
            record: true,
        };
        change(&mut entry);
        let class = library.create_classes(vec![Class::new(entry, UnixMillis::now())]).await.unwrap().remove(0);
        Self::serve(library, Keyring::generate(), class, teacher, dir, |_| ()).await
    }

    async fn serve(
        library: Arc<Library>,
        keys: Keyring,
        class: Class,
        teacher: AccountId,
        dir: Arc<tempfile::TempDir>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (media, tape): (Arc<Notes>, Arc<Tape>) = Default::default();
        let rooms = Rooms::new(HubConfig {
            media: media.clone(),
            recordings: tape.clone(),
            library: library.clone(),
            participants_max: 3,
            stage_max: 2,
            away_end: Duration::from_secs(900),
            live_max: Duration::from_secs(8 * 3_600),
        });
        let mut settings =
            Settings { guests: true, ice_servers: vec!["stun:stun.example:3478".into()], ..Settings::default() };
        change(&mut settings);
        let app = App::new(AppState {
            patrol: crate::patrol::patrol(&Arc::default(), &library, dir.path()),
            settings,
            keys,
            library,
            media: media.clone(),
            recordings: tape.clone(),
            files: Arc::new(Empty),
            rooms,
            limits: Default::default(),
            sign_in: Default::default(),
            sessions: Default::default(),
            metrics: Box::new(String::new),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { app, media, tape, class, teacher, addr, dir }
    }

    /// The server ends (in order, or as if killed) and another begins on what is on disk at that moment.
    pub async fn restarted(self, in_order: bool) -> Self {
        if in_order {
            self.app.rooms.close().await;
            self.app.library.store().close().await;
        }
        let dir = Arc::new(tempfile::tempdir().unwrap());
        copy(self.dir.path(), dir.path());
        let library = open(dir.path()).await;
        Self::serve(library, self.app.keys.clone(), self.class, self.teacher, dir, |_| ()).await
    }

    /// The server ends in order and begins again with other settings.
    pub async fn restarted_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.app.rooms.close().await;
        self.app.library.store().close().await;
        let dir = Arc::new(tempfile::tempdir().unwrap());
        copy(self.dir.path(), dir.path());
        let library = open(dir.path()).await;
        Self::serve(library, self.app.keys.clone(), self.class, self.teacher, dir, change).await
    }

    pub fn router(&self) -> Router {
        router(self.app.clone())
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Joins by link, as a stranger or with a session.
    pub async fn join(&self, account: Option<AccountId>, body: Value) -> Answer {
        self.join_code(&self.class.code, account, body).await
    }

    pub async fn join_code(&self, code: &str, account: Option<AccountId>, body: Value) -> Answer {
        let mut request =
            Request::post(format!("/api/v1/classes/{code}/join")).header(header::CONTENT_TYPE, "application/json");
        if let Some(account) = account {
            request = self.signed_in(request, account).await;
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn signed_in(
        &self,
        request: axum::http::request::Builder,
        account: AccountId,
    ) -> axum::http::request::Builder {
        let (token, session) = Session::open(account, UnixMillis::now());
        self.app.library.store().open_session(session).await.unwrap();
        request
            .header(header::COOKIE, format!("{COOKIE_PLAIN}={}", token.expose()))
            .header(CSRF_HEADER, csrf_token(&token))
    }

    /// A device token, made through the API.
    pub async fn device_token(&self) -> String {
        self.device_token_to("publish").await
    }

    /// A device token for this purpose, made through the API by the teacher.
    pub async fn device_token_to(&self, purpose: &str) -> String {
        let answer = self.devices(Method::POST, serde_json::json!({ "purpose": purpose })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// Asks for, or (`DELETE`) about, the class's device tokens as its teacher.
    pub async fn devices(&self, method: Method, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(format!("/api/v1/classes/{}/device-token", self.class.id));
        let request = self.signed_in(request, self.teacher).await.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub fn grant(&self, role: GrantRole, purpose: Purpose) -> Grant {
        Grant {
            room: self.class.room,
            participant: ParticipantId::generate(),
            role,
            name: "某人".into(),
            account: None,
            expires: UnixMillis::now().plus(Duration::from_secs(60)),
            purpose,
            generation: 0,
        }
    }

    /// A socket that has said hello as someone of this role.
    pub async fn enter(&self, role: GrantRole) -> Socket {
        let grant = self.grant(role, Purpose::Join);
        self.enter_with(&grant).await
    }

    pub async fn enter_with(&self, grant: &Grant) -> Socket {
        let mut socket = self.dial().await;
        socket.say(ClientMessage::Hello { version: 1, grant: self.app.keys.sign(grant) }).await;
        socket
    }

    pub async fn dial(&self) -> Socket {
        let (stream, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", self.addr)).await.unwrap();
        Socket { stream }
    }

    pub async fn whip(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Waits until `found` sees what it looks for.
    pub async fn until<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(t) = found(self) {
                    return t;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), looking).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

async fn open(dir: &Path) -> Arc<Library> {
    Arc::new(Library::open(dir, LibraryOptions::default()).await.unwrap())
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A client's socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub async fn say(&mut self, message: ClientMessage) {
        self.say_text(serde_json::to_string(&message).unwrap()).await;
    }

    /// Says anything; a socket that the server has closed meanwhile takes nothing, which the next `hear` shows.
    pub async fn say_text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.ok();
    }

    pub async fn ping(&mut self) {
        self.stream.send(Message::Ping(Default::default())).await.ok();
    }

    pub async fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::binary(bytes)).await.ok();
    }

    /// The next message that `pick` takes; others are passed over.
    pub async fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(ServerMessage) -> Option<T>) -> T {
        let listening = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message = serde_json::from_str(&text).expect("a server message");
                        if let Some(t) = pick(message) {
                            return t;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("{what}: the socket ended with {other:?}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), listening).await.unwrap_or_else(|_| panic!("never heard: {what}"))
    }

    /// Whether the socket ends without a further text.
    pub async fn ends(&mut self) -> bool {
        let ending = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(_))) => return false,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return true,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ending).await.unwrap_or(false)
    }
}
