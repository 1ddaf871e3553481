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
 * A data rate in bits per second.
 */
export type Bitrate = number;

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
 * Why the class cannot be entered, or was left against the client's will. Each has its own words in the client.
 */
export type CloseReason = "unknown_room" | "not_authorised" | "room_full" | "refused" | "removed" | "ended" | "taken_over" | "version_mismatch" | "server_restart" | "protocol_error";

/**
 * A codec of the media plane.
 */
export type Codec = "h264" | "h265" | "vp8" | "opus" | "aac" | "pcma" | "pcmu";

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
 * Why something is missing.
 */
export type GapCause = "restart" | "loss" | "disk" | "overload" | "reconnect" | "muted" | "camera_silent" | "network" | "operator" | "rate_exceeded";

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
csrf: string, };

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
 * Why a request was refused. The connection stays.
 */
export type RefusalCode = "not_teacher" | "not_on_stage" | "unknown" | "bad_offer" | "too_often" | "too_large" | "not_open" | "busy" | "stage_full";

/**
 * How often a class takes place.
 */
export type Repeat = "once" | "weekly";

/**
 * What somebody is at a place and everywhere below it; a student only at exactly that place.
 */
export type Role = "administrator" | "teacher" | "student" | "staff" | "examiner";

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
