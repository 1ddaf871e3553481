//! The server's side of the worker: a bounded queue of keyframes, the process that measures them, and what happens when it
//! dies. Not here: the judgement of what it reports.

use crate::wire::{KEYFRAME_LEN_MAX, Outcome, REPORT_LEN_MAX, Report, Request, Undecodable, parse_report};
use bytes::Bytes;
use lectern_media::{CameraId, UnixMillis};
use metrics::{counter, gauge};
use std::{
    collections::{HashMap, VecDeque},
    ffi::OsString,
    io,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Keyframes that the worker holds at a time: it always has work, and little is tried again when it dies.
const WINDOW: usize = 4;
/// Reports that wait for their reader.
const REPORTS_MAX: usize = 256;
/// The pause before a restart, at first and at most; it begins anew when the worker has lived for a minute.
const RESTART_MIN: Duration = Duration::from_millis(100);
const RESTART_MAX: Duration = Duration::from_secs(30);
const LIVED: Duration = Duration::from_secs(60);
/// For how long a camera whose keyframe was fatal is left out, at first and at most.
const SKIP_MIN: Duration = Duration::from_secs(60);
const SKIP_MAX: Duration = Duration::from_secs(15 * 60);

/// How a worker is started and bounded.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The program: one that calls [`worker::run`](crate::worker::run).
    pub exe: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Keyframes that may wait. Default 256: half a second of a thousand cameras.
    pub queue: usize,
    /// Their bytes together. Default 32 MiB.
    pub queue_bytes: usize,
    /// A keyframe that is not answered within this time is fatal. Default 10 s.
    pub answer_within: Duration,
}

impl WorkerConfig {
    /// The defaults.
    #[must_use]
    pub fn new(exe: PathBuf, args: Vec<OsString>) -> Self {
        Self { exe, args, queue: 256, queue_bytes: 32 << 20, answer_within: Duration::from_secs(10) }
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The program can't be started.
    #[error("could not start the health worker {exe}")]
    Start {
        /// The program.
        exe: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What became of a keyframe that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// A report will follow, unless the server ends first.
    Taken,
    /// The worker is behind: dropped, and counted. The next keyframe will do as well.
    Full,
    /// Empty, or larger than any keyframe: dropped, and counted.
    BadLength,
    /// There is no worker any more.
    Closed,
}

struct Job {
    camera: CameraId,
    at: UnixMillis,
    keyframe: Bytes,
}

/// The worker process, kept alive. Ends with the last clone.
#[derive(Debug, Clone)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Worker {
    /// Starts a worker and the task that looks after it; call it within a runtime. Reports come out of the receiver, one for
    /// each keyframe taken; when it is dropped the worker ends.
    ///
    /// # Errors
    /// [`WorkerError`] if the program can't be started at all. Later failures are repaired.
    pub fn spawn(config: WorkerConfig) -> Result<(Self, mpsc::Receiver<Report>), WorkerError> {
        let child = start(&config).map_err(|source| WorkerError::Start { exe: config.exe.clone(), source })?;
        let (jobs, queue) = mpsc::channel(config.queue.max(1));
        let (reports, reports_rx) = mpsc::channel(REPORTS_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let bytes_max = config.queue_bytes;
        let keeper = Keeper {
            config,
            queue,
            reports,
            waiting: Arc::clone(&waiting),
            in_flight: VecDeque::new(),
            again: VecDeque::new(),
            skipped: HashMap::new(),
        };
        tokio::spawn(keeper.run(child));
        Ok((Self { jobs, waiting, bytes_max }, reports_rx))
    }

    /// Hands a keyframe in (Annex B, with its parameter sets, at most 2 MiB). Never waits.
    pub fn offer(&self, camera: CameraId, at: UnixMillis, keyframe: Bytes) -> Offered {
        let len = keyframe.len();
        if len == 0 || len > KEYFRAME_LEN_MAX {
            return dropped("bad_length", Offered::BadLength);
        }
        if self.waiting.fetch_add(len, Ordering::Relaxed) + len > self.bytes_max {
            self.waiting.fetch_sub(len, Ordering::Relaxed);
            return dropped("queue_full", Offered::Full);
        }
        match self.jobs.try_send(Job { camera, at, keyframe }) {
            Ok(()) => Offered::Taken,
            Err(e) => {
                self.waiting.fetch_sub(len, Ordering::Relaxed);
                match e {
                    TrySendError::Full(_) => dropped("queue_full", Offered::Full),
                    TrySendError::Closed(_) => Offered::Closed,
                }
            }
        }
    }
}

fn dropped(reason: &'static str, what: Offered) -> Offered {
    counter!("lectern_health_dropped_keyframes_total", "reason" => reason).increment(1);
    what
}

fn start(config: &WorkerConfig) -> io::Result<Child> {
    Command::new(&config.exe)
        .args(&config.args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Why a worker's time is over.
enum End {
    /// Nobody hands in keyframes, or reads reports, any more.
    Done,
    /// It died, hung or talked nonsense.
    Failed(&'static str),
}

/// What looks after the worker.
struct Keeper {
    config: WorkerConfig,
    queue: mpsc::Receiver<Job>,
    reports: mpsc::Sender<Report>,
    waiting: Arc<AtomicUsize>,
    /// What the present worker was given and has not answered, oldest first.
    in_flight: VecDeque<Job>,
    /// What a dead worker had not begun.
    again: VecDeque<Job>,
    /// Cameras that are left out: until when, and for how long the next time.
    skipped: HashMap<CameraId, (Instant, Duration)>,
}

impl Keeper {
    async fn run(mut self, first: Child) {
        let mut child = Some(first);
        let mut pause = RESTART_MIN;
        loop {
            let began = Instant::now();
            let started = match child.take() {
                Some(child) => Ok(child),
                None => start(&self.config),
            };
            let why = match started {
                Ok(child) => {
                    gauge!("lectern_health_worker_running").set(1.0);
                    match self.serve(child).await {
                        End::Done => break,
                        End::Failed(why) => why,
                    }
                }
                Err(e) => {
                    tracing::error!(exe = %self.config.exe.display(), error = %e, "the health worker can't be started");
                    "not_started"
                }
            };
            gauge!("lectern_health_worker_running").set(0.0);
            counter!("lectern_health_worker_restarts_total", "reason" => why).increment(1);
            if !self.blame(why).await {
                break;
            }
            if began.elapsed() >= LIVED {
                pause = RESTART_MIN;
            }
            sleep(pause).await;
            pause = (pause * 2).min(RESTART_MAX);
        }
        gauge!("lectern_health_worker_running").set(0.0);
    }

    /// The worker is gone: what it had begun is to blame, the rest is tried again. `false` if nobody reads reports.
    async fn blame(&mut self, why: &str) -> bool {
        let culprit = self.in_flight.pop_front();
        while let Some(job) = self.in_flight.pop_back() {
            self.again.push_front(job);
        }
        let Some(job) = culprit else { return !self.reports.is_closed() };
        let now = Instant::now();
        self.skipped.retain(|_, (until, pause)| now < *until + *pause);
        let pause = self.skipped.get(&job.camera).map_or(SKIP_MIN, |(_, pause)| *pause);
        self.skipped.insert(job.camera, (now + pause, (pause * 2).min(SKIP_MAX)));
        tracing::warn!(camera = %job.camera, why, skipped_s = pause.as_secs(), "a keyframe was fatal for the health worker");
        self.report(&job, Undecodable::Fatal).await
    }

    /// Works with one process until it or the work ends.
    async fn serve(&mut self, mut child: Child) -> End {
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return End::Failed("not_started");
        };
        let (answers_tx, mut answers) = mpsc::channel(WINDOW);
        let reader = tokio::spawn(read_answers(stdout, answers_tx));
        let mut deadline = Instant::now() + self.config.answer_within;
        let end = loop {
            let room = self.in_flight.len() < WINDOW;
            tokio::select! {
                answer = answers.recv() => {
                    let Some(answer) = answer else { break End::Failed("died") };
                    let asked = self.in_flight.pop_front();
                    let fits = asked.as_ref().is_some_and(|j| (j.camera, j.at) == (answer.camera, answer.at));
                    if !fits {
                        self.in_flight.extend(asked);
                        self.in_flight.rotate_right(1.min(self.in_flight.len()));
                        break End::Failed("talked_nonsense");
                    }
                    deadline = Instant::now() + self.config.answer_within;
                    if !self.pass_on(answer).await {
                        break End::Done;
                    }
                }
                job = next(&mut self.again, &mut self.queue, &self.waiting), if room => {
                    let Some(job) = job else { break End::Done };
                    if self.skipped.get(&job.camera).is_some_and(|(until, _)| Instant::now() < *until) {
                        if !self.report(&job, Undecodable::Skipped).await {
                            break End::Done;
                        }
                        continue;
                    }
                    if self.in_flight.is_empty() {
                        deadline = Instant::now() + self.config.answer_within;
                    }
                    let within = self.config.answer_within;
                    let written = timeout(within, write(&mut stdin, &job)).await;
                    self.in_flight.push_back(job);
                    match written {
                        Ok(Ok(())) => {}
                        // It closed the pipe: what it has answered is read first.
                        Ok(Err(_)) => {
                            while let Ok(Some(answer)) = timeout(within, answers.recv()).await {
                                self.in_flight.pop_front();
                                self.pass_on(answer).await;
                            }
                            break End::Failed("died");
                        }
                        Err(_) => break End::Failed("hung"),
                    }
                }
                () = sleep_until(deadline), if !self.in_flight.is_empty() => break End::Failed("hung"),
                () = self.reports.closed() => break End::Done,
            }
        };
        reader.abort();
        // The end of its input is a worker's good-bye; one that hangs is not asked.
        drop(stdin);
        if matches!(end, End::Failed(_)) || timeout(Duration::from_secs(2), child.wait()).await.is_err() {
            // It may be gone already.
            let _ = child.kill().await;
        }
        end
    }

    async fn report(&self, job: &Job, why: Undecodable) -> bool {
        self.pass_on(Report { camera: job.camera, at: job.at, outcome: Outcome::Undecodable(why) }).await
    }

    /// Whether somebody reads reports.
    async fn pass_on(&self, report: Report) -> bool {
        let result = match &report.outcome {
            Outcome::Measured(_) => "measured",
            Outcome::Undecodable(why) => why.label(),
        };
        counter!("lectern_health_keyframes_total", "result" => result).increment(1);
        self.reports.send(report).await.is_ok()
    }
}

/// The next keyframe: those of a dead worker first.
async fn next(again: &mut VecDeque<Job>, queue: &mut mpsc::Receiver<Job>, waiting: &AtomicUsize) -> Option<Job> {
    if let Some(job) = again.pop_front() {
        return Some(job);
    }
    let job = queue.recv().await?;
    waiting.fetch_sub(job.keyframe.len(), Ordering::Relaxed);
    Some(job)
}

async fn write(stdin: &mut ChildStdin, job: &Job) -> io::Result<()> {
    let request = Request { camera: job.camera, at: job.at, keyframe: &job.keyframe };
    stdin.write_all(&request.head()).await?;
    stdin.write_all(&job.keyframe).await?;
    stdin.flush().await
}

/// Reads reports until the worker ends, or says something else.
async fn read_answers(stdout: ChildStdout, answers: mpsc::Sender<Report>) {
    let mut stdout = BufReader::with_capacity(REPORT_LEN_MAX, stdout);
    let mut line = Vec::with_capacity(REPORT_LEN_MAX);
    loop {
        let Ok(bytes) = stdout.fill_buf().await else { return };
        if bytes.is_empty() {
            return;
        }
        let end = bytes.iter().position(|b| *b == b'\n');
        let taken = end.map_or(bytes.len(), |n| n + 1);
        if line.len() + taken > REPORT_LEN_MAX {
            return;
        }
        line.extend_from_slice(&bytes[..taken]);
        stdout.consume(taken);
        if end.is_some() {
            let Ok(report) = parse_report(&line) else { return };
            line.clear();
            if answers.send(report).await.is_err() {
                return;
            }
        }
    }
}
