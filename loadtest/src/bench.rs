//! `bench`: what a forwarded packet costs the server, beside the floor in the same run, and what a subscriber weighs.
//!
//! One publisher of about 1.5 Mbit/s, 50 then 100 then 200 subscribers, all light clients in this process; the server is
//! started by the bench in a directory of its own. For each number, server and floor take turns: while one is measured
//! the other is silent. Medians of the rounds and of their ratios are told, since the machine may have other work.

mod server;

use crate::{
    client::{
        api::Api,
        near_and_far,
        room::Room,
        world::{ClassWish, World},
    },
    cpu::{CpuTime, receive_buffer_errors, resident_bytes},
    floor::{Cost, Floor, SETTLE},
    light::{Answer, Identity, LightPeer, PeerReport, Role, Swarm, synthetic::PACKETS_PER_SEC},
    report::{Check, Curve, Outputs, Plot, Report, Table, load_average},
    stats::{Histogram, Summary, median},
};
use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, stream};
use lectern_protocol::{
    api::ClassMode,
    ws::{ClientMessage, LessonState, ServerMessage},
};
use serde::Serialize;
use server::Server;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long a crowd may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(90);
/// Subscribers that join at the same time.
const JOIN_AT_ONCE: usize = 8;
/// Subscribers that decrypt and measure delay; the others count by the clear header.
const DEEP: usize = 2;
/// What is aimed for (whole process and media threads against the floor; memory).
const WHOLE_RATIO_MAX: f64 = 2.5;
const MEDIA_RATIO_MAX: f64 = 1.6;
const SUBSCRIBER_KB_MAX: f64 = 150.0;

/// `lectern-loadtest bench`
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/lectern")]
    server: PathBuf,
    /// Numbers of subscribers, rising.
    #[arg(long, value_delimiter = ',', default_value = "50,100,200")]
    subscribers: Vec<usize>,
    /// Rounds for each number.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    secs: u64,
    /// What the names of the server's media threads begin with.
    #[arg(long, default_value = "lectern-media")]
    media_threads: String,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Write a page with plots as well.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// One round.
#[derive(Debug, Clone, Serialize)]
struct Round {
    server: Cost,
    media: Cost,
    floor: Cost,
    threads_ns: BTreeMap<String, u64>,
    lost: u64,
    receive_buffer_errors: u64,
    load: f64,
}

impl Round {
    fn ratio(&self, of: &Cost) -> f64 {
        of.per_packet() / self.floor.per_packet().max(1.0)
    }
}

/// Everything measured with one number of subscribers.
#[derive(Debug, Clone, Serialize)]
struct Step {
    subscribers: usize,
    rounds: Vec<Round>,
    resident_bytes: u64,
    join_ms: Summary,
    first_packet_ms: Summary,
    first_frame_ms: f64,
    delay_us: Summary,
}

#[derive(Debug, Serialize)]
struct Data {
    steps: Vec<Step>,
    resident_bytes_empty: u64,
    subscriber_bytes: f64,
}

impl BenchArgs {
    /// Runs the bench; true if the aims were met.
    ///
    /// # Errors
    /// If something can't be started or does not connect.
    pub fn run(&self) -> Result<bool> {
        let most = self.subscribers.iter().copied().max().context("no number of subscribers")?;
        ensure!(self.subscribers.is_sorted() && self.subscribers[0] > 0, "the numbers of subscribers rise from 1");
        let mut report = Report::begin(&format!(
            "1 publisher ({PACKETS_PER_SEC} packets/s) to {:?} subscribers, server and floor in turn",
            self.subscribers
        ));
        let server = Server::start(&self.server)?;
        let mut floor = Floor::start(most)?;
        let runtime = crate::run::runtime()?;
        let stage = runtime.block_on(Stage::set(&server))?;

        stage.swarm.publish(true)?;
        std::thread::sleep(SETTLE * 3);
        let empty = resident_bytes(server.pid())?;
        stage.swarm.publish(false)?;
        let mut steps = Vec::new();
        for count in &self.subscribers {
            eprintln!("{count} subscribers …");
            let joined = runtime.block_on(stage.fill(*count))?;
            steps.push(self.step(&server, &stage, &mut floor, *count, joined)?);
        }
        let resident = steps.last().map_or(empty, |s| s.resident_bytes);
        let data = Data {
            subscriber_bytes: resident.saturating_sub(empty) as f64 / most as f64,
            resident_bytes_empty: empty,
            steps,
        };
        tell(&mut report, &data);
        let json = self.out.join(format!("bench-{}.json", report.started_unix_ms / 1000));
        let outputs = Outputs { json: Some(json.clone()), report: self.report.clone() };
        let passed = report.finish(&outputs, &data)?;
        std::fs::copy(&json, self.out.join("latest.json")).context("keeping the latest result")?;
        Ok(passed)
    }

    fn step(
        &self,
        server: &Server,
        stage: &Stage,
        floor: &mut Floor,
        count: usize,
        join_ms: Histogram,
    ) -> Result<Step> {
        let window = Duration::from_secs(self.secs);
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let round = self.measure(server, stage, window)?;
            rounds.push(Round { floor: floor.measure(count, window)?, ..round });
        }
        let reports = stage.swarm.report()?;
        let (mut first, mut delays) = (Histogram::default(), Histogram::default());
        for r in &reports {
            delays.merge(&r.delays);
            if let (Some(connected), Some(packet)) = (r.counts.connected, r.counts.first_video) {
                first.record(packet.saturating_sub(connected).as_secs_f64() * 1000.0);
            }
        }
        Ok(Step {
            subscribers: count,
            rounds,
            resident_bytes: resident_bytes(server.pid())?,
            join_ms: join_ms.summary(),
            first_packet_ms: first.summary(),
            first_frame_ms: median(&reports.iter().filter_map(|r| r.first_frame_ms).collect::<Vec<_>>()),
            delay_us: delays.summary(),
        })
    }

    /// The server's part of a round: its cost while the publisher sends.
    fn measure(&self, server: &Server, stage: &Stage, window: Duration) -> Result<Round> {
        let load = load_average();
        stage.swarm.publish(true)?;
        std::thread::sleep(SETTLE);
        let (errors, before, then) =
            (receive_buffer_errors(), CpuTime::of(server.pid())?, received(&stage.swarm.report()?)?);
        std::thread::sleep(window);
        let (after, now) = (CpuTime::of(server.pid())?, received(&stage.swarm.report()?)?);
        stage.swarm.publish(false)?;
        let packets = now.0 - then.0;
        ensure!(packets > 0, "the server forwarded nothing");
        let whole = Cost { packets, cpu_ns: after.since(&before, "") };
        let media = Cost { packets, cpu_ns: after.since(&before, &self.media_threads) };
        ensure!(media.cpu_ns > 0, "no thread of the server is called {}…", self.media_threads);
        Ok(Round {
            server: whole,
            media,
            floor: Cost::default(),
            threads_ns: after.by_name(&before),
            lost: now.1.saturating_sub(then.1),
            receive_buffer_errors: receive_buffer_errors() - errors,
            load,
        })
    }
}

/// Packets that subscribers received, and those they miss.
fn received(reports: &[PeerReport]) -> Result<(u64, u64)> {
    if let Some(failed) = reports.iter().find_map(|r| r.failed.as_ref()) {
        bail!("a client failed: {failed}");
    }
    let subscribers = reports.iter().filter(|r| r.role != Role::Publisher);
    Ok(subscribers.fold((0, 0), |(packets, lost), r| {
        let c = &r.counts;
        (packets + c.video_packets + c.audio_packets + c.other_packets, lost + c.lost)
    }))
}

/// A class on the server with its light clients.
struct Stage {
    api: Api,
    token: String,
    whep: String,
    identity: Identity,
    swarm: Swarm,
}

impl Stage {
    /// Makes and opens the class and connects the publisher.
    async fn set(server: &Server) -> Result<Self> {
        let mut admin = Api::new(server.url(), false)?;
        admin.sign_in(&server.login().0, &server.login().1).await.context("signing in")?;
        let wish = ClassWish { title: "测量课", mode: ClassMode::Famous, record: false, minutes: 240 };
        let World { teacher, class } = World::make(&admin, "a synthetic teacher's password", wish).await?;
        let grant = teacher.join(&class.code, "").await.context("joining as teacher")?;
        let mut room = Room::enter(&teacher, &grant.grant).await?;
        room.say(ClientMessage::Open {}).await?;
        while room.snapshot.state != LessonState::Live {
            match room.news.recv().await.context("the class socket closed")? {
                ServerMessage::RoomChanged { state, .. } => room.snapshot.state = state,
                ServerMessage::Refused { code, detail, .. } => bail!("refused: {code:?}: {detail}"),
                _ => {}
            }
        }
        // The teacher stays in class for as long as the bench runs.
        tokio::spawn(async move { while room.news.recv().await.is_some() {} });
        let device = teacher.device_token(&class).await?;
        let stage = Self {
            api: teacher,
            token: device.token,
            whep: device.whep,
            identity: Identity::generate()?,
            swarm: Swarm::start()?,
        };
        let whip = device.whip.context("the token does not publish")?;
        stage.join(Role::Publisher, &whip).await?;
        stage.until("the publisher connects", |r| r.iter().all(|r| r.counts.connected.is_some())).await?;
        Ok(stage)
    }

    /// Connects subscribers until there are `count`; tells how long each took from request to answer, in milliseconds.
    async fn fill(&self, count: usize) -> Result<Histogram> {
        self.swarm.publish(true)?;
        let there = self.swarm.report()?.len() - 1;
        let joins = (there..count).map(|n| async move {
            let role = if n < DEEP { Role::DeepSubscriber } else { Role::Subscriber };
            let begun = Instant::now();
            self.join(role, &self.whep).await.map(|()| begun.elapsed())
        });
        let joins: Vec<_> = stream::iter(joins).buffer_unordered(JOIN_AT_ONCE).collect().await;
        let mut took = Histogram::default();
        for join in joins {
            took.record(join?.as_secs_f64() * 1000.0);
        }
        let receiving = |r: &PeerReport| r.role == Role::Publisher || r.counts.video_packets > 0;
        self.until("everyone receives", |r| r.len() == count + 1 && r.iter().all(receiving)).await?;
        self.swarm.publish(false)?;
        Ok(took)
    }

    async fn join(&self, role: Role, endpoint: &str) -> Result<()> {
        let epoch = self.swarm.epoch();
        let mut peer = LightPeer::new(role, &self.identity, epoch, epoch.elapsed())?;
        let (_, answer) = self.api.offer(endpoint, &self.token, peer.offer()).await?;
        let answer = Answer::parse(&answer)?;
        let (_, far) = near_and_far(self.api.url());
        let server = answer.best(far).context("the answer has no candidate")?;
        peer.accept(answer);
        self.swarm.add(peer, server)
    }

    async fn until(&self, what: &str, wanted: impl Fn(&[PeerReport]) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            let reports = self.swarm.report()?;
            received(&reports)?; // a failed client ends the wait
            if wanted(&reports) {
                return Ok(());
            }
            ensure!(begun.elapsed() < CONNECT_MAX, "{what}: not within {CONNECT_MAX:?}");
            sleep(Duration::from_millis(20)).await; // between two looks
        }
    }
}

fn tell(report: &mut Report, data: &Data) {
    let columns = [
        "subscribers",
        "server ns/packet",
        "media threads",
        "floor",
        "× floor",
        "media × floor",
        "packets/s lost %",
        "load",
    ];
    let mut table = Table::new("CPU per forwarded packet (medians)", &columns);
    let of = |step: &Step, f: &dyn Fn(&Round) -> f64| median(&step.rounds.iter().map(f).collect::<Vec<_>>());
    for step in &data.steps {
        let packets: u64 = step.rounds.iter().map(|r| r.server.packets).sum();
        let lost: u64 = step.rounds.iter().map(|r| r.lost).sum();
        table.row([
            step.subscribers.to_string(),
            format!("{:.0}", of(step, &|r| r.server.per_packet())),
            format!("{:.0}", of(step, &|r| r.media.per_packet())),
            format!("{:.0}", of(step, &|r| r.floor.per_packet())),
            format!("{:.2}", of(step, &|r| r.ratio(&r.server))),
            format!("{:.2}", of(step, &|r| r.ratio(&r.media))),
            format!("{:.3}", 100.0 * lost as f64 / (packets + lost).max(1) as f64),
            format!("{:.1}", of(step, &|r| r.load)),
        ]);
    }
    report.tables.push(table);
    let mut table = Table::new(
        "subscribers",
        &[
            "subscribers",
            "offer → answer p50 / p95 ms",
            "connected → packet p50 / p95 ms",
            "request → first frame ms",
            "delay p50 / p99 ms",
            "RSS MB",
        ],
    );
    for s in &data.steps {
        table.row([
            s.subscribers.to_string(),
            format!("{:.1} / {:.1}", s.join_ms.p50, s.join_ms.p95),
            format!("{:.1} / {:.1}", s.first_packet_ms.p50, s.first_packet_ms.p95),
            format!("{:.0}", s.first_frame_ms),
            format!("{:.2} / {:.2}", s.delay_us.p50 / 1000.0, s.delay_us.p99 / 1000.0),
            format!("{:.1}", s.resident_bytes as f64 / 1e6),
        ]);
    }
    report.tables.push(table);
    let curve = |name: &str, value: &dyn Fn(&Step) -> f64| Curve {
        name: name.to_owned(),
        points: data.steps.iter().map(|s| (s.subscribers as f64, value(s))).collect(),
    };
    report.plots.push(Plot {
        title: "CPU per forwarded packet".to_owned(),
        x: "subscribers".to_owned(),
        y: "nanoseconds".to_owned(),
        log_x: false,
        curves: vec![
            curve("whole server", &|s| of(s, &|r| r.server.per_packet())),
            curve("media threads", &|s| of(s, &|r| r.media.per_packet())),
            curve("floor", &|s| of(s, &|r| r.floor.per_packet())),
        ],
    });
    for step in &data.steps {
        let whole = of(step, &|r| r.ratio(&r.server));
        let media = of(step, &|r| r.ratio(&r.media));
        report.checks.extend([
            Check::at_most(&format!("whole process at {}", step.subscribers), whole, WHOLE_RATIO_MAX, "× floor"),
            Check::at_most(&format!("media threads at {}", step.subscribers), media, MEDIA_RATIO_MAX, "× floor"),
        ]);
    }
    report.checks.push(Check::at_most(
        "memory per subscriber",
        data.subscriber_bytes / 1000.0,
        SUBSCRIBER_KB_MAX,
        "kB",
    ));
}
