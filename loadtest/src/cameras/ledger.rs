//! The ledger: a JSON line for each access unit sent and for each fault's beginning and end.
//!
//! ```json
//! {"t":"start","utc_ms":…,"cameras":20,"version":1}
//! {"t":"frame","camera":3,"stream":"main","frame":123,"utc_ms":…,"ssrc":…,"rtp":…,"key":true,"nals":12,"bytes":20311,
//!  "packets":16,"sha256":"<64 hex>","to":1,"lost":0,"late":0}
//! {"t":"fault","camera":3,"stream":"main","fault":"frozen","edge":"start","utc_ms":…}
//! {"t":"play","camera":3,"stream":"main","utc_ms":…}   {"t":"stop",…}
//! {"t":"end","utc_ms":…}
//! ```
//!
//! `stream` is `main`, `sub` or `sound` (then `via` says of which of both). `sha256` is over the access unit: for each NAL
//! unit its length (4 bytes, big endian) and its bytes without start code; for sound the AAC access unit or the samples in
//! the same way. Lines are in the order of sending; `frame` counts in the order of showing, which is another one with B-frames.
//! `rtp` is the RTP time stamp, `utc_ms` when it was sent. `to`: receivers that were sent it; `late`: receivers that did not take it in
//! time (nothing of it was sent to them); `lost`: packets of it that were dropped by script. A frame is whole for all if
//! `lost` and `late` are 0; one that nobody was to receive has no line. A fault of the picture begins and ends with a
//! keyframe of each stream (a line for each); other faults concern a camera (`stream` is null unless the script says one).
//!
//! Lines are collected and written each second and at the end, so that a kill loses a second at most. A line is about 300
//! bytes: a camera with both streams and sound notes 20 kB/s. `--ledger-secs` bounds it: access units sent later than that
//! are not noted. If the path is a directory, it has one file for each camera and stream, `3-main.jsonl`, `3-sub.jsonl`,
//! `3-sound.jsonl`, and `events.jsonl` for all lines but `frame`: a reader of one stream need not read all.

use super::script::StreamKind;
use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Seconds' worth of lines that may wait for the disk; beyond that the cameras wait for it.
const WAITING_MAX: usize = 32;

/// Which of a camera's streams a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Camera number.
    pub camera: u16,
    /// Picture stream.
    pub stream: StreamKind,
    /// Its sound.
    pub sound: bool,
}

/// An access unit that was sent.
#[derive(Debug, Clone, Copy)]
pub struct FrameLine<'a> {
    /// Whose.
    pub about: About,
    /// Its number, in the order of showing.
    pub frame: u64,
    /// When it was sent, Unix milliseconds.
    pub utc_ms: u64,
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP time stamp.
    pub rtp: u32,
    /// Whether decoding can begin with it.
    pub key: bool,
    /// Its NAL units, or the one unit of sound.
    pub units: &'a [&'a [u8]],
    /// RTP packets.
    pub packets: usize,
    /// Receivers that it was sent to.
    pub to: usize,
    /// Packets dropped by script.
    pub lost: usize,
    /// Receivers that did not take it.
    pub late: usize,
}

/// Lines of a stream, or of none.
type Topic = Option<(u16, &'static str)>;

/// Lines by topic, on their way to the disk.
type Batch = Vec<(Topic, Vec<u8>)>;

/// Collects lines.
#[derive(Debug)]
pub struct Ledger {
    /// A file for each topic, or all lines behind each other as those of none.
    split: bool,
    texts: BTreeMap<Topic, Vec<u8>>,
    /// Access units are noted until then.
    frames_until: Option<Instant>,
    writer: Option<Writer>,
}

/// The way to the thread that writes, and the thread.
type Writer = (SyncSender<Batch>, JoinHandle<std::io::Result<()>>);

impl Ledger {
    /// A ledger in a new file, or in a directory that is there; or none, which takes lines and forgets them. Access units
    /// are noted for `frames_for`.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn new(path: Option<&Path>, frames_for: Option<Duration>) -> Result<Self> {
        let frames_until = frames_for.map(|d| Instant::now() + d);
        let split = path.is_some_and(Path::is_dir);
        let mut ledger = Self { split, texts: BTreeMap::new(), frames_until, writer: None };
        let Some(path) = path.map(Path::to_owned) else { return Ok(ledger) };
        if !split {
            File::create(&path).with_context(|| format!("making {}", path.display()))?;
        }
        let (send, receive) = sync_channel::<Batch>(WAITING_MAX);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            for (topic, text) in receive.into_iter().flatten() {
                let file = match topic {
                    _ if !split => path.clone(),
                    None => path.join("events.jsonl"),
                    Some((camera, stream)) => path.join(format!("{camera}-{stream}.jsonl")),
                };
                // Opened each time: a thousand cameras have more files than a process may hold open.
                OpenOptions::new().create(true).append(true).open(file)?.write_all(&text)?;
            }
            Ok(())
        });
        ledger.writer = Some((send, thread.context("starting a thread")?));
        Ok(ledger)
    }

    fn text(&mut self, topic: Topic) -> &mut Vec<u8> {
        self.texts.entry(topic.filter(|_| self.split)).or_default()
    }

    /// Whether anyone will read it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.writer.is_some()
    }

    /// Notes an access unit.
    pub fn frame(&mut self, line: &FrameLine<'_>) {
        if !self.is_kept() || self.frames_until.is_some_and(|until| Instant::now() > until) {
            return;
        }
        let FrameLine { about, frame, utc_ms, ssrc, rtp, key, units, packets, to, lost, late } = *line;
        let (bytes, sha256) = (units.iter().map(|u| u.len()).sum::<usize>(), digest(units));
        let stream = if about.sound { "sound" } else { name(about.stream) };
        let via = if about.sound { format!(",\"via\":\"{}\"", name(about.stream)) } else { String::new() };
        let _ = writeln!(
            self.text(Some((about.camera, stream))), // memory: it can't fail
            "{{\"t\":\"frame\",\"camera\":{},\"stream\":\"{stream}\"{via},\"frame\":{frame},\"utc_ms\":{utc_ms},\
             \"ssrc\":{ssrc},\"rtp\":{rtp},\"key\":{key},\"nals\":{},\"bytes\":{bytes},\"packets\":{packets},\
             \"sha256\":\"{sha256}\",\"to\":{to},\"lost\":{lost},\"late\":{late}}}",
            about.camera,
            units.len(),
        );
    }

    /// Notes anything else.
    pub fn note(&mut self, line: &serde_json::Value) {
        if self.is_kept() {
            let _ = writeln!(self.text(None), "{line}"); // memory: it can't fail
        }
    }

    /// Hands over what was collected; waits if the disk is far behind.
    ///
    /// # Errors
    /// If writing failed.
    pub fn flush(&mut self) -> Result<()> {
        let Some((send, _)) = &self.writer else { return Ok(()) };
        let batch: Batch = std::mem::take(&mut self.texts).into_iter().collect();
        if batch.is_empty() {
            return Ok(());
        }
        send.send(batch).ok().context("the ledger can't be written")
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// If writing failed.
    pub fn close(mut self) -> Result<()> {
        self.flush()?;
        let Some((send, thread)) = self.writer else { return Ok(()) };
        drop(send);
        thread.join().map_err(|_| anyhow::anyhow!("the ledger's thread panicked"))?.context("writing the ledger")
    }
}

/// SHA-256 over the units, each behind its length.
fn digest(units: &[&[u8]]) -> String {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for unit in units {
        hash.update(&(unit.len() as u32).to_be_bytes());
        hash.update(unit);
    }
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = hash
        .finish()
        .as_ref()
        .iter()
        .flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]])
        .collect::<Vec<_>>();
    digits.into_iter().map(char::from).collect()
}

/// As the ledger and paths say it.
#[must_use]
pub fn name(stream: StreamKind) -> &'static str {
    match stream {
        StreamKind::Main => "main",
        StreamKind::Sub => "sub",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_and_the_hash_is_as_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.jsonl");
        let mut ledger = Ledger::new(Some(&path), None).expect("a file");
        let about = About { camera: 3, stream: StreamKind::Sub, sound: false };
        let line = FrameLine {
            about,
            frame: 7,
            utc_ms: 1,
            ssrc: 2,
            rtp: 3,
            key: true,
            units: &[b"ab", b"c"],
            packets: 1,
            to: 1,
            lost: 0,
            late: 0,
        };
        ledger.frame(&line);
        ledger.frame(&FrameLine { about: About { sound: true, ..about }, ..line });
        ledger.note(&serde_json::json!({ "t": "end" }));
        ledger.close().expect("written");
        let text = std::fs::read_to_string(&path).expect("the file");
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["stream"], &lines[0]["bytes"]), (&"sub".into(), &3.into()));
        assert_eq!((&lines[1]["stream"], &lines[1]["via"]), (&"sound".into(), &"sub".into()));
        // printf '\0\0\0\2ab\0\0\0\1c' | sha256sum
        assert_eq!(lines[0]["sha256"], "f2939f903016e5bb29b1e4a61cdbd376220ca03a24180b39995f2d50f2e0a647");
    }

    #[test]
    fn a_directory_has_a_file_for_each_stream() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::new(Some(directory.path()), None).expect("a directory");
        let about = About { camera: 3, stream: StreamKind::Main, sound: false };
        let line = FrameLine {
            about,
            frame: 7,
            utc_ms: 1,
            ssrc: 2,
            rtp: 3,
            key: true,
            units: &[],
            packets: 1,
            to: 1,
            lost: 0,
            late: 0,
        };
        for about in [about, About { sound: true, ..about }, About { camera: 4, ..about }, about] {
            ledger.frame(&FrameLine { about, ..line });
        }
        ledger.note(&serde_json::json!({ "t": "end" }));
        ledger.close().expect("written");
        for (name, lines) in [("3-main", 2), ("3-sound", 1), ("4-main", 1), ("events", 1)] {
            let text = std::fs::read_to_string(directory.path().join(format!("{name}.jsonl"))).expect(name);
            assert_eq!(text.lines().count(), lines, "{name}");
        }
    }

    #[test]
    fn no_ledger_forgets() {
        let mut ledger = Ledger::new(None, None).expect("nothing to make");
        ledger.note(&serde_json::json!({}));
        assert!(ledger.texts.is_empty());
        ledger.close().expect("nothing to write");
    }
}
