//! The class WebSocket as a client speaks it: requests get their answers, everything else is a stream of news.

use super::{api::Api, tls::insecure_connector};
use anyhow::{Context, Result, anyhow, bail};
use futures::{SinkExt as _, StreamExt as _};
use lectern_media::TrackId;
use lectern_protocol::{
    PROTOCOL_VERSION,
    ws::{ClientMessage, PublishLine, Req, RoomSnapshot, ServerMessage},
};
use std::{collections::HashMap, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    connect_async_tls_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const PING_EVERY: Duration = Duration::from_secs(10);
/// News that may wait for a client that is busy; a snapshot's worth.
const NEWS_MAX: usize = 1024;

/// A place in a class.
pub struct Room {
    orders: mpsc::Sender<Order>,
    /// Everything that is no answer to a request.
    pub news: mpsc::Receiver<ServerMessage>,
    /// The room as it was on entering.
    pub snapshot: RoomSnapshot,
    next_req: Req,
}

struct Order {
    message: ClientMessage,
    answer: Option<(Req, tokio::sync::oneshot::Sender<ServerMessage>)>,
}

impl Room {
    /// Enters with a grant of [`Api::join`]; waits through a waiting room.
    ///
    /// # Errors
    /// What the server says, or the socket.
    pub async fn enter(api: &Api, grant: &str) -> Result<Self> {
        let url = format!("{}/ws", api.url().replacen("http", "ws", 1));
        let mut request = url.as_str().into_client_request().context("the server's address")?;
        // Browsers always name their origin, and servers look at it.
        request.headers_mut().insert("origin", HeaderValue::from_str(api.url())?);
        let connector = api.insecure().then(insecure_connector).transpose()?;
        let connecting = connect_async_tls_with_config(request, None, true, connector);
        let (socket, _) = connecting.await.with_context(|| format!("connecting to {url}"))?;
        let (mut sink, mut stream) = socket.split();
        let (orders, mut taken) = mpsc::channel::<Order>(64);
        let (tell, mut news) = mpsc::channel(NEWS_MAX);
        tokio::spawn(async move {
            let mut waiting: HashMap<Req, tokio::sync::oneshot::Sender<ServerMessage>> = HashMap::new();
            // Not at once: the first message is the hello.
            let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
            loop {
                let message = tokio::select! {
                    order = taken.recv() => match order {
                        Some(order) => {
                            if let Some((req, answer)) = order.answer {
                                waiting.insert(req, answer);
                            }
                            Some(order.message)
                        }
                        None => break,
                    },
                    frame = stream.next() => match frame {
                        Some(Ok(Message::Text(text))) => {
                            let Ok(message) = serde_json::from_str::<ServerMessage>(&text) else { continue };
                            match req_of(&message).and_then(|req| waiting.remove(&req)) {
                                // Who asked may have given up.
                                Some(answer) => drop(answer.send(message)),
                                // A reader that is too slow misses news, as a page that is asleep does.
                                None => drop(tell.try_send(message)),
                            }
                            None
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                        Some(Ok(_)) => None,
                    },
                    _ = ping.tick() => Some(ClientMessage::Ping { req: 0 }),
                };
                if let Some(message) = message {
                    let Ok(text) = serde_json::to_string(&message) else { continue };
                    if sink.send(Message::Text(text.into())).await.is_err() {
                        break;
                    }
                }
            }
            let _ = sink.close().await;
        });
        let hello = ClientMessage::Hello { version: PROTOCOL_VERSION, grant: grant.to_owned() };
        orders.send(Order { message: hello, answer: None }).await.map_err(|_| anyhow!("the socket closed at once"))?;
        loop {
            match timeout(ANSWER_MAX, news.recv()).await.context("no welcome came")?.context("the socket closed")? {
                ServerMessage::Welcome { room, .. } => {
                    return Ok(Self { orders, news, snapshot: room, next_req: 1 });
                }
                ServerMessage::Closed { reason } => bail!("the class is closed to us: {reason:?}"),
                _ => {}
            }
        }
    }

    /// Says something that needs no answer.
    ///
    /// # Errors
    /// If the socket is closed.
    pub async fn say(&self, message: ClientMessage) -> Result<()> {
        self.orders.send(Order { message, answer: None }).await.map_err(|_| anyhow!("the socket is closed"))
    }

    /// Offers the sending connection: the answer, and the tracks in the order of `lines`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn publish(&mut self, sdp: String, lines: Vec<PublishLine>) -> Result<(String, Vec<TrackId>)> {
        self.ask(|req| ClientMessage::Publish { req, sdp, lines }).await
    }

    /// Offers the receiving connection.
    ///
    /// # Errors
    /// What the server says.
    pub async fn subscribe(&mut self, sdp: String) -> Result<String> {
        Ok(self.ask(|req| ClientMessage::Subscribe { req, sdp }).await?.0)
    }

    async fn ask(&mut self, message: impl FnOnce(Req) -> ClientMessage) -> Result<(String, Vec<TrackId>)> {
        let req = self.next_req;
        self.next_req += 1;
        let (tell, answer) = tokio::sync::oneshot::channel();
        let order = Order { message: message(req), answer: Some((req, tell)) };
        self.orders.send(order).await.map_err(|_| anyhow!("the socket is closed"))?;
        match timeout(ANSWER_MAX, answer).await.context("no answer came")?.context("the socket closed")? {
            ServerMessage::Answer { sdp, tracks, .. } => Ok((sdp, tracks)),
            ServerMessage::Refused { code, detail, .. } => bail!("refused: {code:?}: {detail}"),
            other => bail!("an answer of another kind: {other:?}"),
        }
    }
}

fn req_of(message: &ServerMessage) -> Option<Req> {
    match message {
        ServerMessage::Answer { req, .. } | ServerMessage::Pong { req, .. } => Some(*req),
        ServerMessage::Refused { req, .. } => *req,
        _ => None,
    }
}
