//! `strip`: reads the marked strip of every picture of a file (or of anything that `ffmpeg` opens) and tells which frames
//! are there, twice, or missing.

use crate::strip::{FRAME_MODULUS, Mark, Plate};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Every picture is scaled to this before it is read: the strip is made to survive it, and it is fast.
const WIDTH: usize = 320;
const HEIGHT: usize = 180;

/// `lectern-loadtest strip`
#[derive(Debug, Clone, clap::Args)]
pub struct StripArgs {
    /// The file.
    file: PathBuf,
    /// Print one JSON line for each picture instead of a summary.
    #[arg(long)]
    frames: bool,
}

/// What the strips of a file say.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    pictures: u64,
    unreadable: u64,
    repeated: u64,
    /// Frame numbers that were left out between two pictures.
    missing: u64,
    /// Pictures whose number is lower than the one before: the clip began again, or pictures changed places.
    back: u64,
    first: Option<u32>,
    last: Option<u32>,
}

impl Summary {
    fn take(&mut self, mark: Option<Mark>) {
        self.pictures += 1;
        let Some(mark) = mark else {
            self.unreadable += 1;
            return;
        };
        if let Some(last) = self.last {
            match mark.frame.wrapping_sub(last) % FRAME_MODULUS {
                0 => self.repeated += 1,
                ahead if ahead < FRAME_MODULUS / 2 => self.missing += u64::from(ahead - 1),
                _ => self.back += 1,
            }
        }
        self.first = self.first.or(Some(mark.frame));
        self.last = Some(mark.frame);
    }
}

impl StripArgs {
    /// Runs the command; true if every picture had a strip.
    ///
    /// # Errors
    /// If the file can't be decoded.
    pub fn run(&self) -> Result<bool> {
        let mut decoder = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-i"])
            .arg(&self.file)
            .args(["-map", "0:v:0", "-vf", &format!("scale={WIDTH}:{HEIGHT},format=gray"), "-vsync", "passthrough"])
            .args(["-f", "rawvideo", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting ffmpeg (package ffmpeg)")?;
        let mut pictures = decoder.stdout.take().context("ffmpeg has no standard output")?;
        let (mut luma, mut summary) = (vec![0; WIDTH * HEIGHT], Summary::default());
        while pictures.read_exact(&mut luma).is_ok() {
            let mark = Mark::read(&luma, WIDTH, WIDTH, HEIGHT);
            summary.take(mark);
            if self.frames {
                let (frame, millis) = (mark.map(|m| m.frame), mark.map(|m| m.millis));
                let mut line = serde_json::json!({ "frame": frame, "millis": millis });
                if let Some(plate) = Plate::read(&luma, WIDTH, WIDTH, HEIGHT) {
                    line["camera"] = plate.camera.into();
                    line["stream"] = plate.stream.into();
                    line["utc_ms"] = mark.and_then(|m| plate.unix_millis(m)).into();
                }
                println!("{line}");
            }
        }
        ensure!(decoder.wait().context("waiting for ffmpeg")?.success(), "ffmpeg could not decode all of it");
        if !self.frames {
            println!("{}", serde_json::to_string_pretty(&summary)?);
        }
        Ok(summary.pictures > 0 && summary.unreadable == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_count_what_is_odd() {
        let mut summary = Summary::default();
        for frame in [Some(5), Some(6), Some(6), None, Some(9), Some(2)] {
            summary.take(frame.map(|frame| Mark { frame, millis: 0 }));
        }
        let want =
            Summary { pictures: 6, unreadable: 1, repeated: 1, missing: 2, back: 1, first: Some(5), last: Some(2) };
        assert_eq!(summary, want);
    }
}
