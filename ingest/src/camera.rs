//! The task of one camera: two sessions, three streams, one status.
//!
//! Each turn waits for one thing (a wish, an event of a session, the time) and applies it without waiting. What a stream makes
//! of its packets is [`crate::feed`]'s, when to connect is [`crate::driver`]'s; here is what ties them together.

use crate::{
    clock::ClockOffset,
    config::CameraConfig,
    driver::{Driver, Event, Offer},
    fault::Fault,
    feed::Feed,
    ingest::{Desired, Shared, StatusCell},
    live::{Dropped, Live},
    reorder::Stamp,
    rtsp::{gather::next_beat, session::Inbound},
    status::{CameraState, CameraStatus},
};
use lectern_media::{
    CameraStream, UnixMillis,
    tap::{AbsenceCause, TapHandle},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::sleep_until};

/// How often time alone is looked at.
const TICK: Duration = Duration::from_millis(250);

/// How often a tap is asked for that there is not.
const ASK_TAP_EVERY: Duration = Duration::from_secs(1);

/// The most packets taken in one go before others get their turn.
const BATCH: usize = 64;

/// Runs until the camera is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut wanted: watch::Receiver<Desired>, cell: StatusCell) {
    let desired = wanted.borrow_and_update().clone();
    let config = match desired {
        Desired::Run(config) => config,
        // It never ran in this task: it is resting from its first turn on.
        Desired::Off(config) => {
            wanted.mark_changed();
            config
        }
        Desired::Gone => return,
    };
    let mut camera = Camera::new(shared, config, cell);
    camera.start();
    // One timer for all: setting it is most of what a packet would cost otherwise.
    let timer = sleep_until(camera.tick_at.into());
    tokio::pin!(timer);
    loop {
        let until = camera.next_tick().min(camera.beat_at.unwrap_or(camera.tick_at));
        if timer.deadline() != until.into() {
            timer.as_mut().reset(until.into());
        }
        tokio::select! {
            changed = wanted.changed() => {
                let desired = wanted.borrow_and_update().clone();
                match desired {
                    Desired::Run(config) if changed.is_ok() => camera.go_on_with(config).await,
                    Desired::Off(_) if changed.is_ok() => camera.stop().await,
                    _ => return camera.leave().await,
                }
            }
            event = camera.main.next() => camera.events(CameraStream::Main, event),
            event = camera.sub.next() => camera.events(CameraStream::Sub, event),
            () = &mut timer => camera.woken(Stamp::now()),
        }
    }
}

struct Camera {
    shared: Arc<Shared>,
    config: Arc<CameraConfig>,
    cell: StatusCell,
    running: bool,
    main: Driver,
    sub: Driver,
    main_feed: Feed,
    sub_feed: Feed,
    sound_feed: Feed,
    main_clock: ClockOffset,
    sub_clock: ClockOffset,
    live: Live,
    live_told: Dropped,
    tap: Option<TapHandle>,
    ask_tap_at: Instant,
    tick_at: Instant,
    /// When what gathered is taken, while nobody watches.
    beat_at: Option<Instant>,
    figures_at: Instant,
    state: (CameraState, UnixMillis),
    reconnects: u64,
    sound_left_out: Option<String>,
}

impl Camera {
    fn new(shared: Arc<Shared>, config: Arc<CameraConfig>, cell: StatusCell) -> Self {
        let (now, before) = (Stamp::now(), cell.read());
        let feed = |stream| new_feed(&shared, &config, stream, now);
        let driver = |stream| Driver::new(shared.clone(), &config, stream);
        let mut camera = Self {
            running: false,
            main: driver(CameraStream::Main),
            sub: driver(CameraStream::Sub),
            main_feed: feed(CameraStream::Main),
            sub_feed: feed(CameraStream::Sub),
            sound_feed: feed(CameraStream::Sound),
            main_clock: ClockOffset::default(),
            sub_clock: ClockOffset::default(),
            live: live(&shared, &config),
            live_told: Dropped::default(),
            tap: None,
            ask_tap_at: now.at,
            tick_at: now.at,
            beat_at: None,
            figures_at: now.at,
            state: (before.state, before.since),
            reconnects: before.reconnects,
            sound_left_out: None,
            shared,
            config,
            cell,
        };
        camera.mind_tap(now.at);
        camera
    }

    fn start(&mut self) {
        self.running = true;
        self.main.start();
        self.sub.start();
    }

    /// Follows a wish to run, with another configuration or again after a stop.
    async fn go_on_with(&mut self, config: Arc<CameraConfig>) {
        let now = Stamp::now();
        if config.bitrate_max != self.config.bitrate_max {
            self.main_feed.allow(config.bitrate_max);
        }
        if config.sub_bitrate_max != self.config.sub_bitrate_max {
            self.sub_feed.allow(config.sub_bitrate_max);
        }
        if self.running && self.config.pulls_like(&config) {
            self.config = config;
            return;
        }
        if self.running {
            // It is an operator who changes what is pulled.
            self.missing_for_operator(now);
        }
        self.rest().await;
        if config.sub_url.is_none() {
            self.sub_feed.end(self.tap.as_ref(), now);
        }
        let driver = |stream| Driver::new(self.shared.clone(), &config, stream);
        (self.main, self.sub) = (driver(CameraStream::Main), driver(CameraStream::Sub));
        (self.live, self.live_told) = (live(&self.shared, &config), Dropped::default());
        self.config = config;
        self.start();
        self.refresh(Stamp::now());
    }

    /// Rests for an operator.
    async fn stop(&mut self) {
        self.missing_for_operator(Stamp::now());
        self.running = false;
        self.rest().await;
        self.refresh(Stamp::now());
    }

    /// Ends everything. The tracks end before the camera is told, so that they never end behind the start of others.
    async fn leave(&mut self) {
        let now = Stamp::now();
        for feed in [&mut self.main_feed, &mut self.sub_feed, &mut self.sound_feed] {
            feed.end(self.tap.as_ref(), now);
            feed.count(now.at);
        }
        self.live.close();
        tokio::join!(self.main.leave(), self.sub.leave());
    }

    fn missing_for_operator(&mut self, now: Stamp) {
        let (tap, sub, sound) = (self.tap.as_ref(), self.sub.is_configured(), self.sound_feed.is_known());
        self.main_feed.missing_now(AbsenceCause::Operator, tap, now);
        if sub {
            self.sub_feed.missing_now(AbsenceCause::Operator, tap, now);
        }
        if sound {
            self.sound_feed.missing_now(AbsenceCause::Operator, tap, now);
        }
    }

    /// Ends both sessions and the live side; the tracks stay, absent.
    async fn rest(&mut self) {
        [&mut self.main_feed, &mut self.sub_feed, &mut self.sound_feed].into_iter().for_each(Feed::close);
        self.live.close();
        tokio::join!(self.main.leave(), self.sub.leave());
    }

    fn next_tick(&self) -> Instant {
        let feeds = [&self.main_feed, &self.sub_feed, &self.sound_feed];
        feeds.into_iter().filter_map(Feed::deadline).fold(self.tick_at, Instant::min)
    }

    /// Applies an event and what came with it.
    fn events(&mut self, stream: CameraStream, event: Event) {
        // What was read at once came at one moment; asking for the time is dear beside the rest of a packet's way.
        let now = Stamp::now();
        let mut next = Some(event);
        for _ in 0..BATCH {
            let Some(event) = next.take() else { return };
            let more = matches!(event, Event::Inbound(_));
            self.event(stream, event, now);
            if more {
                next = self.driver(stream).ready();
            }
        }
        if let Some(event) = next {
            self.event(stream, event, now);
        }
    }

    fn driver(&mut self, stream: CameraStream) -> &mut Driver {
        if stream == CameraStream::Sub { &mut self.sub } else { &mut self.main }
    }

    /// The session that does not bring `stream`.
    fn other(&mut self, stream: CameraStream) -> &mut Driver {
        if stream == CameraStream::Sub { &mut self.main } else { &mut self.sub }
    }

    fn event(&mut self, stream: CameraStream, event: Event, now: Stamp) {
        match event {
            Event::Connecting => {}
            Event::Up(offer) => {
                self.up(stream, &offer, now);
                self.refresh(now);
            }
            Event::Inbound(Inbound::Rtp(nth, data)) => {
                let (tap, live) = (self.tap.as_ref(), &mut self.live);
                let (driver, feed) = match (stream, nth) {
                    (CameraStream::Sub, _) => (&mut self.sub, &mut self.sub_feed),
                    (_, 0) => (&mut self.main, &mut self.main_feed),
                    _ => (&mut self.main, &mut self.sound_feed),
                };
                let flowed = feed.flows();
                feed.rtp(data, tap, live, now);
                if let Some(until) = feed.pause(now.at) {
                    driver.pause(until);
                }
                if !flowed && feed.flows() {
                    if driver.worked() {
                        self.other(stream).hurry(now.at);
                    }
                    self.refresh(now);
                }
            }
            Event::Inbound(Inbound::Rtcp(nth, data)) => self.report(stream, nth, &data, now),
            Event::Inbound(Inbound::Answered) => {}
            Event::Down(fault) => {
                self.down(stream, &fault, now);
                self.refresh(now);
            }
        }
    }

    fn up(&mut self, stream: CameraStream, offer: &Offer, now: Stamp) {
        if stream == CameraStream::Sub {
            self.sub_clock.restart();
            self.sub_feed.described(&offer.picture, &mut self.live, now);
        } else {
            self.main_clock.restart();
            self.main_feed.described(&offer.picture, &mut self.live, now);
            match &offer.sound {
                Some(sound) => self.sound_feed.described(sound, &mut self.live, now),
                None => self.sound_feed.close(),
            }
            self.sound_left_out.clone_from(&offer.sound_left_out);
        }
        self.tick_live(now.at);
    }

    fn report(&mut self, stream: CameraStream, nth: usize, data: &[u8], now: Stamp) {
        let (tap, live) = (self.tap.as_ref(), &mut self.live);
        let (feed, clock) = match (stream, nth) {
            (CameraStream::Sub, _) => (&mut self.sub_feed, &mut self.sub_clock),
            (_, 0) => (&mut self.main_feed, &mut self.main_clock),
            _ => {
                self.sound_feed.rtcp(data, tap, live);
                return;
            }
        };
        let Some(offset_ms) = feed.rtcp(data, tap, live).and_then(|ntp| clock.report(ntp, now.wall)) else { return };
        feed.clock_offset(offset_ms, tap, now);
        if stream == CameraStream::Main {
            self.sound_feed.clock_offset(offset_ms, tap, now);
        }
    }

    fn down(&mut self, stream: CameraStream, fault: &Fault, now: Stamp) {
        let (tap, cause) = (self.tap.as_ref(), fault.cause());
        let feeds = match stream {
            CameraStream::Sub => [Some(&mut self.sub_feed), None],
            _ => [Some(&mut self.main_feed), Some(&mut self.sound_feed)],
        };
        let mut was_up = false;
        for feed in feeds.into_iter().flatten() {
            was_up |= feed.is_open();
            feed.finish(tap, &mut self.live, now);
            if feed.stream == CameraStream::Sound && !feed.is_known() {
                continue;
            }
            // A session that breaks, or does not answer, had been broken since it was quiet; a connection that can't be made
            // says nothing of the time before.
            if feed.is_open() && cause == AbsenceCause::Network {
                feed.was_missing(cause, tap);
            } else {
                feed.missing(cause, tap, now);
            }
            feed.close();
        }
        if was_up {
            self.reconnects += 1;
        }
        tracing::info!(camera = %self.config.id, ?stream, %fault, "session ended");
    }

    /// The timer's time has come, for a beat or a tick.
    fn woken(&mut self, now: Stamp) {
        if self.beat_at.is_some_and(|at| at <= now.at) {
            self.beat_at = Some(next_beat(now.at));
            for stream in [CameraStream::Main, CameraStream::Sub] {
                if let Some(event) = self.driver(stream).gathered() {
                    self.events(stream, event);
                }
            }
        }
        if self.next_tick() <= now.at {
            self.tick(now);
        }
    }

    /// Lets what comes gather while nobody waits for it.
    fn mind_haste(&mut self, now: Instant) {
        let gather = !self.live.is_watched();
        self.main.gather(gather);
        self.sub.gather(gather);
        let comes = self.main.is_playing() || self.sub.is_playing();
        self.beat_at = (gather && comes).then(|| self.beat_at.unwrap_or_else(|| next_beat(now)));
    }

    fn tick(&mut self, now: Stamp) {
        self.mind_tap(now.at);
        self.mind_silence(now);
        let tap = self.tap.as_ref();
        self.main_feed.tick(tap, &mut self.live, now);
        self.sub_feed.tick(tap, &mut self.live, now);
        self.sound_feed.tick(tap, &mut self.live, now);
        self.tick_live(now.at);
        self.mind_haste(now.at);
        if now.at >= self.tick_at {
            self.tick_at = now.at + TICK;
            [&mut self.main_feed, &mut self.sub_feed, &mut self.sound_feed].into_iter().for_each(|f| f.count(now.at));
            self.count_live();
            self.refresh(now);
        }
    }

    fn tick_live(&mut self, now: Instant) {
        let complete = self.main_feed.is_open() && (self.sub_feed.is_open() || !self.sub.is_configured());
        self.live.tick(&*self.shared.ports.live, complete, now);
    }

    fn mind_tap(&mut self, now: Instant) {
        if self.tap.as_ref().is_some_and(|tap| !tap.is_closed()) || now < self.ask_tap_at {
            return;
        }
        self.ask_tap_at = now + ASK_TAP_EVERY;
        let had = self.tap.is_some();
        self.tap = self.shared.ports.archive.tap(self.config.id).filter(|tap| !tap.is_closed());
        if had || self.tap.is_some() {
            let tap = self.tap.as_ref();
            [&mut self.main_feed, &mut self.sub_feed, &mut self.sound_feed].into_iter().for_each(|f| f.attach(tap));
        }
    }

    /// How long a session has brought nothing of a stream.
    fn idle(driver: &Driver, feed: &Feed, now: Instant) -> Option<Duration> {
        let since = feed.last.max(driver.up_since).filter(|_| driver.is_playing() && feed.is_open())?;
        Some(now.saturating_duration_since(since))
    }

    fn mind_silence(&mut self, now: Stamp) {
        let silent_after = self.shared.config.silent_after;
        for stream in [CameraStream::Main, CameraStream::Sub] {
            if let Some(event) = self.driver(stream).mind() {
                self.event(stream, event, now);
            }
            let (driver, feed) = match stream {
                CameraStream::Sub => (&mut self.sub, &mut self.sub_feed),
                _ => (&mut self.main, &mut self.main_feed),
            };
            let Some(idle) = Self::idle(driver, feed, now.at) else { continue };
            if idle >= silent_after {
                feed.missing(AbsenceCause::CameraSilent, self.tap.as_ref(), now);
            }
            if let Some(event) = driver.idle(idle, now.at) {
                self.event(stream, event, now);
            }
        }
        if Self::idle(&self.main, &self.sound_feed, now.at).is_some_and(|idle| idle >= silent_after) {
            self.sound_feed.missing(AbsenceCause::CameraSilent, self.tap.as_ref(), now);
        }
    }

    fn count_live(&mut self) {
        let (now, before) = (self.live.dropped, self.live_told);
        for (reason, now, before) in [
            ("nal_unit", now.nal_unit, before.nal_unit),
            ("empty", now.empty, before.empty),
            ("awaiting_keyframe", now.awaiting_keyframe, before.awaiting_keyframe),
            ("b_frame", now.b_frame, before.b_frame),
            ("reference_b_frame", now.reference_b_frame, before.reference_b_frame),
            ("after_reference_b_frame", now.after_reference_b_frame, before.after_reference_b_frame),
            ("sound", now.sound, before.sound),
        ] {
            if now > before {
                metrics::counter!("lectern_ingest_live_units_dropped_total", "reason" => reason)
                    .increment(now - before);
            }
        }
        if now.keyframe_port_full > before.keyframe_port_full {
            metrics::counter!("lectern_ingest_keyframes_dropped_total", "reason" => "port_full")
                .increment(now.keyframe_port_full - before.keyframe_port_full);
        }
        self.live_told = now;
    }

    /// The state of a stream that `driver` brings.
    fn state_of(&self, driver: &Driver, feed: &Feed, now: Instant) -> CameraState {
        if !self.running {
            return CameraState::Off;
        }
        let silent = feed.cause() == Some(AbsenceCause::CameraSilent);
        let waited =
            driver.up_since.is_some_and(|up| now.saturating_duration_since(up) >= self.shared.config.silent_after);
        match driver.is_playing() {
            true if feed.is_over(now) => CameraState::RateExceeded,
            true if feed.flows() && !silent => CameraState::Live,
            true if silent && (feed.flows() || waited) => CameraState::Silent,
            _ => driver.fault.as_ref().map_or(CameraState::Connecting, Fault::state),
        }
    }

    /// Tells how it goes.
    fn refresh(&mut self, now: Stamp) {
        let pictures = [(&self.main, &self.main_feed), (&self.sub, &self.sub_feed)];
        let pictures = pictures.into_iter().filter(|(driver, _)| driver.is_configured());
        let mut streams: Vec<_> = pictures.map(|(d, f)| f.status(self.state_of(d, f, now.at))).collect();
        let worst = streams.iter().map(|s| &s.state).find(|s| **s != CameraState::Live);
        let state = worst.cloned().unwrap_or(CameraState::Live);
        if self.sound_feed.is_known() {
            streams.push(self.sound_feed.status(self.state_of(&self.main, &self.sound_feed, now.at)));
        }
        if self.state.0 != state {
            self.state = (state.clone(), now.wall);
        }
        let faults = [("main", &self.main), ("sub", &self.sub)]
            .into_iter()
            .filter_map(|(name, driver)| driver.fault.as_ref().map(|fault| format!("{name}: {fault}")));
        let left_out = self.sound_left_out.iter().map(|codec| format!("sound in {codec} is left out"));
        let clock = [&self.main_clock, &self.sub_clock].into_iter().find(|clock| clock.offset_ms().is_some());
        let status = CameraStatus {
            state,
            since: self.state.1,
            detail: faults.chain(left_out).collect::<Vec<_>>().join("; "),
            streams,
            clock_offset_ms: clock.and_then(ClockOffset::offset_ms),
            clock_sure: clock.is_some_and(ClockOffset::sure),
            reconnects: self.reconnects,
        };
        let figures = now.at >= self.figures_at;
        if figures {
            self.figures_at = now.at + self.shared.config.figures_every;
        }
        self.cell.publish(status, figures);
    }
}

fn new_feed(shared: &Shared, config: &CameraConfig, stream: CameraStream, now: Stamp) -> Feed {
    Feed::new(config, stream, &shared.sources, shared.config.repeat_absence_every, now)
}

/// The live side of a configuration: without a substream the main stream's keyframes are watched.
fn live(shared: &Shared, config: &CameraConfig) -> Live {
    let watched = if config.sub_url.is_some() { CameraStream::Sub } else { CameraStream::Main };
    Live::new(config.id, watched, shared.ports.keyframes.clone())
}
