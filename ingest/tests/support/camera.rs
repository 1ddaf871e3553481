//! The camera.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};

pub const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8,
];
pub const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// A description with H.264 (its parameter sets left to the stream) and G.711.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n\
    m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:track2\r\n";

/// A step at which the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Accept,
    Describe,
    Setup,
    Play,
    Playing,
}

/// Changes packets on their way out: given its number and bytes, what goes instead.
pub type Mangle = Box<dyn FnMut(u64, Vec<u8>) -> Vec<Vec<u8>> + Send>;

/// What the camera does; change it while it runs.
pub struct Control {
    pub sdp: Mutex<String>,
    /// User and password it asks for.
    pub login: Mutex<Option<(String, String)>>,
    pub close_at: Mutex<Option<Step>>,
    /// Answers every request of this method with this status.
    pub refuse: Mutex<Option<(&'static str, u16)>>,
    pub silent: AtomicBool,
    /// Neither sends media nor answers keepalives.
    pub dead: AtomicBool,
    pub ssrc: AtomicU32,
    /// Pictures sent at each turn; one is usual.
    pub times: AtomicU32,
    /// By how much its clock is ahead, in milliseconds.
    pub clock_ahead_ms: AtomicU64,
    pub mangle: Mutex<Option<Mangle>>,
    /// Ends what plays.
    pub cut: AtomicBool,
    /// Ends what plays right behind the pictures of a turn.
    pub cut_behind: AtomicBool,
    /// What descriptions say as their base, and redirects as where to; else what was asked.
    pub base: Mutex<Option<String>>,
    pub connections: AtomicU32,
    pub plays: AtomicU32,
    pub teardowns: AtomicU32,
    /// Requests with a password that was wrong.
    pub wrong: AtomicU32,
    /// Every payload of video that was made, by sequence number of its first session.
    pub sent: Mutex<Vec<(u16, Vec<u8>)>>,
}

pub struct FakeCamera {
    pub address: SocketAddr,
    pub control: Arc<Control>,
    task: JoinHandle<()>,
}

impl Drop for FakeCamera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeCamera {
    pub async fn start(ssrc: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            sdp: Mutex::new(SDP.to_owned()),
            login: Mutex::default(),
            close_at: Mutex::default(),
            refuse: Mutex::default(),
            silent: AtomicBool::default(),
            dead: AtomicBool::default(),
            ssrc: AtomicU32::new(ssrc),
            times: AtomicU32::new(1),
            clock_ahead_ms: AtomicU64::default(),
            mangle: Mutex::default(),
            cut: AtomicBool::default(),
            cut_behind: AtomicBool::default(),
            base: Mutex::default(),
            connections: AtomicU32::default(),
            plays: AtomicU32::default(),
            teardowns: AtomicU32::default(),
            wrong: AtomicU32::default(),
            sent: Mutex::default(),
        });
        let shared = control.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Relaxed);
                if *shared.close_at.lock() != Some(Step::Accept) {
                    let shared = shared.clone();
                    connections.spawn(async move { serve(stream, &shared).await });
                }
            }
        });
        Self { address, control, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.address)
    }

    pub fn mangle(&self, mangle: impl FnMut(u64, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) {
        *self.control.mangle.lock() = Some(Box::new(mangle));
    }
}

struct Line {
    rtp: u8,
    udp: Option<(UdpSocket, UdpSocket)>,
}

struct Request {
    method: String,
    uri: String,
    headers: HashMap<String, String>,
}

async fn request(stream: &mut TcpStream, buf: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buf.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = buf.drain(..end + 4).collect();
            let text = String::from_utf8_lossy(&head).into_owned();
            let mut lines = text.lines();
            let mut first = lines.next()?.split(' ');
            let (method, uri) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers =
                lines.filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
            return Some(Request { method, uri, headers });
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => buf.extend_from_slice(&chunk[..n]),
        }
    }
}

/// Whether the digest of RFC 2617 §3.2.2.1 (without qop) is that of our user.
fn is_authorised(request: &Request, login: &(String, String)) -> bool {
    let Some(value) = request.headers.get("authorization") else { return false };
    let parameter = |name: &str| {
        let mut pairs = value.trim_start_matches("Digest ").split(',').filter_map(|p| p.trim().split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, v)| v.trim_matches('"').to_owned())
    };
    // The very code that answers is asked for the answer that it would give with our password.
    let mut client = http_auth::PasswordClient::try_from(CHALLENGE).unwrap();
    let (username, password) = (login.0.as_str(), login.1.as_str());
    let (uri, method) = (request.uri.as_str(), request.method.as_str());
    let want = client.respond(&http_auth::PasswordParams { username, password, uri, method, body: Some(&[]) }).unwrap();
    parameter("response").is_some_and(|response| want.contains(&format!("response=\"{response}\"")))
}

const CHALLENGE: &str = "Digest realm=\"camera\", nonce=\"0123456789abcdef\"";

async fn serve(mut stream: TcpStream, control: &Control) -> Option<()> {
    let (mut buf, mut lines) = (Vec::new(), Vec::<Line>::new());
    loop {
        let request = request(&mut stream, &mut buf).await?;
        let cseq = request.headers.get("cseq").cloned().unwrap_or_default();
        let step = match request.method.as_str() {
            "DESCRIBE" => Some(Step::Describe),
            "SETUP" => Some(Step::Setup),
            "PLAY" => Some(Step::Play),
            _ => None,
        };
        if step.is_some() && *control.close_at.lock() == step {
            return None;
        }
        let refused =
            (*control.refuse.lock()).filter(|(method, _)| *method == request.method).map(|(_, status)| status);
        let login = control.login.lock().clone();
        if let Some(login) = login.filter(|login| !is_authorised(&request, login)) {
            if request.headers.contains_key("authorization") {
                control.wrong.fetch_add(1, Relaxed);
            }
            let _ = login;
            let answer = format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: {CHALLENGE}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
            continue;
        }
        if let Some(status) = refused {
            let to = control.base.lock().as_ref().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
            let answer = format!("RTSP/1.0 {status} No\r\nCSeq: {cseq}\r\n{to}\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
            continue;
        }
        let (mut extra, mut body) = (String::new(), String::new());
        match request.method.as_str() {
            "DESCRIBE" => {
                body = control.sdp.lock().clone();
                let base = control.base.lock().clone().unwrap_or(request.uri);
                extra = format!(
                    "Content-Base: {base}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
                    body.len()
                );
            }
            "SETUP" => {
                let transport = request.headers.get("transport")?;
                let rtp = 2 * lines.len() as u8;
                if let Some(ports) = transport.split("client_port=").nth(1) {
                    let port: u16 = ports.split('-').next()?.parse().ok()?;
                    let (a, b) =
                        (UdpSocket::bind("127.0.0.1:0").await.ok()?, UdpSocket::bind("127.0.0.1:0").await.ok()?);
                    a.connect(("127.0.0.1", port)).await.ok()?;
                    b.connect(("127.0.0.1", port + 1)).await.ok()?;
                    let (x, y) = (a.local_addr().ok()?.port(), b.local_addr().ok()?.port());
                    extra = format!(
                        "Session: 4711;timeout=60\r\nTransport: RTP/AVP;unicast;client_port={ports};server_port={x}-{y}\r\n"
                    );
                    lines.push(Line { rtp, udp: Some((a, b)) });
                } else {
                    let channels = format!("interleaved={rtp}-{}", rtp + 1);
                    extra = format!("Session: 4711;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;{channels}\r\n");
                    lines.push(Line { rtp, udp: None });
                }
            }
            "TEARDOWN" => {
                control.teardowns.fetch_add(1, Relaxed);
            }
            _ => {}
        }
        let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{extra}\r\n{body}");
        stream.write_all(answer.as_bytes()).await.ok()?;
        match request.method.as_str() {
            "PLAY" => {
                control.plays.fetch_add(1, Relaxed);
                return play(stream, buf, &lines, control).await;
            }
            "TEARDOWN" => return None,
            _ => {}
        }
    }
}

/// An RTP packet.
pub fn rtp(payload_type: u8, seq: u16, timestamp: u32, ssrc: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, payload_type | u8::from(marker) << 7];
    out.extend(seq.to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

fn sender_report(ssrc: u32, timestamp: u32, ahead_ms: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_millis(ahead_ms);
    let ntp = ((now.as_secs() + 2_208_988_800) << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000);
    let mut out = vec![0x80, 200, 0, 6];
    out.extend(ssrc.to_be_bytes());
    out.extend(ntp.to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend([0; 8]);
    out
}

/// A hundred pictures a second, every twentieth a keyframe of four packets behind its parameter sets; sound with each second one.
async fn play(mut stream: TcpStream, mut buf: Vec<u8>, lines: &[Line], control: &Control) -> Option<()> {
    let (mut seq, mut sound_seq, mut picture, mut number) = (65_500u16, 7u16, 0u32, 0u64);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let mut ssrc = control.ssrc.load(Relaxed);
    loop {
        tokio::select! {
            request = request(&mut stream, &mut buf) => {
                let request = request?;
                if control.dead.load(Relaxed) {
                    continue;
                }
                let cseq = request.headers.get("cseq").cloned().unwrap_or_default();
                let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nPublic: OPTIONS, GET_PARAMETER\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
                if request.method == "TEARDOWN" {
                    control.teardowns.fetch_add(1, Relaxed);
                    return None;
                }
                continue;
            }
            _ = tick.tick() => {}
        }
        if *control.close_at.lock() == Some(Step::Playing) || control.cut.swap(false, Relaxed) {
            return None;
        }
        if control.silent.load(Relaxed) || control.dead.load(Relaxed) {
            continue;
        }
        for _ in 0..control.times.load(Relaxed) {
            let now_ssrc = control.ssrc.load(Relaxed);
            if now_ssrc != ssrc {
                (ssrc, seq, picture) = (now_ssrc, 1_000, 0);
            }
            let timestamp = picture.wrapping_mul(900);
            let payloads: Vec<Vec<u8>> = if picture % 20 == 0 {
                let body = |n: u8| [&[0x7c, [0x85, 0x05, 0x45][usize::from(n)], 0xb8][..], &[n; 400]].concat();
                vec![SPS.to_vec(), PPS.to_vec(), body(0), body(1), body(2)]
            } else {
                vec![[&[0x41, 0x9a][..], &picture.to_be_bytes(), &[1; 200]].concat()]
            };
            picture += 1;
            let (count, mut out) = (payloads.len(), Vec::new());
            for (n, payload) in payloads.into_iter().enumerate() {
                let packet = rtp(96, seq, timestamp, ssrc, n + 1 == count, &payload);
                control.sent.lock().push((seq, payload));
                seq = seq.wrapping_add(1);
                match &mut *control.mangle.lock() {
                    Some(mangle) => out.extend(mangle(number, packet)),
                    None => out.push(packet),
                }
                number += 1;
            }
            for packet in out {
                send(&mut stream, lines.first()?, 0, &packet).await?;
            }
            if picture % 10 == 1 {
                let report = sender_report(ssrc, timestamp, control.clock_ahead_ms.load(Relaxed));
                send(&mut stream, lines.first()?, 1, &report).await?;
            }
        }
        if control.cut_behind.swap(false, Relaxed) {
            return None;
        }
        if let Some(line) = lines.get(1)
            && picture % 2 == 0
        {
            let packet = rtp(8, sound_seq, u32::from(sound_seq) * 160, ssrc ^ 0xff, false, &[0xd5; 160]);
            sound_seq = sound_seq.wrapping_add(1);
            send(&mut stream, line, 0, &packet).await?;
        }
    }
}

async fn send(stream: &mut TcpStream, line: &Line, half: u8, packet: &[u8]) -> Option<()> {
    match &line.udp {
        Some((rtp, rtcp)) => {
            // A viewer that is gone shows at the connection.
            let _ = if half == 0 { rtp.send(packet).await } else { rtcp.send(packet).await };
            Some(())
        }
        None => {
            let mut framed = vec![b'$', line.rtp + half];
            framed.extend((packet.len() as u16).to_be_bytes());
            framed.extend_from_slice(packet);
            stream.write_all(&framed).await.ok()
        }
    }
}
