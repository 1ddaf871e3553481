//! `camera-bench`: what cameras cost a server, beside `ffmpeg -c copy` that records the same cameras, and beside two floors: a
//! client that throws all away (what receiving alone costs), and one that writes and syncs the bytes as they come (what the system
//! takes for keeping them).
//!
//! It starts cameras and prints their ready line. Then it takes one JSON line on its standard input, `{"pid":PID}`, when
//! the server records them (or `{}` to measure only ffmpeg and the floor); `--pid` says it beforehand. Each round measures
//! the server, then starts ffmpeg, measures it and ends it, then the floors. The server goes on all the time: CPU time is
//! that of its process alone. Medians of the rounds are told.

use crate::{
    cpu::{CpuTime, resident_bytes},
    report::{Check, Outputs, Report, Table},
    stats::median,
};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// For ffmpeg: it looks at a stream for some seconds before it begins to write.
const SETTLE: Duration = Duration::from_secs(8);
/// What is aimed for.
const CPU_MS_MAX: f64 = 2.4;
const MEMORY_MB_MAX: f64 = 2.0;

/// `lectern-loadtest camera-bench`
#[derive(Debug, Clone, clap::Args)]
pub struct CameraBenchArgs {
    /// How many cameras.
    #[arg(long, short = 'n', default_value_t = 50)]
    cameras: u16,
    /// Where the cameras listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Rate of main streams, kilobits per second.
    #[arg(long, default_value_t = 4000)]
    main_kbps: u32,
    /// Every so-manieth camera's main stream is H.265; 0: none.
    #[arg(long, default_value_t = 2)]
    h265_every: u16,
    /// The server's process; without it, a line of standard input says it.
    #[arg(long)]
    pid: Option<u32>,
    /// The server's resident bytes with no camera: taken off before memory is divided by the cameras.
    #[arg(long, default_value_t = 0)]
    empty_bytes: u64,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// Name for the log-in.
    #[arg(long, default_value = "bench")]
    user: String,
    /// Password for the log-in.
    #[arg(long, default_value = "bench", hide_default_value = true)]
    password: String,
    /// Where encoded scenes are kept.
    #[arg(long, default_value = "target/loadtest/cameras")]
    cache: PathBuf,
    /// Where ffmpeg and the floor write; the files are removed.
    #[arg(long)]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

/// What a recorder costs.
#[derive(Debug, Clone, Copy, Serialize)]
struct Cost {
    cpu_ms_per_camera_second: f64,
    resident_bytes_per_camera: f64,
}

#[derive(Debug, Serialize)]
struct Round {
    server: Option<Cost>,
    ffmpeg: Cost,
    floor: Cost,
    written: Cost,
    cameras: Cost,
}

#[derive(Debug, Serialize)]
struct Data {
    cameras: u16,
    main_kbps: u32,
    rounds: Vec<Round>,
}

#[derive(Debug, Deserialize)]
struct Begin {
    pid: Option<u32>,
    #[serde(default)]
    empty_bytes: u64,
}

/// A process that is ended when it is let go.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl CameraBenchArgs {
    /// Runs the bench; true if the aims were met.
    ///
    /// # Errors
    /// If something can't be started or ends too early.
    pub fn run(&self) -> Result<bool> {
        let mut report = Report::begin(&format!(
            "{} cameras (main {} kbit/s and substream, TCP), server, ffmpeg -c copy and floor in turn",
            self.cameras, self.main_kbps
        ));
        let (cameras, port) = self.start_cameras()?;
        let begin = match self.pid {
            Some(pid) => Begin { pid: Some(pid), empty_bytes: self.empty_bytes },
            None => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).context("waiting for {\"pid\":…}")?;
                serde_json::from_str(&line).context("a line like {\"pid\":123}")?
            }
        };
        let mut data = Data { cameras: self.cameras, main_kbps: self.main_kbps, rounds: Vec::new() };
        for _ in 0..self.rounds {
            let own = [cameras.0.id()];
            let server = begin.pid.map(|pid| self.measure(&[pid], begin.empty_bytes)).transpose()?;
            let scratch = || match &self.scratch {
                Some(path) => tempfile::tempdir_in(path).context("a directory to record into"),
                None => tempfile::tempdir().context("a directory to record into"),
            };
            let ffmpeg = {
                let scratch = scratch()?;
                let recorders = (1..=self.cameras)
                    .map(|camera| self.start_ffmpeg(port, camera, scratch.path()))
                    .collect::<Result<Vec<_>>>()?;
                sleep(SETTLE);
                let pids: Vec<u32> = recorders.iter().map(|r| r.0.id()).collect();
                self.measure(&pids, 0)?
            };
            let (floor, cost_of_cameras) = {
                let puller = self.start_puller(port, None)?;
                sleep(Duration::from_secs(1));
                let before = CpuTime::of(own[0])?;
                let begun = Instant::now();
                let floor = self.measure(&[puller.0.id()], 0)?;
                let cpu = CpuTime::of(own[0])?.since(&before, "");
                (floor, self.cost(cpu, begun.elapsed(), resident_bytes(own[0])?))
            };
            let written = {
                let scratch = scratch()?;
                let puller = self.start_puller(port, Some(scratch.path()))?;
                sleep(SETTLE);
                self.measure(&[puller.0.id()], 0)?
            };
            data.rounds.push(Round { server, ffmpeg, floor, written, cameras: cost_of_cameras });
        }
        self.tell(&mut report, &data);
        report.finish(&self.outputs, &data)
    }

    fn cost(&self, cpu_ns: u64, over: Duration, resident: u64) -> Cost {
        let cameras = f64::from(self.cameras);
        Cost {
            cpu_ms_per_camera_second: cpu_ns as f64 / 1e6 / cameras / over.as_secs_f64(),
            resident_bytes_per_camera: resident as f64 / cameras,
        }
    }

    /// CPU of processes over some seconds, and their memory at the end.
    fn measure(&self, pids: &[u32], empty_bytes: u64) -> Result<Cost> {
        let read = || pids.iter().map(|pid| CpuTime::of(*pid)).collect::<Result<Vec<_>>>();
        let (begun, before) = (Instant::now(), read()?);
        sleep(Duration::from_secs(self.secs));
        let (over, after) = (begun.elapsed(), read()?);
        let cpu = after.iter().zip(&before).map(|(a, b)| a.since(b, "")).sum();
        let resident: u64 = pids.iter().map(|pid| resident_bytes(*pid)).sum::<Result<u64>>()?;
        Ok(self.cost(cpu, over, resident.saturating_sub(empty_bytes)))
    }

    fn start_cameras(&self) -> Result<(Process, u16)> {
        let mut command = Command::new(std::env::current_exe().context("our own program")?);
        command
            .args(["cameras", "-n", &self.cameras.to_string(), "--listen", &self.listen.to_string()])
            .args(["--main-kbps", &self.main_kbps.to_string(), "--h265-every", &self.h265_every.to_string()])
            .args(["--user", &self.user, "--password", &self.password])
            .arg("--cache")
            .arg(&self.cache);
        let (process, ready) = start(command)?;
        let port = ready["port"].as_u64().and_then(|p| u16::try_from(p).ok()).context("the cameras tell no port")?;
        println!("{ready}");
        Ok((process, port))
    }

    fn start_puller(&self, port: u16, into: Option<&Path>) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe().context("our own program")?);
        command.args(["camera-pull", &format!("{}:{port}", self.listen.ip()), "-n", &self.cameras.to_string()]).args([
            "--user",
            &self.user,
            "--password",
            &self.password,
        ]);
        if let Some(dir) = into {
            command.arg("--into").arg(dir);
        }
        Ok(start(command)?.0)
    }

    fn start_ffmpeg(&self, port: u16, camera: u16, scratch: &Path) -> Result<Process> {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-y"]);
        for stream in ["main", "sub"] {
            let url =
                format!("rtsp://{}:{}@{}:{port}/cam/{camera}/{stream}", self.user, self.password, self.listen.ip());
            command.args(["-rtsp_transport", "tcp", "-i", &url]);
        }
        // Main picture and sound, and the picture of the substream: what is archived of a camera.
        command.args(["-map", "0", "-map", "1:v", "-c", "copy", "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov"]);
        command.arg(scratch.join(format!("{camera}.mp4"))).stdin(Stdio::null()).stderr(Stdio::null());
        Ok(Process(command.spawn().context("starting ffmpeg (package ffmpeg)")?))
    }

    fn tell(&self, report: &mut Report, data: &Data) {
        let mut table =
            Table::new("per camera (medians)", &["who", "CPU ms per camera-second", "memory MB per camera"]);
        let mut row = |who: &str, of: &dyn Fn(&Round) -> Option<Cost>| {
            let costs: Vec<Cost> = data.rounds.iter().filter_map(of).collect();
            let (cpu, memory): (Vec<f64>, Vec<f64>) =
                costs.iter().map(|c| (c.cpu_ms_per_camera_second, c.resident_bytes_per_camera / 1e6)).unzip();
            if !costs.is_empty() {
                table.row([who.to_owned(), format!("{:.2}", median(&cpu)), format!("{:.2}", median(&memory))]);
            }
            (!costs.is_empty()).then(|| (median(&cpu), median(&memory)))
        };
        let server = row("server", &|r| r.server);
        let ffmpeg = row("ffmpeg -c copy", &|r| Some(r.ffmpeg));
        row("floor: received and thrown away", &|r| Some(r.floor));
        let written = row("floor: received, written and synced", &|r| Some(r.written));
        row("the cameras themselves", &|r| Some(r.cameras));
        report.tables.push(table);
        if let Some((cpu, memory)) = server {
            report.checks.push(Check::at_most("server, CPU", cpu, CPU_MS_MAX, "ms per camera-second"));
            report.checks.push(Check::at_most("server, memory", memory, MEMORY_MB_MAX, "MB per camera"));
            if let Some((other, _)) = ffmpeg {
                report.checks.push(Check::at_most("server, CPU beside ffmpeg", cpu / other, 1.0, "× ffmpeg"));
            }
            if let Some((floor, _)) = written {
                // What parsing, both copies of each packet (archive and wall), hashing, signing and chaining add to the bytes.
                report.checks.push(Check::at_most("server, CPU beside the writing floor", cpu / floor, 2.0, "× floor"));
            }
        }
    }
}

/// Starts a program of ours and waits for its ready line.
fn start(mut command: Command) -> Result<(Process, serde_json::Value)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting our own program")?;
    let mut process = Process(child);
    let output = process.0.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("waiting for the ready line")?;
    ensure!(!line.is_empty(), "the program ended before it was ready");
    let ready = serde_json::from_str(&line).context("the ready line is no JSON")?;
    Ok((process, ready))
}
