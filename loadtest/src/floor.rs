//! The floor: what it costs to seal and send the same packets to the same kind of receivers with no logic at all.
//!
//! A sender process (this binary again, so that its cost can be read from outside) copies a frame's packets, rewrites the
//! headers, seals them with AES-128-GCM under each receiver's key and sends them with one `UDP_SEGMENT` call per receiver
//! and frame; sounds go one by one. The receivers are ordinary sockets in the calling process: without GRO, since the
//! kernel's splitting of segments for them is a good part of the cost of sending on loopback, for a server as well.

mod send;
mod sink;

pub use send::send;
pub use sink::Sinks;

use crate::{
    cpu::CpuTime,
    light::synthetic::PACKETS_PER_SEC,
    report::{Check, Outputs, Report, Table},
    stats::median,
};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Let things settle before measuring: the first second has cold caches and catching up.
pub const SETTLE: Duration = Duration::from_secs(1);

/// What the sender is told, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Targets(Vec<SocketAddr>),
    Start(usize),
    Stop,
}

/// What the sender says, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// Where it sends from.
    Address(SocketAddr),
    /// The order was carried out.
    Done { sent: u64, errors: u64 },
}

/// CPU time for the packets that arrived meanwhile.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cost {
    /// Packets that arrived.
    pub packets: u64,
    /// Nanoseconds of CPU.
    pub cpu_ns: u64,
}

impl Cost {
    /// Nanoseconds per packet; 0 if none arrived.
    #[must_use]
    pub fn per_packet(&self) -> f64 {
        if self.packets == 0 { 0.0 } else { self.cpu_ns as f64 / self.packets as f64 }
    }
}

/// A running floor: sender process and receivers.
pub struct Floor {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
    sinks: Sinks,
}

impl Floor {
    /// Starts the sender and opens `receivers` sockets for it.
    ///
    /// # Errors
    /// If the process or a socket can't be made.
    pub fn start(receivers: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("finding this program")?)
            .arg("floor-send")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the sender")?;
        let orders = child.stdin.take().context("the sender has no standard input")?;
        let mut said = BufReader::new(child.stdout.take().context("the sender has no standard output")?);
        let Said::Address(from) = read(&mut said)? else { anyhow::bail!("the sender speaks another language") };
        let sinks = Sinks::open(receivers, from)?;
        let mut floor = Self { child, orders, said, sinks };
        floor.order(&Order::Targets(floor.sinks.addresses().to_vec()))?;
        Ok(floor)
    }

    /// Sends to the first `receivers` for `window` (after settling) and tells what it cost.
    ///
    /// # Errors
    /// If the sender fails or nothing arrives.
    pub fn measure(&mut self, receivers: usize, window: Duration) -> Result<Cost> {
        self.order(&Order::Start(receivers))?;
        sleep(SETTLE);
        let (before, packets) = (CpuTime::of(self.child.id())?, self.sinks.received());
        sleep(window);
        let (after, arrived) = (CpuTime::of(self.child.id())?, self.sinks.received());
        let Said::Done { errors, .. } = self.order(&Order::Stop)? else { anyhow::bail!("the sender did not stop") };
        ensure!(errors == 0, "{errors} sends were refused");
        ensure!(arrived > packets, "nothing arrived");
        Ok(Cost { packets: arrived - packets, cpu_ns: after.since(&before, "") })
    }

    fn order(&mut self, order: &Order) -> Result<Said> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?).context("ordering the sender")?;
        self.orders.flush().context("ordering the sender")?;
        read(&mut self.said)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It ends with its standard input; should it hang, it is ours to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(said: &mut impl BufRead) -> Result<Said> {
    let mut line = String::new();
    said.read_line(&mut line).context("listening to the sender")?;
    serde_json::from_str(&line).with_context(|| format!("the sender said {line:?}"))
}

/// `lectern-loadtest floor`
#[derive(Debug, Clone, clap::Args)]
pub struct FloorArgs {
    /// How many receivers.
    #[arg(long, short = 'n', default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    subscribers: u32,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    secs: u64,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    #[command(flatten)]
    outputs: Outputs,
}

impl FloorArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// If the floor can't be measured here.
    pub fn run(&self) -> Result<bool> {
        let mut report = Report::begin(&format!("the floor with {} receivers", self.subscribers));
        let mut floor = Floor::start(self.subscribers as usize)?;
        let mut table =
            Table::new("sealing and sending, no logic", &["round", "packets/s", "ns/packet", "% of a core"]);
        let mut rounds = Vec::new();
        let mut arrived = 0.0;
        for n in 0..self.rounds {
            let begun = Instant::now();
            let cost = floor.measure(self.subscribers as usize, Duration::from_secs(self.secs))?;
            let secs = (begun.elapsed() - SETTLE).as_secs_f64();
            arrived = cost.packets as f64 / secs;
            table.row([
                (n + 1).to_string(),
                format!("{arrived:.0}"),
                format!("{:.0}", cost.per_packet()),
                format!("{:.1}", cost.cpu_ns as f64 / secs / 1e7),
            ]);
            rounds.push(cost);
        }
        let all: Vec<f64> = rounds.iter().map(Cost::per_packet).collect();
        table.row(["median".to_owned(), String::new(), format!("{:.0}", median(&all)), String::new()]);
        report.tables.push(table);
        let wanted = f64::from(self.subscribers * PACKETS_PER_SEC);
        report.checks.push(Check::at_least("packets that arrived", 100.0 * arrived / wanted, 97.0, "%"));
        report.finish(&self.outputs, &rounds)
    }
}
