//! The thin shell of `/ws/wall`: one task per socket. It checks origin, session, size, form and rate of what comes in, asks
//! the core, and carries out what that intends.

use super::{
    About, NEWS_MAX, News,
    core::{self, Look, Output, Sight, Ticket, Wall},
    enter, has_peer, leave,
};
use crate::{
    app::App,
    error::{ApiError, Code},
    extract::{Caller, ClientAddr, session_token},
    http::origin_is_ours,
    patrol::{
        Patrol,
        access::Viewer,
        routes,
        trail::{Act, What, Who},
    },
    ports::{MediaError, Subscribed},
    room::{Bucket, Rate},
};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use lectern_auth::{Action, TokenText, second_factor_good, session::csrf_matches};
use lectern_media::{CameraId, ParticipantId, UnixMillis};
use lectern_protocol::{
    api::{AuditAction, CameraStatus},
    wall::{MESSAGE_LEN_BYTES_MAX, TileRefusal, WallMessage, WallRequest},
};
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// A wall says hello within this time or goes.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A ping goes out this often.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A socket from which nothing came for this long is dead.
const SILENT_MAX: Duration = Duration::from_secs(40);
/// A message that a socket does not take within this time means that it is dead.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Messages waiting for one socket: at the limit it is too slow, and ends.
const OUTBOX_MAX: usize = 1_024;
/// How often everything that is shown is asked for again. A right that ends stops its tile within five seconds.
const RECHECK_EVERY: Duration = Duration::from_secs(2);
/// How often time passes for the core.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// What one wall may say.
const MESSAGES: Rate = Rate { burst: 60.0, per_second: 20.0 };

/// `GET /ws/wall`
pub(crate) async fn upgrade(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    addr: ClientAddr,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    // Browsers don't apply the same-origin rule to WebSockets (RFC 6455 §10.2): the server has to.
    if headers.get(header::ORIGIN).is_some_and(|origin| !origin_is_ours(origin, &uri, &headers, &app)) {
        return ApiError::new(Code::ForeignOrigin, "sockets are opened by our own pages only").into_response();
    }
    if let Err(wait) = app.limits.sockets.take(addr, std::time::Instant::now()) {
        return ApiError::retry(Code::TooOften, wait, "too many sockets from this address").into_response();
    }
    let token = session_token(&headers, app.settings.tls);
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(MESSAGE_LEN_BYTES_MAX)
            .max_frame_size(MESSAGE_LEN_BYTES_MAX)
            .on_upgrade(move |socket| run(app.patrol.clone(), token, addr, socket)),
        Err(e) => ApiError::new(Code::BadRequest, e.body_text()).into_response(),
    }
}

async fn run(patrol: Patrol, token: Option<TokenText>, addr: ClientAddr, socket: WebSocket) {
    let (sink, mut stream) = socket.split();
    let (outbox, inbox) = mpsc::channel(OUTBOX_MAX);
    let writer = tokio::spawn(write(sink, inbox));
    let code = match timeout(HELLO_WITHIN, hello(&patrol, token, addr, &mut stream)).await {
        Ok(Ok(wall)) => serve(wall, &mut stream, &outbox).await,
        Ok(Err((who, code))) => {
            if let Some(code) = code {
                // Whoever is turned away at the door is written down as everywhere else.
                let action = AuditAction::Refused;
                patrol.trail().refused(UnixMillis::now(), who, action, What::default(), &format!("wall:{code}"));
            }
            code
        }
        Err(_) => Some("protocol_error"),
    };
    if let Some(code) = code {
        metrics::counter!("lectern_patrol_walls_closed_total", "reason" => code).increment(1);
        let last = WallMessage::Closed { code: code.to_owned() };
        if outbox.try_send(text(&last)).is_err() {
            tracing::trace!("the socket went before its last message");
        }
    }
    drop(outbox);
    if let Err(error) = writer.await {
        tracing::error!(%error, "a wall's writer failed");
    }
}

struct Served {
    patrol: Patrol,
    token: TokenText,
    who: Who,
    id: u64,
    participant: ParticipantId,
    news: mpsc::Receiver<News>,
    viewer: Viewer,
}

/// Waits for the first message and lets the wall in. `Err((_, None))`: the client went away by itself.
async fn hello(
    patrol: &Patrol,
    token: Option<TokenText>,
    addr: ClientAddr,
    stream: &mut SplitStream<WebSocket>,
) -> Result<Served, (Who, Option<&'static str>)> {
    let stranger = || Who { address: addr.0.to_string(), ..Who::default() };
    let first = loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err((stranger(), Some("protocol_error"))),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err((stranger(), None)),
        }
    };
    let request = serde_json::from_str::<WallRequest>(&first).map_err(|_| (stranger(), Some("protocol_error")))?;
    let token = token.ok_or_else(|| (stranger(), Some("not_authorised")))?;
    core::hello(&request, |csrf| csrf_matches(&token, csrf)).map_err(|code| (stranger(), Some(code)))?;
    let caller = patrol.caller(&token).await.ok_or_else(|| (stranger(), Some("signed_out")))?;
    let who = routes::who(&caller, addr);
    let viewer = Viewer::new(patrol, &caller);
    if !viewer.patrols() {
        return Err((who, Some("not_authorised")));
    }
    if !second_factor_good(caller.second_factor, UnixMillis::now()) {
        return Err((who, Some("needs_second_factor")));
    }
    let (tx, news) = mpsc::channel(NEWS_MAX);
    let id = enter(patrol, caller.account, tx).map_err(|code| (who.clone(), Some(code)))?;
    let participant = ParticipantId::generate();
    tracing::info!(wall = id, account = %caller.account, "opened a wall");
    Ok(Served { patrol: patrol.clone(), token, who, id, participant, news, viewer })
}

type Answered = (Ticket, Result<Subscribed, MediaError>);

/// What happened, one thing at a time.
enum Event {
    Said(Option<Result<Message, axum::Error>>),
    News(Option<News>),
    Answered(Answered),
    Recheck,
    Tick,
    Silent,
}

/// Serves the wall until it ends. Gives the code with which it ends, unless the client went away by itself.
async fn serve(
    mut served: Served,
    stream: &mut SplitStream<WebSocket>,
    outbox: &mpsc::Sender<Utf8Bytes>,
) -> Option<&'static str> {
    let (answered, mut answers) = mpsc::channel::<Answered>(4);
    let mut wall = Wall::default();
    let mut rights = served.patrol.0.rights.subscribe();
    let (mut recheck, mut tick) = (interval(RECHECK_EVERY), interval(TICK_EVERY));
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let opened = Instant::now();
    let mut messages = Bucket::full(MESSAGES, Duration::ZERO);
    let mut offers = Bucket::full(Rate::OFFER, Duration::ZERO);
    let mut deadline = opened + SILENT_MAX;
    let welcome =
        WallMessage::Welcome { now: UnixMillis::now(), watermark: format!("{} {}", served.who.name, served.who.login) };
    let mut out = vec![Output::Send(welcome)];
    let mut closing = None;
    let code = loop {
        match served.carry_out(&mut wall, &mut out, outbox, &answered).await {
            Ok(()) => {}
            Err(code) => break code,
        }
        let event = tokio::select! {
            said = stream.next() => Event::Said(said),
            news = served.news.recv() => Event::News(news),
            Some(answer) = answers.recv() => Event::Answered(answer),
            Ok(()) = rights.changed() => Event::Recheck,
            _ = recheck.tick() => Event::Recheck,
            _ = tick.tick() => Event::Tick,
            () = tokio::time::sleep_until(deadline) => Event::Silent,
        };
        let now = UnixMillis::now();
        match event {
            Event::Said(said) => {
                deadline = Instant::now() + SILENT_MAX;
                let text = match said {
                    Some(Ok(Message::Text(text))) => Some(text),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                    Some(Ok(Message::Binary(_))) => break Some("protocol_error"),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                };
                if !messages.take(opened.elapsed()) {
                    metrics::counter!("lectern_patrol_wall_messages_refused_total", "reason" => "flood").increment(1);
                    break Some("protocol_error");
                }
                let Some(text) = text else { continue };
                let Ok(request) = serde_json::from_str::<WallRequest>(&text) else {
                    metrics::counter!("lectern_patrol_wall_messages_refused_total", "reason" => "json").increment(1);
                    break Some("protocol_error");
                };
                if let WallRequest::Offer { req, .. } = request
                    && !offers.take(opened.elapsed())
                {
                    let detail = "too many offers".to_owned();
                    out.push(Output::Send(WallMessage::Refused { req, code: "too_often".into(), detail }));
                    continue;
                }
                if matches!(request, WallRequest::Show { .. } | WallRequest::Listen { .. }) && !served.look_anew().await
                {
                    break Some("signed_out");
                }
                wall.request(now, request, &served.sight(), &mut out);
            }
            Event::News(Some(News::Tell(message, about))) => {
                if let Some(message) = served.concerned(&message, about) {
                    out.push(Output::Send(message));
                }
            }
            Event::News(Some(News::Media(event))) => wall.media(now, &event, &served.sight(), &mut out),
            Event::News(Some(News::Close(done))) => {
                closing = Some(done);
                break Some("server_restart");
            }
            Event::News(None) => break Some("server_restart"),
            Event::Answered((ticket, answer)) => {
                let answer = answer.map(|a| (a.peer, a.sdp)).map_err(|e| match &e {
                    MediaError::BadOffer(why) => ("bad_offer", why.clone()),
                    MediaError::UnknownPeer => ("unknown_peer", e.to_string()),
                    MediaError::Busy => ("busy", e.to_string()),
                });
                wall.answered(now, ticket, answer, &mut out);
                has_peer(&served.patrol, served.id, wall.peer());
            }
            Event::Recheck => {
                if !served.look_anew().await {
                    break Some("signed_out");
                }
                wall.recheck(now, &served.sight(), &mut out);
            }
            Event::Tick => {
                wall.tick(now, &served.sight(), &mut out);
                // News of a line is dropped when there is too much of it at once.
                for event in wall.peer().into_iter().flat_map(|peer| served.patrol.0.planes.lines(peer)) {
                    wall.media(now, &event, &served.sight(), &mut out);
                }
            }
            Event::Silent => break Some("protocol_error"),
        }
    };
    leave(&served.patrol, served.id);
    let mut out = vec![];
    wall.end(UnixMillis::now(), &mut out);
    // The socket may be gone; what is left concerns the media plane and the audit log.
    if served.carry_out(&mut wall, &mut out, outbox, &answered).await.is_err() {
        tracing::trace!("nobody hears the end of the wall");
    }
    drop(answered);
    // An answer that is still on its way has a peer that nobody needs.
    while let Some((_, answer)) = answers.recv().await {
        if let Ok(answer) = answer {
            served.patrol.0.planes.close_peer(answer.peer).await;
        }
    }
    if let Some(done) = closing
        && done.send(()).is_err()
    {
        tracing::trace!("nobody waits for the wall to end");
    }
    tracing::info!(wall = served.id, code, "a wall ended");
    code
}

impl Served {
    fn sight(&self) -> Eyes<'_> {
        Eyes { patrol: &self.patrol, viewer: &self.viewer }
    }

    /// What the wall is told of a message; nothing if it does not concern it.
    fn concerned(&mut self, message: &WallMessage, about: About) -> Option<WallMessage> {
        // A camera may have been moved a moment ago, which this wall is to hear of yet.
        self.viewer.refresh(&self.patrol);
        match (about, message) {
            (About::Recorded, WallMessage::Alarm { alarm }) => {
                Some(WallMessage::Alarm { alarm: self.viewer.alarm(alarm.clone())? })
            }
            (About::Recorded, _) => None,
            (About::Camera(id), _) => {
                self.viewer.cameras.get(id).is_some_and(|c| self.viewer.sees(c)).then(|| message.clone())
            }
            (About::All, _) => Some(message.clone()),
        }
    }

    /// Reads session, account, rules and cameras anew; `false` if nobody is signed in any more.
    async fn look_anew(&mut self) -> bool {
        let caller = self.patrol.caller(&self.token).await;
        if let Some(caller) = &caller {
            self.viewer = Viewer::new(&self.patrol, caller);
        }
        caller.is_some()
    }

    /// Carries out what the core intends, in order.
    async fn carry_out(
        &self,
        wall: &mut Wall,
        out: &mut Vec<Output>,
        outbox: &mpsc::Sender<Utf8Bytes>,
        answered: &mpsc::Sender<Answered>,
    ) -> Result<(), Option<&'static str>> {
        let mut end = Ok(());
        for output in out.drain(..) {
            match output {
                Output::Send(message) => {
                    if outbox.try_send(text(&message)).is_err() {
                        metrics::counter!("lectern_patrol_walls_closed_total", "reason" => "too_slow").increment(1);
                        end = Err(None);
                    }
                }
                Output::Negotiate { ticket, sdp, replaces } => {
                    let (planes, tx, wall) = (self.patrol.0.planes.clone(), answered.clone(), self.participant);
                    tokio::spawn(async move {
                        let answer = planes.subscribe(wall, replaces, &sdp).await;
                        if let Err(mpsc::error::SendError((_, Ok(answer)))) = tx.send((ticket, answer)).await {
                            planes.close_peer(answer.peer).await;
                        }
                    });
                }
                // The wall ends: what could not be written down is not shown.
                Output::Assign { .. } if end.is_err() => {}
                Output::Assign { peer, lines } => {
                    if let Err(error) = self.patrol.0.planes.assign(peer, &lines).await {
                        // Whatever the lines carry now, it is not what was decided: better nothing.
                        tracing::warn!(%error, "the media plane did not take what a wall shows");
                        self.patrol.0.planes.close_peer(peer).await;
                        let lost = crate::patrol::ports::PatrolEvent::PeerLost { peer };
                        let mut more = vec![];
                        wall.media(UnixMillis::now(), &lost, &self.sight(), &mut more);
                        for output in more {
                            match output {
                                Output::Send(message) => drop(outbox.try_send(text(&message))),
                                Output::Note { camera, look } if !self.note(camera, look, end.is_ok()).await => {
                                    end = Err(Some("server_restart"));
                                }
                                _ => {}
                            }
                        }
                    }
                }
                Output::ClosePeer(peer) => self.patrol.0.planes.close_peer(peer).await,
                Output::Note { camera, look } => {
                    if !self.note(camera, look, end.is_ok()).await {
                        end = Err(Some("server_restart"));
                    }
                }
                Output::Close(code) => end = Err(Some(code)),
            }
        }
        end
    }

    /// Writes a look down; tells whether the audit log takes it. `wait`: for room in its queue, a little.
    async fn note(&self, camera: CameraId, look: Look, wait: bool) -> bool {
        let now = UnixMillis::now();
        let what = self.patrol.what(camera);
        let act = |action, detail: &str| Act::new(now, self.who.clone(), action, what.clone(), detail);
        let lasted = |action, since: UnixMillis, until: UnixMillis| {
            let seconds = (until.since(since).as_millis() as u64).div_ceil(1_000);
            act(action, "").range(since, until).seconds(seconds)
        };
        let act = match look {
            Look::Opened => act(AuditAction::TileOpened, ""),
            Look::Closed { since, until } => lasted(AuditAction::TileClosed, since, until),
            Look::Listening => act(AuditAction::Listened, "begins"),
            Look::Listened { since, until } => lasted(AuditAction::Listened, since, until),
            Look::Refused(reason) => {
                self.refused(what, "live", reason);
                return true;
            }
            Look::SoundRefused(reason) => {
                self.refused(what, "listen", reason);
                return true;
            }
        };
        let trail = self.patrol.trail();
        if wait { trail.note(act).await } else { trail.note_now(act) }
    }

    fn refused(&self, what: What, action: &str, reason: TileRefusal) {
        let reason = match reason {
            TileRefusal::NotAllowed => "not_allowed",
            TileRefusal::NotNow => "not_now",
            TileRefusal::NeedsSecondFactor => "needs_second_factor",
            TileRefusal::NotPlayable => "not_playable",
            TileRefusal::SoundNotPlayable => "sound_not_playable",
            TileRefusal::NoLine => "no_line",
            TileRefusal::Busy => "busy",
        };
        let detail = format!("{action}:{reason}");
        self.patrol.trail().refused(UnixMillis::now(), self.who.clone(), AuditAction::Refused, what, &detail);
    }
}

struct Eyes<'a> {
    patrol: &'a Patrol,
    viewer: &'a Viewer,
}

impl Sight for Eyes<'_> {
    fn live(&self, camera: CameraId) -> Result<(), TileRefusal> {
        self.viewer.tile(camera, Action::LiveCamera)
    }

    fn listen(&self, camera: CameraId) -> Result<(), TileRefusal> {
        // Rights first: whoever may not hear a camera learns nothing else of it.
        self.viewer.tile(camera, Action::ListenCamera)?;
        if self.patrol.0.planes.can_be_heard(camera) { Ok(()) } else { Err(TileRefusal::SoundNotPlayable) }
    }

    fn playable(&self, camera: CameraId) -> core::Playable {
        self.patrol.playable(camera)
    }

    fn status(&self, camera: CameraId) -> Option<CameraStatus> {
        self.viewer.cameras.get(camera).map(|camera| self.patrol.status(camera))
    }

    fn can_note(&self) -> bool {
        self.patrol.trail().takes_looks()
    }
}

impl Patrol {
    /// Who is behind a session at this moment; nobody if it ended or the store can't tell.
    async fn caller(&self, token: &TokenText) -> Option<Caller> {
        match self.library().authenticate(token, UnixMillis::now()).await {
            Ok(known) => known.map(|known| Caller::of(self.library(), token, known)),
            Err(error) => {
                tracing::error!(%error, "it can't be told who looks: the wall ends");
                None
            }
        }
    }

    /// A camera as the audit log names it. One that does not exist has its id only.
    #[must_use]
    pub fn what(&self, camera: CameraId) -> What {
        self.what_at(camera, UnixMillis(i64::MAX))
    }

    /// What a camera recorded at a moment as the audit log names it: by the place where it hung then, whose people ask who looked at it.
    #[must_use]
    pub fn what_at(&self, camera: CameraId, at: UnixMillis) -> What {
        let cameras = self.library().cameras();
        let known = cameras.get(camera).map(|c| c.hung_at(at));
        let place = known.and_then(|h| self.library().tree().get(h.object.place).cloned());
        What {
            place: known.map(|h| h.object.place),
            place_name: place.map(|p| p.name).unwrap_or_default(),
            camera: Some(camera),
            camera_name: known.map(|h| h.name.to_owned()).unwrap_or_default(),
        }
    }
}

fn text(message: &WallMessage) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

/// Sends what the wall is told, and pings, until it ends or the line is dead.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut inbox: mpsc::Receiver<Utf8Bytes>) {
    let mut ping = interval(PING_EVERY);
    ping.tick().await;
    loop {
        let message = tokio::select! {
            text = inbox.recv() => match text {
                Some(text) => Message::Text(text),
                None => break,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        if !matches!(timeout(SEND_WITHIN, sink.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    let frame = CloseFrame { code: axum::extract::ws::close_code::NORMAL, reason: Utf8Bytes::from_static("closed") };
    if !matches!(timeout(SEND_WITHIN, sink.send(Message::Close(Some(frame)))).await, Ok(Ok(()))) {
        tracing::trace!("the client went first");
    }
}
