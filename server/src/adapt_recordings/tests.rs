use super::*;
use crate::{adapt_files::Archive, archive::tests::speak};
use lectern_library::{Class, ClassEntry, LessonChange, LibraryOptions};
use lectern_media::{AccountId, ParticipantId};
use lectern_protocol::{
    api::{ClassMode, Repeat},
    ws::LessonState,
};
use lectern_recorder::{
    Limits,
    storage::{Appender, Disk, Storage},
};
use lectern_sfu::SfuConfig;
use lectern_signaling::ports::RecordingFiles as _;
use std::{
    io,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

struct Bench {
    dir: tempfile::TempDir,
    library: Arc<Library>,
    sfu: Sfu,
    facts: LessonFacts,
}

impl Bench {
    async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }

    async fn at(dir: tempfile::TempDir) -> Self {
        let library = Arc::new(Library::open(&dir.path().join("catalogue"), LibraryOptions::default()).await.unwrap());
        library.first_run(UnixMillis::now()).await.unwrap();
        let now = UnixMillis::now();
        let entry = ClassEntry {
            title: "分数乘法".into(),
            subject: "数学".into(),
            grade: "六年级".into(),
            teacher: AccountId::generate(),
            place: library.tree().root().unwrap(),
            mode: ClassMode::Dedicated,
            starts: now,
            duration_min: 40,
            repeat: Repeat::Once,
            until: None,
            waiting_room: false,
            record: true,
        };
        let class = library.create_classes(vec![Class::new(entry, now)]).await.unwrap().remove(0);
        let lesson = library.store().lessons_at(vec![(class.id, now)]).await.unwrap().remove(0);
        let live = LessonChange { state: Some(LessonState::Live), opened: Some(now), ..LessonChange::default() };
        library.store().change_lesson(lesson.id, live).await.unwrap();
        let facts = LessonFacts {
            class: class.id,
            lesson: lesson.id,
            room: class.room,
            title: class.entry.title.clone(),
            subject: class.entry.subject.clone(),
            grade: class.entry.grade.clone(),
            teacher: class.entry.teacher,
            teacher_name: "王老师".into(),
            place: class.entry.place,
            school: "东山村小学".into(),
            opened: now,
        };
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let sfu = Sfu::start(SfuConfig { listen, ..SfuConfig::default() }).unwrap();
        Self { dir, library, sfu, facts }
    }

    /// A recorder as a process has it: dropped and opened anew, it finds what the one before left.
    fn port(&self) -> RecordingsPort {
        self.port_on(Arc::new(Disk)).0
    }

    /// The same on another disk, with what it tells.
    fn port_on(&self, disk: Arc<dyn Storage>) -> (RecordingsPort, mpsc::UnboundedReceiver<RecordingEvent>) {
        let limits = Limits { reserve_bytes: 0, ..Limits::default() };
        let recorder = Recorder::open_on(disk, archive::recordings_dir(self.dir.path()), limits).unwrap();
        let (told, events) = mpsc::unbounded_channel();
        let tell = move |event| told.send(event).unwrap_or(());
        (RecordingsPort(Recorders::new(Arc::new(recorder), self.sfu.clone(), Arc::clone(&self.library), tell)), events)
    }

    fn archive(&self, port: &RecordingsPort) -> Archive {
        Archive::new(self.data(), Arc::clone(&port.0.recorder), jiff::tz::TimeZone::UTC)
    }

    async fn lines(&self) -> Vec<String> {
        let found = self.library.store().recordings(None, 9).await.unwrap().remove(0);
        found.lines.into_iter().map(|line| line.text).collect()
    }

    async fn end_lesson(&self) {
        let over = LessonChange { state: Some(LessonState::Over), ..LessonChange::default() };
        self.library.store().change_lesson(self.facts.lesson, over).await.unwrap();
    }

    async fn known(&self, id: RecordingId) -> lectern_library::Recording {
        self.library.store().recording(id).await.unwrap().expect("the catalogue knows it")
    }

    fn data(&self) -> &Path {
        self.dir.path()
    }
}

fn chat(text: &str) -> ClassEvent {
    ClassEvent::Chat { participant: ParticipantId::generate(), name: "小明".into(), text: text.into() }
}

#[tokio::test]
async fn a_recording_through_a_restart_to_its_end() {
    let b = Bench::new().await;
    let port = b.port();
    let id = port.start(&b.facts).await.unwrap();
    port.event(id, UnixMillis::now(), &ClassEvent::Opened {});
    port.event(id, UnixMillis::now(), &chat("老师好"));
    port.suspend(id).await.unwrap();
    drop(port);

    let port = b.port();
    port.resume(b.facts.room, id).await.unwrap();
    port.event(id, UnixMillis::now(), &chat("再见"));
    port.finish(id).await.unwrap();
    let known = b.known(id).await;
    assert_eq!((known.status, known.title.as_str()), (RecordingStatus::Done, "分数乘法"));
    assert_eq!(b.lines().await, ["老师好", "再见"]);

    let archive = b.archive(&port);
    let facts = archive.facts(id).await.unwrap().expect("it can be read");
    assert_eq!(facts.events.iter().filter(|e| matches!(e.event, ClassEvent::Chat { .. })).count(), 2);
    assert!(archive.open(id, "nothing.m3u8").await.unwrap().is_none());
    assert!(archive.facts(RecordingId::generate()).await.unwrap().is_none());
    archive.remove(id).await.unwrap();
    assert!(archive.facts(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_start_after_a_crash_goes_on_with_the_same_recording() {
    let b = Bench::new().await;
    let port = b.port();
    let id = port.start(&b.facts).await.unwrap();
    port.event(id, UnixMillis::now(), &chat("分母为零怎么办"));
    port.suspend(id).await.unwrap();
    drop(port);
    let port = b.port();
    assert_eq!(port.start(&b.facts).await.unwrap(), id, "one lesson, one recording");
    assert_eq!(port.start(&b.facts).await.unwrap(), id, "also while it runs");
    port.event(id, UnixMillis::now(), &chat("再见"));
    port.finish(id).await.unwrap();
    assert_eq!(b.lines().await, ["分母为零怎么办", "再见"], "what was said before is still found");
    let header = std::fs::read_to_string(Archive::find_for_test(b.data(), id).join("recording.json")).unwrap();
    assert!(header.contains("\"places\""), "the tree can be made again from it: {header}");
}

#[tokio::test]
async fn what_a_lesson_left_unfinished_is_sealed_when_it_is_over() {
    let b = Bench::new().await;
    let port = b.port();
    let id = port.start(&b.facts).await.unwrap();
    port.suspend(id).await.unwrap();
    drop(port);
    let port = b.port();
    port.0.seal_abandoned().await;
    assert_eq!(port.0.recorder.unsealed().len(), 1, "the lesson is live: it will be resumed");
    b.end_lesson().await;
    port.0.seal_abandoned().await;
    assert!(port.0.recorder.unsealed().is_empty());
    assert_ne!(b.known(id).await.status, RecordingStatus::Live);
}

/// A disk whose next append brings the writing thread down.
#[derive(Default)]
struct Trap {
    set: Arc<AtomicBool>,
}

struct Trapped(Box<dyn Appender>, Arc<AtomicBool>);

impl Appender for Trapped {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!self.1.swap(false, Ordering::SeqCst), "the trap of this test");
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }
}

impl Storage for Trap {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(Trapped(Disk.create(path)?, Arc::clone(&self.set))))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(Trapped(Disk.open(path)?, Arc::clone(&self.set))))
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

#[tokio::test]
async fn a_recording_whose_thread_dies_is_told_as_lost_and_goes_on_when_asked() {
    let b = Bench::new().await;
    let trap = Trap::default();
    let set = Arc::clone(&trap.set);
    let (port, mut told) = b.port_on(Arc::new(trap));
    let id = port.start(&b.facts).await.unwrap();
    port.event(id, UnixMillis::now(), &chat("老师好"));
    let timeline = Archive::find_for_test(b.data(), id).join("timeline.jsonl");
    let mut status = port.0.running.lock()[&id].handle.status();
    status.wait_for(|_| std::fs::read_to_string(&timeline).unwrap().contains("老师好")).await.unwrap();
    for said in ["再来", "又来"] {
        set.store(true, Ordering::SeqCst);
        port.event(id, UnixMillis::now(), &chat(said));
        let event = told.recv().await.unwrap();
        assert_eq!(event, RecordingEvent::Lost { room: b.facts.room });
        port.resume(b.facts.room, id).await.unwrap();
    }
    port.event(id, UnixMillis::now(), &chat("再见"));
    port.finish(id).await.unwrap();
    assert_eq!(b.known(id).await.status, RecordingStatus::Done);
    let lines = b.lines().await;
    assert_eq!((lines.first().unwrap().as_str(), lines.last().unwrap().as_str()), ("老师好", "再见"), "{lines:?}");
}

#[tokio::test]
async fn a_lost_recording_is_sealed_when_the_lesson_ends_without_it() {
    let b = Bench::new().await;
    let trap = Trap::default();
    let set = Arc::clone(&trap.set);
    let (port, mut told) = b.port_on(Arc::new(trap));
    let id = port.start(&b.facts).await.unwrap();
    set.store(true, Ordering::SeqCst);
    port.event(id, UnixMillis::now(), &chat("再来"));
    told.recv().await.unwrap();
    port.finish(id).await.unwrap();
    assert_eq!(b.known(id).await.status, RecordingStatus::Partial);
    assert_eq!(b.archive(&port).facts(id).await.unwrap().unwrap().status, RecordingStatus::Partial);
}

fn sh(command: &str, args: &[&str]) -> bool {
    Command::new(command).args(args).output().is_ok_and(|done| done.status.success())
}

/// On a small tmpfs in a mount namespace of the test's own threads; needs root.
#[test]
fn an_end_that_found_the_disk_full_is_written_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().to_str().unwrap().to_owned();
    // SAFETY: both calls take no pointers; unshare changes only this thread and those it starts.
    let alone = unsafe { libc::geteuid() == 0 && libc::unshare(libc::CLONE_NEWNS) == 0 };
    if !(alone
        && sh("mount", &["--make-rprivate", "/"])
        && sh("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", &mount]))
    {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "not run under CI: a full disk needs root and mounts");
        println!("skipped: a full disk needs root and mounts");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let b = Bench::at(dir).await;
        let port = b.port();
        let (kept, gone) = (port.start(&b.facts).await.unwrap(), RecordingId::generate());
        speak(&port.0.tap_of(kept).unwrap(), b.facts.opened);
        let mut status = port.0.running.lock()[&kept].handle.status();
        status.wait_for(|s| s.bytes > 0).await.unwrap();

        // Every byte of the disk is taken.
        let ballast = b.data().join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        let full = io::copy(&mut io::repeat(7), &mut file).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        drop(file);
        assert!(port.finish(kept).await.is_err(), "the end can't be written");
        assert!(port.finish(gone).await.is_err(), "what there never was can't be finished");
        let archive = b.archive(&port);
        assert_eq!(archive.facts(kept).await.unwrap().unwrap().status, RecordingStatus::Live);
        port.0.seal_abandoned().await;
        assert_eq!(archive.facts(kept).await.unwrap().unwrap().status, RecordingStatus::Live, "nor now");

        std::fs::remove_file(&ballast).unwrap();
        b.end_lesson().await;
        port.0.seal_abandoned().await;
        assert_eq!(b.known(kept).await.status, RecordingStatus::Partial);
        archive.forget_for_test(kept);
        assert_eq!(archive.facts(kept).await.unwrap().unwrap().status, RecordingStatus::Partial);
        drop(port);
        std::mem::forget(b);
    });
    drop(runtime);
    assert!(sh("umount", &["-l", &mount]));
}

#[tokio::test]
async fn what_was_never_sealed_can_be_removed_and_does_not_come_back() {
    let b = Bench::new().await;
    let port = b.port();
    let id = port.start(&b.facts).await.unwrap();
    let archive = b.archive(&port);
    assert!(archive.remove(id).await.is_err(), "it runs");
    let dir = Archive::find_for_test(b.data(), id);
    port.suspend(id).await.unwrap();
    assert!(archive.remove(id).await.is_err(), "a server that ends leaves it to the next");
    assert!(port.0.recorder.reclaim(id, &dir));
    archive.remove(id).await.unwrap();
    assert!(!dir.exists());
    b.end_lesson().await;
    port.0.seal_abandoned().await;
    assert!(b.port().0.recorder.unsealed().is_empty());
}
