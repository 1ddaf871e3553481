//! The thin shell of `/ws`: one task per socket. It checks origin, size and form of what comes in and knows nothing of
//! what is said.

use crate::{
    app::App,
    error::{ApiError, Code},
    extract::ClientAddr,
    http::origin_is_ours,
    hub::{EnterError, Outbox, Outgoing, RoomHandle, close_name},
    join::entrant,
    room::{Bucket, ConnId, Rate},
};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use futures::{SinkExt as _, StreamExt as _, stream::SplitSink};
use lectern_auth::Purpose;
use lectern_media::UnixMillis;
use lectern_protocol::{
    PROTOCOL_VERSION,
    ws::{ClientMessage, CloseReason, MESSAGE_LEN_BYTES_MAX, ServerMessage},
};
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tracing::Instrument as _;

/// A client says hello within this time or goes.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A ping goes out this often; its pong shows that the line is alive.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A socket from which nothing came for this long is dead: two pings were lost.
const SILENT_MAX: Duration = Duration::from_secs(40);
/// After the last message a client has this long to close its side. What it says meanwhile is not read any more.
const LINGER: Duration = Duration::from_secs(3);
/// A message that a socket does not take within this time means that it is dead.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// `GET /ws`
pub async fn upgrade(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    addr: ClientAddr,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    // Browsers don't apply the same-origin rule to WebSockets (RFC 6455 §10.2): the server has to.
    if headers.get(header::ORIGIN).is_some_and(|origin| !origin_is_ours(origin, &uri, &headers, &app)) {
        return ApiError::new(Code::ForeignOrigin, "sockets are opened by our own pages only").into_response();
    }
    if let Err(wait) = app.limits.sockets.take(addr, std::time::Instant::now()) {
        return ApiError::retry(Code::TooOften, wait, "too many sockets from this address").into_response();
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(MESSAGE_LEN_BYTES_MAX)
            .max_frame_size(MESSAGE_LEN_BYTES_MAX)
            .on_upgrade(move |socket| {
                let conn = app.rooms.next_conn();
                let span = tracing::info_span!("socket", conn = conn.0);
                Socket { app, conn }.run(socket).instrument(span)
            }),
        Err(e) => ApiError::new(Code::BadRequest, e.body_text()).into_response(),
    }
}

struct Socket {
    app: App,
    conn: ConnId,
}

impl Socket {
    async fn run(self, socket: WebSocket) {
        metrics::gauge!("lectern_ws_open").increment(1.0);
        let (sink, stream) = socket.split();
        let (outbox, inbox) = mpsc::channel(crate::hub::OUTBOX_MAX);
        let writer = tokio::spawn(write(sink, inbox).in_current_span());
        self.read(stream, outbox).await;
        // The last message, if there is one, is still on its way.
        if let Err(e) = writer.await {
            tracing::error!(error = %e, "a socket's writer failed");
        }
        metrics::gauge!("lectern_ws_open").decrement(1.0);
    }

    async fn read(&self, mut stream: futures::stream::SplitStream<WebSocket>, outbox: Outbox) {
        let room = match timeout(HELLO_WITHIN, self.hello(&mut stream, &outbox)).await {
            Ok(Ok(room)) => room,
            Ok(Err(Some(reason))) => return close(&outbox, reason),
            Ok(Err(None)) => return,
            Err(_) => return close(&outbox, CloseReason::ProtocolError),
        };
        // The room holds the way out from here on: when it lets go, the writer ends.
        let watch = outbox.downgrade();
        drop(outbox);
        let opened = Instant::now();
        let mut frames = Bucket::full(Rate::SOCKET, Duration::ZERO);
        let mut deadline = opened + SILENT_MAX;
        let ours = loop {
            let received = timeout_at(deadline, stream.next()).await;
            deadline = Instant::now() + SILENT_MAX;
            if watch.strong_count() == 0 {
                // The room let go of this socket: nobody is behind it whose limits would hold.
                break true;
            }
            // Pings and nonsense count as well: they cost us as much as what is said.
            if !frames.take(opened.elapsed()) {
                refuse_form(&watch, "flood");
                break true;
            }
            let text = match received {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Binary(_)))) => {
                    refuse_form(&watch, "binary");
                    break true;
                }
                Ok(Some(Ok(Message::Close(_))) | None) => break false,
                Ok(Some(Err(e))) => {
                    // Too long a message ends here, too.
                    metrics::counter!("lectern_ws_messages_refused_total", "reason" => "frame").increment(1);
                    tracing::debug!(error = %e, "the socket broke");
                    break false;
                }
                Err(_) => {
                    metrics::counter!("lectern_ws_closed_total", "reason" => "silent").increment(1);
                    break false;
                }
            };
            match parse(&text) {
                Ok(message) => {
                    if room.message(self.conn, message).await.is_err() {
                        break true;
                    }
                }
                Err(reason) => {
                    refuse_form(&watch, reason);
                    break true;
                }
            }
        };
        room.gone(self.conn).await;
        if ours {
            linger(stream).await;
        }
    }

    /// Waits for the first message and enters the room. `Err(None)`: the client went away by itself.
    async fn hello(
        &self,
        stream: &mut futures::stream::SplitStream<WebSocket>,
        outbox: &Outbox,
    ) -> Result<RoomHandle, Option<CloseReason>> {
        let text = loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(Some(CloseReason::ProtocolError)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
            }
        };
        let Ok(ClientMessage::Hello { version, grant }) = parse(&text) else {
            metrics::counter!("lectern_ws_messages_refused_total", "reason" => "no_hello").increment(1);
            return Err(Some(CloseReason::ProtocolError));
        };
        if version != PROTOCOL_VERSION {
            return Err(Some(CloseReason::VersionMismatch));
        }
        let grant = self.app.keys.verify(&grant, Purpose::Join, UnixMillis::now()).map_err(|e| {
            metrics::counter!("lectern_ws_grants_refused_total", "reason" => e.reason()).increment(1);
            Some(CloseReason::NotAuthorised)
        })?;
        let room = self.app.rooms.room(grant.room).await.map_err(refused)?;
        tracing::info!(room = %grant.room, participant = %grant.participant, "entering");
        let who = entrant(grant);
        if room.enter(self.conn, outbox.clone(), who.clone()).await.is_ok() {
            return Ok(room);
        }
        // The room was forgotten, or its lesson ended, in this very moment: ask once more.
        let room = self.app.rooms.room(room.id()).await.map_err(refused)?;
        room.enter(self.conn, outbox.clone(), who).await.map_err(|_| Some(CloseReason::Ended))?;
        Ok(room)
    }
}

fn refused(e: EnterError) -> Option<CloseReason> {
    Some(match e {
        EnterError::Unknown => CloseReason::UnknownRoom,
        EnterError::Over => CloseReason::Ended,
        EnterError::Busy => CloseReason::ServerRestart,
        EnterError::Store(e) => {
            tracing::error!(error = %e, "a room could not be opened");
            CloseReason::ServerRestart
        }
    })
}

fn parse(text: &str) -> Result<ClientMessage, &'static str> {
    serde_json::from_str(text).map_err(|e| {
        tracing::debug!(error = %e, "a message is not understood");
        "json"
    })
}

fn close(outbox: &Outbox, reason: CloseReason) {
    metrics::counter!("lectern_ws_closed_total", "reason" => close_name(reason)).increment(1);
    let text = serde_json::to_string(&ServerMessage::Closed { reason }).unwrap_or_default();
    if outbox.try_send(Outgoing::Last(text.into())).is_err() {
        tracing::trace!("the socket went before its last message");
    }
}

/// Waits a moment for the client to close after our last message: a socket that is dropped with unread bytes in it is reset
/// by the kernel, and the client may lose the reason.
async fn linger(mut stream: futures::stream::SplitStream<WebSocket>) {
    let closing = async { while let Some(Ok(_)) = stream.next().await {} };
    if timeout(LINGER, closing).await.is_err() {
        tracing::debug!("a client did not close its socket");
    }
}

/// The client broke the form of the protocol.
fn refuse_form(outbox: &mpsc::WeakSender<Outgoing>, reason: &'static str) {
    metrics::counter!("lectern_ws_messages_refused_total", "reason" => reason).increment(1);
    if let Some(outbox) = outbox.upgrade() {
        close(&outbox, CloseReason::ProtocolError);
    }
}

/// Sends what the room says, and pings, until the room lets go or the line is dead.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut inbox: mpsc::Receiver<Outgoing>) {
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.tick().await;
    loop {
        let (message, last) = tokio::select! {
            outgoing = inbox.recv() => match outgoing {
                Some(Outgoing::Text(text)) => (Message::Text(text), false),
                Some(Outgoing::Last(text)) => (Message::Text(text), true),
                None => break,
            },
            _ = ping.tick() => (Message::Ping(Default::default()), false),
        };
        match timeout(SEND_WITHIN, sink.send(message)).await {
            Ok(Ok(())) if last => break,
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let frame = CloseFrame { code: axum::extract::ws::close_code::NORMAL, reason: Utf8Bytes::from_static("closed") };
    if !matches!(timeout(SEND_WITHIN, sink.send(Message::Close(Some(frame)))).await, Ok(Ok(()))) {
        tracing::trace!("the client went first");
    }
}
