//! The whole of it against a client of another make: `ffmpeg`.

use super::*;
use crate::strip::Mark;
use serde_json::Value;
use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, OnceLock},
};
use tempfile::TempDir;
use tokio::process::Command;

/// Clips are encoded once for all tests.
fn cache() -> &'static Path {
    static CACHE: OnceLock<TempDir> = OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}

fn args(more: &[&str]) -> CamerasArgs {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: CamerasArgs,
    }
    let usual = ["cameras", "--h265-every", "0", "--main-kbps", "1000", "--user", "exam", "--password", "pw"];
    let one: &[&str] = if more.contains(&"-n") { &[] } else { &["-n", "1"] };
    let words = usual.iter().chain(one).chain(more).copied();
    let mut args = <Line as clap::Parser>::parse_from(words).args;
    args.cache = cache().to_owned();
    args
}

/// Plays cameras for as long as `client` takes; tells what it tells, and the ledger.
fn with_cameras<T>(args: CamerasArgs, client: impl AsyncFnOnce(u16) -> T) -> (T, Vec<Value>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.jsonl");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let told = LocalSet::new().block_on(&runtime, async {
        let udp = udp_pair(args.listen.ip()).await.expect("two ports");
        let ledger = Ledger::new(Some(&path), None).expect("a ledger");
        let mut world = {
            static ONE_ENCODES: Mutex<()> = Mutex::new(());
            let _alone = ONE_ENCODES.lock();
            World::new(args.plan().expect("a plan"), ledger, udp, 1).expect("clips")
        };
        world.begin();
        let login = args.user.clone().map(|user| Login { user, password: args.password.clone() });
        let door =
            Rc::new(Door { world: RefCell::new(world), login, timeout: Duration::from_secs(args.session_timeout) });
        let ports = args.open(&door).await.expect("a port");
        let pacing = spawn_local(pace(Rc::clone(&door)));
        let told = client(ports[0]).await;
        pacing.abort();
        door.world.borrow_mut().end().expect("the ledger is written");
        told
    });
    let text = std::fs::read_to_string(&path).expect("the ledger");
    (told, text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect())
}

/// Decodes `frames` pictures or units of sound; what ffmpeg complains of, and how many different ones there were (of
/// pictures only the strip is looked at).
async fn pull(transport: &str, url: &str, frames: u32, map: &str) -> (String, usize) {
    let filter: &[&str] = if map == "0:v" { &["-vf", "crop=iw:16:0:0"] } else { &[] };
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "warning", "-rtsp_transport", transport, "-i", url, "-map", map])
        .args(filter)
        .args(["-frames:0", &frames.to_string(), "-f", "framemd5", "-"])
        .output()
        .await
        .expect("ffmpeg runs");
    let pictures: HashSet<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.rsplit(',').next().map(str::to_owned))
        .collect();
    (String::from_utf8_lossy(&output.stderr).into_owned(), pictures.len())
}

/// The strips of `frames` pictures in the order in which a player shows them, and what ffmpeg complains of.
async fn strips(url: &str, (width, height): (usize, usize), frames: u32) -> (String, Vec<Option<Mark>>) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "warning", "-rtsp_transport", "tcp", "-i", url, "-map", "0:v"])
        .args(["-fps_mode", "passthrough", "-frames:0", &frames.to_string(), "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .await
        .expect("ffmpeg runs");
    let pictures = output.stdout.chunks_exact(width * height);
    let marks = pictures.map(|luma| Mark::read(luma, width, width, height)).collect();
    (String::from_utf8_lossy(&output.stderr).into_owned(), marks)
}

fn frames_of<'a>(ledger: &'a [Value], stream: &str) -> Vec<&'a Value> {
    ledger.iter().filter(|l| l["t"] == "frame" && l["stream"] == stream).collect()
}

#[test]
fn ffmpeg_decodes_both_streams_over_tcp_and_udp_without_an_error() {
    for transport in ["tcp", "udp"] {
        let ((sub, main), ledger) = with_cameras(args(&[]), async |port| {
            let url = |stream| format!("rtsp://exam:pw@127.0.0.1:{port}/cam/1/{stream}");
            let (sub, main) = (url("sub"), url("main"));
            // More than a GOP, and a change of the clock's second.
            tokio::join!(pull(transport, &sub, 35, "0:v"), pull(transport, &main, 55, "0:v"))
        });
        assert_eq!(sub, (String::new(), 35), "{transport}: each picture shows another frame number");
        assert_eq!(main, (String::new(), 55), "{transport}");
        for (stream, count) in [("sub", 35), ("main", 55), ("sound", 30)] {
            let frames = frames_of(&ledger, stream);
            assert!(frames.len() >= count, "{transport} {stream}: {} lines", frames.len());
            assert!(frames.iter().all(|f| f["to"] == 1 && f["lost"] == 0 && f["late"] == 0));
        }
        let sub = frames_of(&ledger, "sub");
        assert!(sub[0]["key"] == true && sub[1]["key"] == false, "what is sent begins with a keyframe");
        let stamp = |f: &Value| f["rtp"].as_u64().expect("a number") as u32;
        assert!(sub.windows(2).all(|p| stamp(p[1]).wrapping_sub(stamp(p[0])) == 6000), "15 pictures a second");
    }
}

#[test]
fn b_frames_come_in_the_order_of_decoding_and_are_shown_in_that_of_time() {
    let words = ["-n", "2", "--b-frames", "1/main,2/main,1/sub"];
    let mut all = args(&words);
    all.h265_every = 2;
    let (pulled, ledger) = with_cameras(all, async |port| {
        let url = |stream| format!("rtsp://exam:pw@127.0.0.1:{port}/cam/{stream}");
        let (main, h265, sub) = (url("1/main"), url("2/main"), url("1/sub"));
        // More than a GOP, and a change of the clock's second.
        tokio::join!(strips(&main, (1920, 1080), 60), strips(&h265, (1920, 1080), 60), strips(&sub, (640, 360), 40),)
    });
    let (main, h265, sub) = pulled;
    for (what, (complaints, marks), camera, stream, fps) in
        [("main", main, 1, "main", 25), ("H.265", h265, 2, "main", 25), ("sub", sub, 1, "sub", 15)]
    {
        assert_eq!(complaints, "", "{what}");
        let marks: Vec<Mark> = marks.into_iter().map(|m| m.expect("a strip")).collect();
        assert!(marks.len() >= 40, "{what}: {}", marks.len());
        for pair in marks.windows(2) {
            assert_eq!(pair[1].frame, pair[0].frame + 1, "{what}: none is missing");
            assert!(pair[1].millis > pair[0].millis, "{what}: {pair:?}");
        }
        let lines: Vec<&Value> =
            ledger.iter().filter(|l| l["t"] == "frame" && l["camera"] == camera && l["stream"] == stream).collect();
        let number = |l: &Value| l["frame"].as_u64().expect("a number");
        let stamp = |l: &Value| l["rtp"].as_u64().expect("a number") as u32;
        assert!(lines.windows(2).any(|l| number(l[1]) < number(l[0])), "{what}: none is shown before it was sent");
        for line in &lines {
            let (places, ticks) = (number(line) - number(lines[0]), stamp(line).wrapping_sub(stamp(lines[0])));
            assert_eq!(u64::from(ticks), places * 90_000 / fps, "{what}: time stamps are those of showing");
        }
        let mut numbers: Vec<u64> = lines.iter().map(|l| number(l)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), lines.len(), "{what}: each number once");
    }
}

#[test]
fn a_fault_of_the_picture_waits_for_the_b_frames_before_it() {
    let script = script(&[
        r#"{"camera":1,"from_s":1,"to_s":1.7,"stream":"sub","fault":"black"}"#,
        r#"{"camera":1,"from_s":2.5,"to_s":2.55,"stream":"sub","fault":"silent"}"#,
    ]);
    let args = args(&["--script", script.path().to_str().expect("a path"), "--b-frames", "1/sub"]);
    let ((complaints, marks), _) = with_cameras(args, async |port| {
        strips(&format!("rtsp://exam:pw@127.0.0.1:{port}/cam/1/sub"), (640, 360), 50).await
    });
    assert_eq!(complaints, "");
    let numbers: Vec<u32> = marks.into_iter().map(|m| m.expect("a strip").frame).collect();
    assert!(numbers.windows(2).all(|n| n[0] < n[1]), "{numbers:?}");
    let gaps = numbers.windows(2).filter(|n| n[1] != n[0] + 1).count();
    assert!(gaps <= 1, "only while it is silent: {numbers:?}");
}

#[test]
fn sound_is_decoded_too() {
    for (codec, name) in [("aac", "aac"), ("pcma", "pcm_alaw")] {
        let ((complaints, units), _) = with_cameras(args(&["--sound", codec]), async |port| {
            pull("tcp", &format!("rtsp://exam:pw@127.0.0.1:{port}/cam/1/sub"), 20, "0:a").await
        });
        assert_eq!((complaints.as_str(), units), ("", 20), "{name}");
    }
}

#[test]
fn the_wrong_password_sees_nothing() {
    let ((complaints, units), ledger) = with_cameras(args(&[]), async |port| {
        pull("tcp", &format!("rtsp://exam:guess@127.0.0.1:{port}/cam/1/sub"), 1, "0:v").await
    });
    assert!(complaints.contains("401 Unauthorized") && units == 0, "{complaints}");
    assert!(frames_of(&ledger, "sub").is_empty());
}

/// A script in a file.
fn script(lines: &[&str]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    file
}

fn edge(ledger: &[Value], fault: &str, edge: &str) -> Option<u64> {
    let line = ledger.iter().find(|l| l["t"] == "fault" && l["fault"] == fault && l["edge"] == edge)?;
    line["utc_ms"].as_u64()
}

#[test]
fn faults_of_the_picture_come_and_go_without_an_error_in_the_stream() {
    let script = script(&[
        r#"{"camera":1,"from_s":1,"to_s":2.5,"stream":"sub","fault":"frozen"}"#,
        r#"{"camera":1,"from_s":3,"to_s":4,"stream":"sub","fault":"parameter_change"}"#,
        r#"{"camera":1,"from_s":4.2,"to_s":4.6,"stream":"sub","fault":"silent"}"#,
    ]);
    let args = args(&["--script", script.path().to_str().expect("a path")]);
    let ((complaints, pictures), ledger) = with_cameras(args, async |port| {
        pull("tcp", &format!("rtsp://exam:pw@127.0.0.1:{port}/cam/1/sub"), 60, "0:v").await
    });
    assert_eq!(complaints, "");
    assert!((30..=45).contains(&pictures), "{pictures} different ones: 1.5 s of 15 pictures a second were the same");
    let begun = ledger[0]["utc_ms"].as_u64().expect("a time");
    for (fault, from, to) in [("frozen", 1000, 2500), ("parameter_change", 3000, 4000), ("silent", 4200, 4600)] {
        for (name, want) in [("start", from), ("end", to)] {
            let at = edge(&ledger, fault, name).unwrap_or_else(|| panic!("{fault} has no {name}")) - begun;
            // Not before its time; how long after is the machine's affair.
            assert!(at >= want, "{fault} {name} at {at} ms");
        }
    }
    let change = edge(&ledger, "parameter_change", "start").expect("a time");
    let first = frames_of(&ledger, "sub").into_iter().find(|f| f["utc_ms"].as_u64() >= Some(change));
    assert!(first.is_some_and(|f| f["key"] == true), "it begins with a keyframe");
    let numbers: Vec<u64> = frames_of(&ledger, "sub").iter().filter_map(|f| f["frame"].as_u64()).collect();
    assert!(numbers.windows(2).all(|n| n[0] < n[1]), "numbers rise");
    assert!(numbers.windows(2).any(|n| n[1] - n[0] >= 5), "pictures are missing while it is silent");
}

#[test]
fn a_session_of_which_nothing_is_heard_ends() {
    let (read, _) = with_cameras(args(&["--session-timeout", "1"]), async |port| {
        let mut client = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
        tokio::io::AsyncReadExt::read(&mut client, &mut [0; 16]).await
    });
    assert_eq!(read.expect("an end"), 0);
}

#[test]
fn dropped_packets_are_in_the_ledger() {
    let script = script(&[r#"{"camera":1,"from_s":0,"fault":"loss","burst":3,"every_s":0.5}"#]);
    let args = args(&["--script", script.path().to_str().expect("a path")]);
    let (_, ledger) = with_cameras(args, async |port| {
        pull("udp", &format!("rtsp://exam:pw@127.0.0.1:{port}/cam/1/sub"), 20, "0:v").await
    });
    let lost: u64 = frames_of(&ledger, "sub").iter().filter_map(|f| f["lost"].as_u64()).sum();
    assert!(lost >= 6, "{lost} packets");
}

#[test]
fn a_closed_port_is_closed_and_a_refused_log_in_refused() {
    let script = script(&[
        r#"{"camera":1,"from_s":0,"fault":"port_closed"}"#,
        r#"{"camera":2,"from_s":0,"fault":"wrong_password"}"#,
        r#"{"camera":3,"from_s":0,"fault":"close_at_step","step":"setup"}"#,
    ]);
    let path = script.path().to_str().expect("a path");
    let ((), ledger) = with_cameras(args(&["-n", "3", "--port-each", "--script", path]), async |port| {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await; // the script is read in a moment
        }
    });
    assert!(frames_of(&ledger, "sub").is_empty());
    // The others, at one port for all.
    let ((refused, closed), _) = with_cameras(args(&["-n", "3", "--script", path]), async |port| {
        let url = |camera| format!("rtsp://exam:pw@127.0.0.1:{port}/cam/{camera}/sub");
        (pull("tcp", &url(2), 1, "0:v").await.0, pull("tcp", &url(3), 1, "0:v").await.0)
    });
    assert!(refused.contains("401 Unauthorized"), "{refused}");
    assert!(!closed.is_empty(), "the connection ends at SETUP");
}
