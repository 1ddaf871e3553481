//! Watches over cameras: keyframes to the worker process, its measures and ingest's figures into the core, verdicts to
//! signaling.

use lectern_health::{
    Fault, Figures, HealthCore, Measures, Observation, SoundFigures, State, Thresholds, Verdict, Worker, WorkerConfig,
    wire::{Outcome, Report, Undecodable},
};
use lectern_ingest::{CameraState, CameraStatus, Ingest, Keyframe};
use lectern_media::{CameraId, CameraStream, UnixMillis};
use lectern_protocol::api::{self, HealthFault};
use lectern_recorder::camera::{CameraArchive, CameraRecordingState};
use lectern_signaling::patrol::{Patrol, ports::PatrolEvent};
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    ffi::OsString,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// Keyframes on their way from ingest to the worker; those that find no room are dropped and counted by ingest.
pub const KEYFRAMES_MAX: usize = 256;
/// How often ingest's figures are looked at.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// How often thresholds are read anew.
const THRESHOLDS_EVERY: Duration = Duration::from_secs(15);
/// A camera that should be recorded and is not for so long has a fault.
const NOT_RECORDED_AFTER: Duration = Duration::from_secs(10);
/// A camera that has been live for so long without a fault of its figures has none: longer than any of them takes to show.
const FIGURES_KNOWN_AFTER: Duration = Duration::from_secs(120);

/// The hidden command with which this binary is the worker.
pub const COMMAND: &str = "health-worker";

/// What is watched.
pub struct Watch {
    pub ingest: Ingest,
    pub archive: Arc<CameraArchive>,
    pub patrol: Patrol,
    core: HealthCore,
    /// Faults that each camera's thresholds watch for.
    watched: HashMap<CameraId, HashSet<HealthFault>>,
    /// Faults that were told and are not over.
    told: HashMap<CameraId, BTreeMap<HealthFault, UnixMillis>>,
    unrecorded: HashMap<CameraId, UnixMillis>,
    /// What the store refused, the newest of each fault: at most as many as there are cameras and faults.
    untold: HashMap<(CameraId, HealthFault), PatrolEvent>,
    began: UnixMillis,
}

impl Watch {
    pub fn new(ingest: Ingest, archive: Arc<CameraArchive>, patrol: Patrol) -> Self {
        Self {
            ingest,
            archive,
            patrol,
            core: HealthCore::new(),
            watched: HashMap::new(),
            told: HashMap::new(),
            unrecorded: HashMap::new(),
            untold: HashMap::new(),
            began: UnixMillis::steady(),
        }
    }

    /// Watches for ever. Without a worker (it can't be started) only figures are looked at.
    pub async fn run(mut self, mut keyframes: mpsc::Receiver<Keyframe>) {
        let (worker, mut reports) = match spawn() {
            Ok((worker, reports)) => (Some(worker), reports),
            Err(error) => {
                tracing::error!(%error, "pictures are not looked at for faults");
                (None, mpsc::channel(1).1)
            }
        };
        // What a server that ended had raised is over if it does not show again.
        self.adopt().await;
        let (mut figures, mut thresholds) = (interval(FIGURES_EVERY), interval(THRESHOLDS_EVERY));
        figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        thresholds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let verdicts = tokio::select! {
                Some(keyframe) = keyframes.recv() => {
                    if let Some(worker) = &worker {
                        // What the worker has no room for it counts.
                        let _ = worker.offer(keyframe.camera, keyframe.at, keyframe.annexb);
                    }
                    continue;
                }
                Some(report) = reports.recv() => self.report(&report),
                _ = figures.tick() => {
                    // It looks at every camera: once a second, not with every picture.
                    self.tell_again().await;
                    self.not_recorded().await;
                    self.figures()
                }
                _ = thresholds.tick() => {
                    self.thresholds().await;
                    continue;
                }
            };
            for verdict in verdicts {
                self.tell(verdict).await;
            }
        }
    }

    async fn adopt(&mut self) {
        let open = lectern_library::AlarmQuery { open: true, limit: 10_000, ..Default::default() };
        match self.patrol.library().store().alarms(open).await {
            Ok(alarms) => {
                for alarm in alarms {
                    self.told.entry(alarm.camera).or_default().insert(alarm.fault, alarm.since);
                }
            }
            Err(error) => tracing::error!(%error, "open alarms could not be read"),
        }
    }

    fn report(&mut self, report: &Report) -> Vec<Verdict> {
        let measures: Option<&Measures> = match &report.outcome {
            Outcome::Measured(measures) => Some(measures),
            // It was not looked at.
            Outcome::Undecodable(Undecodable::Skipped) => return vec![],
            _ => None,
        };
        let seen = measures.map_or(Observation::Undecodable, Observation::Picture);
        self.core.observe(report.at, report.camera, seen)
    }

    fn figures(&mut self) -> Vec<Verdict> {
        let (now, mut verdicts) = (UnixMillis::steady(), Vec::new());
        let all = self.ingest.all();
        let known: HashSet<CameraId> = all.iter().map(|(id, _)| *id).collect();
        let gone: Vec<CameraId> = self.watched.keys().filter(|id| !known.contains(id)).copied().collect();
        for camera in gone {
            verdicts.extend(self.core.observe(now, camera, Observation::Off));
            self.core.forget(camera);
            self.watched.remove(&camera);
            self.unrecorded.remove(&camera);
        }
        for (camera, status) in &all {
            if status.state == CameraState::Off {
                verdicts.extend(self.core.observe(now, *camera, Observation::Off));
            } else {
                verdicts.extend(self.core.observe(now, *camera, Observation::Figures(&figures(status, now))));
                // The core says nothing of faults that it did not raise itself: those of a server before this one.
                if status.state == CameraState::Live {
                    verdicts.extend(self.left_over(*camera, status.since, now));
                }
            }
        }
        verdicts
    }

    /// Alarms of before the start that the core, having learnt the camera, does not see.
    fn left_over(&self, camera: CameraId, live_since: UnixMillis, now: UnixMillis) -> Vec<Verdict> {
        let Some(told) = self.told.get(&camera).filter(|told| !told.is_empty()) else { return vec![] };
        let active: HashSet<Fault> = self.core.active(camera).map(|v| v.fault).collect();
        let told = told.keys().copied().collect();
        let over = over(&told, &active, self.core.has_learnt(camera), now.since(self.began.max(live_since)));
        over.map(|fault| Verdict { camera, fault, state: State::Cleared, since: now, measure: 0.0 }).collect()
    }

    async fn tell(&mut self, verdict: Verdict) {
        let (camera, word) = (verdict.camera, fault(verdict.fault));
        let told = self.told.entry(camera).or_default();
        let event = match verdict.state {
            State::Raised => {
                if self.watched.get(&camera).is_some_and(|w| !w.contains(&word)) {
                    return;
                }
                told.insert(word, verdict.since);
                PatrolEvent::Fault { camera, fault: word, since: verdict.since }
            }
            State::Cleared => {
                if told.remove(&word).is_none() {
                    return;
                }
                // `since` is when it began.
                PatrolEvent::FaultOver { camera, fault: word, until: UnixMillis::now() }
            }
        };
        self.send(camera, word, event).await;
    }

    /// Tells of a fault or its end; what is refused is told again, unless something newer is to be told of it by then.
    async fn send(&mut self, camera: CameraId, fault: HealthFault, event: PatrolEvent) {
        if self.patrol.event(event.clone()).await {
            self.untold.remove(&(camera, fault));
        } else {
            self.untold.insert((camera, fault), event);
        }
    }

    /// Tells again what the store refused. While it takes nothing it is asked once a second, not once for each.
    async fn tell_again(&mut self) {
        while let Some((key, event)) = self.untold.iter().next().map(|(key, event)| (*key, event.clone())) {
            if !self.patrol.event(event).await {
                return;
            }
            self.untold.remove(&key);
        }
    }

    /// Cameras that should be recorded, send something, and are not.
    async fn not_recorded(&mut self) {
        let now = UnixMillis::now();
        let cameras = self.patrol.library().cameras();
        let mut events = Vec::new();
        for camera in cameras.present().filter(|c| c.record && c.enabled) {
            let live = self.ingest.status(camera.id).is_some_and(|s| s.state == CameraState::Live);
            let on = self.archive.status(camera.id).is_some_and(|r| r.state == CameraRecordingState::On);
            let word = HealthFault::NotRecorded;
            let told = self.told.entry(camera.id).or_default();
            if live && !on {
                let since = *self.unrecorded.entry(camera.id).or_insert(now);
                if now.since(since) >= NOT_RECORDED_AFTER && told.insert(word, since).is_none() {
                    events.push((camera.id, PatrolEvent::Fault { camera: camera.id, fault: word, since }));
                }
            } else {
                self.unrecorded.remove(&camera.id);
                if on && told.remove(&word).is_some() {
                    events.push((camera.id, PatrolEvent::FaultOver { camera: camera.id, fault: word, until: now }));
                }
            }
        }
        for (camera, event) in events {
            self.send(camera, HealthFault::NotRecorded, event).await;
        }
    }

    async fn thresholds(&mut self) {
        let cameras = self.patrol.library().cameras();
        let mut of_place: HashMap<_, Vec<api::Thresholds>> = HashMap::new();
        for camera in cameras.present() {
            let sets = match of_place.entry(camera.place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => match self.patrol.thresholds(camera.place).await {
                    Ok(sets) => place.insert(sets),
                    Err(error) => return tracing::error!(%error, "thresholds could not be read"),
                },
            };
            let group = lectern_library::patrol::group_to_api(camera.group);
            let Some(set) = sets.iter().find(|t| t.group == group) else { continue };
            self.core.set_thresholds(camera.id, thresholds(set));
            self.watched.insert(camera.id, set.watched.iter().copied().collect());
        }
    }
}

fn spawn() -> Result<(Worker, mpsc::Receiver<Report>), Box<dyn std::error::Error + Send + Sync>> {
    let exe = std::env::current_exe()?;
    Ok(Worker::spawn(WorkerConfig::new(exe, vec![OsString::from(COMMAND)]))?)
}

/// The thresholds of a group in the words of the core; what people can't set keeps its default.
fn thresholds(set: &api::Thresholds) -> Thresholds {
    let off = f32::from(set.rate_percent) / 100.0;
    let mine = Thresholds {
        no_stream_ms: u32::from(set.silent_s) * 1_000,
        blurred_ratio: (f32::from(set.sharpness_percent) / 100.0).clamp(0.1, 0.8),
        moved_share: (f32::from(set.moved_percent) / 100.0).clamp(0.05, 0.3),
        clock_offset_ms: set.clock_ms.max(100),
        frame_rate_off: off.clamp(0.05, 0.9),
        ..Thresholds::default()
    };
    if mine.validate().is_ok() { mine } else { Thresholds::default() }
}

fn figures(status: &CameraStatus, now: UnixMillis) -> Figures {
    let picture = [CameraStream::Sub, CameraStream::Main].into_iter().find_map(|s| status.stream(s));
    let silent = |last: Option<UnixMillis>| now.since(last.unwrap_or(status.since));
    let live = picture.filter(|p| p.state == CameraState::Live);
    Figures {
        silent_for: silent(picture.and_then(|p| p.last_packet)),
        clock_offset_ms: status.clock_offset_ms.filter(|_| status.clock_sure),
        sound: status
            .stream(CameraStream::Sound)
            .map(|s| SoundFigures { silent_for: silent(s.last_packet), level_dbov: None }),
        bit_rate: live.map(|p| p.bitrate).filter(|b| b.as_bps() > 0),
        frame_rate: live.map(|p| p.fps).filter(|fps| *fps > 0.0),
    }
}

/// Of the faults that were told those that are over, though the core never raised them: once it has learnt the camera's picture
/// it would see them. Figures show without any picture, and of some cameras no picture is ever looked at (H.265 alone).
fn over(
    told: &HashSet<HealthFault>,
    active: &HashSet<Fault>,
    learnt: bool,
    live_for: Duration,
) -> impl Iterator<Item = Fault> {
    let known = move |f: &Fault| learnt || (live_for >= FIGURES_KNOWN_AFTER && is_figure(*f));
    Fault::ALL.into_iter().filter(|f| told.contains(&fault(*f)) && !active.contains(f)).filter(known)
}

/// Whether a fault shows in ingest's figures, not in pictures.
fn is_figure(fault: Fault) -> bool {
    use Fault::{BitRate, FrameRate, NoSound, NoStream, WrongClock};
    matches!(fault, NoStream | WrongClock | NoSound | BitRate | FrameRate)
}

fn fault(fault: Fault) -> HealthFault {
    match fault {
        Fault::NoStream => HealthFault::NoStream,
        Fault::Frozen => HealthFault::Frozen,
        Fault::Black => HealthFault::Black,
        Fault::White => HealthFault::White,
        Fault::Covered => HealthFault::Covered,
        Fault::Blurred => HealthFault::Blurred,
        Fault::Moved => HealthFault::Moved,
        Fault::WrongClock => HealthFault::WrongClock,
        Fault::NoSound => HealthFault::NoSound,
        Fault::BitRate => HealthFault::BitRate,
        Fault::FrameRate => HealthFault::FrameRate,
        _ => HealthFault::Undecodable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_signaling::patrol::default_thresholds;

    #[test]
    fn what_people_set_is_possible() {
        for silent_s in [1, 60] {
            for percent in [10, 100] {
                let mut set = default_thresholds(api::CameraGroup::ExamRoom);
                (set.silent_s, set.rate_percent, set.sharpness_percent) = (silent_s, percent, percent);
                (set.moved_percent, set.clock_ms) = (if percent == 10 { 1 } else { 50 }, u32::from(silent_s) * 50);
                let mine = thresholds(&set);
                assert!(mine.validate().is_ok());
                assert_eq!(mine.no_stream_ms, u32::from(silent_s) * 1_000, "it is not the default instead");
            }
        }
    }

    #[test]
    fn alarms_of_the_server_before_end_once_they_would_show() {
        let told: HashSet<HealthFault> = [HealthFault::Black, HealthFault::WrongClock, HealthFault::BitRate].into();
        let active: HashSet<Fault> = [Fault::BitRate].into();
        let over = |learnt, live_s| {
            over(&told, &active, learnt, Duration::from_secs(live_s)).map(fault).collect::<HashSet<_>>()
        };
        assert!(over(false, 119).is_empty(), "nothing is known yet");
        // Of a camera whose pictures nobody looks at, only what its figures show.
        assert_eq!(over(false, 120), HashSet::from([HealthFault::WrongClock]));
        let both = HashSet::from([HealthFault::Black, HealthFault::WrongClock]);
        assert_eq!(over(true, 0), both, "what shows still is not over");
    }

    #[test]
    fn every_fault_has_its_word() {
        let words: HashSet<HealthFault> = Fault::ALL.into_iter().map(fault).collect();
        assert_eq!(words.len(), Fault::ALL.len());
    }
}
