//! Real power cuts, as near as a machine without a plug comes: ext4 in a file in memory, the writer stopped at a random
//! moment, the file copied, the copy mounted. What was announced must be there; a writer that does not sync must fail this, or
//! it would prove nothing (research/record.md §6.2).
//!
//! Runs where it may make loop mounts (root), and says so where it may not.

mod support;

use lectern_media::{CameraStream, ParticipantId};
use lectern_protocol::api::GapCause;
use lectern_recorder::{
    Recorder, State,
    camera::{CameraArchive, CameraLimits, CameraMeta},
    check, scan,
    storage::{Disk, Storage},
    vod,
};
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use support::{camera, fake, feed, limits, merged, meta, wait};

/// The real disk, all syncs left out.
struct Forgetful;

mod forgetful {
    use lectern_recorder::storage::{Appender, Disk, Storage};
    use std::{io, path::Path};

    struct File(Box<dyn Appender>);

    impl Appender for File {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.append(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Storage for super::Forgetful {
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            Disk.create_dir(path)
        }
        fn sync_dir(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
            Ok(Box::new(File(Disk.create(path)?)))
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
            Ok(Box::new(File(Disk.open(path)?)))
        }
        fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
            Disk.truncate(path, len)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Disk.rename(from, to)
        }
        fn free_bytes(&self, path: &Path) -> io::Result<u64> {
            Disk.free_bytes(path)
        }
    }
}

const ROOT: &str = "LECTERN_POWER_CUT_ROOT";
const CAMERA_ROOT: &str = "LECTERN_POWER_CUT_CAMERA_ROOT";
const FORGETFUL: &str = "LECTERN_POWER_CUT_FORGETFUL";

/// The writer's process: this same program, told by its environment where to record. Writes each announcement to its output.
#[test]
fn writer() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let recorder = match std::env::var(FORGETFUL) {
        Ok(_) => Recorder::open_on(Arc::new(Forgetful) as Arc<dyn Storage>, root, limits()),
        Err(_) => Recorder::open(root, limits()),
    };
    let handle = recorder.unwrap().start(meta(0), Arc::new(|_| {})).unwrap();
    let teacher = ParticipantId::generate();
    let started = handle.meta().started;
    let events =
        merged(vec![fake::picture(teacher, 1500).events(started, 30), fake::sound(teacher, 3000).events(started, 30)]);
    let (began, mut senders, mut status, mut next) = (Instant::now(), HashMap::new(), handle.status(), 0);
    loop {
        let due = events[next..].iter().take_while(|(at, _)| *at as u128 <= began.elapsed().as_millis()).count();
        feed(&handle.tap(), &mut senders, &events[next..next + due]);
        next += due;
        if due > 0 {
            println!("fed {}", events[next - 1].0);
        }
        // The clock of the media is the wall's: wait for an announcement or for the next packets to be due.
        let changed = wait(async { tokio::time::timeout(Duration::from_millis(10), status.changed()).await.is_ok() });
        if changed {
            let s = *status.borrow_and_update();
            assert_eq!(s.state, State::On);
            println!("ack {} {}", s.bytes, s.durable_ms);
            std::io::stdout().flush().unwrap();
        }
    }
}

const CAMERAS: usize = 3;

/// The same with cameras, in the archive's own threads. The first camera's lost packets make raw files.
#[test]
fn camera_writer() {
    let Ok(root) = std::env::var(CAMERA_ROOT) else { return };
    let storage: Arc<dyn Storage> = match std::env::var(FORGETFUL) {
        Ok(_) => Arc::new(Forgetful),
        Err(_) => Arc::new(Disk),
    };
    let archive = CameraArchive::open_on(storage, root, camera_limits(), camera::signer()).unwrap();
    let began = lectern_media::UnixMillis::now().0;
    let mut cameras = Vec::new();
    for _ in 0..CAMERAS {
        let meta = camera::meta();
        let tap = archive.record(meta.clone()).unwrap();
        let mut stream = camera::Stream::new(meta.camera, CameraStream::Main, 40, 25, began);
        stream.connect(&tap);
        cameras.push((meta.camera, stream));
    }
    let mut n = 0u32;
    loop {
        let now = lectern_media::UnixMillis::now().0;
        for (_, stream) in &mut cameras {
            stream.send(
                now,
                || {
                    n += 1;
                    !n.is_multiple_of(97)
                },
                || 4,
            );
        }
        let bytes: u64 = cameras.iter().filter_map(|(c, _)| Some(archive.status(*c)?.bytes)).sum();
        println!("ack {bytes} 0");
        std::io::stdout().flush().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn camera_limits() -> CameraLimits {
    CameraLimits { recording: limits(), ..CameraLimits::default() }
}

/// Bytes of media that the cameras' recordings hold after coming back, 0 if anything is wrong with them.
fn found_of_cameras(root: &Path) -> u64 {
    let Ok(archive) = CameraArchive::open(root, camera_limits(), camera::signer()) else { return 0 };
    let mut bytes = 0;
    for day in fs::read_dir(root).unwrap().filter_map(|d| fs::read_dir(d.ok()?.path()).ok()) {
        for id in day.filter_map(|c| c.ok()?.file_name().to_string_lossy().parse().ok()) {
            let meta = CameraMeta { camera: id, ..camera::meta() };
            archive.record(meta).unwrap();
            archive.stop(id).unwrap();
            for dir in camera::dirs(root, id) {
                let files = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
                let media = |p: &PathBuf| p.extension().is_some_and(|e| e == "cmf" || e == "raw");
                bytes += files.filter(media).map(|p| fs::metadata(p).unwrap().len()).sum::<u64>();
            }
        }
    }
    if check(root).ok { bytes } else { 0 }
}

fn run(program: &str, args: &[&str]) -> bool {
    let out =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    out.is_ok_and(|s| s.success())
}

/// A mounted loop file system; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(image: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        run("mount", &["-o", "loop", image.to_str()?, at.to_str()?]).then_some(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !run("umount", &[self.0.to_str().unwrap()]) {
            run("umount", &["-l", self.0.to_str().unwrap()]);
        }
    }
}

/// Kills its process when dropped.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// One cut after `after`: bytes announced and bytes found; `None` if loop mounts are not allowed here.
fn cut(after: Duration, forgetful: bool, cameras: bool) -> Option<(u64, u64)> {
    let tmp = support::scratch();
    let (image, copy) = (tmp.path().join("disk"), tmp.path().join("copy"));
    fs::File::create(&image).unwrap().set_len(48 << 20).unwrap();
    if !run("mkfs.ext4", &["-q", "-F", image.to_str()?]) {
        return None;
    }
    let live = Mount::new(&image, tmp.path().join("live"))?;
    let root = live.0.join("recordings");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (test, variable) = if cameras { ("camera_writer", CAMERA_ROOT) } else { ("writer", ROOT) };
    command.args(["--exact", test, "--nocapture"]).env(variable, &root).stdout(Stdio::piped()).stderr(Stdio::null());
    if forgetful {
        command.env(FORGETFUL, "1");
    }
    let mut writer = Writer(command.spawn().unwrap());
    let mut output = BufReader::new(writer.0.stdout.take().unwrap());
    let (mut announced, mut began, mut line) = (0, None::<Instant>, String::new());
    while began.is_none_or(|b| b.elapsed() < after) {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the writer ended by itself");
        let Some(ack) = line.trim().strip_prefix("ack ") else { continue };
        announced = ack.split(' ').next().unwrap().parse().unwrap();
        if announced > 0 {
            // Time counts from the first announcement of media.
            began.get_or_insert_with(Instant::now);
        }
    }
    assert!(run("kill", &["-STOP", &writer.0.id().to_string()]));
    fs::copy(&image, &copy).unwrap();
    drop(writer);
    drop(live);
    let after_cut = Mount::new(&copy, tmp.path().join("after"))?;
    let root = after_cut.0.join("recordings");
    if cameras {
        return Some((announced, found_of_cameras(&root)));
    }
    let found = match Recorder::open(&root, limits()) {
        Ok(recorder) => {
            let damage: Vec<_> = recorder.recovered().iter().flat_map(|r| r.damage.clone()).collect();
            let report = check(&root);
            match report.ok && damage.is_empty() && recorder.refused().is_empty() {
                true => scan(&root).iter().map(|s| s.size_bytes).sum(),
                false => 0,
            }
        }
        Err(_) => 0,
    };
    Some((announced, found))
}

#[test]
fn a_power_cut_loses_nothing_that_was_announced() {
    if std::env::var(ROOT).is_ok() {
        return;
    }
    for (i, after_ms) in [300, 950, 1400].into_iter().enumerate() {
        let Some((announced, found)) = cut(Duration::from_millis(after_ms), false, false) else {
            eprintln!("not run: no loop mounts here (needs root, mkfs.ext4 and loop devices)");
            return;
        };
        assert!(announced > 0 && found >= announced, "cut {i}: {announced} bytes were announced, {found} are there");
    }
    let (announced, found) = cut(Duration::from_millis(900), true, false).expect("it worked before");
    assert!(
        found < announced,
        "a writer that never syncs lost nothing ({announced} announced, {found} found): the test is blind"
    );
}

#[test]
fn a_power_cut_loses_nothing_that_was_announced_of_cameras() {
    if std::env::var(CAMERA_ROOT).is_ok() {
        return;
    }
    for (i, after_ms) in [350, 1250].into_iter().enumerate() {
        let Some((announced, found)) = cut(Duration::from_millis(after_ms), false, true) else {
            eprintln!("not run: no loop mounts here (needs root, mkfs.ext4 and loop devices)");
            return;
        };
        assert!(announced > 0 && found >= announced, "cut {i}: {announced} bytes were announced, {found} are there");
    }
    let (announced, found) = cut(Duration::from_millis(900), true, true).expect("it worked before");
    assert!(
        found < announced,
        "a writer that never syncs lost nothing ({announced} announced, {found} found): the test is blind"
    );
}

/// A process killed at any moment has on disk what it received a second before (its pages are the kernel's); the recording is the
/// same one afterwards, with each downtime as a gap.
#[test]
fn a_killed_process_leaves_all_but_the_last_second_and_is_resumed() {
    if std::env::var(ROOT).is_ok() {
        return;
    }
    for kill_after in [400, 1130, 1770] {
        let tmp = support::scratch();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "writer", "--nocapture"])
            .env(ROOT, tmp.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut writer = Writer(command.spawn().unwrap());
        let mut output = BufReader::new(writer.0.stdout.take().unwrap());
        let (mut fed, mut line) = (0u64, String::new());
        while fed < kill_after + 1000 {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "the writer ended by itself");
            fed = line.trim().strip_prefix("fed ").map_or(fed, |ms| ms.parse().unwrap());
        }
        drop(writer);
        let recorder = Recorder::open(tmp.path(), limits()).unwrap();
        let unsealed = recorder.unsealed();
        assert_eq!((unsealed.len(), recorder.recovered()[0].damage.len()), (1, 0));
        let tracks = vod::Recording::load(&unsealed[0].dir).unwrap().facts().tracks.clone();
        for t in &tracks {
            assert!(
                t.to_ms() + 1000 >= fed,
                "killed after {fed} ms, {:?} is there up to {} ms",
                t.info.source,
                t.to_ms()
            );
        }
        let handle = recorder.resume(unsealed[0].meta.lesson, Arc::new(|_| {})).unwrap().unwrap();
        let sealed = wait(handle.finish()).unwrap();
        let report = check(&sealed.summary.dir);
        assert!(report.ok, "{report}");
        let gaps = vod::Recording::load(&sealed.summary.dir).unwrap().facts().gaps.clone();
        assert!(gaps.iter().any(|g| g.cause == GapCause::Restart && g.track.is_none()), "{gaps:?}");
    }
}
