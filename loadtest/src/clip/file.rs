//! Writes a clip to a file: Y4M and WAV by ourselves, MP4 and MJPEG through `ffmpeg`.

use super::{Lecture, Order, sound};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Makes the clip and writes it to `path`, in the format its ending names. `kbps` is the picture's rate in an MP4.
///
/// # Errors
/// Unknown ending, missing font or program, failed write.
pub fn write(order: Order, path: &Path, kbps: u32) -> Result<()> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("wav") => {
            let mut out = BufWriter::new(create(path)?);
            sound::write_wav(&mut out, &sound::soundtrack(order.secs)?)?;
            out.flush().context("writing the sound")
        }
        Some("y4m") => {
            let mut out = BufWriter::new(create(path)?);
            writeln!(out, "YUV4MPEG2 W{} H{} F{}:1 Ip A1:1 C420", order.size.width, order.size.height, order.fps)?;
            frames(order, |bytes| {
                out.write_all(b"FRAME\n")?;
                out.write_all(bytes)
            })?;
            out.flush().context("writing the picture")
        }
        Some("mjpeg") => through_ffmpeg(order, path, None, &["-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg"]),
        Some("mp4") => {
            let wav = path.with_extension("wav.part");
            sound::write_wav(&mut BufWriter::new(create(&wav)?), &sound::soundtrack(order.secs)?)?;
            let (rate, gop) = (format!("{kbps}k"), (order.fps * 2).to_string());
            let done = through_ffmpeg(
                order,
                path,
                Some(&wav),
                &[
                    "-c:v",
                    "libx264",
                    "-preset",
                    "veryfast",
                    "-b:v",
                    &rate,
                    "-g",
                    &gop,
                    "-bf",
                    "0",
                    "-c:a",
                    "aac",
                    "-b:a",
                    "96k",
                    "-movflags",
                    "+faststart",
                ],
            );
            let _ = std::fs::remove_file(&wav); // a left-over part harms no one
            done
        }
        _ => bail!("{}: the file ends in .y4m, .mjpeg, .mp4 or .wav", path.display()),
    }
}

/// Draws all frames and hands each to `take`; their marks carry media time.
pub fn frames(order: Order, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result<()> {
    let mut lecture = Lecture::new(order)?;
    for n in 0..order.frames() {
        let millis = (u64::from(n) * 1000 / u64::from(order.fps)) as u32;
        take(lecture.draw(n, millis).bytes()).with_context(|| format!("handing over frame {n}"))?;
    }
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("creating {}", path.display()))
}

fn through_ffmpeg(order: Order, path: &Path, sound: Option<&Path>, encode: &[&str]) -> Result<()> {
    let mut command = raw_input(order);
    if let Some(wav) = sound {
        command.args(["-f", "wav", "-i"]).arg(wav);
    }
    command.args(encode).arg(path);
    feed(command, order)
}

/// `ffmpeg` reading raw frames of `order` on its standard input; outputs are still to be added.
#[must_use]
pub fn raw_input(order: Order) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]);
    command.args(["-s", &order.size.to_string(), "-r", &order.fps.to_string(), "-i", "-"]);
    command
}

/// Runs `command` and feeds it all frames.
///
/// # Errors
/// If it can't be started or ends with an error.
pub fn feed(mut command: Command, order: Order) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting ffmpeg (package ffmpeg)")?;
    let mut stdin = child.stdin.take().context("ffmpeg has no standard input")?;
    let fed = frames(order, |bytes| stdin.write_all(bytes));
    drop(stdin);
    let out = child.wait_with_output().context("waiting for ffmpeg")?;
    ensure!(out.status.success(), "ffmpeg failed: {}", String::from_utf8_lossy(&out.stderr).trim());
    fed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clip::Size, strip::Mark};

    const ORDER: Order = Order { size: Size { width: 640, height: 360 }, fps: 25, secs: 4 };

    /// Decodes a file to luma at 320 pixels width and reads every frame's mark.
    fn marks(path: &Path) -> Vec<Option<Mark>> {
        let out = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-i"])
            .arg(path)
            .args(["-vf", "scale=320:180,format=gray", "-f", "rawvideo", "-"])
            .output()
            .expect("ffmpeg");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout.chunks(320 * 180).map(|luma| Mark::read(luma, 320, 320, 180)).collect()
    }

    #[test]
    fn the_strip_survives_x264_at_1_mbps_and_320_px() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["clip.mp4", "clip.mjpeg", "clip.y4m"] {
            let path = dir.path().join(name);
            write(ORDER, &path, 1000).expect(name);
            let want: Vec<_> = (0..100).map(|n| Some(Mark { frame: n, millis: n * 40 })).collect();
            assert_eq!(marks(&path), want, "{name}");
        }
        let small = Order { size: Size { width: 320, height: 180 }, ..ORDER };
        let path = dir.path().join("small.mp4");
        write(small, &path, 300).expect("small.mp4");
        assert!(marks(&path).iter().all(Option::is_some), "even at 300 kbit/s");
    }

    #[test]
    fn an_unknown_ending_is_refused() {
        assert!(write(ORDER, Path::new("clip.avi"), 1).is_err());
    }
}
