//! `lectern-loadtest cameras`: any number of RTSP cameras in one process, with faults by script and a ledger of all they
//! sent.
//!
//! ```text
//! lectern-loadtest cameras -n 20 --listen 127.0.0.1:0 --h265-every 2 --sound aac \
//!     --user exam --password secret --script faults.jsonl --ledger sent.jsonl
//! ```
//!
//! prints one JSON line when ready, with its port and the URLs (`rtsp://127.0.0.1:PORT/cam/N/main` and `…/sub`, N from
//! 1), and runs until SIGINT or SIGTERM. Main: 1080p25, H.264 or H.265, 4 Mbit/s; sub: 640×360, 15 frames/s, H.264, 0.5
//! Mbit/s; a keyframe every 2 s; sound with both. TCP interleaved and UDP, as the client asks; digest authentication.
//!
//! Scenes are encoded once and sent again and again; what has to be of the present is written into each picture
//! ([`paint`]): the strip (frame number and UTC; below it camera and stream, see [`crate::strip::Plate`]) and a line of
//! text with the camera's clock. The top 15 % of a picture are thus no scene. H.265 pictures carry the strip of the loop
//! instead. `--b-frames` names streams whose pictures come in another order than the one in which they are shown; RTP time
//! stamps, strips and numbers are those of showing. Each picture of either kind has an SEI message with frame number, UTC in microseconds, camera and stream
//! ([`crate::stamp`]). The script's lines are [`script::Entry`], the ledger's are told in [`ledger`].

mod bench;
mod bits;
mod clips;
mod connection;
mod digest;
mod garbage;
mod h264;
mod ledger;
mod osd;
mod paint;
mod picture;
mod puller;
mod rtp;
mod rtsp;
mod scene;
mod script;
mod sdp;
mod sound;
mod track;
mod world;

pub use bench::CameraBenchArgs;
pub use puller::PullArgs;

use anyhow::{Context, Result, ensure};
use connection::{Door, serve};
use digest::Login;
use ledger::Ledger;
use rand::{SeedableRng, rngs::StdRng};
use script::{Fault, Script, StreamKind};
use socket2::SockRef;
use sound::SoundCodec;
use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::{LocalSet, spawn_local},
};
use world::{Plan, World};

/// Room for the pictures of many cameras that a receiver has not read yet.
const UDP_SEND_BYTES: usize = 4 << 20;
/// The time between two looks at whether a camera's own port is to be open.
const PORT_LOOK: Duration = Duration::from_millis(20);

/// `lectern-loadtest cameras`
#[derive(Debug, Clone, clap::Args)]
pub struct CamerasArgs {
    /// How many cameras.
    #[arg(long, short = 'n', default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=2000))]
    cameras: u16,
    /// Where to listen; port 0: a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A port of its own for each camera, from the port of `--listen` on (or free ones), instead of one for all.
    #[arg(long)]
    port_each: bool,
    /// Every so-manieth camera's main stream is H.265; 0: none.
    #[arg(long, default_value_t = 2)]
    h265_every: u16,
    /// Rate of main streams, kilobits per second.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(200..=20_000))]
    main_kbps: u32,
    /// Rate of substreams, kilobits per second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(100..=4_000))]
    sub_kbps: u32,
    /// Streams with B-frames, like 1/main,2/sub: two behind each other, to which no other picture refers.
    #[arg(long, value_delimiter = ',', value_parser = stream_named)]
    b_frames: Vec<(u16, StreamKind)>,
    /// How many different rooms; cameras share them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    scenes: u32,
    /// Sound.
    #[arg(long, value_enum, default_value_t = SoundCodec::Aac)]
    sound: SoundCodec,
    /// Name for the log-in; without it everyone may look.
    #[arg(long)]
    user: Option<String>,
    /// Password for the log-in.
    #[arg(long, default_value = "", hide_default_value = true)]
    password: String,
    /// Faults: JSON lines like {"camera":3,"from_s":10,"to_s":20,"fault":"frozen"}.
    #[arg(long)]
    script: Option<PathBuf>,
    /// Instead of a script: a fault now and then, about every so many seconds, for a day.
    #[arg(long, conflicts_with = "script", value_parser = clap::value_parser!(u64).range(5..=86_400))]
    now_and_then: Option<u64>,
    /// Where to note what was sent, as JSON lines; a directory: a file for each stream in it.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Seconds after which access units are no longer noted; without it, all are.
    #[arg(long)]
    ledger_secs: Option<u64>,
    /// Leave parameter sets out of the descriptions.
    #[arg(long)]
    no_sprop: bool,
    /// Seconds after which a session ends of which nothing is heard.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    session_timeout: u64,
    /// Where encoded scenes are kept.
    #[arg(long, default_value = "target/loadtest/cameras")]
    cache: PathBuf,
    /// End after so many seconds.
    #[arg(long)]
    secs: Option<u64>,
    /// For losses and garbage.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl CamerasArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// If clips can't be made, a port is taken, or the ledger can't be written.
    pub fn run(&self) -> Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
        LocalSet::new().block_on(&runtime, self.go()).map(|()| true)
    }

    fn plan(&self) -> Result<Plan> {
        let script = match (&self.script, self.now_and_then) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Script::read(&text).with_context(|| format!("{}", path.display()))?
            }
            (None, Some(every)) => {
                let mut rng = <StdRng as SeedableRng>::seed_from_u64(self.seed);
                Script::now_and_then(self.cameras, Duration::from_secs(every), &mut rng)
            }
            (None, None) => Script::default(),
        };
        ensure!(script.entries().all(|e| e.camera <= self.cameras), "the script names a camera that is not there");
        let known = |camera: u16| (1..=self.cameras).contains(&camera);
        ensure!(self.b_frames.iter().all(|(camera, _)| known(*camera)), "--b-frames names a camera that is not there");
        // Times of B-frames are by the usual rate.
        let rates = |e: &script::Entry| matches!(e.fault, Fault::Flood | Fault::SlowFrames);
        let mixed = |e: &script::Entry| self.b_frames.iter().any(|(camera, _)| *camera == e.camera);
        ensure!(!script.entries().any(|e| rates(e) && mixed(e)), "no flood or slow_frames at a camera with B-frames");
        Ok(Plan {
            cameras: self.cameras,
            h265_every: self.h265_every,
            main_kbps: self.main_kbps,
            sub_kbps: self.sub_kbps,
            b_frames: self.b_frames.clone(),
            scenes: self.scenes,
            sound: self.sound,
            cache: self.cache.clone(),
            script,
            sprop: !self.no_sprop,
        })
    }

    async fn go(&self) -> Result<()> {
        let plan = self.plan()?;
        let udp = udp_pair(self.listen.ip()).await?;
        let ledger = Ledger::new(self.ledger.as_deref(), self.ledger_secs.map(Duration::from_secs))?;
        let mut world = World::new(plan, ledger, udp, self.seed)?;
        world.begin();
        let login = self.user.clone().map(|user| Login { user, password: self.password.clone() });
        let timeout = Duration::from_secs(self.session_timeout);
        let door = Rc::new(Door { world: RefCell::new(world), login, timeout });
        let ports = self.open(&door).await?;
        println!("{}", self.ready(&door, &ports));
        let pacing = spawn_local(pace(Rc::clone(&door)));
        let end = async {
            match self.secs {
                Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = crate::run::interrupted() => signal?,
            () = end => {}
            paced = pacing => paced.context("the pacer panicked")??,
        }
        let totals = door.world.borrow().totals;
        eprintln!("{}", serde_json::to_string(&totals)?);
        door.world.borrow_mut().end()
    }

    /// Opens the ports; the camera's own one, or the only one, for each.
    async fn open(&self, door: &Rc<Door>) -> Result<Vec<u16>> {
        let bind = async |address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| format!("listening at {address}"))
        };
        if !self.port_each {
            let listener = bind(self.listen).await?;
            let port = listener.local_addr()?.port();
            spawn_local(accept(Rc::clone(door), listener, None));
            return Ok(vec![port; usize::from(self.cameras)]);
        }
        let mut ports = Vec::new();
        for camera in 1..=self.cameras {
            let port = if self.listen.port() == 0 { 0 } else { self.listen.port() + camera - 1 };
            let listener = bind(SocketAddr::new(self.listen.ip(), port)).await?;
            ports.push(listener.local_addr()?.port());
            spawn_local(own_port(Rc::clone(door), listener, camera));
        }
        Ok(ports)
    }

    fn ready(&self, door: &Door, ports: &[u16]) -> serde_json::Value {
        let world = door.world.borrow();
        let host = match self.listen.ip() {
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        };
        let cameras: Vec<serde_json::Value> = (1..=self.cameras)
            .zip(ports)
            .map(|(camera, port)| {
                let codec = match world.plan.shape(camera, StreamKind::Main).codec {
                    clips::Codec::H264 => "h264",
                    clips::Codec::H265 => "h265",
                };
                let url = format!("rtsp://{host}:{port}/cam/{camera}");
                serde_json::json!({ "camera": camera, "codec": codec, "main": format!("{url}/main"), "sub": format!("{url}/sub") })
            })
            .collect();
        serde_json::json!({ "ready": true, "port": ports.first(), "pid": std::process::id(), "cameras": cameras })
    }
}

/// A stream like `3/main`, as its URL ends.
fn stream_named(text: &str) -> Result<(u16, StreamKind), String> {
    let camera = |number: &str| number.parse().map_err(|_| format!("{number} is no camera"));
    match text.split_once('/') {
        Some((number, "main")) => Ok((camera(number)?, StreamKind::Main)),
        Some((number, "sub")) => Ok((camera(number)?, StreamKind::Sub)),
        _ => Err("a stream is like 3/main or 3/sub".to_owned()),
    }
}

/// Two sockets for media and reports; even and odd ports are only a custom (RFC 3550 §11).
async fn udp_pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind((ip, 0)).await.context("a UDP port for media")?;
    let rtcp = UdpSocket::bind((ip, 0)).await.context("a UDP port for reports")?;
    // What the system allows of it is enough for a few cameras.
    let _ = SockRef::from(&rtp).set_send_buffer_size(UDP_SEND_BYTES);
    Ok((rtp, rtcp))
}

async fn accept(door: Rc<Door>, listener: TcpListener, only: Option<u16>) {
    loop {
        // A client that was gone before it was greeted is no reason to end.
        if let Ok((socket, _)) = listener.accept().await {
            spawn_local(serve(Rc::clone(&door), socket, only));
        }
    }
}

/// Listens at a camera's own port while the script has it open.
async fn own_port(door: Rc<Door>, listener: TcpListener, camera: u16) {
    let address = listener.local_addr();
    let mut listener = Some(listener);
    let closed = || {
        let world = door.world.borrow();
        world.plan.script.has(camera, StreamKind::Main, world.start.elapsed(), |f| f == Fault::PortClosed)
    };
    loop {
        match (&listener, closed()) {
            (Some(_), true) => listener = None,
            (Some(open), false) => {
                let accepted = tokio::time::timeout(PORT_LOOK, open.accept()).await;
                if let Ok(Ok((socket, _))) = accepted {
                    spawn_local(serve(Rc::clone(&door), socket, Some(camera)));
                }
            }
            (None, true) => tokio::time::sleep(PORT_LOOK).await,
            (None, false) => match &address {
                Ok(address) => listener = TcpListener::bind(address).await.ok(),
                Err(_) => return,
            },
        }
    }
}

/// Does what is due, when it is due; reads receivers' reports that come by UDP.
async fn pace(door: Rc<Door>) -> Result<()> {
    let woken = door.world.borrow().woken();
    loop {
        let next = door.world.borrow_mut().turn()?;
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = woken.notified() => {}
        }
        door.world.borrow().hear();
    }
}

#[cfg(test)]
mod tests;
