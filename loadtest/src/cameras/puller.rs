//! A client that takes the streams of cameras and throws them away: the cheapest one there can be, to measure cameras by
//! and to compare recorders with.

use super::digest::Login;
use anyhow::{Context, Result, bail, ensure};
use std::{
    cell::Cell,
    fs::File,
    io::Write as _,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    task::{LocalSet, spawn_local},
};

/// Time between signs of life; sessions end after a minute.
const ALIVE_EVERY: Duration = Duration::from_secs(20);
const READ_BYTES: usize = 256 * 1024;
/// What came is written in pieces of this length of time, and synced in rounds, as the server's recorder does it.
const WRITE_EVERY: Duration = Duration::from_millis(500);
const SYNC_EVERY: Duration = Duration::from_millis(900);

/// `lectern-loadtest camera-pull`
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// Address of `lectern-loadtest cameras`, like 127.0.0.1:8554.
    at: String,
    /// Cameras 1 to N, both streams of each.
    #[arg(long, short = 'n', default_value_t = 12)]
    cameras: u16,
    /// Name for the log-in.
    #[arg(long, default_value = "")]
    user: String,
    /// Password for the log-in.
    #[arg(long, default_value = "", hide_default_value = true)]
    password: String,
    /// Take them over UDP.
    #[arg(long, conflicts_with = "into")]
    udp: bool,
    /// Keep what comes in this directory, synced about each second.
    #[arg(long)]
    into: Option<PathBuf>,
    /// How long, in seconds; without it, until interrupted.
    #[arg(long)]
    secs: Option<u64>,
}

impl PullArgs {
    /// Runs the command; false if nothing came.
    ///
    /// # Errors
    /// If a camera refuses.
    pub fn run(&self) -> Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
        LocalSet::new().block_on(&runtime, async {
            let login = Login { user: self.user.clone(), password: self.password.clone() };
            let bytes = Rc::new(Cell::new(0));
            let mut streams = Vec::new();
            let sync = self.into.as_ref().map(|_| start_syncing()).transpose()?;
            for camera in 1..=self.cameras {
                for stream in ["main", "sub"] {
                    let url = format!("rtsp://{}/cam/{camera}/{stream}", self.at);
                    let puller =
                        Puller::open(&self.at, &url, &login, self.udp, &bytes).await.with_context(|| url.clone())?;
                    let kept = match (&self.into, &sync) {
                        (Some(dir), Some(sync)) => Some(Kept::create(&dir.join(format!("{camera}-{stream}")), sync)?),
                        _ => None,
                    };
                    streams.push(spawn_local(puller.drain(Rc::clone(&bytes), kept)));
                }
            }
            println!("{}", serde_json::json!({ "ready": true, "streams": streams.len() }));
            let begun = Instant::now();
            let end = async {
                match self.secs {
                    Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => {}
                signal = crate::run::interrupted() => signal?,
            }
            let ended = streams.iter().filter(|s| s.is_finished()).count();
            let secs = begun.elapsed().as_secs_f64();
            println!("{}", serde_json::json!({ "secs": secs, "bytes": bytes.get(), "ended": ended }));
            Ok(bytes.get() > 0 && ended == 0)
        })
    }
}

struct Puller {
    socket: TcpStream,
    url: String,
    login: Login,
    nonce: String,
    session: String,
    seq: u32,
    /// What was read beyond the last answer.
    rest: Vec<u8>,
}

impl Puller {
    async fn open(at: &str, url: &str, login: &Login, udp: bool, bytes: &Rc<Cell<u64>>) -> Result<Self> {
        let socket = TcpStream::connect(at).await.context("connecting")?;
        let mut puller = Self {
            socket,
            url: url.to_owned(),
            login: login.clone(),
            nonce: String::new(),
            session: String::new(),
            seq: 0,
            rest: Vec::new(),
        };
        let description = puller.ask("DESCRIBE", url, "").await?;
        for track in 1..=if description.contains("trackID=2") { 2 } else { 1 } {
            let channel = 2 * (track - 1);
            let transport = if udp {
                let (rtp, rtcp) = (udp_drain(at, bytes).await?, udp_drain(at, bytes).await?);
                format!("Transport: RTP/AVP;unicast;client_port={rtp}-{rtcp}\r\n")
            } else {
                format!("Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{}\r\n", channel + 1)
            };
            let answer = puller.ask("SETUP", &format!("{url}/trackID={track}"), &transport).await?;
            let session = header(&answer, "Session").context("an answer to SETUP without Session")?;
            puller.session = session.split(';').next().unwrap_or_default().to_owned();
        }
        puller.ask("PLAY", url, "").await?;
        Ok(puller)
    }

    fn request(&mut self, method: &str, url: &str, more: &str) -> String {
        self.seq += 1;
        let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{more}", self.seq);
        if !self.session.is_empty() {
            text.push_str(&format!("Session: {}\r\n", self.session));
        }
        if !self.nonce.is_empty() {
            text.push_str(&format!("Authorization: {}\r\n", self.login.proof(method, url, &self.nonce)));
        }
        text.push_str("\r\n");
        text
    }

    /// Asks, once again with the password if need be; the answer with its body.
    async fn ask(&mut self, method: &str, url: &str, more: &str) -> Result<String> {
        for _ in 0..2 {
            let request = self.request(method, url, more);
            self.socket.write_all(request.as_bytes()).await.context("asking")?;
            let answer = self.read_answer().await?;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            match status {
                "200" => return Ok(answer),
                "401" => {
                    let challenge = header(&answer, "WWW-Authenticate").unwrap_or_default();
                    let nonce = challenge.split("nonce=\"").nth(1).and_then(|n| n.split('"').next());
                    self.nonce = nonce.context("a challenge without nonce")?.to_owned();
                }
                _ => bail!("{method}: {}", answer.lines().next().unwrap_or_default()),
            }
        }
        bail!("{method}: the password is wrong")
    }

    async fn read_answer(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.rest.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.rest[..end + 4]).into_owned();
                let body: usize = header(&head, "Content-Length").map_or(Ok(0), str::parse).context("a length")?;
                if self.rest.len() >= end + 4 + body {
                    let answer = self.rest.drain(..end + 4 + body).collect::<Vec<u8>>();
                    return Ok(String::from_utf8_lossy(&answer).into_owned());
                }
            }
            ensure!(self.socket.read_buf(&mut self.rest).await.context("reading")? > 0, "the camera hung up");
        }
    }

    /// Reads until the camera ends.
    async fn drain(mut self, bytes: Rc<Cell<u64>>, mut kept: Option<Kept>) {
        let mut buffer = vec![0; READ_BYTES];
        let mut alive = Instant::now();
        while let Ok(read @ 1..) = self.socket.read(&mut buffer).await {
            bytes.set(bytes.get() + read as u64);
            if let Some(kept) = &mut kept
                && let Err(error) = kept.take(&buffer[..read])
            {
                give_up("written", &error);
            }
            if alive.elapsed() > ALIVE_EVERY {
                alive = Instant::now();
                let request = self.request("GET_PARAMETER", &self.url.clone(), "");
                if self.socket.write_all(request.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A file that a stream is kept in.
struct Kept {
    file: File,
    waiting: Vec<u8>,
    written: Instant,
}

impl Kept {
    fn create(path: &Path, sync: &Sender<File>) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        sync.send(file.try_clone().context("a second handle")?).context("the thread that syncs has ended")?;
        Ok(Self { file, waiting: Vec::new(), written: Instant::now() })
    }

    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        if self.written.elapsed() >= WRITE_EVERY {
            self.file.write_all(&self.waiting)?;
            self.waiting.clear();
            self.written = Instant::now();
        }
        Ok(())
    }
}

/// Syncs the files that it is given, in rounds, until nobody can give it another.
fn start_syncing() -> Result<Sender<File>> {
    let (give, files) = channel();
    std::thread::Builder::new().name("sync".into()).spawn(move || sync_rounds(&files)).context("a thread")?;
    Ok(give)
}

/// A floor that leaves out the work of a stream would be too low: whoever measures it finds the process gone.
fn give_up(what: &str, error: &std::io::Error) -> ! {
    eprintln!("a file could not be {what}: {error}");
    std::process::exit(1)
}

fn sync_rounds(given: &Receiver<File>) {
    let (mut files, mut next) = (Vec::new(), Instant::now() + SYNC_EVERY);
    loop {
        match given.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(file) => files.push(file),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                next = Instant::now() + SYNC_EVERY;
                for file in &files {
                    // SAFETY: a system call on an open file, without pointers. Zero bytes mean: up to the end. It only begins
                    // early what the sync below waits for, so its answer changes nothing.
                    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
                }
                for file in &files {
                    if let Err(error) = file.sync_data() {
                        give_up("synced", &error);
                    }
                }
            }
        }
    }
}

/// A UDP port of this host from which all that comes is thrown away.
async fn udp_drain(at: &str, bytes: &Rc<Cell<u64>>) -> Result<u16> {
    let host = at.rsplit_once(':').map_or(at, |(host, _)| host);
    let socket = UdpSocket::bind(format!("{host}:0")).await.context("a UDP port")?;
    let port = socket.local_addr().context("a UDP port")?.port();
    let bytes = Rc::clone(bytes);
    spawn_local(async move {
        let mut packet = [0; 2048];
        while let Ok(read) = socket.recv(&mut packet).await {
            bytes.set(bytes.get() + read as u64);
        }
    });
    Ok(port)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.split("\r\n").take_while(|l| !l.is_empty());
    lines.filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
}
