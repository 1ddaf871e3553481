//! One conversation with a camera, from the connection to the leave.
//!
//! Contract: [`Session::describe`], [`Session::set_up`] for each stream wanted, [`Session::play`], then [`Session::next`] until
//! it fails; at last [`Session::leave`], so that a camera that sends datagrams stops.

use super::{
    address, gather, header, rtcp, sdp,
    udp::{DATAGRAM_BYTES_MAX, Half, Pair},
    wire::{Incoming, Reader},
};
use crate::{
    config::{AddressRule, Secret, Transport},
    fault::Fault,
};
use bytes::Bytes;
use http_auth::{PasswordClient, PasswordParams};
use lectern_media::Ssrc;
use retina::rtsp::msg::Response;
use std::{collections::VecDeque, fmt::Write as _, future::poll_fn, io, net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use url::Url;

/// The most packets kept that come before the answer to `PLAY`, as some cameras send them.
const EARLY_MAX: usize = 256;

/// The most messages passed over while an answer is awaited.
const PASSED_OVER_MAX: usize = 64;

/// How often a receiver report is sent over UDP.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// The longest between two keepalives, whatever timeout the camera tells: middleboxes forget sooner.
const KEEPALIVE_MAX: Duration = Duration::from_secs(30);

/// Whom to talk to.
/// Not printable: in path and query of some cameras' addresses a password stands.
#[derive(Clone)]
pub(crate) struct Target {
    /// Without user and password.
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) transport: Transport,
    /// Which addresses the host may have.
    pub(crate) allowed: AddressRule,
    /// How long a connection and each answer may take.
    pub(crate) within: Duration,
}

/// What came while playing.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// An RTP packet of the stream that was set up as the `n`th.
    Rtp(usize, Bytes),
    /// An RTCP packet of it.
    Rtcp(usize, Bytes),
    /// The camera answered a keepalive.
    Answered,
}

/// Where a stream's packets come from.
enum Line {
    Interleaved { rtp: u8, rtcp: u8 },
    Udp(Pair),
}

pub(crate) struct Session {
    stream: TcpStream,
    reader: Reader,
    target: Target,
    url: Url,
    camera: IpAddr,
    auth: Option<PasswordClient>,
    cseq: u32,
    id: Option<header::SessionId>,
    /// What `PLAY` and what follows is sent to.
    control: String,
    lines: Vec<Line>,
    early: VecDeque<Inbound>,
    /// Why it is over, as soon as all is taken that came before.
    over: Option<Fault>,
    public: Option<String>,
    keepalive_at: Instant,
    report_at: Instant,
    /// Asked and not answered yet.
    asked: bool,
    scratch: Vec<u8>,
    /// Packets on channels nobody set up, and of strangers, since they were counted last.
    strangers: u64,
    /// What comes gathers.
    gathers: bool,
    /// The source named in receiver reports: one of our own, any.
    us: Ssrc,
}

impl Session {
    /// Connects and asks what there is.
    pub(crate) async fn describe(target: Target) -> Result<(Self, sdp::Description), Fault> {
        let url = Url::parse(&target.url).map_err(|_| Fault::BadUrl)?;
        if url.scheme() != "rtsp" {
            return Err(Fault::BadUrl);
        }
        let connected = timeout(target.within, address::connect(&url, target.allowed)).await;
        let stream = connected.map_err(|_| Fault::Timeout("connect"))??;
        let _ = stream.set_nodelay(true);
        let camera = stream.peer_addr().map_err(|_| Fault::Reset)?.ip();
        let mut session = Self {
            stream,
            reader: Reader::new(),
            camera,
            auth: None,
            cseq: 0,
            id: None,
            control: url.as_str().to_owned(),
            lines: Vec::new(),
            early: VecDeque::new(),
            over: None,
            public: None,
            keepalive_at: Instant::now(),
            report_at: Instant::now(),
            asked: false,
            scratch: Vec::new(),
            strangers: 0,
            gathers: false,
            us: Ssrc(rand::random()),
            target,
            url,
        };
        let uri = session.control.clone();
        let (head, body) = session.request("DESCRIBE", &uri, "Accept: application/sdp\r\n").await?;
        let base = head.headers.get("Content-Base").or_else(|| head.headers.get("Content-Location"));
        // Some cameras write a base that is no URL; what was asked will do.
        let mut base = base.and_then(|b| Url::parse(b.trim()).ok()).filter(|b| b.scheme() == "rtsp");
        if let Some(base) = &mut base {
            let _ = (base.set_username(""), base.set_password(None));
        }
        let base = base.unwrap_or_else(|| session.url.clone());
        let description = sdp::parse(&base, &body).ok_or(Fault::Protocol("the description is not SDP"))?;
        session.control.clone_from(&description.control);
        Ok((session, description))
    }

    /// Sets up a stream; its packets will carry the number of calls before.
    pub(crate) async fn set_up(&mut self, control: &str) -> Result<(), Fault> {
        let nth = self.lines.len();
        let (pair, ask) = match self.target.transport {
            Transport::Tcp => {
                (None, format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{}\r\n", 2 * nth, 2 * nth + 1))
            }
            Transport::Udp => {
                let socket = |_: io::Error| Fault::Internal("no UDP ports");
                let ours = self.stream.local_addr().map_err(|_| Fault::Reset)?.ip();
                let pair = Pair::bind(ours, self.camera).map_err(socket)?;
                let port = pair.port().map_err(socket)?;
                (Some(pair), format!("Transport: RTP/AVP;unicast;client_port={port}-{}\r\n", port + 1))
            }
        };
        let (head, _) = self.request("SETUP", control, &ask).await?;
        let id = head.headers.get("Session").and_then(|v| header::session(v));
        // Some cameras name another session with each stream; the first is the one they mean.
        self.id = self.id.take().or(id);
        if self.id.is_none() {
            return Err(Fault::Protocol("SETUP without a session"));
        }
        let chosen = header::transport(head.headers.get("Transport").map_or("", |v| v));
        let line = match pair {
            None => {
                let (rtp, rtcp) = chosen.channels.ok_or(Fault::TransportRefused)?;
                let clash =
                    |line: &Line| matches!(line, Line::Interleaved { rtp: a, rtcp: b } if [*a, *b].contains(&rtp));
                if self.lines.iter().any(clash) {
                    return Err(Fault::Protocol("two streams on one channel"));
                }
                Line::Interleaved { rtp, rtcp }
            }
            Some(mut pair) => {
                if let Some(ports) = chosen.server_ports {
                    let report = rtcp::receiver_report(self.us);
                    pair.connect(ports, &report).await.map_err(|_| Fault::Unreachable)?;
                }
                self.scratch.resize(DATAGRAM_BYTES_MAX, 0);
                Line::Udp(pair)
            }
        };
        self.lines.push(line);
        Ok(())
    }

    /// Starts everything that was set up.
    pub(crate) async fn play(&mut self) -> Result<(), Fault> {
        let uri = self.control.clone();
        let (head, _) = self.request("PLAY", &uri, "Range: npt=0.000-\r\n").await?;
        self.public = head.headers.get("Public").map(|v| v.to_string());
        // The first keepalive comes soon: it tells what the camera offers, and whether it answers at all.
        self.keepalive_at = Instant::now() + Duration::from_secs(5).min(self.keepalive_every());
        self.report_at = Instant::now() + REPORT_EVERY;
        Ok(())
    }

    /// The next packet. May be dropped and called again at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Inbound, Fault> {
        loop {
            if let Some(inbound) = self.ready()? {
                return Ok(inbound);
            }
            if let Some(fault) = &self.over {
                return Err(fault.clone());
            }
            let Self { stream, reader, lines, scratch, strangers, .. } = self;
            let datagram = poll_fn(|cx| {
                for (nth, line) in lines.iter().enumerate() {
                    if let Line::Udp(pair) = line
                        && let std::task::Poll::Ready((half, packet)) = pair.poll(cx, scratch, strangers)
                    {
                        return std::task::Poll::Ready((nth, half, packet));
                    }
                }
                std::task::Poll::Pending
            });
            tokio::select! {
                read = stream.read_buf(reader.buffer()) => match read {
                    Ok(0) => self.end(Fault::Closed),
                    Ok(_) => {}
                    Err(_) => self.end(Fault::Reset),
                },
                (nth, half, packet) = datagram => return Ok(of_pair(nth, half, packet)),
            }
        }
    }

    /// The camera hung up. Datagrams go another way than that news: what came before it may still wait.
    fn end(&mut self, fault: Fault) {
        self.over = Some(fault);
        let Self { lines, scratch, early, strangers, .. } = self;
        for (nth, line) in lines.iter().enumerate() {
            if let Line::Udp(pair) = line {
                pair.left(scratch, strangers, |half, packet| early.push_back(of_pair(nth, half, packet)));
            }
        }
        self.count_strangers();
    }

    fn count_strangers(&mut self) {
        let strangers = std::mem::take(&mut self.strangers);
        if strangers > 0 {
            metrics::counter!("lectern_ingest_packets_refused_total", "reason" => "stranger").increment(strangers);
        }
    }

    /// Whether what comes may gather for a moment. What gathered waits for [`Self::gathered`]; what is much comes from
    /// [`Self::next`] all the same.
    pub(crate) fn gather(&mut self, gather: bool) {
        // What datagrams bring is lost if it is not taken soon.
        let gather = gather && self.lines.iter().all(|line| matches!(line, Line::Interleaved { .. }));
        if self.gathers != gather {
            self.gathers = gather;
            gather::set(&self.stream, gather);
        }
    }

    /// What gathered meanwhile: the first packet of it, [`Self::ready`] has the others.
    pub(crate) fn gathered(&mut self) -> Result<Option<Inbound>, Fault> {
        if !self.gathers {
            return Ok(None);
        }
        // What is there may be good though the connection is over; that shows again.
        let taken = gather::take(&self.stream, &mut self.reader);
        match self.ready() {
            Ok(None) => taken.map(|()| None),
            found => found,
        }
    }

    /// Sends what is due: keepalives, receiver reports. Call every second or so; timers of our own would cost more than all
    /// the rest of a packet's way.
    pub(crate) fn mind(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        self.count_strangers();
        if now >= self.report_at {
            self.report_at = now + REPORT_EVERY;
            let report = rtcp::receiver_report(self.us);
            self.lines.iter().for_each(|line| {
                if let Line::Udp(pair) = line {
                    pair.report(&report)
                }
            });
        }
        if now >= self.keepalive_at { self.keep_alive() } else { Ok(()) }
    }

    /// The next packet of what was read already, or waits in a socket.
    pub(crate) fn ready(&mut self) -> Result<Option<Inbound>, Fault> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        while let Some(incoming) = self.reader.next()? {
            match incoming {
                Incoming::Data { channel, packet } => {
                    if let Some(inbound) = self.of_channel(channel, packet) {
                        return Ok(Some(inbound));
                    }
                }
                Incoming::Response(head, _) => {
                    if head.status_code.as_u16() == 454 {
                        return Err(Fault::Protocol("the camera forgot the session"));
                    }
                    if let Some(public) = head.headers.get("Public") {
                        self.public = Some(public.to_string());
                    }
                    self.asked = false;
                    return Ok(Some(Inbound::Answered));
                }
                Incoming::Request => {}
            }
        }
        let Self { lines, scratch, strangers, .. } = self;
        for (nth, line) in lines.iter().enumerate() {
            if let Line::Udp(pair) = line
                && let Some((half, packet)) = pair.try_take(scratch, strangers)
            {
                return Ok(Some(of_pair(nth, half, packet)));
            }
        }
        Ok(None)
    }

    /// Asks the camera for a sign of life now, unless an answer is awaited already.
    pub(crate) fn ask_for_life(&mut self) -> Result<(), Fault> {
        if self.asked { Ok(()) } else { self.keep_alive() }
    }

    /// Whether a question to the camera is open.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.asked
    }

    /// Tells the camera that we go, and gives it a moment to hear it.
    pub(crate) async fn leave(mut self) {
        self.gather(false);
        if self.id.is_some() {
            let uri = self.control.clone();
            self.target.within = Duration::from_millis(500);
            let _ = self.request("TEARDOWN", &uri, "").await;
        }
    }

    fn keepalive_every(&self) -> Duration {
        let timeout = self.id.as_ref().map_or(60, |id| id.timeout_secs);
        (Duration::from_secs(u64::from(timeout)) / 2).min(KEEPALIVE_MAX)
    }

    fn keep_alive(&mut self) -> Result<(), Fault> {
        self.keepalive_at = Instant::now() + self.keepalive_every();
        let uri = self.control.clone();
        let text = self.compose(header::keepalive_method(self.public.as_deref()), &uri, "")?;
        self.asked = true;
        // Two hundred bytes find room in a socket that carries nothing else; where they don't, nobody has read for minutes.
        match self.stream.try_write(text.as_bytes()) {
            Ok(n) if n == text.len() => Ok(()),
            _ => Err(Fault::Reset),
        }
    }

    fn of_channel(&mut self, channel: u8, packet: Bytes) -> Option<Inbound> {
        for (nth, line) in self.lines.iter().enumerate() {
            match line {
                Line::Interleaved { rtp, .. } if *rtp == channel => return Some(Inbound::Rtp(nth, packet)),
                Line::Interleaved { rtcp, .. } if *rtcp == channel => return Some(Inbound::Rtcp(nth, packet)),
                _ => {}
            }
        }
        // Some cameras send streams on their usual channels whether they were set up or not.
        self.strangers += 1;
        None
    }

    fn compose(&mut self, method: &str, uri: &str, extra: &str) -> Result<String, Fault> {
        self.cseq += 1;
        let mut text = format!("{method} {uri} RTSP/1.0\r\nCSeq: {}\r\nUser-Agent: lectern\r\n", self.cseq);
        if let Some(id) = &self.id {
            let _ = write!(text, "Session: {}\r\n", id.id);
        }
        if let Some(auth) = &mut self.auth {
            let (username, password) = (self.target.username.as_str(), self.target.password.expose());
            let params = PasswordParams { username, password, uri, method, body: Some(&[]) };
            let value = auth.respond(&params).map_err(|_| Fault::Protocol("the camera's challenge"))?;
            if value.bytes().any(|b| b.is_ascii_control()) {
                return Err(Fault::Protocol("a line break in user, password or challenge"));
            }
            let _ = write!(text, "Authorization: {value}\r\n");
        }
        text.push_str(extra);
        text.push_str("\r\n");
        Ok(text)
    }

    /// Sends a request and waits for its answer; answers a challenge once, and once more if only its nonce was stale.
    async fn request(&mut self, method: &'static str, uri: &str, extra: &str) -> Result<(Response, Bytes), Fault> {
        for _ in 0..3 {
            let answered = self.auth.is_some();
            let within = self.target.within;
            let text = self.compose(method, uri, extra)?;
            let exchange = async {
                self.stream.write_all(text.as_bytes()).await.map_err(|_| Fault::Reset)?;
                self.response(self.cseq).await
            };
            let (head, body) = timeout(within, exchange).await.map_err(|_| Fault::Timeout(method))??;
            return match head.status_code.as_u16() {
                200..=299 => Ok((head, body)),
                401 => {
                    let challenge = head.headers.get("WWW-Authenticate").map(|v| v.to_string());
                    let stale = |c: &str| c.to_ascii_lowercase().replace(['"', ' '], "").contains("stale=true");
                    match challenge {
                        Some(c) if !self.target.username.is_empty() && (!answered || stale(&c)) => {
                            let auth = PasswordClient::try_from(c.as_str());
                            self.auth = Some(auth.map_err(|_| Fault::Protocol("the camera's challenge"))?);
                            continue;
                        }
                        _ => Err(Fault::WrongPassword),
                    }
                }
                404 | 454 => Err(Fault::NotFound),
                453 | 503 => Err(Fault::Busy),
                461 => Err(Fault::TransportRefused),
                code => Err(Fault::Status(code)),
            };
        }
        Err(Fault::WrongPassword)
    }

    async fn response(&mut self, cseq: u32) -> Result<(Response, Bytes), Fault> {
        let mut passed_over = 0;
        loop {
            while let Some(incoming) = self.reader.next()? {
                match incoming {
                    Incoming::Response(head, body) => {
                        // A few cameras forget the number; then it is the answer to what was asked last.
                        let number = head.headers.get("CSeq").and_then(|v| v.trim().parse::<u32>().ok());
                        if number.is_none_or(|n| n == cseq) {
                            return Ok((*head, body));
                        }
                        passed_over += 1;
                    }
                    Incoming::Data { channel, packet } => match self.of_channel(channel, packet) {
                        Some(inbound) if self.early.len() < EARLY_MAX => self.early.push_back(inbound),
                        _ => self.strangers += 1,
                    },
                    Incoming::Request => passed_over += 1,
                }
                if passed_over > PASSED_OVER_MAX {
                    return Err(Fault::Protocol("no answer among many messages"));
                }
            }
            match self.stream.read_buf(self.reader.buffer()).await {
                Ok(0) => return Err(Fault::Closed),
                Ok(_) => {}
                Err(_) => return Err(Fault::Reset),
            }
        }
    }
}

fn of_pair(nth: usize, half: Half, packet: Bytes) -> Inbound {
    match half {
        Half::Rtp => Inbound::Rtp(nth, packet),
        Half::Rtcp => Inbound::Rtcp(nth, packet),
    }
}
