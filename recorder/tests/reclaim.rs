//! A recording that ended without a seal, taken back by several at once: one of them gets it, and nobody begins a second.

mod support;

use lectern_recorder::{
    Recorder, RecordingMeta, StartError, State, check,
    storage::{Appender, Disk, Storage},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};
use support::{limits, meta, scratch, wait};

/// How long a recovery is held up for somebody who, if all is well, does not come by before it is done.
const HELD: Duration = Duration::from_millis(300);

/// The real disk, which can refuse a recovery, or hold one up in its middle.
#[derive(Default)]
struct Gate {
    refuse: AtomicBool,
    hold: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

struct Gated(Arc<Gate>);

impl Storage for Gated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.0.refuse.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let held = self.0.hold.lock().unwrap().take();
        if let Some((reached, go)) = held {
            reached.send(()).unwrap();
            // Nobody comes by while it is this one's turn.
            let _ = go.recv_timeout(HELD);
        }
        Disk.sync_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Disk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Disk.open(path)
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

/// A recorder with one recording that ended without a seal and could not be recovered.
fn left_behind(root: &Path) -> (Arc<Recorder>, Arc<Gate>, RecordingMeta, PathBuf) {
    let gate = Arc::new(Gate::default());
    let recorder = Recorder::open_on(Arc::new(Gated(gate.clone())), root, limits()).unwrap();
    let handle = recorder.start(meta(0), Arc::new(|_| {})).unwrap();
    let (meta, dir, mut status) = (handle.meta().clone(), handle.dir().to_owned(), handle.status());
    drop(handle);
    wait(status.wait_for(|s| s.state == State::Ended)).unwrap();
    gate.refuse.store(true, Ordering::SeqCst);
    assert!(!recorder.reclaim(meta.id, &dir));
    (Arc::new(recorder), gate, meta, dir)
}

#[test]
fn a_recovery_never_meets_the_recording_resumed() {
    let tmp = scratch();
    let (recorder, gate, meta, dir) = left_behind(tmp.path());
    gate.refuse.store(false, Ordering::SeqCst);
    let ((reached, is_reached), (go, gone)) = (mpsc::channel(), mpsc::channel());
    *gate.hold.lock().unwrap() = Some((reached, gone));
    let slow = thread::spawn({
        let recorder = recorder.clone();
        move || recorder.reclaim_left()
    });
    is_reached.recv().unwrap();
    recorder.reclaim_left();
    let handle = recorder.resume(meta.lesson, Arc::new(|_| {})).unwrap().expect("it is recovered");
    // The slow one is through already, and this in vain, if each waited for its turn.
    let _ = go.send(());
    slow.join().unwrap();
    assert_eq!(recorder.unsealed(), [], "it runs: nobody else may have it");
    wait(handle.finish()).unwrap();
    assert!(check(&dir).ok, "{}", check(&dir));
}

#[test]
fn a_lesson_whose_recording_can_not_be_recovered_gets_no_second_one() {
    let tmp = scratch();
    let (recorder, gate, first, _) = left_behind(tmp.path());
    let again = || RecordingMeta { lesson: first.lesson, ..meta(0) };
    let refused = recorder.start(again(), Arc::new(|_| {})).unwrap_err();
    assert!(matches!(refused, StartError::Unrecovered { recording, .. } if recording == first.id), "{refused}");
    gate.refuse.store(false, Ordering::SeqCst);
    recorder.start(meta(0), Arc::new(|_| {})).expect("another lesson's is no hindrance");
    let refused = recorder.start(again(), Arc::new(|_| {})).unwrap_err();
    assert!(matches!(refused, StartError::Unfinished { recording, .. } if recording == first.id), "{refused}");
    assert!(recorder.resume(first.lesson, Arc::new(|_| {})).unwrap().is_some());
}
