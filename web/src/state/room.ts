/**
 * The room as this client knows it: a snapshot, then changes. Pure. Everything here was said by the server; what the
 * browser confirms about its own devices lives in `class-state.ts`.
 */
import type {
  ChatLine,
  LessonState,
  Participant,
  Quality,
  Question,
  RecordingState,
  RoomRole,
  ServerMessage,
  Track,
  TrackSource,
} from "../protocol/generated/index";

/** As many lines and questions as the server's snapshot holds; older ones are in the recording. */
export const CHAT_LINES_MAX = 200;
export const QUESTIONS_MAX = 200;

export interface Line {
  track: string | null;
  layer: number | null;
  limited: boolean;
}

export interface RoomState {
  you: string;
  role: RoomRole;
  /** Server's wall clock minus ours, in milliseconds. */
  clockOffset: number;
  lesson: string;
  title: string;
  teacher: string;
  state: LessonState;
  liveSince: number | null;
  recording: RecordingState;
  waitingRoom: boolean;
  participants: ReadonlyMap<string, Participant>;
  count: number;
  waiting: readonly Participant[];
  tracks: ReadonlyMap<string, Track>;
  chat: readonly ChatLine[];
  questions: readonly Question[];
  speaker: string | null;
  lines: ReadonlyMap<string, Line>;
  up: Quality;
  down: Quality;
}

/** What a change was about, for those who announce it. */
export type RoomNews =
  | { type: "hand"; participant: Participant }
  | { type: "stage"; on: boolean; participant: Participant }
  | { type: "you_stage"; on: boolean }
  | { type: "muted_by_teacher" }
  | { type: "chat"; line: ChatLine }
  | { type: "question"; question: Question }
  | { type: "waiting"; count: number }
  | { type: "recording"; state: RecordingState }
  | { type: "opened" }
  | { type: "screen"; participant: string; on: boolean };

export function enter(message: Extract<ServerMessage, { type: "welcome" }>, localNow: number): RoomState {
  const { room } = message;
  return {
    you: message.you,
    role: message.role,
    clockOffset: message.now - localNow,
    lesson: room.lesson,
    title: room.title,
    teacher: room.teacher,
    state: room.state,
    liveSince: room.live_since,
    recording: room.recording,
    waitingRoom: room.waiting_room,
    participants: new Map(room.participants.map((p) => [p.id, p])),
    count: room.participant_count,
    waiting: room.waiting,
    tracks: new Map(room.tracks.map((t) => [t.id, t])),
    chat: room.chat,
    questions: room.questions,
    speaker: null,
    lines: new Map(),
    up: "unknown",
    down: "unknown",
  };
}

const put = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): Map<K, V> => new Map(map).set(key, value);
const drop = <K, V>(map: ReadonlyMap<K, V>, key: K): Map<K, V> => {
  const next = new Map(map);
  next.delete(key);
  return next;
};

/** The room after `message`, and what is worth saying aloud about it. */
export function apply(room: RoomState, message: ServerMessage): { room: RoomState; news: RoomNews[] } {
  const news: RoomNews[] = [];
  const next = step(room, message, news);
  return { room: next, news };
}

function step(room: RoomState, m: ServerMessage, news: RoomNews[]): RoomState {
  switch (m.type) {
    case "participant_changed": {
      const before = room.participants.get(m.participant.id);
      if (m.participant.hand_since !== null && !before?.hand_since) news.push({ type: "hand", participant: m.participant });
      // Only teachers see who is off stage; to others whoever comes on stage is someone new.
      const was = before?.on_stage ?? (room.role === "teacher" ? m.participant.on_stage : false);
      if (was !== m.participant.on_stage) stageNews(room, m.participant, m.participant.on_stage, news);
      return { ...room, participants: put(room.participants, m.participant.id, m.participant) };
    }
    case "participant_left": {
      const before = room.participants.get(m.participant);
      if (before?.on_stage && room.role !== "teacher") stageNews(room, before, false, news);
      return { ...room, participants: drop(room.participants, m.participant) };
    }
    case "count":
      return { ...room, count: m.participants };
    case "waiting_changed":
      if (m.waiting.length > room.waiting.length) news.push({ type: "waiting", count: m.waiting.length });
      return { ...room, waiting: m.waiting };
    case "track_changed":
      if (m.track.source === "screen" && !room.tracks.has(m.track.id)) {
        news.push({ type: "screen", participant: m.track.participant, on: true });
      }
      return { ...room, tracks: put(room.tracks, m.track.id, m.track) };
    case "track_ended": {
      const track = room.tracks.get(m.track);
      if (track?.source === "screen") news.push({ type: "screen", participant: track.participant, on: false });
      return { ...room, tracks: drop(room.tracks, m.track) };
    }
    case "line_changed":
      return { ...room, lines: put(room.lines, m.mid, { track: m.track, layer: m.layer, limited: m.limited }) };
    case "speaker":
      return { ...room, speaker: m.participant };
    case "your_quality":
      return { ...room, up: m.up, down: m.down };
    case "chat":
      if (room.chat.some((line) => line.id === m.line.id)) return room;
      news.push({ type: "chat", line: m.line });
      return { ...room, chat: [...room.chat, m.line].slice(-CHAT_LINES_MAX) };
    case "question_changed": {
      const known = room.questions.some((q) => q.id === m.question.id);
      if (!known) news.push({ type: "question", question: m.question });
      const questions = known
        ? room.questions.map((q) => (q.id === m.question.id ? m.question : q))
        : [...room.questions, m.question].slice(-QUESTIONS_MAX);
      return { ...room, questions };
    }
    case "room_changed":
      if (m.state === "live" && room.state !== "live") news.push({ type: "opened" });
      if (m.recording !== room.recording) news.push({ type: "recording", state: m.recording });
      return { ...room, state: m.state, liveSince: m.live_since, recording: m.recording, waitingRoom: m.waiting_room };
    case "your_stage":
      news.push({ type: "you_stage", on: m.on });
      return room;
    case "please_mute":
      if (m.source === "microphone") news.push({ type: "muted_by_teacher" });
      return room;
    default:
      return room;
  }
}

/** Oneself is told by `your_stage`; a teacher is always on it. */
function stageNews(room: RoomState, participant: Participant, on: boolean, news: RoomNews[]): void {
  if (participant.id !== room.you && participant.role !== "teacher") news.push({ type: "stage", on, participant });
}

export const me = (room: RoomState): Participant | undefined => room.participants.get(room.you);

/** Teachers always may publish, others while they are on stage. */
export function mayPublish(room: RoomState): boolean {
  return room.role === "teacher" || (me(room)?.on_stage ?? false);
}

export function trackOf(room: RoomState, participant: string, source: TrackSource): Track | undefined {
  for (const track of room.tracks.values()) if (track.participant === participant && track.source === source) return track;
  return undefined;
}

/** Raised hands, longest waiting first. */
export function hands(room: RoomState): Participant[] {
  return [...room.participants.values()]
    .filter((p) => p.hand_since !== null && p.online)
    .sort((a, b) => (a.hand_since ?? 0) - (b.hand_since ?? 0));
}

/** Open questions by votes, then answered ones, newest first. */
export function orderedQuestions(room: RoomState): Question[] {
  return [...room.questions].sort((a, b) => {
    if ((a.answered === null) !== (b.answered === null)) return a.answered === null ? -1 : 1;
    if (a.answered !== null && b.answered !== null) return b.answered - a.answered;
    return b.votes - a.votes || a.id - b.id;
  });
}

/** Everyone, teacher first, then stage, raised hands, classrooms, the rest by name. */
export function roster(room: RoomState): Participant[] {
  const rank = (p: Participant): number =>
    p.role === "teacher" ? 0 : p.on_stage ? 1 : p.hand_since !== null ? 2 : p.role === "classroom" ? 3 : p.online ? 4 : 5;
  return [...room.participants.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "zh-CN"));
}

/** One picture on the page: a participant's camera or screen, with or without a live track behind it. */
export interface TileModel {
  key: string;
  participant: string;
  name: string;
  role: RoomRole;
  source: "camera" | "screen";
  track: Track | null;
  own: boolean;
  online: boolean;
  micMuted: boolean;
  quality: Quality;
}

/**
 * What is shown: shared screens, then the teacher, then who is on stage in the order in which they came.
 * Order is stable, so tiles keep their places when someone leaves.
 */
export function tiles(room: RoomState): TileModel[] {
  const out: TileModel[] = [];
  const people = [...room.participants.values()]
    .filter((p) => p.role === "teacher" || p.on_stage || hasCamera(room, p.id))
    .sort((a, b) => Number(b.role === "teacher") - Number(a.role === "teacher") || a.joined - b.joined || a.id.localeCompare(b.id));
  const tile = (p: Participant, source: "camera" | "screen"): TileModel => ({
    key: `${p.id}/${source}`,
    participant: p.id,
    name: p.name,
    role: p.role,
    source,
    track: trackOf(room, p.id, source) ?? null,
    own: p.id === room.you,
    online: p.online,
    micMuted: p.muted.includes("microphone") || trackOf(room, p.id, "microphone") === undefined,
    quality: p.quality,
  });
  for (const p of people) if (trackOf(room, p.id, "screen")) out.push(tile(p, "screen"));
  for (const p of people) out.push(tile(p, "camera"));
  return out;
}

const hasCamera = (room: RoomState, id: string): boolean => trackOf(room, id, "camera") !== undefined;

/** The large picture. Pinned by choice > a shared screen > who was called > the teacher > anyone. */
export function mainTile(room: RoomState, all: readonly TileModel[], pinned: string | null): TileModel | null {
  const chosen = all.find((t) => t.key === pinned);
  if (chosen) return chosen;
  const screen = all.find((t) => t.source === "screen");
  if (screen) return screen;
  if (room.role === "teacher") {
    // The teacher knows what she looks like; large is whom she called.
    const others = all.filter((t) => !t.own && t.role !== "teacher" && t.online);
    const called = others.filter((t) => t.track !== null && !t.track.muted).at(-1) ?? others.at(-1);
    if (called) return called;
  }
  return all.find((t) => t.role === "teacher") ?? all[0] ?? null;
}
