// Generated from signaling/protocol by `cargo test -p lectern-protocol`. Do not edit.

/** The version of the WebSocket protocol that these types describe. */
export const PROTOCOL_VERSION = 1;

/**
 * A person's account, without secrets.
 */
export type Account = { 
/**
 * Id.
 */
id: AccountId, 
/**
 * Log-in name.
 */
login: string, 
/**
 * Name to show.
 */
name: string, 
/**
 * What they may do, where.
 */
roles: Array<RoleAt>, 
/**
 * Disabled accounts can't sign in.
 */
disabled: boolean, 
/**
 * Invited, but has not chosen a password yet.
 */
invited: boolean, };

/**
 * Changes an account; what is absent stays.
 */
export type AccountChange = { 
/**
 * Name to show, 1 to 100 characters.
 */
name: string | null, 
/**
 * All roles. Each that is added or taken away must be at a place that the caller administers.
 */
roles: Array<RoleAt> | null, 
/**
 * Disabled accounts can't sign in, and their sessions end.
 */
disabled: boolean | null, };

/**
 * A person's account.
 */
export type AccountId = string;

/**
 * Handles an alarm; what is absent stays.
 */
export type AlarmChange = { 
/**
 * Acknowledge it.
 */
acknowledge: boolean | null, 
/**
 * Note, 0 to 500 characters; of the caller's place, if the alarm began at another that they may not see.
 */
note: string | null, 
/**
 * Hand it over to this person (a name, 1 to 60 characters).
 */
hand_to: string | null, };

/**
 * An alarm.
 */
export type AlarmItem = { 
/**
 * Id.
 */
id: string, 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * Its name.
 */
camera_name: string, 
/**
 * Its place.
 */
place: PlaceId, 
/**
 * Name of the place.
 */
place_name: string, 
/**
 * Group.
 */
group: CameraGroup, 
/**
 * What is wrong.
 */
fault: HealthFault, 
/**
 * Since when.
 */
since: UnixMillis, 
/**
 * When it was over; none: it is still so.
 */
until: UnixMillis | null, 
/**
 * Who acknowledged it, by name.
 */
acknowledged_by: string | null, 
/**
 * When.
 */
acknowledged_at: UnixMillis | null, 
/**
 * Note, of the place that is told here.
 */
note: string, 
/**
 * To whom it was handed over there, by name.
 */
handed_to: string | null, 
/**
 * What was said of it at other places where the camera hung while it went on, as far as the caller may know.
 */
elsewhere: Array<AlarmSaid>, };

/**
 * A page of alarms.
 */
export type AlarmPage = { 
/**
 * Newest first; open ones before those that are over.
 */
items: Array<AlarmItem>, 
/**
 * Cursor of the next page.
 */
next: string | null, 
/**
 * How many are open and not acknowledged.
 */
open: number, };

/**
 * What was said of an alarm at another place where the camera hung while it went on. Each place has words of its own.
 */
export type AlarmSaid = { 
/**
 * Where it hung.
 */
place: PlaceId, 
/**
 * Name of the place.
 */
place_name: string, 
/**
 * As what.
 */
group: CameraGroup, 
/**
 * Note.
 */
note: string, 
/**
 * To whom it was handed over, by name.
 */
handed_to: string | null, };

/**
 * One presence of one person: who, from when to when.
 */
export type Attendance = { 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Their name.
 */
name: string, 
/**
 * What they were.
 */
role: RoomRole, 
/**
 * When they came.
 */
from: UnixMillis, 
/**
 * When they left; not yet.
 */
to: UnixMillis | null, };

/**
 * What an entry of the audit log is about.
 */
export type AuditAction = "tile_opened" | "tile_closed" | "listened" | "played" | "snapshot" | "export_asked" | "export_fetched" | "export_removed" | "bookmark_set" | "bookmark_removed" | "refused" | "signed_in" | "signed_out" | "sign_in_failed" | "factor_shown" | "factor_failed" | "factor_changed" | "rights_changed" | "camera_changed" | "hold_set" | "hold_release_asked" | "hold_released" | "policy_changed" | "footage_removed" | "alarm_handled" | "pre_exam_check" | "audit_read" | "audit_exported" | "started";

/**
 * An entry.
 */
export type AuditEntry = { 
/**
 * Its number; without holes.
 */
n: number, 
/**
 * When.
 */
at: UnixMillis, 
/**
 * Who, by name; empty: the server itself.
 */
who: string, 
/**
 * Their log-in name.
 */
login: string, 
/**
 * From which address.
 */
from_address: string, 
/**
 * What.
 */
action: AuditAction, 
/**
 * Where.
 */
place_name: string, 
/**
 * Of which camera.
 */
camera: CameraId | null, 
/**
 * Its name.
 */
camera_name: string, 
/**
 * The range that was played or exported.
 */
from: UnixMillis | null, 
/**
 * …
 */
to: UnixMillis | null, 
/**
 * How long it lasted, in seconds.
 */
seconds: number | null, 
/**
 * How often in that minute (refusals).
 */
count: number, 
/**
 * A stable code or words: the reason of a refusal, what was changed.
 */
detail: string, };

/**
 * A page of the log.
 */
export type AuditPage = { 
/**
 * Newest first.
 */
items: Array<AuditEntry>, 
/**
 * Cursor of the next page.
 */
next: string | null, 
/**
 * Head of the chain, hexadecimal.
 */
head: string, 
/**
 * Number of entries in the log.
 */
entries: number, };

/**
 * What the query of the log may name, as a place to look up its parameters.
 */
export type AuditQuery = { 
/**
 * Below this place.
 */
place: PlaceId | null, 
/**
 * Of this camera.
 */
camera: CameraId | null, 
/**
 * Of this log-in name.
 */
login: string | null, 
/**
 * Only these.
 */
action: AuditAction | null, 
/**
 * From.
 */
from: UnixMillis | null, 
/**
 * To.
 */
to: UnixMillis | null, 
/**
 * Cursor.
 */
after: string | null, };

/**
 * Sum over a site: who looked, how long.
 */
export type AuditSum = { 
/**
 * Who, by name.
 */
who: string, 
/**
 * Their log-in name.
 */
login: string, 
/**
 * The place where they hold their role, by name.
 */
of_place: string, 
/**
 * Seconds of live pictures, over all tiles.
 */
live_s: number, 
/**
 * Seconds of recording played.
 */
played_s: number, 
/**
 * Exports.
 */
exports: number, 
/**
 * When last.
 */
last: UnixMillis, };

/**
 * A data rate in bits per second.
 */
export type Bitrate = number;

/**
 * A bookmark.
 */
export type Bookmark = { 
/**
 * Id.
 */
id: string, 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * When in the recording.
 */
at: UnixMillis, 
/**
 * Text, 0 to 200 characters.
 */
text: string, 
/**
 * Whose, by name.
 */
by: string, 
/**
 * Whether it is the caller's own.
 */
mine: boolean, };

/**
 * A camera, without its password.
 */
export type Camera = { 
/**
 * Id.
 */
id: CameraId, 
/**
 * Where it hangs: a site, or a room below it.
 */
place: PlaceId, 
/**
 * Name of that place.
 */
place_name: string, 
/**
 * Name, 1 to 60 characters.
 */
name: string, 
/**
 * What it watches.
 */
group: CameraGroup, 
/**
 * Its code of 20 digits by GB/T 28181, if it has one.
 */
code: string | null, 
/**
 * Whether an operator wants it to run.
 */
enabled: boolean, 
/**
 * Whether it is recorded.
 */
record: boolean, 
/**
 * How it does.
 */
status: CameraStatus, 
/**
 * How it is reached; only for those who manage it.
 */
source: CameraSource | null, 
/**
 * What the caller may do with it now.
 */
may: CameraMay, };

/**
 * What one camera's recording holds between two moments.
 */
export type CameraDay = { 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To; not later than now.
 */
to: UnixMillis, 
/**
 * Recorded stretches of the main stream.
 */
main: Array<Span>, 
/**
 * … of the substream.
 */
sub: Array<Span>, 
/**
 * … of the sound.
 */
sound: Array<Span>, 
/**
 * Codec of the main stream: `avc1.…`, `hvc1.…`; empty if none.
 */
main_codec: string, 
/**
 * What is missing.
 */
gaps: Array<CameraGap>, 
/**
 * When the camera hung elsewhere, or was of another group, and the caller may not see what it recorded: nothing is said of
 * whether there is anything.
 */
elsewhere: Array<Span>, 
/**
 * Alarms that touch the range.
 */
alarms: Array<AlarmItem>, 
/**
 * Bookmarks.
 */
bookmarks: Array<Bookmark>, 
/**
 * Holds.
 */
holds: Array<Hold>, 
/**
 * Up to when the recording survives a power cut; none: it does not run.
 */
durable: UnixMillis | null, };

/**
 * What is done with a camera.
 */
export type CameraDeed = "see" | "live" | "listen" | "play" | "snapshot" | "export";

/**
 * One thing that is wrong.
 */
export type CameraFault = { 
/**
 * What.
 */
fault: ProbeFault, 
/**
 * With which stream.
 */
stream: CameraStream | null, 
/**
 * The name of the codec, the camera's own words; never a password.
 */
detail: string, };

/**
 * Makes or replaces a camera; also what *test* takes.
 */
export type CameraForm = { 
/**
 * Where.
 */
place: PlaceId, 
/**
 * Name, 1 to 60 characters, unlike others at the place.
 */
name: string, 
/**
 * What it watches.
 */
group: CameraGroup, 
/**
 * 20 digits.
 */
code: string | null, 
/**
 * `rtsp://…`; user and password in it are taken out.
 */
main_url: string, 
/**
 * `rtsp://…`
 */
sub_url: string | null, 
/**
 * Transport.
 */
transport: CameraTransport, 
/**
 * User.
 */
username: string, 
/**
 * Password; absent: the one that is kept.
 */
password: string | null, 
/**
 * 256 to 20,000.
 */
kbps_max: number, 
/**
 * Whether it is recorded.
 */
record: boolean, };

/**
 * A stretch in which something is missing.
 */
export type CameraGap = { 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To.
 */
to: UnixMillis, 
/**
 * Of which stream; none: of all.
 */
stream: CameraStream | null, 
/**
 * Why.
 */
cause: GapCause, };

/**
 * What kind of place a camera watches. Retention, thresholds and rights hang on it.
 */
export type CameraGroup = "exam_room" | "sealed_room" | "gate" | "corridor" | "other";

/**
 * A camera of an exam site or a campus.
 */
export type CameraId = string;

/**
 * Cameras of a subtree.
 */
export type CameraList = { 
/**
 * The cameras, by place and name.
 */
cameras: Array<Camera>, 
/**
 * Whether the caller must show the second factor before any picture is given.
 */
needs_second_factor: boolean, };

/**
 * What one may do with a camera at this moment.
 */
export type CameraMay = { 
/**
 * Watch it live.
 */
live: boolean, 
/**
 * Hear it.
 */
listen: boolean, 
/**
 * Play its recording.
 */
play: boolean, 
/**
 * Export its recording.
 */
export: boolean, 
/**
 * Change it.
 */
manage: boolean, };

/**
 * What a test of a camera found.
 */
export type CameraReport = { 
/**
 * Whether it can be used.
 */
usable: boolean, 
/**
 * Its streams.
 */
streams: Array<CameraStreamInfo>, 
/**
 * What is wrong.
 */
faults: Array<CameraFault>, 
/**
 * Its clock minus ours, in milliseconds.
 */
clock_offset_ms: number | null, 
/**
 * A picture, `data:image/jpeg;base64,…` or `data:video/mp4;base64,…` (one keyframe, H.264).
 */
picture: string | null, };

/**
 * How a camera is reached. The password is never told.
 */
export type CameraSource = { 
/**
 * `rtsp://host:port/path` of the main stream, without user and password.
 */
main_url: string, 
/**
 * … of the substream.
 */
sub_url: string | null, 
/**
 * Transport.
 */
transport: CameraTransport, 
/**
 * User.
 */
username: string, 
/**
 * Whether a password is kept.
 */
has_password: boolean, 
/**
 * The most the main stream may send, in kilobits a second.
 */
kbps_max: number, };

/**
 * What a camera is doing, each with its own words in the client.
 */
export type CameraState = "off" | "connecting" | "live" | "silent" | "unreachable" | "wrong_password" | "refused" | "unsupported" | "rate_exceeded";

/**
 * How a camera does.
 */
export type CameraStatus = { 
/**
 * State.
 */
state: CameraState, 
/**
 * Since when.
 */
since: UnixMillis, 
/**
 * Its streams.
 */
streams: Array<CameraStreamInfo>, 
/**
 * How far its clock is ahead of ours, in milliseconds; none if it does not tell.
 */
clock_offset_ms: number | null, 
/**
 * Whether it is being recorded at this moment.
 */
recording: boolean, 
/**
 * Up to when the recording would survive a power cut.
 */
durable: UnixMillis | null, };

/**
 * The streams of one camera.
 */
export type CameraStream = "main" | "sub" | "sound";

/**
 * One stream of a camera as it arrives now.
 */
export type CameraStreamInfo = { 
/**
 * Which.
 */
stream: CameraStream, 
/**
 * Codec.
 */
codec: Codec, 
/**
 * Width in pixels; 0 for sound or if unknown.
 */
width: number, 
/**
 * Height in pixels.
 */
height: number, 
/**
 * Pictures a second, times ten.
 */
fps_x10: number, 
/**
 * Kilobits a second.
 */
kbps: number, 
/**
 * Milliseconds between keyframes; 0 if unknown.
 */
keyframe_ms: number, 
/**
 * It sends B-frames: walls show fewer pictures of it, for browsers show them in the order in which they come.
 */
b_frames: boolean, 
/**
 * Packets lost since it was connected.
 */
lost: number, 
/**
 * Packets that came out of order since it was connected.
 */
reordered: number, };

/**
 * Starts or stops a camera, or its recording; what is absent stays.
 */
export type CameraSwitch = { 
/**
 * Run it.
 */
enabled: boolean | null, 
/**
 * Record it.
 */
record: boolean | null, };

/**
 * How a camera's packets travel.
 */
export type CameraTransport = "tcp" | "udp";

/**
 * Changes one's own password. All other sessions end.
 */
export type ChangePassword = { 
/**
 * The password until now.
 */
old: string, 
/**
 * The new password, 10 to 200 characters.
 */
new: string, };

/**
 * A chapter.
 */
export type Chapter = { 
/**
 * From.
 */
at_ms: number, 
/**
 * Stable kind: `start`, `screen_on`, `screen_off`, `stage_on`, `stage_off`.
 */
kind: string, 
/**
 * Whose, by name.
 */
name: string, };

/**
 * A line of chat.
 */
export type ChatLine = { 
/**
 * Counts from 1 within the lesson.
 */
id: number, 
/**
 * When.
 */
at: UnixMillis, 
/**
 * Who.
 */
from: ParticipantId, 
/**
 * Their name at that time.
 */
name: string, 
/**
 * What.
 */
text: string, };

/**
 * One thing that is not green.
 */
export type CheckFinding = { 
/**
 * Which line.
 */
item: CheckItem, 
/**
 * The fault.
 */
fault: HealthFault | null, 
/**
 * A number that says how much (milliseconds, percent), if there is one.
 */
measure: number | null, };

/**
 * One line of the check.
 */
export type CheckItem = "reached" | "picture" | "sound" | "clock" | "recorded" | "continuous" | "signed";

/**
 * What the check found of one camera.
 */
export type CheckedCamera = { 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * Name.
 */
name: string, 
/**
 * Place.
 */
place_name: string, 
/**
 * Group.
 */
group: CameraGroup, 
/**
 * Whether all is green.
 */
green: boolean, 
/**
 * What is not, with the fault if one is known and words of the log.
 */
wrong: Array<CheckFinding>, };

/**
 * Chooses a password with an invitation or reset token.
 */
export type ChoosePassword = { 
/**
 * The token of the link.
 */
token: string, 
/**
 * The new password, 10 to 200 characters.
 */
password: string, };

/**
 * A timetable entry.
 */
export type Class = { 
/**
 * Id.
 */
id: ClassId, 
/**
 * Room of the media plane.
 */
room: RoomId, 
/**
 * The short code of the join link `/c/{code}`: 9 letters and digits without look-alikes.
 */
code: string, 
/**
 * The teacher's name.
 */
teacher_name: string, 
/**
 * The school's name.
 */
school: string, 
/**
 * Title, 1 to 200 characters.
 */
title: string, 
/**
 * Subject, up to 50 characters.
 */
subject: string, 
/**
 * Grade, up to 50 characters.
 */
grade: string, 
/**
 * Who teaches.
 */
teacher: AccountId, 
/**
 * The school or class it belongs to.
 */
place: PlaceId, 
/**
 * How it is taught.
 */
mode: ClassMode, 
/**
 * First (or only) start.
 */
starts: UnixMillis, 
/**
 * Length in minutes, 1 to 600.
 */
duration_min: number, 
/**
 * How often.
 */
repeat: Repeat, 
/**
 * Last day of a weekly class.
 */
until: UnixMillis | null, 
/**
 * Whether people who join by link wait to be admitted.
 */
waiting_room: boolean, 
/**
 * Whether the lesson is recorded.
 */
record: boolean, };

/**
 * What can happen in class; kept as the recording's timeline track.
 */
export type ClassEvent = { "type": "opened", } | { "type": "joined", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Name.
 */
name: string, 
/**
 * What they are.
 */
role: RoomRole, } | { "type": "left", 
/**
 * Who.
 */
participant: ParticipantId, } | { "type": "stage", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Name.
 */
name: string, 
/**
 * On or off.
 */
on: boolean, } | { "type": "hand", 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * Name.
 */
name: string, 
/**
 * Up or down.
 */
up: boolean, } | { "type": "screen", 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * Name.
 */
name: string, 
/**
 * On or off.
 */
on: boolean, } | { "type": "chat", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Name.
 */
name: string, 
/**
 * Text.
 */
text: string, } | { "type": "asked", 
/**
 * Number.
 */
question: number, 
/**
 * Name.
 */
name: string, 
/**
 * Text.
 */
text: string, } | { "type": "answered", 
/**
 * Number.
 */
question: number, 
/**
 * The answer in words, if written.
 */
text: string | null, 
/**
 * Votes it had.
 */
votes: number, } | { "type": "recording", 
/**
 * Whether it records.
 */
on: boolean, } | { "type": "ended", };

/**
 * A timetable entry: what is taught, by whom, when, once or weekly. Owns one room.
 */
export type ClassId = string;

/**
 * How a class is taught.
 */
export type ClassMode = "dedicated" | "famous";

/**
 * What a join link leads to, before joining.
 */
export type ClassPreview = { 
/**
 * Title.
 */
title: string, 
/**
 * Teacher's name.
 */
teacher: string, 
/**
 * School's name.
 */
school: string, 
/**
 * Planned start of this or the next lesson.
 */
starts: UnixMillis, 
/**
 * Where it stands.
 */
state: LessonState, 
/**
 * Whether the one who asks is its teacher.
 */
mine: boolean, 
/**
 * Whether people wait to be admitted.
 */
waiting_room: boolean, };

/**
 * From client to server.
 */
export type ClientMessage = { "type": "hello", 
/**
 * [`crate::PROTOCOL_VERSION`].
 */
version: number, 
/**
 * The signed, short-lived join grant.
 */
grant: string, } | { "type": "publish", 
/**
 * Answered by [`ServerMessage::Answer`].
 */
req: number, 
/**
 * SDP offer, sendonly lines, up to three simulcast layers each with rids `q`, `h`, `f` (lowest first).
 */
sdp: string, 
/**
 * What the lines carry.
 */
lines: Array<PublishLine>, } | { "type": "subscribe", 
/**
 * Answered by [`ServerMessage::Answer`].
 */
req: number, 
/**
 * SDP offer.
 */
sdp: string, } | { "type": "assign", 
/**
 * Every line that shall carry something or change size; a line not named carries nothing.
 */
lines: Array<LineAssignment>, } | { "type": "audio_only", 
/**
 * Whether from now on.
 */
on: boolean, } | { "type": "unpublish", 
/**
 * The track.
 */
track: TrackId, } | { "type": "mute_self", 
/**
 * Which source.
 */
source: TrackSource, 
/**
 * Whether it is muted.
 */
muted: boolean, } | { "type": "hand", 
/**
 * Up or down.
 */
up: boolean, } | { "type": "chat", 
/**
 * The text.
 */
text: string, } | { "type": "ask", 
/**
 * The text.
 */
text: string, } | { "type": "vote", 
/**
 * The question.
 */
question: number, 
/**
 * Vote or not.
 */
up: boolean, } | { "type": "open", } | { "type": "stage", 
/**
 * Whom.
 */
participant: ParticipantId, 
/**
 * On or off.
 */
on: boolean, } | { "type": "lower_hand", 
/**
 * Whose; nobody named = all.
 */
participant: ParticipantId | null, } | { "type": "mute", 
/**
 * Whose; nobody named = all.
 */
participant: ParticipantId | null, } | { "type": "remove", 
/**
 * Whom.
 */
participant: ParticipantId, } | { "type": "admit", 
/**
 * Whom; nobody named = all who wait.
 */
participant: ParticipantId | null, 
/**
 * Admit or turn away.
 */
admit: boolean, } | { "type": "waiting_room", 
/**
 * On or off.
 */
on: boolean, } | { "type": "answer", 
/**
 * The question.
 */
question: number, 
/**
 * The answer in words, if any.
 */
text: string | null, } | { "type": "end", } | { "type": "leave", } | { "type": "ping", 
/**
 * Echoed.
 */
req: number, };

/**
 * The server's clock is not where it should be: days of footage are counted without what it leapt, until it is believed.
 */
export type ClockDoubt = { 
/**
 * How far it is ahead of what is explained, in milliseconds; negative: behind.
 */
ahead_ms: number, 
/**
 * The time by which days are counted meanwhile.
 */
counted: UnixMillis, 
/**
 * Since when, by the doubted clock.
 */
since: UnixMillis, 
/**
 * Milliseconds that must still be recorded under it before it is believed; none: only a person can say that it is right.
 */
left_ms: number | null, 
/**
 * Whether somebody must act: it leapt while the machine ran, or further than a machine is off over a long week-end.
 */
alarm: boolean, };

/**
 * Why the class cannot be entered, or was left against the client's will. Each has its own words in the client.
 */
export type CloseReason = "unknown_room" | "not_authorised" | "room_full" | "refused" | "removed" | "ended" | "taken_over" | "version_mismatch" | "server_restart" | "protocol_error";

/**
 * A codec of the media plane.
 */
export type Codec = "h264" | "h265" | "vp8" | "opus" | "aac" | "pcma" | "pcmu";

/**
 * Says that the server's clock is right: from the next look at footage on, a minute later at most, days are counted by it.
 */
export type ConfirmClock = { 
/**
 * What it showed to whoever says so. Refused if that is not what it shows now, to ten minutes.
 */
now: UnixMillis, };

/**
 * What a device may do with its token.
 */
export type DevicePurpose = "publish" | "watch";

/**
 * A token with which OBS or a recording host publishes into a class (WHIP), or a player watches it (WHEP). It is
 * worth nothing any more once it expires, the class's devices are revoked, its teacher changes or it is removed.
 */
export type DeviceToken = { 
/**
 * Bearer token.
 */
token: string, 
/**
 * What it is good for.
 */
purpose: DevicePurpose, 
/**
 * Path to publish to, `/whip/{room}`; none for a token that only watches.
 */
whip: string | null, 
/**
 * Path to watch at, `/whep/{room}`.
 */
whep: string, 
/**
 * Until when.
 */
expires: UnixMillis, };

/**
 * An export.
 */
export type ExportJob = { 
/**
 * Id.
 */
id: string, 
/**
 * Whose, by name.
 */
by: string, 
/**
 * When it was asked for.
 */
created: UnixMillis, 
/**
 * Where it stands.
 */
state: ExportState, 
/**
 * Thousandths done.
 */
progress: number, 
/**
 * Bytes written so far.
 */
bytes: number, 
/**
 * Gaps in what it holds.
 */
gaps: number, 
/**
 * SHA-256 of the file, hexadecimal, once ready.
 */
sha256: string | null, 
/**
 * Fingerprint of the key that signed it.
 */
key: string | null, 
/**
 * Why it failed, a stable code.
 */
detail: string | null, 
/**
 * When the file is removed.
 */
expires: UnixMillis | null, 
/**
 * Cameras, 1 to 36.
 */
cameras: Array<CameraId>, 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To; at most 24 hours later.
 */
to: UnixMillis, 
/**
 * What for, 2 to 200 characters; printed on the sheet.
 */
reason: string, };

/**
 * Where an export stands.
 */
export type ExportState = "waiting" | "running" | "ready" | "failed" | "cancelled";

/**
 * A code: six digits of the app, or a recovery code.
 */
export type FactorCode = { 
/**
 * The code.
 */
code: string, };

/**
 * What of a second factor an account has.
 */
export type FactorState = { 
/**
 * A code from an app is set up.
 */
totp: boolean, 
/**
 * Names of security keys.
 */
keys: Array<string>, 
/**
 * Recovery codes left.
 */
recovery_left: number, 
/**
 * Until when this session need not show it again; none: it has not.
 */
shown_until: UnixMillis | null, 
/**
 * Whether the account's roles need one.
 */
needed: boolean, };

/**
 * Why something is missing.
 */
export type GapCause = "restart" | "loss" | "disk" | "overload" | "reconnect" | "muted" | "camera_silent" | "network" | "operator" | "rate_exceeded";

/**
 * What can be wrong with a camera, each with its own words in the client.
 */
export type HealthFault = "no_stream" | "frozen" | "black" | "white" | "covered" | "blurred" | "moved" | "wrong_clock" | "no_sound" | "bit_rate" | "frame_rate" | "undecodable" | "not_recorded";

/**
 * A hold (留存锁定): no rule removes what it covers.
 */
export type Hold = { 
/**
 * Id.
 */
id: string, 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To.
 */
to: UnixMillis, 
/**
 * Why.
 */
why: string, 
/**
 * Who set it, by name.
 */
by: string, 
/**
 * When.
 */
at: UnixMillis, 
/**
 * Who asked to release it, by name; somebody else must agree. Nobody, once the request has run out or whoever made it has
 * lost the right.
 */
release_asked_by: string | null, 
/**
 * Set if two people agreed and the recorder did not let go: the hold is in force, and whoever may agree may do so again.
 */
release_failed: ReleaseFailure | null, 
/**
 * Whether the caller may agree.
 */
may_release: boolean, };

/**
 * One fault of an imported file.
 */
export type ImportError = { 
/**
 * Line number, the header is 1.
 */
line: number, 
/**
 * Column name.
 */
column: string, 
/**
 * Stable code with words in the client.
 */
code: string, 
/**
 * English detail.
 */
detail: string, };

/**
 * Result of a CSV import: all or nothing.
 */
export type ImportResult = { 
/**
 * How many entries were made (0 if anything was wrong).
 */
created: number, 
/**
 * What is wrong, by line.
 */
errors: Array<ImportError>, };

/**
 * An account with the link by which the person chooses a password. Valid once, for seven days.
 */
export type Invitation = { 
/**
 * The account.
 */
account: Account, 
/**
 * Path of the page, with the token in the fragment: `/welcome#…`.
 */
link: string, 
/**
 * Until when.
 */
expires: UnixMillis, };

/**
 * A short-lived grant to enter a room.
 */
export type JoinGrant = { 
/**
 * Goes into `Hello` of the WebSocket, and is good for nothing else: WHIP and WHEP take a [`DeviceToken`].
 */
grant: string, 
/**
 * Who one will be.
 */
participant: ParticipantId, 
/**
 * Opaque; sent back as `resume` next time.
 */
resume: string, 
/**
 * What one will be.
 */
role: RoomRole, 
/**
 * Title of the class.
 */
title: string, 
/**
 * Teacher's name.
 */
teacher: string, 
/**
 * Until when the grant can be used to enter.
 */
expires: UnixMillis, };

/**
 * Asks to join by link. Signed-in people may leave the name empty.
 */
export type JoinRequest = { 
/**
 * Name to show, 1 to 60 characters.
 */
name: string, 
/**
 * Join as a classroom screen.
 */
classroom: boolean, 
/**
 * The `resume` of the [`JoinGrant`] before (kept in the browser's session storage), to take one's place again under
 * the same name after a reload. What one is there is decided anew.
 */
resume: string | null, };

/**
 * A simulcast layer of a track (RFC 8853), counted from the lowest: 0, 1, 2. A track without simulcast has layer 0 only.
 */
export type Layer = number;

/**
 * One occurrence of a class: it is opened, taught and ended, and has at most one recording.
 */
export type LessonId = string;

/**
 * One lesson of a day's list.
 */
export type LessonItem = { 
/**
 * The lesson. A planned one has its id before anybody opens it, and keeps it unless its class is moved.
 */
id: LessonId, 
/**
 * The class.
 */
class: ClassId, 
/**
 * Join code.
 */
code: string, 
/**
 * Title.
 */
title: string, 
/**
 * Subject.
 */
subject: string, 
/**
 * Grade.
 */
grade: string, 
/**
 * Teacher's name.
 */
teacher: string, 
/**
 * School's name.
 */
school: string, 
/**
 * Planned start.
 */
starts: UnixMillis, 
/**
 * Planned length.
 */
duration_min: number, 
/**
 * Where it stands.
 */
state: LessonState, 
/**
 * Whether the one who asks teaches it.
 */
mine: boolean, 
/**
 * It was ended before its time, and the one who asks may take it up again: whoever joins as its teacher does.
 */
again: boolean, 
/**
 * Its recording, once there is one.
 */
recording: RecordingId | null, 
/**
 * How many are in class now.
 */
participants: number, };

/**
 * Where a lesson stands.
 */
export type LessonState = "scheduled" | "live" | "over";

/**
 * What one receiving media line shall carry.
 */
export type LineAssignment = { 
/**
 * The SDP media id of the receiving line.
 */
mid: string, 
/**
 * The track, or nothing.
 */
track: TrackId | null, 
/**
 * The height in device pixels at which it is shown; the server picks the lowest layer that fills it. 0 = hidden.
 */
height_px: number, 
/**
 * Who comes first when the line does not carry all.
 */
priority: LinePriority, };

/**
 * Who gets bandwidth first: screen > pinned > speaker > rest (DESIGN §4).
 */
export type LinePriority = "rest" | "speaker" | "pinned" | "screen";

/**
 * What a rule does.
 */
export type LookEffect = "allow" | "limit" | "deny";

/**
 * A rule about one account.
 */
export type LookRule = { 
/**
 * Id.
 */
id: string, 
/**
 * At this place and below …
 */
place: PlaceId | null, 
/**
 * … or at this camera; one of both.
 */
camera: CameraId | null, 
/**
 * What it does.
 */
effect: LookEffect, 
/**
 * To what.
 */
deeds: Array<CameraDeed>, 
/**
 * When; empty: always. At most 64.
 */
windows: Array<Span>, };

/**
 * Who is signed in. `csrf` goes back in the header `x-csrf-token` of every request that changes something.
 */
export type Me = { 
/**
 * The account.
 */
account: Account, 
/**
 * The token.
 */
csrf: string, 
/**
 * Whether the account may see a camera somewhere, or add one: whether the pages of exam patrol are for it.
 */
patrol: boolean, 
/**
 * Its second factor.
 */
factor: FactorState, 
/**
 * The service's time zone (IANA name, `Asia/Shanghai`): its days and times of day are in it, wherever the caller is.
 */
zone: string, };

/**
 * A grant: good for this session, this camera, this range, for at most 60 s. Ask again before it ends.
 */
export type MediaGrant = { 
/**
 * The token: part of the path below `/api/v1/patrol/media/{token}/…`.
 */
token: string, 
/**
 * Until when.
 */
expires: UnixMillis, };

/**
 * What a media grant is for.
 */
export type MediaUse = "play" | "snapshot" | "export";

/**
 * Makes an account; the person chooses a password through the invitation link in the answer.
 */
export type NewAccount = { 
/**
 * Log-in name, 2 to 64 characters.
 */
login: string, 
/**
 * Name to show, 1 to 100 characters.
 */
name: string, 
/**
 * Roles, each at a place that the caller administers.
 */
roles: Array<RoleAt>, };

/**
 * Sets a bookmark.
 */
export type NewBookmark = { 
/**
 * When in the recording.
 */
at: UnixMillis, 
/**
 * Text, 0 to 200 characters.
 */
text: string, };

/**
 * A timetable entry as typed in.
 */
export type NewClass = { 
/**
 * Title, 1 to 200 characters.
 */
title: string, 
/**
 * Subject, up to 50 characters.
 */
subject: string, 
/**
 * Grade, up to 50 characters.
 */
grade: string, 
/**
 * Who teaches.
 */
teacher: AccountId, 
/**
 * The school or class it belongs to.
 */
place: PlaceId, 
/**
 * How it is taught.
 */
mode: ClassMode, 
/**
 * First (or only) start.
 */
starts: UnixMillis, 
/**
 * Length in minutes, 1 to 600.
 */
duration_min: number, 
/**
 * How often.
 */
repeat: Repeat, 
/**
 * Last day of a weekly class.
 */
until: UnixMillis | null, 
/**
 * Whether people who join by link wait to be admitted.
 */
waiting_room: boolean, 
/**
 * Whether the lesson is recorded.
 */
record: boolean, };

/**
 * Asks for a token for OBS, a recording host or a player.
 */
export type NewDeviceToken = { 
/**
 * What the device will do.
 */
purpose: DevicePurpose, };

/**
 * Asks for an export.
 */
export type NewExport = { 
/**
 * Cameras, 1 to 36.
 */
cameras: Array<CameraId>, 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To; at most 24 hours later.
 */
to: UnixMillis, 
/**
 * What for, 2 to 200 characters; printed on the sheet.
 */
reason: string, };

/**
 * Sets a hold on several cameras.
 */
export type NewHold = { 
/**
 * Cameras, 1 to 100.
 */
cameras: Array<CameraId>, 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To.
 */
to: UnixMillis, 
/**
 * Why, 2 to 200 characters.
 */
why: string, };

/**
 * Makes a rule about one account.
 */
export type NewLookRule = { 
/**
 * At this place and below …
 */
place: PlaceId | null, 
/**
 * … or at this camera; one of both.
 */
camera: CameraId | null, 
/**
 * What it does.
 */
effect: LookEffect, 
/**
 * To what.
 */
deeds: Array<CameraDeed>, 
/**
 * When; empty: always. At most 64.
 */
windows: Array<Span>, };

/**
 * Asks for a grant for one camera.
 */
export type NewMediaGrant = { 
/**
 * What for.
 */
purpose: MediaUse, 
/**
 * From; without meaning for live snapshots.
 */
from: UnixMillis | null, 
/**
 * To.
 */
to: UnixMillis | null, };

/**
 * Makes a place.
 */
export type NewPlace = { 
/**
 * Parent.
 */
parent: PlaceId, 
/**
 * Level, below the parent's.
 */
level: PlaceLevel, 
/**
 * Name, 1 to 100 characters.
 */
name: string, };

/**
 * Makes a webhook; the secret is told once, in the answer.
 */
export type NewWebhook = { 
/**
 * `https://…`; `http://` only for this machine.
 */
url: string, 
/**
 * Cameras below this place.
 */
place: PlaceId, };

/**
 * Someone in the class, as others see them.
 */
export type Participant = { 
/**
 * Id.
 */
id: ParticipantId, 
/**
 * The name to show.
 */
name: string, 
/**
 * What they are here.
 */
role: RoomRole, 
/**
 * On stage: seen and heard by all.
 */
on_stage: boolean, 
/**
 * Since when the hand is up.
 */
hand_since: UnixMillis | null, 
/**
 * Which published sources are muted.
 */
muted: Array<TrackSource>, 
/**
 * Whether they are connected at this moment (kept a while through a reconnect).
 */
online: boolean, 
/**
 * Quality of their connection as the server measures it.
 */
quality: Quality, 
/**
 * When they joined.
 */
joined: UnixMillis, };

/**
 * One participation in a room: survives reconnects, ends when the participant leaves.
 */
export type ParticipantId = string;

/**
 * The server's clock, by which days of footage are counted.
 */
export type PatrolClock = { 
/**
 * What it shows now.
 */
now: UnixMillis, 
/**
 * Set while it is not believed, for those who manage cameras or set how long footage is kept.
 */
doubt: ClockDoubt | null, 
/**
 * Whether the caller may say that it is right.
 */
may_confirm: boolean, };

/**
 * A node of the tree.
 */
export type Place = { 
/**
 * Id.
 */
id: PlaceId, 
/**
 * Parent; the root has none.
 */
parent: PlaceId | null, 
/**
 * Level.
 */
level: PlaceLevel, 
/**
 * Name.
 */
name: string, };

/**
 * Renames a place.
 */
export type PlaceChange = { 
/**
 * Name, 1 to 100 characters.
 */
name: string, };

/**
 * A node of the tree of places: nation → province → city → district → school or exam site → class.
 */
export type PlaceId = string;

/**
 * The levels of the one tree of places.
 */
export type PlaceLevel = "nation" | "province" | "city" | "district" | "school" | "exam_site" | "class";

/**
 * Where a person stopped watching.
 */
export type Position = { 
/**
 * Milliseconds from the start.
 */
position_ms: number, };

/**
 * The check of a site before an exam.
 */
export type PreExamReport = { 
/**
 * The site.
 */
place: PlaceId, 
/**
 * Its name.
 */
place_name: string, 
/**
 * When.
 */
at: UnixMillis, 
/**
 * Who asked, by name.
 */
by: string, 
/**
 * The cameras.
 */
cameras: Array<CheckedCamera>, 
/**
 * How many are green.
 */
green: number, 
/**
 * Bytes free for recordings.
 */
free_bytes: number, 
/**
 * Hours that the disk lasts at the present rate.
 */
hours_left: number | null, };

/**
 * What is wrong with a camera under test.
 */
export type ProbeFault = "unreachable" | "timeout" | "wrong_password" | "not_found" | "not_rtsp" | "no_video" | "codec_not_supported" | "substream_not_h264" | "no_substream" | "no_keyframe" | "keyframes_far_apart" | "b_frames" | "clock_off" | "no_clock";

/**
 * An error as RFC 9457 wants it. `code` is stable and has words in the client; `detail` is English for the log.
 */
export type Problem = { 
/**
 * `about:blank` or a URI of the problem's description.
 */
type: string, 
/**
 * Short English title.
 */
title: string, 
/**
 * HTTP status.
 */
status: number, 
/**
 * Stable machine-readable code, snake_case.
 */
code: string, 
/**
 * What happened to this request, and what to do.
 */
detail: string, 
/**
 * The request's id, to find it in the log.
 */
request_id: string, 
/**
 * The field or CSV line at fault, if one is.
 */
field: string | null, };

/**
 * A published track as offered by a client: which media line carries which source.
 */
export type PublishLine = { 
/**
 * The SDP media id (RFC 8843 §15) of the line.
 */
mid: string, 
/**
 * What it carries.
 */
source: TrackSource, };

/**
 * How good a line is, in three steps that people understand.
 */
export type Quality = "unknown" | "good" | "fair" | "poor";

/**
 * A question.
 */
export type Question = { 
/**
 * Counts from 1 within the lesson.
 */
id: number, 
/**
 * When.
 */
at: UnixMillis, 
/**
 * Who asked.
 */
from: ParticipantId, 
/**
 * Their name at that time.
 */
name: string, 
/**
 * What.
 */
text: string, 
/**
 * How many voted for it.
 */
votes: number, 
/**
 * Whether the receiver voted for it.
 */
voted: boolean, 
/**
 * When it was answered.
 */
answered: UnixMillis | null, 
/**
 * The answer in words, if written.
 */
answer: string | null, };

/**
 * A stretch in which a track (or all) is missing.
 */
export type RecordedGap = { 
/**
 * The track; none = the whole recording.
 */
track: TrackId | null, 
/**
 * From.
 */
from_ms: number, 
/**
 * To.
 */
to_ms: number, 
/**
 * Why.
 */
cause: GapCause, };

/**
 * One recorded track.
 */
export type RecordedTrack = { 
/**
 * Track.
 */
track: TrackId, 
/**
 * Whose, by name.
 */
name: string, 
/**
 * Whether the publisher was the teacher.
 */
teacher: boolean, 
/**
 * Source.
 */
source: TrackSource, 
/**
 * `avc1.42e01f`, `vp8`, `opus`.
 */
codec: string, 
/**
 * First sample, from the start of the recording, in milliseconds.
 */
from_ms: number, 
/**
 * End of the last sample.
 */
to_ms: number, 
/**
 * Media playlist of this track (H.264 and Opus), `/vod/{recording}/{track}/index.m3u8`.
 */
playlist: string | null, 
/**
 * WebM of this track (VP8), `/vod/{recording}/{track}.webm`.
 */
webm: string | null, 
/**
 * Width in pixels (largest).
 */
width: number, 
/**
 * Height in pixels (largest).
 */
height: number, };

/**
 * Everything the player needs.
 */
export type RecordingDetail = { 
/**
 * Its tracks.
 */
tracks: Array<RecordedTrack>, 
/**
 * Stretches in which nothing or not everything was recorded.
 */
gaps: Array<RecordedGap>, 
/**
 * Chapters: where the stage or the shared screen changed.
 */
chapters: Array<Chapter>, 
/**
 * What happened.
 */
events: Array<TimelineEvent>, 
/**
 * Id.
 */
id: RecordingId, 
/**
 * The lesson.
 */
lesson: LessonId, 
/**
 * Title.
 */
title: string, 
/**
 * Subject.
 */
subject: string, 
/**
 * Grade.
 */
grade: string, 
/**
 * Teacher's name.
 */
teacher: string, 
/**
 * School's name.
 */
school: string, 
/**
 * When it began.
 */
started: UnixMillis, 
/**
 * Length in milliseconds.
 */
duration_ms: number, 
/**
 * State.
 */
status: RecordingStatus, 
/**
 * Size on disk in bytes.
 */
size_bytes: number, 
/**
 * Where the one who asks stopped watching, in milliseconds.
 */
position_ms: number | null, 
/**
 * For search results: the matched text with its moment, if the match was in chat or questions.
 */
hit: TextHit | null, };

/**
 * One recording of one lesson.
 */
export type RecordingId = string;

/**
 * A recording in a list.
 */
export type RecordingItem = { 
/**
 * Id.
 */
id: RecordingId, 
/**
 * The lesson.
 */
lesson: LessonId, 
/**
 * Title.
 */
title: string, 
/**
 * Subject.
 */
subject: string, 
/**
 * Grade.
 */
grade: string, 
/**
 * Teacher's name.
 */
teacher: string, 
/**
 * School's name.
 */
school: string, 
/**
 * When it began.
 */
started: UnixMillis, 
/**
 * Length in milliseconds.
 */
duration_ms: number, 
/**
 * State.
 */
status: RecordingStatus, 
/**
 * Size on disk in bytes.
 */
size_bytes: number, 
/**
 * Where the one who asks stopped watching, in milliseconds.
 */
position_ms: number | null, 
/**
 * For search results: the matched text with its moment, if the match was in chat or questions.
 */
hit: TextHit | null, };

/**
 * A page of recordings.
 */
export type RecordingPage = { 
/**
 * The recordings, newest or best match first.
 */
items: Array<RecordingItem>, 
/**
 * Cursor of the next page, if there is one.
 */
next: string | null, 
/**
 * How many match in all.
 */
total: number, };

/**
 * Whether the lesson is being recorded.
 */
export type RecordingState = "off" | "on" | "failed";

/**
 * State of a recording.
 */
export type RecordingStatus = "live" | "done" | "partial";

/**
 * Recovery codes, told once.
 */
export type RecoveryCodes = { 
/**
 * Ten of them.
 */
codes: Array<string>, };

/**
 * Why a request was refused. The connection stays.
 */
export type RefusalCode = "not_teacher" | "not_on_stage" | "unknown" | "bad_offer" | "too_often" | "too_large" | "not_open" | "busy" | "stage_full";

/**
 * A tile that is not shown as wished.
 */
export type RefusedTile = { 
/**
 * The line.
 */
mid: string, 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * Why.
 */
reason: TileRefusal, };

/**
 * A release of a hold that did not come about.
 */
export type ReleaseFailure = { 
/**
 * When it was tried.
 */
at: UnixMillis, 
/**
 * Why, in words of the recorder.
 */
why: string, };

/**
 * What somebody means who presses a button about the release of a hold.
 */
export type ReleaseIntent = "ask" | "agree";

/**
 * A word about the release of a hold. It is refused with `hold_changed` if the hold is not in the state that it is meant for.
 */
export type ReleaseWish = { 
/**
 * What is meant.
 */
intent: ReleaseIntent, };

/**
 * How often a class takes place.
 */
export type Repeat = "once" | "weekly";

/**
 * The rules in force, and what they mean for the disk.
 */
export type Retention = { 
/**
 * The rules.
 */
rules: Array<RetentionRule>, 
/**
 * Days where no rule says otherwise.
 */
default_days: number, 
/**
 * Bytes of footage on disk.
 */
used_bytes: number, 
/**
 * Bytes free on the disk.
 */
free_bytes: number, 
/**
 * Days until the disk is full at the present rate; none if nothing grows.
 */
full_in_days: number | null, };

/**
 * How long footage is kept at a place and below it, by group. The nearest rule above a camera counts.
 */
export type RetentionRule = { 
/**
 * Where.
 */
place: PlaceId, 
/**
 * Of which group.
 */
group: CameraGroup, 
/**
 * Days, 1 to 3,650.
 */
days: number, };

/**
 * What somebody is at a place and everywhere below it; a student only at exactly that place.
 */
export type Role = "administrator" | "teacher" | "student" | "staff" | "patrol_officer" | "site_administrator" | "system_administrator" | "security_administrator" | "audit_administrator";

/**
 * A role held at a place.
 */
export type RoleAt = { 
/**
 * Role.
 */
role: Role, 
/**
 * Where, and everywhere below; a student only at exactly this place.
 */
place: PlaceId, };

/**
 * A room of the media plane: the thing participants publish into and subscribe from. A class keeps one room id.
 */
export type RoomId = string;

/**
 * What someone is in a room. Decided by the server from rights and invitation, never by the client.
 */
export type RoomRole = "teacher" | "student" | "classroom" | "viewer";

/**
 * The room as it is: sent whole in [`ServerMessage::Welcome`], then kept current by changes.
 */
export type RoomSnapshot = { 
/**
 * The room.
 */
room: RoomId, 
/**
 * The lesson that runs or comes next.
 */
lesson: LessonId, 
/**
 * Title of the class.
 */
title: string, 
/**
 * The teacher's name.
 */
teacher: string, 
/**
 * Where the lesson stands.
 */
state: LessonState, 
/**
 * Since when it is live.
 */
live_since: UnixMillis | null, 
/**
 * Whether it is recorded.
 */
recording: RecordingState, 
/**
 * Whether newcomers wait to be admitted.
 */
waiting_room: boolean, 
/**
 * Teachers see everybody; others see the stage (and themselves).
 */
participants: Array<Participant>, 
/**
 * How many are in class in all.
 */
participant_count: number, 
/**
 * Who waits (teachers only).
 */
waiting: Array<Participant>, 
/**
 * Published tracks that the receiver may see.
 */
tracks: Array<Track>, 
/**
 * The last lines of chat, at most 200.
 */
chat: Array<ChatLine>, 
/**
 * The questions, at most 200.
 */
questions: Array<Question>, };

/**
 * Turns on the separation of system, security and audit administrators (三员分立). The account that asks hands over
 * and ends.
 */
export type SeparateAdministrators = { 
/**
 * Log-in name of the system administrator.
 */
system: string, 
/**
 * … of the security administrator.
 */
security: string, 
/**
 * … of the audit administrator.
 */
audit: string, };

/**
 * Whether system, security and audit administrators are separated.
 */
export type Separation = { 
/**
 * Whether they are.
 */
on: boolean, 
/**
 * Since when it is as it is.
 */
since: UnixMillis | null, 
/**
 * Who asked for its end, by name; the other of system and security administrator has to agree.
 */
end_asked_by: string | null, };

/**
 * From server to client.
 */
export type ServerMessage = { "type": "welcome", 
/**
 * Your id.
 */
you: ParticipantId, 
/**
 * What you are.
 */
role: RoomRole, 
/**
 * The server's wall clock, to show waiting times right on a PC whose clock is wrong.
 */
now: UnixMillis, 
/**
 * The room.
 */
room: RoomSnapshot, } | { "type": "waiting", 
/**
 * Title of the class.
 */
title: string, 
/**
 * The teacher's name.
 */
teacher: string, 
/**
 * Whether the class is open (then the teacher must admit you) or not yet.
 */
open: boolean, } | { "type": "answer", 
/**
 * The request.
 */
req: number, 
/**
 * SDP answer, complete with candidates.
 */
sdp: string, 
/**
 * For `Publish`: the tracks that now exist, in the order of the lines.
 */
tracks: Array<TrackId>, } | { "type": "pong", 
/**
 * The request.
 */
req: number, 
/**
 * The server's wall clock.
 */
now: UnixMillis, } | { "type": "refused", 
/**
 * The request, if it had a number.
 */
req: number | null, 
/**
 * Why.
 */
code: RefusalCode, 
/**
 * Technical detail, in English, for the log and the small print.
 */
detail: string, } | { "type": "participant_changed", 
/**
 * As they are now.
 */
participant: Participant, } | { "type": "participant_left", 
/**
 * Who.
 */
participant: ParticipantId, } | { "type": "count", 
/**
 * All of them.
 */
participants: number, } | { "type": "waiting_changed", 
/**
 * The list.
 */
waiting: Array<Participant>, } | { "type": "track_changed", 
/**
 * As it is now.
 */
track: Track, } | { "type": "track_ended", 
/**
 * Which.
 */
track: TrackId, } | { "type": "line_changed", 
/**
 * The line.
 */
mid: string, 
/**
 * The track, or nothing.
 */
track: TrackId | null, 
/**
 * The layer, or nothing while paused.
 */
layer: Layer | null, 
/**
 * Whether the line's bandwidth, not the choice of the viewer, holds it back.
 */
limited: boolean, } | { "type": "speaker", 
/**
 * Whose; nobody = silence.
 */
participant: ParticipantId | null, } | { "type": "your_quality", 
/**
 * What you send.
 */
up: Quality, 
/**
 * What you receive.
 */
down: Quality, 
/**
 * The estimate for what you may receive.
 */
down_estimate: Bitrate, } | { "type": "chat", 
/**
 * The line.
 */
line: ChatLine, } | { "type": "question_changed", 
/**
 * As it is now.
 */
question: Question, } | { "type": "room_changed", 
/**
 * Where the lesson stands.
 */
state: LessonState, 
/**
 * Since when it is live.
 */
live_since: UnixMillis | null, 
/**
 * Whether it is recorded.
 */
recording: RecordingState, 
/**
 * Whether newcomers wait.
 */
waiting_room: boolean, } | { "type": "your_stage", 
/**
 * On or off.
 */
on: boolean, } | { "type": "please_mute", 
/**
 * What.
 */
source: TrackSource, } | { "type": "peer_lost", 
/**
 * Whether it was the sending one.
 */
publish: boolean, } | { "type": "closed", 
/**
 * Why.
 */
reason: CloseReason, };

/**
 * Signs in.
 */
export type SignIn = { 
/**
 * Log-in name.
 */
login: string, 
/**
 * Password.
 */
password: string, };

/**
 * A stretch of time.
 */
export type Span = { 
/**
 * From.
 */
from: UnixMillis, 
/**
 * To.
 */
to: UnixMillis, };

/**
 * A match inside a recording.
 */
export type TextHit = { 
/**
 * When, from the start, in milliseconds.
 */
at_ms: number, 
/**
 * The sentence.
 */
text: string, };

/**
 * From when a fault is one, for a group at a place and below.
 */
export type Thresholds = { 
/**
 * Group.
 */
group: CameraGroup, 
/**
 * Faults that raise an alarm; others are ignored.
 */
watched: Array<HealthFault>, 
/**
 * Seconds without a packet: 1 to 60.
 */
silent_s: number, 
/**
 * Share of its own usual sharpness below which it is blurred, percent: 1 to 100.
 */
sharpness_percent: number, 
/**
 * Shift of the picture, percent of its width: 1 to 50.
 */
moved_percent: number, 
/**
 * Milliseconds the clock may be off: 50 to 60,000.
 */
clock_ms: number, 
/**
 * Deviation of bit rate and frame rate, percent: 10 to 100.
 */
rate_percent: number, 
/**
 * Sound an alarm tone on the wall.
 */
tone: boolean, };

/**
 * What one tile shows.
 */
export type Tile = { 
/**
 * The SDP media id of the line that carries it.
 */
mid: string, 
/**
 * The camera.
 */
camera: CameraId, 
/**
 * The height in device pixels at which it is shown; the lowest layer that fills it is sent. 0 = hidden: nothing is sent.
 */
height_px: number, 
/**
 * One keyframe per second or less is enough: overviews, thin lines.
 */
thumbnail: boolean, };

/**
 * Why a camera is not shown on a tile, or no longer.
 */
export type TileRefusal = "not_allowed" | "not_now" | "needs_second_factor" | "not_playable" | "sound_not_playable" | "no_line" | "busy";

/**
 * Something that happened in class.
 */
export type TimelineEvent = { 
/**
 * When, from the start of the recording.
 */
at_ms: number, 
/**
 * What.
 */
event: ClassEvent, };

/**
 * A new secret for an app, to be confirmed with a first code.
 */
export type TotpSetup = { 
/**
 * Base 32.
 */
secret: string, 
/**
 * `otpauth://totp/…` (Key Uri Format), for a QR code.
 */
uri: string, 
/**
 * The QR code as SVG.
 */
qr_svg: string, };

/**
 * A tour (轮巡): pages of tiles in turn.
 */
export type Tour = { 
/**
 * Cameras below this place …
 */
place: PlaceId, 
/**
 * … of these groups; empty: all.
 */
groups: Array<CameraGroup>, 
/**
 * Seconds a page stays, 3 to 600.
 */
dwell_s: number, };

/**
 * A published track with its owner's source and size.
 */
export type Track = { 
/**
 * Whether it is muted.
 */
muted: boolean, 
/**
 * The track.
 */
id: TrackId, 
/**
 * Who publishes it.
 */
participant: ParticipantId, 
/**
 * Where it comes from.
 */
source: TrackSource, 
/**
 * How it is encoded.
 */
codec: Codec, 
/**
 * How many simulcast layers it has, 1 to [`Layer::COUNT_MAX`].
 */
layers: number, };

/**
 * One published source (a camera, a microphone, a screen) with all its encoded layers.
 */
export type TrackId = string;

/**
 * Where a track comes from.
 */
export type TrackSource = "camera" | "microphone" | "screen" | "screen_audio" | "substream";

/**
 * Wall time: milliseconds since 1970-01-01T00:00:00Z.
 */
export type UnixMillis = number;

/**
 * What a wall shows.
 */
export type WallContent = { 
/**
 * Tiles: 1, 4, 9, 16, 25, 36 or 64.
 */
tiles: number, 
/**
 * The camera of each tile, in reading order; missing ones are empty.
 */
cameras: Array<CameraId | null>, 
/**
 * The tour, if it runs.
 */
tour: Tour | null, };

/**
 * A layout of a wall that its owner saved.
 */
export type WallLayout = { 
/**
 * Id.
 */
id: string, 
/**
 * Name, 1 to 60 characters.
 */
name: string, 
/**
 * When it was last saved.
 */
saved: UnixMillis, 
/**
 * Tiles: 1, 4, 9, 16, 25, 36 or 64.
 */
tiles: number, 
/**
 * The camera of each tile, in reading order; missing ones are empty.
 */
cameras: Array<CameraId | null>, 
/**
 * The tour, if it runs.
 */
tour: Tour | null, };

/**
 * Makes or replaces a layout.
 */
export type WallLayoutForm = { 
/**
 * Name, 1 to 60 characters.
 */
name: string, 
/**
 * Tiles: 1, 4, 9, 16, 25, 36 or 64.
 */
tiles: number, 
/**
 * The camera of each tile, in reading order; missing ones are empty.
 */
cameras: Array<CameraId | null>, 
/**
 * The tour, if it runs.
 */
tour: Tour | null, };

/**
 * From server to wall.
 */
export type WallMessage = { "type": "welcome", 
/**
 * The server's clock: delays and time marks are counted by it.
 */
now: UnixMillis, 
/**
 * What the watermark shows: name and log-in name of the viewer.
 */
watermark: string, } | { "type": "answer", 
/**
 * Number.
 */
req: number, 
/**
 * SDP.
 */
sdp: string, } | { "type": "shown", 
/**
 * Number.
 */
req: number, 
/**
 * What could not be done.
 */
refused: Array<RefusedTile>, } | { "type": "withdrawn", 
/**
 * Which.
 */
tile: RefusedTile, } | { "type": "carries", 
/**
 * The line.
 */
mid: string, 
/**
 * The camera; nothing while paused.
 */
camera: CameraId | null, 
/**
 * The stream.
 */
stream: CameraStream | null, 
/**
 * Keyframes only.
 */
thumbnail: boolean, 
/**
 * Whether the connection, not the wish, decides it.
 */
limited: boolean, 
/**
 * The main stream was wished but is in a codec that the browser does not play.
 */
main_not_playable: boolean, } | { "type": "camera", 
/**
 * Which.
 */
camera: CameraId, 
/**
 * How it does.
 */
status: CameraStatus, } | { "type": "camera_state", 
/**
 * Which.
 */
camera: CameraId, 
/**
 * State.
 */
state: CameraState, 
/**
 * Since when.
 */
since: UnixMillis, } | { "type": "cameras_changed", } | { "type": "alarm", 
/**
 * The alarm.
 */
alarm: AlarmItem, } | { "type": "export", 
/**
 * The job.
 */
job: ExportJob, } | { "type": "peer_lost", } | { "type": "refused", 
/**
 * Number.
 */
req: number, 
/**
 * Stable code.
 */
code: string, 
/**
 * English, for the log.
 */
detail: string, } | { "type": "closed", 
/**
 * Stable code.
 */
code: string, } | { "type": "pong", 
/**
 * Number.
 */
req: number, 
/**
 * The server's clock.
 */
now: UnixMillis, };

/**
 * From wall to server.
 */
export type WallRequest = { "type": "hello", 
/**
 * [`crate::PROTOCOL_VERSION`].
 */
version: number, 
/**
 * The session's CSRF token.
 */
csrf: string, } | { "type": "offer", 
/**
 * Number.
 */
req: number, 
/**
 * SDP, recvonly lines.
 */
sdp: string, } | { "type": "show", 
/**
 * Number.
 */
req: number, 
/**
 * The tiles, at most [`TILES_MAX`].
 */
tiles: Array<Tile>, } | { "type": "listen", 
/**
 * Number.
 */
req: number, 
/**
 * The sound line.
 */
mid: string, 
/**
 * The camera.
 */
camera: CameraId | null, } | { "type": "ping", 
/**
 * Number.
 */
req: number, };

/**
 * The answer of an authenticator.
 */
export type WebAuthnAnswer = { 
/**
 * From [`WebAuthnOptions`].
 */
state: string, 
/**
 * Name of the key, when it is set up, 1 to 40 characters.
 */
name: string | null, 
/**
 * Credential id, base64url.
 */
id: string, 
/**
 * clientDataJSON, base64url.
 */
client_data: string, 
/**
 * attestationObject (set up) or authenticatorData (sign in), base64url.
 */
data: string, 
/**
 * Signature, base64url; empty when it is set up.
 */
signature: string, };

/**
 * Options for `navigator.credentials.create` or `.get` (W3C WebAuthn L2), binary values as base64url.
 */
export type WebAuthnOptions = { 
/**
 * The JSON of `publicKey`.
 */
public_key: string, 
/**
 * What to send back with the answer.
 */
state: string, };

/**
 * Where alarms are told: JSON by POST, signed with HMAC-SHA-256 in `x-lectern-signature`.
 */
export type Webhook = { 
/**
 * Id.
 */
id: string, 
/**
 * `https://…`
 */
url: string, 
/**
 * Cameras below this place.
 */
place: PlaceId, 
/**
 * When one last arrived.
 */
delivered: UnixMillis | null, 
/**
 * What the last failed try met, in words of the log.
 */
failed: string | null, 
/**
 * How many wait to be tried again.
 */
waiting: number, };

/**
 * A webhook with its secret.
 */
export type WebhookSecret = { 
/**
 * The webhook.
 */
webhook: Webhook, 
/**
 * The secret, hexadecimal.
 */
secret: string, };
