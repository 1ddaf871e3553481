//! Opening cameras' recordings beside the thread that writes: what a crash or a failed disk left is read and repaired first, which takes
//! as long as the disk pleases, and no other camera may wait for that. One at a time for each writing thread; the camera's own packets wait
//! in its tap meanwhile. Does not belong here: what opening does (`open`), when it is due (`engine`).

use super::{
    engine::{Shared, guarded},
    session::Session,
};
use lectern_media::{CameraId, UnixMillis};
use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

/// What a session does away from its thread.
pub(super) type Work = fn(&mut Session, UnixMillis);

struct Job {
    camera: CameraId,
    session: Box<Session>,
    work: Work,
    now: UnixMillis,
}

/// The thread that opens, and the way back.
pub(super) struct Opener {
    jobs: Sender<Job>,
    opened: Receiver<(CameraId, Box<Session>)>,
    thread: JoinHandle<()>,
}

impl Opener {
    /// Starts the thread; `None` if there is none to be had.
    pub(super) fn start(shared: Arc<Shared>) -> Option<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (done, opened) = mpsc::channel();
        let run = move || {
            for Job { camera, mut session, work, now } in inbox {
                guarded(&shared, camera, &mut session, now, |s| work(s, now));
                if done.send((camera, session)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("cameras-open".into()).spawn(run);
        let thread =
            thread.inspect_err(|e| tracing::error!(error = %e, "cameras are opened where others are written")).ok()?;
        Some(Self { jobs, opened, thread })
    }

    /// Lets a session do its work at `now`; gives it back if nobody can.
    pub(super) fn send(
        &self,
        camera: CameraId,
        session: Box<Session>,
        work: Work,
        now: UnixMillis,
    ) -> Result<(), Box<Session>> {
        self.jobs.send(Job { camera, session, work, now }).map_err(|e| e.0.session)
    }

    /// Whether the thread is over: it died, and what it had is lost.
    pub(super) fn over(&self) -> bool {
        self.thread.is_finished()
    }

    /// A session that is done, if there is one.
    pub(super) fn done(&self) -> Option<(CameraId, Box<Session>)> {
        self.opened.try_recv().ok()
    }

    /// The next session that is done, however long that takes; `None` if none will be.
    pub(super) fn wait(&self) -> Option<(CameraId, Box<Session>)> {
        self.opened.recv().ok()
    }

    /// Ends the thread once it has done what it was given.
    pub(super) fn end(self) {
        drop(self.jobs);
        drop(self.opened);
        if self.thread.join().is_err() {
            tracing::error!("the thread that opens cameras had died");
        }
    }
}
