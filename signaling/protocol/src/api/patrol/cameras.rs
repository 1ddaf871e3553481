//! Cameras: adding, testing, importing, their state.

use lectern_media::{CameraId, CameraStream, Codec, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

words! {
    /// What kind of place a camera watches. Retention, thresholds and rights hang on it.
    pub enum CameraGroup {
        /// 考场
        ExamRoom,
        /// 试卷保密室
        SealedRoom,
        /// 大门
        Gate,
        /// 走廊
        Corridor,
        /// Anything else.
        Other,
    }
}

words! {
    /// How a camera's packets travel.
    pub enum CameraTransport {
        /// Interleaved in the RTSP connection (RFC 2326 §10.12).
        Tcp,
        /// UDP.
        Udp,
    }
}

words! {
    /// What a camera is doing, each with its own words in the client.
    pub enum CameraState {
        /// Stopped by an operator.
        Off,
        /// Being connected.
        Connecting,
        /// Media arrives.
        Live,
        /// Connected, but nothing arrives.
        Silent,
        /// Can't be reached.
        Unreachable,
        /// The camera refuses the password.
        WrongPassword,
        /// The camera refuses otherwise.
        Refused,
        /// What it sends can't be used.
        Unsupported,
        /// It sends more than it may; the rest is refused.
        RateExceeded,
    }
}

body! {
    /// One stream of a camera as it arrives now.
    pub struct CameraStreamInfo {
        /// Which.
        pub stream: CameraStream,
        /// Codec.
        pub codec: Codec,
        /// Width in pixels; 0 for sound or if unknown.
        pub width: u32,
        /// Height in pixels.
        pub height: u32,
        /// Pictures a second, times ten.
        pub fps_x10: u32,
        /// Kilobits a second.
        pub kbps: u32,
        /// Milliseconds between keyframes; 0 if unknown.
        pub keyframe_ms: u32,
        /// It sends B-frames: walls show fewer pictures of it, for browsers show them in the order in which they come.
        pub b_frames: bool,
        /// Packets lost since it was connected.
        pub lost: u64,
        /// Packets that came out of order since it was connected.
        pub reordered: u64,
    }
}

body! {
    /// How a camera does.
    pub struct CameraStatus {
        /// State.
        pub state: CameraState,
        /// Since when.
        pub since: UnixMillis,
        /// Its streams.
        pub streams: Vec<CameraStreamInfo>,
        /// How far its clock is ahead of ours, in milliseconds; none if it does not tell.
        pub clock_offset_ms: Option<i64>,
        /// Whether it is being recorded at this moment.
        pub recording: bool,
        /// Up to when the recording would survive a power cut.
        pub durable: Option<UnixMillis>,
    }
}

body! {
    /// A camera, without its password.
    pub struct Camera {
        /// Id.
        pub id: CameraId,
        /// Where it hangs: a site, or a room below it.
        pub place: PlaceId,
        /// Name of that place.
        pub place_name: String,
        /// Name, 1 to 60 characters.
        pub name: String,
        /// What it watches.
        pub group: CameraGroup,
        /// Its code of 20 digits by GB/T 28181, if it has one.
        pub code: Option<String>,
        /// Whether an operator wants it to run.
        pub enabled: bool,
        /// Whether it is recorded.
        pub record: bool,
        /// How it does.
        pub status: CameraStatus,
        /// How it is reached; only for those who manage it.
        pub source: Option<CameraSource>,
        /// What the caller may do with it now.
        pub may: CameraMay,
    }
}

body! {
    /// How a camera is reached. The password is never told.
    pub struct CameraSource {
        /// `rtsp://host:port/path` of the main stream, without user and password.
        pub main_url: String,
        /// … of the substream.
        pub sub_url: Option<String>,
        /// Transport.
        pub transport: CameraTransport,
        /// User.
        pub username: String,
        /// Whether a password is kept.
        pub has_password: bool,
        /// The most the main stream may send, in kilobits a second.
        pub kbps_max: u32,
    }
}

body! {
    /// What one may do with a camera at this moment.
    pub struct CameraMay {
        /// Watch it live.
        pub live: bool,
        /// Hear it.
        pub listen: bool,
        /// Play its recording.
        pub play: bool,
        /// Export its recording.
        pub export: bool,
        /// Change it.
        pub manage: bool,
    }
}

secret_body! {
    /// Makes or replaces a camera; also what *test* takes.
    pub struct CameraForm {
        /// Where.
        pub place: PlaceId,
        /// Name, 1 to 60 characters, unlike others at the place.
        pub name: String,
        /// What it watches.
        pub group: CameraGroup,
        /// 20 digits.
        pub code: Option<String>,
        /// `rtsp://…`; user and password in it are taken out.
        pub main_url: String,
        /// `rtsp://…`
        pub sub_url: Option<String>,
        /// Transport.
        pub transport: CameraTransport,
        /// User.
        pub username: String,
        /// Password; absent: the one that is kept.
        pub password: Option<String>,
        /// 256 to 20,000.
        pub kbps_max: u32,
        /// Whether it is recorded.
        pub record: bool,
    }
}

body! {
    /// Starts or stops a camera, or its recording; what is absent stays.
    pub struct CameraSwitch {
        /// Run it.
        pub enabled: Option<bool>,
        /// Record it.
        pub record: Option<bool>,
    }
}

body! {
    /// Cameras of a subtree.
    pub struct CameraList {
        /// The cameras, by place and name.
        pub cameras: Vec<Camera>,
        /// Whether the caller must show the second factor before any picture is given.
        pub needs_second_factor: bool,
    }
}

words! {
    /// What is wrong with a camera under test.
    pub enum ProbeFault {
        /// No connection.
        Unreachable,
        /// No answer in time.
        Timeout,
        /// Wrong user or password.
        WrongPassword,
        /// No such stream.
        NotFound,
        /// Something else answers there.
        NotRtsp,
        /// No picture in it.
        NoVideo,
        /// A codec that can't be used.
        CodecNotSupported,
        /// The substream is not H.264: browsers can't show it.
        SubstreamNotH264,
        /// There is no substream: the wall needs one.
        NoSubstream,
        /// No keyframe came in time.
        NoKeyframe,
        /// Keyframes are more than 4 s apart: pictures appear late.
        KeyframesFarApart,
        /// It sends B-frames: walls show fewer pictures of it.
        BFrames,
        /// Its clock is off by more than a second.
        ClockOff,
        /// It does not tell its clock.
        NoClock,
    }
}

body! {
    /// What a test of a camera found.
    pub struct CameraReport {
        /// Whether it can be used.
        pub usable: bool,
        /// Its streams.
        pub streams: Vec<CameraStreamInfo>,
        /// What is wrong.
        pub faults: Vec<CameraFault>,
        /// Its clock minus ours, in milliseconds.
        pub clock_offset_ms: Option<i64>,
        /// A picture, `data:image/jpeg;base64,…` or `data:video/mp4;base64,…` (one keyframe, H.264).
        pub picture: Option<String>,
    }
}

body! {
    /// One thing that is wrong.
    pub struct CameraFault {
        /// What.
        pub fault: ProbeFault,
        /// With which stream.
        pub stream: Option<CameraStream>,
        /// The name of the codec, the camera's own words; never a password.
        pub detail: String,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<CameraGroup>();
    v.visit::<CameraTransport>();
    v.visit::<CameraState>();
    v.visit::<CameraStreamInfo>();
    v.visit::<CameraStatus>();
    v.visit::<Camera>();
    v.visit::<CameraSource>();
    v.visit::<CameraMay>();
    v.visit::<CameraForm>();
    v.visit::<CameraSwitch>();
    v.visit::<CameraList>();
    v.visit::<ProbeFault>();
    v.visit::<CameraReport>();
    v.visit::<CameraFault>();
}
