//! One RTSP connection: requests in, answers and interleaved packets out (RFC 2326). A connection has one session.

use super::{
    digest::{Login, challenge},
    rtsp::{Incoming, Request, Status, Transport},
    script::{Step, StreamKind},
    world::{Meets, World},
};
use anyhow::{Context, Result};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::{Notify, mpsc},
};

/// Access units and answers that may wait for a slow client: two to five seconds.
const OUT_MAX: usize = 128;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// What all connections share.
pub struct Door {
    /// The cameras.
    pub world: RefCell<World>,
    /// Who may look; none: everyone.
    pub login: Option<Login>,
    /// A session of which nothing is heard for so long ends.
    pub timeout: Duration,
}

/// A connection's state.
struct Session {
    door: Rc<Door>,
    id: u64,
    peer: SocketAddr,
    nonce: String,
    name: String,
    stream: Option<(u16, StreamKind)>,
    /// Track and transport of each SETUP.
    tracks: Vec<(u8, Transport)>,
    playing: bool,
    out: mpsc::Sender<Bytes>,
}

/// What follows a request.
enum Next {
    Answer(Vec<u8>),
    /// The answer is the last.
    Last(Vec<u8>),
    Close,
}

/// Serves a connection until it ends; `only`: the camera whose own port it came to.
///
/// # Errors
/// If the socket fails.
pub async fn serve(door: Rc<Door>, socket: TcpStream, only: Option<u16>) -> Result<()> {
    socket.set_nodelay(true).context("setting TCP_NODELAY")?;
    let peer = socket.peer_addr().context("the client is gone")?;
    let (mut reader, writer) = socket.into_split();
    let (out, queue) = mpsc::channel(OUT_MAX);
    let (close, heard) = (Rc::new(Notify::new()), Rc::new(Cell::new(Instant::now())));
    let mut session = {
        let mut world = door.world.borrow_mut();
        Session {
            id: world.connect(Rc::clone(&close), Rc::clone(&heard)),
            nonce: format!("{:016x}{:016x}", world.random(), world.random()),
            name: format!("{:08}", world.random() % 100_000_000),
            door: Rc::clone(&door),
            peer,
            stream: None,
            tracks: Vec::new(),
            playing: false,
            out: out.clone(),
        }
    };
    let mut writing = tokio::task::spawn_local(write(writer, queue));
    let mut bytes = Vec::new();
    let ended = loop {
        let until = heard.get() + door.timeout;
        tokio::select! {
            read = read_some(&mut reader, &mut bytes) => match read {
                Ok(0) | Err(_) => break true,
                Ok(_) => {
                    heard.set(Instant::now());
                    if !session.take(&mut bytes, only).await {
                        break false;
                    }
                }
            },
            () = close.notified() => break true,
            _ = &mut writing => break true,
            // Heard of by UDP in the meantime?
            () = tokio::time::sleep_until(until.into()) => if heard.get() + door.timeout <= Instant::now() { break true },
        }
    };
    door.world.borrow_mut().disconnect(session.id);
    drop(session);
    drop(out);
    if ended {
        writing.abort();
    } else {
        // The last answer is still to be written; a client that does not read it has a second.
        let _ = tokio::time::timeout(Duration::from_secs(1), writing).await;
    }
    Ok(())
}

async fn read_some(reader: &mut (impl tokio::io::AsyncRead + Unpin), bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    bytes.reserve(READ_BYTES);
    reader.read_buf(bytes).await
}

async fn write(mut socket: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) -> std::io::Result<()> {
    while let Some(bytes) = queue.recv().await {
        socket.write_all(&bytes).await?;
    }
    Ok(())
}

impl Session {
    /// Handles all that is complete; false if the connection is to end.
    async fn take(&mut self, bytes: &mut Vec<u8>, only: Option<u16>) -> bool {
        loop {
            let (request, len) = match Request::read(bytes) {
                Incoming::Request(request, len) => (Some(request), len),
                Incoming::Packet(len) => (None, len),
                Incoming::More => return true,
                Incoming::Garbage => return false,
            };
            bytes.drain(..len);
            let Some(request) = request else { continue };
            let next = self.answer(&request, only);
            let (answer, go_on) = match next {
                Next::Answer(answer) => (answer, true),
                Next::Last(answer) => (answer, false),
                Next::Close => return false,
            };
            // At once where there is room: pictures follow the answer to PLAY, never the other way round.
            let sent = match self.out.try_send(answer.into()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(answer)) => self.out.send(answer).await.is_ok(),
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            };
            if !sent || !go_on {
                return false;
            }
        }
    }

    fn answer(&mut self, request: &Request, only: Option<u16>) -> Next {
        if request.method == "OPTIONS" {
            let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
            return Next::Answer(request.answer(Status::Ok).header("Public", methods).bytes());
        }
        let Some((camera, stream, track)) = place(&request.url).filter(|(c, ..)| only.is_none_or(|own| own == *c))
        else {
            return Next::Answer(request.answer(Status::NotFound).bytes());
        };
        let step = match request.method.as_str() {
            "DESCRIBE" => Some(Step::Describe),
            "SETUP" => Some(Step::Setup),
            "PLAY" => Some(Step::Play),
            _ => None,
        };
        let meets = self.door.world.borrow_mut().meets(self.id, camera, stream, step);
        if meets == Meets::Close {
            return Next::Close;
        }
        if let Some(login) = &self.door.login {
            let proof = request.header("Authorization").unwrap_or_default();
            if meets == Meets::Refusal || !login.proves(proof, &request.method, &self.nonce) {
                let answer = request.answer(Status::Unauthorized);
                return Next::Answer(answer.header("WWW-Authenticate", &challenge(&self.nonce)).bytes());
            }
        }
        match request.method.as_str() {
            "DESCRIBE" => self.describe(request, camera, stream),
            "SETUP" => self.setup(request, camera, stream, track),
            "PLAY" => self.play(request),
            "GET_PARAMETER" | "SET_PARAMETER" => Next::Answer(self.with_session(request).bytes()),
            "TEARDOWN" => Next::Last(self.with_session(request).bytes()),
            _ => Next::Answer(request.answer(Status::NotImplemented).bytes()),
        }
    }

    fn with_session(&self, request: &Request) -> super::rtsp::Answer {
        let answer = request.answer(Status::Ok);
        if self.tracks.is_empty() { answer } else { answer.header("Session", &self.name) }
    }

    fn describe(&self, request: &Request, camera: u16, stream: StreamKind) -> Next {
        let Some(sdp) = self.door.world.borrow().describe(camera, stream) else {
            return Next::Answer(request.answer(Status::NotFound).bytes());
        };
        let base = format!("{}/", request.url.trim_end_matches('/'));
        Next::Answer(request.answer(Status::Ok).header("Content-Base", &base).with_body("application/sdp", &sdp))
    }

    fn setup(&mut self, request: &Request, camera: u16, stream: StreamKind, track: Option<u8>) -> Next {
        let track = track.unwrap_or(1);
        let world = self.door.world.borrow();
        if !world.has_track(camera, stream, track) {
            return Next::Answer(request.answer(Status::NotFound).bytes());
        }
        let other = self.stream.is_some_and(|own| own != (camera, stream));
        if self.playing || other || (!self.tracks.is_empty() && !self.is_ours(request)) {
            return Next::Answer(request.answer(Status::NotNow).bytes());
        }
        let wish = request.header("Transport").unwrap_or_default();
        let Some(transport) = Transport::read(wish, self.peer.ip(), track - 1) else {
            return Next::Answer(request.answer(Status::Transport).bytes());
        };
        let agreed = match (transport, world.udp_ports()) {
            (Transport::Tcp { rtp, rtcp }, _) => format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"),
            (Transport::Udp { rtp, rtcp }, Ok((from, reports))) => {
                format!("RTP/AVP;unicast;client_port={}-{};server_port={from}-{reports}", rtp.port(), rtcp.port())
            }
            (Transport::Udp { .. }, Err(_)) => return Next::Answer(request.answer(Status::Transport).bytes()),
        };
        drop(world);
        self.stream = Some((camera, stream));
        self.tracks.retain(|(n, _)| *n != track);
        self.tracks.push((track, transport));
        let session = format!("{};timeout={}", self.name, self.door.timeout.as_secs());
        Next::Answer(request.answer(Status::Ok).header("Transport", &agreed).header("Session", &session).bytes())
    }

    fn is_ours(&self, request: &Request) -> bool {
        request.header("Session").is_some_and(|s| s.split(';').next().map(str::trim) == Some(&self.name))
    }

    fn play(&mut self, request: &Request) -> Next {
        let Some((camera, stream)) = self.stream.filter(|_| self.is_ours(request)) else {
            return Next::Answer(request.answer(Status::NoSession).bytes());
        };
        let mut answer = self.with_session(request).header("Range", "npt=now-");
        if !self.playing {
            let told = self.door.world.borrow_mut().play(self.id, camera, stream, &self.tracks, &self.out);
            self.playing = true;
            // RFC 2326 §12.33: only what is known to come first.
            let base = request.url.trim_end_matches('/');
            let info: Vec<String> = told
                .iter()
                .filter_map(|first| {
                    let (seq, time) = first.numbers?;
                    Some(format!("url={base}/trackID={};seq={seq};rtptime={time}", first.track))
                })
                .collect();
            if !info.is_empty() && info.len() == told.len() {
                answer = answer.header("RTP-Info", &info.join(","));
            }
        }
        Next::Answer(answer.bytes())
    }
}

/// Camera, stream and track of a URL like `rtsp://host:554/cam/3/main/trackID=1`.
fn place(url: &str) -> Option<(u16, StreamKind, Option<u8>)> {
    let path = url.strip_prefix("rtsp://")?.split_once('/')?.1;
    let mut words = path.trim_end_matches('/').split('/');
    if words.next() != Some("cam") {
        return None;
    }
    let camera = words.next()?.parse().ok()?;
    let stream = match words.next()? {
        "main" => StreamKind::Main,
        "sub" => StreamKind::Sub,
        _ => return None,
    };
    let track = match words.next() {
        Some(word) => Some(word.strip_prefix("trackID=")?.parse().ok()?),
        None => None,
    };
    words.next().is_none().then_some((camera, stream, track))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_camera_stream_and_track() {
        for (url, want) in [
            ("rtsp://127.0.0.1:554/cam/3/main", Some((3, StreamKind::Main, None))),
            ("rtsp://127.0.0.1:554/cam/12/sub/", Some((12, StreamKind::Sub, None))),
            ("rtsp://h/cam/3/sub/trackID=2", Some((3, StreamKind::Sub, Some(2)))),
            ("rtsp://h/cam/3/other", None),
            ("rtsp://h/cam/99999/main", None),
            ("rtsp://h/cam/3/main/trackID=1/x", None),
            ("rtsp://h", None),
            ("*", None),
        ] {
            assert_eq!(place(url), want, "{url}");
        }
    }
}
