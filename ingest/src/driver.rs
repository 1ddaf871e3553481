//! The connection side of one RTSP session of a camera: waits, connects, plays, and says what happened, one event at a time.

use crate::{
    backoff::Backoff,
    config::{AddressRule, CameraConfig},
    fault::Fault,
    ingest::Shared,
    rtsp::{
        sdp::{Description, Media},
        session::{Inbound, Session, Target},
    },
};
use lectern_media::{CameraStream, Codec, TrackKind};
use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep_until;

/// What a session offers of what we carry. The picture is set up first, the sound second.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) picture: Media,
    pub(crate) sound: Option<Media>,
    /// The name of a sound codec that is left out.
    pub(crate) sound_left_out: Option<String>,
}

/// Chooses what to set up.
pub(crate) fn choose(stream: CameraStream, description: &Description) -> Result<Offer, Fault> {
    let of = |kind| description.media.iter().filter(move |m| m.kind == kind);
    let known = |m: &&Media| m.codec.is_some();
    let named = |m: Option<&Media>| m.map(|m| m.encoding.clone());
    let picture = match stream {
        CameraStream::Sub => of(TrackKind::Video).find(|m| m.codec == Some(Codec::H264)),
        _ => of(TrackKind::Video).find(known),
    };
    let picture = match (picture, named(of(TrackKind::Video).next())) {
        (Some(picture), _) => picture.clone(),
        (None, None) => return Err(Fault::NoVideo),
        (None, Some(name)) if stream == CameraStream::Sub => return Err(Fault::SubstreamNotH264(name)),
        (None, Some(name)) => return Err(Fault::CodecNotSupported(name)),
    };
    // The sound of both sessions is the same; that of the main one is taken.
    let sound = (stream == CameraStream::Main).then(|| of(TrackKind::Audio).find(known).cloned()).flatten();
    let sound_left_out = if sound.is_none() { named(of(TrackKind::Audio).next()) } else { None };
    Ok(Offer { picture, sound, sound_left_out })
}

/// Connects and starts playing.
pub(crate) async fn open(stream: CameraStream, target: Target) -> Result<(Session, Offer), Fault> {
    let (mut session, description) = Session::describe(target).await?;
    let offer = choose(stream, &description)?;
    session.set_up(&offer.picture.control).await?;
    if let Some(sound) = &offer.sound {
        session.set_up(&sound.control).await?;
    }
    session.play().await?;
    Ok((session, offer))
}

/// What to connect to for a stream.
pub(crate) fn target(
    config: &CameraConfig,
    stream: CameraStream,
    within: Duration,
    allowed: AddressRule,
) -> Option<Target> {
    let url = match stream {
        CameraStream::Sub => config.sub_url.clone()?,
        _ => config.main_url.clone(),
    };
    let (username, password) = (config.username.clone(), config.password.clone());
    Some(Target { url, username, password, transport: config.transport, allowed, within })
}

/// What a session did.
pub(crate) enum Event {
    /// A connection is being made.
    Connecting,
    /// It plays.
    Up(Box<Offer>),
    /// Something came.
    Inbound(Inbound),
    /// It could not be made, or is over.
    Down(Fault),
}

type Opening = Pin<Box<dyn Future<Output = Result<(Session, Offer), Fault>> + Send>>;

enum Phase {
    Resting,
    Waiting(Instant),
    Connecting(Opening),
    Playing(Box<Session>),
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    pub(crate) stream: CameraStream,
    target: Option<Target>,
    phase: Phase,
    backoff: Backoff,
    /// When the session began to play.
    pub(crate) up_since: Option<Instant>,
    /// Why it was down last, until media comes again.
    pub(crate) fault: Option<Fault>,
    asked_at: Option<Instant>,
    pause: Option<Instant>,
    /// Media of this session came.
    brought: bool,
    /// What is being tried began before the camera was known to be there: if it fails, it is tried once more at once.
    again: bool,
}

impl Driver {
    /// A session that rests until [`Self::start`].
    pub(crate) fn new(shared: Arc<Shared>, config: &CameraConfig, stream: CameraStream) -> Self {
        let half = |id: u128| (id ^ (id >> 64)) as u64;
        let seed = shared.config.seed ^ half(config.id.0.0) ^ stream as u64;
        Self {
            target: target(config, stream, shared.config.answer_within, shared.config.address_allowed),
            shared,
            stream,
            phase: Phase::Resting,
            backoff: Backoff::new(seed),
            up_since: None,
            fault: None,
            asked_at: None,
            pause: None,
            brought: false,
            again: false,
        }
    }

    /// Begins to connect, if there is something to connect to.
    pub(crate) fn start(&mut self) {
        if self.target.is_some() {
            self.phase = Phase::Waiting(Instant::now());
        }
    }

    /// Whether there is something to connect to.
    pub(crate) fn is_configured(&self) -> bool {
        self.target.is_some()
    }

    pub(crate) fn is_playing(&self) -> bool {
        matches!(self.phase, Phase::Playing(_))
    }

    /// The next event. May be dropped and called again without losing anything.
    pub(crate) async fn next(&mut self) -> Event {
        if let Some(until) = self.pause {
            sleep_until(until.into()).await;
            self.pause = None;
        }
        match &mut self.phase {
            Phase::Resting => pending().await,
            Phase::Waiting(until) => {
                sleep_until((*until).into()).await;
                let Some(target) = self.target.clone() else { return pending().await };
                let (shared, stream) = (self.shared.clone(), self.stream);
                self.phase = Phase::Connecting(Box::pin(async move {
                    shared.turn().await;
                    open(stream, target).await
                }));
                Event::Connecting
            }
            Phase::Connecting(opening) => match opening.as_mut().await {
                Ok((session, offer)) => {
                    self.phase = Phase::Playing(Box::new(session));
                    self.up_since = Some(Instant::now());
                    self.asked_at = None;
                    (self.brought, self.again) = (false, false);
                    metrics::counter!("lectern_ingest_sessions_total").increment(1);
                    Event::Up(Box::new(offer))
                }
                Err(fault) => self.down(fault),
            },
            Phase::Playing(session) => match session.next().await {
                Ok(inbound) => Event::Inbound(inbound),
                Err(fault) => self.down(fault),
            },
        }
    }

    /// What came already and needs no waiting.
    pub(crate) fn ready(&mut self) -> Option<Event> {
        let Phase::Playing(session) = &mut self.phase else { return None };
        if self.pause.is_some() {
            return None;
        }
        match session.ready() {
            Ok(inbound) => inbound.map(Event::Inbound),
            Err(fault) => Some(self.down(fault)),
        }
    }

    /// Whether what comes may gather for a moment ([`Session::gather`]).
    pub(crate) fn gather(&mut self, gather: bool) {
        if let Phase::Playing(session) = &mut self.phase {
            session.gather(gather);
        }
    }

    /// The first of what gathered; [`Self::ready`] has the others.
    pub(crate) fn gathered(&mut self) -> Option<Event> {
        let Phase::Playing(session) = &mut self.phase else { return None };
        if self.pause.is_some() {
            return None;
        }
        match session.gathered() {
            Ok(inbound) => inbound.map(Event::Inbound),
            Err(fault) => Some(self.down(fault)),
        }
    }

    /// Media came. Whether it is the first of this session: the camera is there.
    pub(crate) fn worked(&mut self) -> bool {
        self.backoff.worked();
        self.fault = None;
        !std::mem::replace(&mut self.brought, true)
    }

    /// The camera's other session came up: what waits since connections failed time and again need not wait any longer. How long it
    /// waits after the next failure stays as it was; a first wait is short, and left alone, so that two sessions of which the camera
    /// has room for one don't drive each other on.
    pub(crate) fn hurry(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Waiting(until)
                if self.backoff.is_long() && self.fault.as_ref().is_some_and(Fault::is_of_connection) =>
            {
                *until = now.min(*until);
            }
            Phase::Connecting(_) if self.backoff.is_long() => self.again = true,
            _ => {}
        }
    }

    /// Reads nothing until then: the camera floods.
    pub(crate) fn pause(&mut self, until: Instant) {
        self.pause = self.pause.max(Some(until));
    }

    /// Keeps the session alive. Call every second or so.
    pub(crate) fn mind(&mut self) -> Option<Event> {
        let Phase::Playing(session) = &mut self.phase else { return None };
        session.mind().err().map(|fault| self.down(fault))
    }

    /// Nothing came for `idle`: asks for a sign of life, and ends a session that gives none or is silent for too long.
    pub(crate) fn idle(&mut self, idle: Duration, now: Instant) -> Option<Event> {
        let Phase::Playing(session) = &mut self.phase else { return None };
        if idle >= self.shared.config.renew_after {
            return Some(self.down(Fault::Silent));
        }
        // Half the time that makes a stream silent, so that the reason is known by then.
        if idle < self.shared.config.silent_after / 2 {
            self.asked_at = None;
            return None;
        }
        let (waits, since) = (session.awaits_answer(), |at| now.saturating_duration_since(at));
        match self.asked_at {
            Some(at) if waits && since(at) >= self.shared.config.answer_within / 2 => {
                Some(self.down(Fault::Timeout("a sign of life")))
            }
            Some(at) if waits || since(at) < self.shared.config.silent_after => None,
            _ => {
                self.asked_at = Some(now);
                session.ask_for_life().err().map(|fault| self.down(fault))
            }
        }
    }

    /// Ends the session, telling the camera, and rests.
    pub(crate) async fn leave(&mut self) {
        self.up_since = None;
        self.fault = None;
        self.again = false;
        if let Phase::Playing(session) = std::mem::replace(&mut self.phase, Phase::Resting) {
            session.leave().await;
        }
    }

    /// Ends the session for a fault; the next one is planned.
    fn down(&mut self, fault: Fault) -> Event {
        let mut wait = self.backoff.next(&fault);
        if std::mem::take(&mut self.again) && fault.is_of_connection() {
            wait = Duration::ZERO;
        }
        let over = std::mem::replace(&mut self.phase, Phase::Waiting(Instant::now() + wait));
        // A camera that sends datagrams must be told; one that is gone is not waited for.
        if let Phase::Playing(session) = over
            && !matches!(fault, Fault::Closed | Fault::Reset)
        {
            tokio::spawn(session.leave());
        }
        metrics::counter!("lectern_ingest_session_ends_total", "reason" => fault.label()).increment(1);
        self.up_since = None;
        self.fault = Some(fault.clone());
        Event::Down(fault)
    }
}
