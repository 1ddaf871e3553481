//! `lectern-loadtest`: the marked clip, real clients, cameras, a viewer's measures, the forwarding floor.
//!
//! Knows of a server only what a client may know: the HTTP API, the WebSocket, WHIP and WHEP.

mod bench;
mod cameras;
mod client;
mod clip;
mod cpu;
mod floor;
mod light;
mod measure;
mod pack;
mod report;
mod run;
mod source;
mod stamp;
mod stats;
mod strip;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Clips, clients and measures for Lectern.
#[derive(Parser)]
#[command(name = "lectern-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the marked clip: slides, a moving picture, speech, a beep on the second, the strip.
    Clip {
        /// Length in seconds.
        #[arg(long, default_value_t = 60)]
        secs: u32,
        /// Picture size.
        #[arg(long, default_value = "1280x720")]
        size: clip::Size,
        /// Frames per second.
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=60))]
        fps: u32,
        /// Rate of the picture in an MP4, in kilobits per second.
        #[arg(long, default_value_t = 1500)]
        kbps: u32,
        /// Where to; the ending says how: .y4m, .mjpeg, .mp4 or .wav.
        #[arg(long)]
        out: PathBuf,
    },
    /// Sends the clip into a class by WHIP.
    Publish(run::PublishArgs),
    /// Watches a class with many viewers, by WHEP or by its join code, and measures what they feel.
    Watch(run::WatchArgs),
    /// Holds a class: a teacher with the clip, students who join by the link.
    Class(run::ClassArgs),
    /// Reads the marked strip of every picture of a file: which frames are there, twice, or missing.
    Strip(run::StripArgs),
    /// Measures what sealing and sending alone costs on this machine.
    Floor(floor::FloorArgs),
    /// Measures what a forwarded packet and a subscriber cost the server, beside the floor.
    Bench(bench::BenchArgs),
    /// Plays RTSP cameras, with faults by script and a ledger of all they send.
    Cameras(cameras::CamerasArgs),
    /// Takes all streams of such cameras and throws them away.
    CameraPull(cameras::PullArgs),
    /// Measures what cameras cost a server, beside ffmpeg recording the same ones.
    CameraBench(cameras::CameraBenchArgs),
    /// The sender process of `floor` and `bench`.
    #[command(hide = true)]
    FloorSend,
    /// Lets a synthetic teacher teach on a running server until interrupted; prints the join link.
    Demo(run::DemoArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2), // measured, but not good enough
        Err(error) => {
            eprintln!("lectern-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool> {
    match command {
        Command::Clip { secs, size, fps, kbps, out } => {
            clip::write(clip::Order { size, fps, secs }, &out, kbps).map(|()| true)
        }
        Command::Publish(args) => args.run(),
        Command::Watch(args) => args.run(),
        Command::Class(args) => args.run(),
        Command::Strip(args) => args.run(),
        Command::Floor(args) => args.run(),
        Command::Bench(args) => args.run(),
        Command::Cameras(args) => args.run(),
        Command::CameraPull(args) => args.run(),
        Command::CameraBench(args) => args.run(),
        Command::FloorSend => floor::send().map(|()| true),
        Command::Demo(args) => args.run(),
    }
}
