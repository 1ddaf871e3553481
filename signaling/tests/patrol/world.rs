//! A city with two sites and their cameras, and one person for each role at each place.

use crate::common::{Site, patrol};
use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use bytes::Bytes;
use lectern_auth::{
    CameraGroup, Keyring, Level, PlaceNode, Redacted, Role, RoleAt, Session, TokenText, session::csrf_token,
};
use lectern_library::{Account, By, Camera, CameraChange, Hang, Library, LibraryOptions};
use lectern_media::{AccountId, CameraId, ParticipantId, PeerId, PlaceId, RecordingId, RoomId, TrackId, UnixMillis};
use lectern_protocol::{
    api::{CameraTransport, ClassEvent},
    ws::{LineAssignment, PublishLine},
};
use lectern_signaling::{
    app::{App, AppState, Settings},
    extract::{COOKIE_PLAIN, CSRF_HEADER},
    http::router,
    hub::{HubConfig, Rooms},
    ports::*,
};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tower::ServiceExt as _;

/// Nothing else runs on this server.
struct Nothing;

fn none<T>() -> Result<T, MediaError> {
    Err(MediaError::Busy)
}

#[async_trait]
impl MediaPlane for Nothing {
    async fn publish(
        &self,
        _: RoomId,
        _: ParticipantId,
        _: Option<PeerId>,
        _: &str,
        _: &[PublishLine],
    ) -> Result<Published, MediaError> {
        none()
    }
    async fn subscribe(
        &self,
        _: RoomId,
        _: ParticipantId,
        _: Option<PeerId>,
        _: &str,
    ) -> Result<Subscribed, MediaError> {
        none()
    }
    async fn assign(&self, _: PeerId, _: &[LineAssignment]) {}
    async fn audio_only(&self, _: PeerId, _: bool) {}
    async fn mute(&self, _: RoomId, _: TrackId, _: bool) {}
    async fn unpublish(&self, _: RoomId, _: TrackId) {}
    async fn restart_ice(&self, _: PeerId, _: IceCredentials) -> Result<IceCredentials, MediaError> {
        none()
    }
    async fn close_peer(&self, _: PeerId) {}
    async fn close_room(&self, _: RoomId) {}
}

fn fault() -> PortError {
    PortError { part: "recorder", what: "record", cause: "there is none".into() }
}

#[async_trait]
impl Recordings for Nothing {
    async fn start(&self, _: &LessonFacts) -> Result<RecordingId, PortError> {
        Err(fault())
    }
    async fn resume(&self, _: RoomId, _: RecordingId) -> Result<(), PortError> {
        Err(fault())
    }
    fn event(&self, _: RecordingId, _: UnixMillis, _: &ClassEvent) {}
    async fn suspend(&self, _: RecordingId) -> Result<(), PortError> {
        Ok(())
    }
    async fn finish(&self, _: RecordingId) -> Result<(), PortError> {
        Ok(())
    }
}

#[async_trait]
impl RecordingFiles for Nothing {
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

pub const NOW: UnixMillis = UnixMillis(1_788_220_800_000);

/// Somebody with a session.
#[derive(Debug, Clone)]
pub struct Person {
    pub account: Account,
    pub token: TokenText,
}

impl Person {
    pub fn cookie(&self) -> String {
        format!("{COOKIE_PLAIN}={}", self.token.expose())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
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

pub struct World {
    _dir: tempfile::TempDir,
    pub app: App,
    pub site: Arc<Site>,
    pub router: axum::Router,
    pub root: PlaceId,
    pub city: PlaceId,
    /// Two sites.
    pub sites: [PlaceId; 2],
    /// Of each site one camera of each group.
    pub cameras: Vec<(CameraId, usize, CameraGroup)>,
    pub admin: Person,
}

impl World {
    /// Where exports lie.
    pub fn exports(&self) -> std::path::PathBuf {
        self._dir.path().join("exports")
    }

    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = Arc::new(Library::open(dir.path(), LibraryOptions::default()).await.unwrap());
        library.first_run(NOW).await.unwrap();
        let root = library.tree().root().unwrap();
        let city = place(&library, root, Level::City, "成都").await;
        let sites = [
            place(&library, city, Level::ExamSite, "一中考点").await,
            place(&library, city, Level::ExamSite, "七中考点").await,
        ];
        let mut cameras = Vec::new();
        for (n, site) in sites.iter().enumerate() {
            for group in CameraGroup::ALL {
                let camera = camera(*site, group);
                cameras.push((camera.id, n, group));
                library.create_cameras(vec![camera]).await.unwrap();
            }
        }
        let site = Arc::new(Site::default());
        let media: Arc<dyn MediaPlane> = Arc::new(Nothing);
        let rooms = Rooms::new(HubConfig {
            media: Arc::clone(&media),
            recordings: Arc::new(Nothing),
            library: Arc::clone(&library),
            participants_max: 10,
            stage_max: 2,
            away_end: Duration::from_secs(60),
            live_max: Duration::from_secs(8 * 3_600),
        });
        let admin = library.store().account_by_login("admin").await.unwrap().unwrap();
        let app = App::new(AppState {
            patrol: patrol(&site, &library, dir.path()),
            settings: Settings::default(),
            keys: Keyring::generate(),
            library,
            media,
            recordings: Arc::new(Nothing),
            files: Arc::new(Nothing),
            rooms,
            limits: Default::default(),
            sign_in: Default::default(),
            sessions: Default::default(),
            metrics: Box::new(String::new),
        });
        app.patrol.start().await.unwrap();
        let admin = session(&app, admin, true).await;
        Self { _dir: dir, site, router: router(app.clone()), app, root, city, sites, cameras, admin }
    }

    /// Somebody with this role there, who showed the second factor.
    pub async fn person(&self, login: &str, roles: &[(Role, PlaceId)]) -> Person {
        let account = Account {
            id: AccountId::generate(),
            login: login.into(),
            name: Redacted(login.to_uppercase()),
            roles: roles.iter().map(|(role, place)| RoleAt { role: *role, place: *place }).collect(),
            disabled: false,
            password: None,
            created: NOW,
        };
        self.app.library.store().create_account(account.clone()).await.unwrap();
        session(&self.app, account, true).await
    }

    /// Another session of the same person.
    pub async fn again(&self, who: &Person, factor: bool) -> Person {
        session(&self.app, who.account.clone(), factor).await
    }

    pub async fn ask(&self, who: Option<&Person>, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.header(header::COOKIE, who.cookie()).header(CSRF_HEADER, csrf_token(&who.token));
        }
        let request = match body {
            Some(Value::String(csv)) => request.header(header::CONTENT_TYPE, "text/csv").body(Body::from(csv)),
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, bytes: axum::body::to_bytes(body, 16 << 20).await.unwrap() }
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.ask(Some(who), Method::GET, path, None).await
    }

    pub async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.ask(Some(who), Method::POST, path, Some(body)).await
    }

    pub fn camera(&self, site: usize, group: CameraGroup) -> CameraId {
        self.cameras.iter().find(|(_, s, g)| *s == site && *g == group).unwrap().0
    }

    /// Hangs a camera elsewhere.
    pub async fn moved(&self, camera: CameraId, place: PlaceId, group: CameraGroup, at: UnixMillis) {
        let by = By { account: self.admin.account.id, name: self.admin.account.name.clone(), at };
        let change = CameraChange { hang: Some(Hang { place, group, by }), ..CameraChange::default() };
        self.app.library.change_camera(camera, change).await.unwrap();
    }

    /// A real server on loopback, for sockets.
    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        addr
    }

    /// What is in the audit log by now.
    pub async fn log(&self) -> Vec<lectern_signaling::patrol::trail::Act> {
        self.app.patrol.trail().flush().await;
        self.site.acts()
    }
}

async fn session(app: &App, account: Account, factor: bool) -> Person {
    let (token, mut session) = Session::open(account.id, UnixMillis::now());
    session.second_factor = factor.then_some(session.created);
    app.library.store().open_session(session).await.unwrap();
    Person { account, token }
}

async fn place(library: &Library, parent: PlaceId, level: Level, name: &str) -> PlaceId {
    let place = PlaceNode { id: PlaceId::generate(), parent: Some(parent), level, name: name.into() };
    let id = place.id;
    library.put_place(place).await.unwrap();
    id
}

pub fn camera(place: PlaceId, group: CameraGroup) -> Camera {
    let id = CameraId::generate();
    Camera {
        id,
        place,
        name: format!("摄像机 {id}"),
        group,
        code: None,
        main_url: "rtsp://10.1.1.1/main".into(),
        sub_url: Some("rtsp://10.1.1.1/sub".into()),
        transport: CameraTransport::Tcp,
        username: "operator".into(),
        password: None,
        bitrate_max_kbps: 6_000,
        enabled: true,
        record: true,
        created: NOW,
        removed: None,
        stays: vec![],
    }
}
