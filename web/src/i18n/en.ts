/**
 * English, and by its shape the type of every dictionary. A failure has three sentences: what happened, what still
 * works, what to do now.
 */
import type { CloseReason, DevicePurpose, RefusalCode, Role, PlaceLevel, RoomRole, GapCause, Quality } from "../protocol/generated/index";
import type { Browser, DeviceFault } from "../media/faults";

export interface Words {
  what: string;
  works: string;
  next: string;
}
const w = (what: string, works: string, next: string): Words => ({ what, works, next });

const closeReasons: Record<CloseReason | "left", Words> = {
  unknown_room: w("There is no such class.", "Your other classes are not affected.", "Check the link, or open the class from today’s list."),
  not_authorised: w("Your entry to this class has run out.", "The class itself goes on.", "Enter again; you may have to sign in."),
  room_full: w("The class is full.", "It goes on, and its recording will be in the library.", "Try again when someone has left, or tell the teacher."),
  refused: w("The teacher did not let you in.", "Your camera and microphone are off.", "Check that your name can be recognised, then ask again."),
  removed: w("The teacher removed you from the class.", "Your camera and microphone are off.", "Speak to the teacher before you come back."),
  ended: w("The class is over.", "Its recording will be in the library in a few seconds.", "You can watch it again there."),
  taken_over: w("You opened this class in another window or on another device.", "It goes on there.", "Go on there, or take it back here."),
  version_mismatch: w("This page is older than the server.", "Nothing is lost.", "Reload the page."),
  server_restart: w("The server is restarting.", "The recording up to now is safe.", "Wait a moment; you will be back by yourself."),
  protocol_error: w("The connection broke off because of a fault in this page.", "The class goes on.", "Reload the page to get back in."),
  left: w("You have left the class.", "Your camera and microphone are off.", "You can come back as long as it lasts."),
};

const refusals: Record<RefusalCode | "timeout" | "disconnected", Words> = {
  not_teacher: w("Only the teacher can do that.", "You stay in class.", "Raise your hand or write to the teacher."),
  not_on_stage: w("Only those on stage can be seen and heard.", "You see and hear everything.", "Raise your hand; the teacher will call you."),
  unknown: w("That is no longer there.", "Everything else goes on.", "Look at the list again."),
  bad_offer: w("Picture and sound could not be set up between this browser and the server.", "Chat, questions and raising your hand work.", "Reload the page; if it stays, use current Chrome, Edge, Firefox or Safari."),
  too_often: w("That was too often in a short time.", "Nothing is lost.", "Wait a few seconds, then try again."),
  too_large: w("That is too long.", "Your text is still there.", "Shorten it and send it again."),
  not_open: w("The class has not been opened yet.", "Your preview works.", "Wait for the teacher, or press Start class."),
  busy: w("The server cannot do this right now.", "The class goes on.", "It is tried again; if it lasts, tell your administrator."),
  stage_full: w("There is no place left on stage.", "Everybody on stage stays there.", "Take someone off stage first."),
  timeout: w("The server did not answer in time.", "Sound goes on as long as the line carries it.", "Try again; move closer to the Wi-Fi if you can."),
  disconnected: w("The connection is down.", "You will be back by yourself.", "Wait a moment, then try again."),
};

const faults: Record<DeviceFault, { camera: Words; microphone: Words; screen: Words }> = {
  denied: {
    camera: w("The browser does not allow the camera.", "You can join with sound only.", "Allow it in the browser’s settings for this site, then press Try again."),
    microphone: w("The browser does not allow the microphone.", "You can listen, write and raise your hand.", "Allow it in the browser’s settings for this site, then press Try again."),
    screen: w("The system does not let the browser capture the screen.", "Camera and microphone go on.", "Allow screen recording for the browser in the system settings, then share again."),
  },
  dismissed: {
    camera: w("The question for the camera was closed.", "You can join with sound only.", "Ask again and choose Allow."),
    microphone: w("The question for the microphone was closed.", "You can listen, write and raise your hand.", "Ask again and choose Allow."),
    screen: w("Nothing was shared.", "Camera and microphone go on.", "Share again and choose a window."),
  },
  missing: {
    camera: w("No camera was found.", "You can join with sound only.", "Plug one in; it is used at once."),
    microphone: w("No microphone was found.", "You can listen, write and raise your hand.", "Plug one in; it is used at once."),
    screen: w("There is nothing to share here.", "Camera and microphone go on.", "Share from a computer."),
  },
  in_use: {
    camera: w("Another program is using the camera.", "You can join with sound only.", "Close the other program, then try again."),
    microphone: w("Another program is using the microphone.", "You can listen, write and raise your hand.", "Close the other program, then try again."),
    screen: w("The screen could not be captured.", "Camera and microphone go on.", "Share again; another window may work."),
  },
  unplugged: {
    camera: w("The camera was unplugged.", "Everybody still hears you.", "Plug it in again; it is used at once."),
    microphone: w("The microphone was unplugged.", "Everybody still sees you.", "Plug it in again; it is used at once."),
    screen: w("The shared window is gone.", "Camera and microphone go on.", "Share again."),
  },
  insecure: {
    camera: w("This address is not encrypted, so the browser offers no camera.", "You can watch, listen and write.", "Open the address that begins with https://."),
    microphone: w("This address is not encrypted, so the browser offers no microphone.", "You can watch, listen and write.", "Open the address that begins with https://."),
    screen: w("This address is not encrypted, so the screen cannot be shared.", "Everything else works.", "Open the address that begins with https://."),
  },
  unsupported: {
    camera: w("This browser cannot use a camera.", "You can watch and write.", "Use current Chrome, Edge, Firefox or Safari."),
    microphone: w("This browser cannot use a microphone.", "You can watch and write.", "Use current Chrome, Edge, Firefox or Safari."),
    screen: w("This browser cannot share the screen.", "Camera and microphone go on.", "Share from Chrome, Edge or Firefox on a computer."),
  },
  unknown: {
    camera: w("The camera did not start.", "You can join with sound only.", "Try again, or choose another camera."),
    microphone: w("The microphone did not start.", "You can listen, write and raise your hand.", "Try again, or choose another microphone."),
    screen: w("The screen could not be shared.", "Camera and microphone go on.", "Share again."),
  },
};

/** Where in this browser the permission is given. */
const allow: Record<Browser, string> = {
  chrome: "Click the icon left of the address, switch on camera and microphone, then press Try again.",
  edge: "Click the lock left of the address, allow camera and microphone, then press Try again.",
  firefox: "Click the struck-out camera left of the address, remove the block, then press Try again.",
  safari: "In the menu bar choose Safari → Settings for This Website, allow camera and microphone, then press Try again.",
  ios: "Open Settings → Apps → Safari (or your browser) → Camera and Microphone → Allow, then press Try again.",
  android: "Touch the icon left of the address → Permissions, allow camera and microphone, then press Try again.",
  wechat: "Touch ··· in the corner and choose “Open in browser”; there you can allow camera and microphone.",
  other: "Open the site’s settings beside the address, allow camera and microphone, then press Try again.",
};

/** Problem codes of the HTTP API. One that is not listed gets `unknown` and shows its code. */
const problems: Record<string, Words> = {
  offline: w("The server cannot be reached.", "What you see on the page stays.", "Check the network, then try again."),
  timeout: w("The server did not answer in time.", "What you see on the page stays.", "Try again in a moment."),
  unknown: w("That did not work.", "Nothing was changed.", "Try again; if it stays, give this code to your administrator."),
  bad_json: w("The server did not understand this page.", "Nothing was changed.", "Reload the page and try again."),
  bad_field: w("One field cannot be taken as it is.", "What you typed is still there.", "Correct it and send it again."),
  bad_offer: w("Picture and sound could not be set up between this browser and the server.", "Chat and questions work.", "Reload the page."),
  grant_invalid: w("Your entry to this class is not valid.", "The class goes on.", "Enter again."),
  grant_expired: w("Your entry to this class has run out.", "The class goes on.", "Enter again."),
  grant_foreign: w("This entry is for another class.", "Your other classes are not affected.", "Open the class from today’s list."),
  foreign_origin: w("The request came from another site and was stopped.", "Nothing was changed.", "Open Lectern at its own address."),
  unknown_class: w("There is no class with this code.", "Your other classes are not affected.", "Check the link or the code, or ask the teacher."),
  unknown_room: w("There is no such class.", "Your other classes are not affected.", "Open the class from today’s list."),
  conflict: w("This cannot be done right now.", "Nothing was changed.", "Reload the list, then try again."),
  disk_full: w("The server’s disk is full.", "Running classes go on.", "Tell your administrator."),
  internal: w("Something broke on the server.", "Running classes go on.", "Try again; if it stays, give this code to your administrator."),
  bad_credentials: w("Name or password is not right.", "Nothing is locked.", "Check both and try again, or ask your administrator for a new link."),
  not_signed_in: w("You are not signed in, or your time ran out.", "What you typed is still there.", "Sign in again."),
  csrf_mismatch: w("This page is too old to change anything.", "Nothing was changed.", "Reload the page and try again."),
  forbidden: w("You do not have the right to do this.", "Everything you may do works.", "Ask the administrator of your school."),
  not_found: w("This is not here (any more).", "Everything else works.", "Go back to the list."),
  disabled: w("This account is switched off.", "Public class links still work.", "Ask your administrator."),
  too_often: w("Too many tries in a short time.", "Nothing is locked for good.", "Wait a minute, then try again."),
  link_expired: w("This link is used up or has run out.", "Your account is still there.", "Ask your administrator for a new link."),
  weak_password: w("This password is too short or too easy to guess.", "Nothing was changed.", "Use at least 10 characters, without your sign-in name, and none of the common ones."),
  exists: w("This log-in name is taken.", "Nothing was changed.", "Choose another one."),
  bad_request: w("Something in the form is missing or wrong.", "What you typed is still there.", "Correct it and send it again."),
  in_use: w("There is still something under this place.", "Nothing was deleted.", "Move or delete that first."),
  class_closed: w("This class is over.", "Its recording is in the library.", "Watch it there."),
  name_required: w("The teacher needs to know who you are.", "Your preview works.", "Type your name."),
  too_large: w("That is too large.", "Nothing was changed.", "Make it smaller and send it again."),
  needs_second_factor: w("Your second factor is needed here.", "Everything that shows no exam picture works.", "Show the code of your app or your security key."),
  not_now: w("You may do this at other times only.", "Nothing was changed.", "Ask the administrator who set your times."),
  busy: w("The server is busy or restarting.", "Running classes go on.", "Try again in a moment."),
};

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const s = (n: number): string => (n === 1 ? "" : "s");

export const en = {
  brand: "Lectern",
  weekdays,
  common: {
    cancel: "Cancel", close: "Close", save: "Save", delete: "Delete", undo: "Undo", again: "Try again", reload: "Reload the page",
    copy: "Copy", copied: "Copied", search: "Search", more: "More", code: "Code",
    sections: "Sections", skip: "Skip to content", optional: "optional", dismiss: "Dismiss",
    minutes: (n: number) => `${n} min`,
    zone: (name: string, offset: string) => `Times are in ${name} (${offset})`,
    unsavedLeave: "Leave without saving?", unsavedLead: "What you typed here will be lost.", discard: "Leave", keepEditing: "Keep editing",
  },
  nav: { today: "Today", library: "Library", patrol: "Patrol", admin: "Manage", people: "People", places: "Places", classes: "Classes" },
  settings: {
    title: "Settings", language: "Language", theme: "Appearance", system: "System", light: "Light", dark: "Dark", signOut: "Sign out", signIn: "Sign in",
    factor: "Second factor", signedInAs: (name: string) => `Signed in as ${name}`,
  },
  devices: {
    title: "Connect OBS or a recording host", purpose: "What the device does", purposes: { publish: "Teaches (WHIP)", watch: "Watches (WHEP)" } satisfies Record<DevicePurpose, string> as Record<DevicePurpose, string>,
    leads: {
      publish: "The device sends picture and sound into this class in the teacher’s place. In OBS: Settings → Stream → Service: WHIP; put the address into Server and the token into Bearer Token.",
      watch: "The device plays the lesson’s main picture and sound. Give its WHEP player the address and the token.",
    } satisfies Record<DevicePurpose, string> as Record<DevicePurpose, string>,
    whip: "WHIP address", whep: "WHEP address", token: "Token", until: (when: string) => `Good until ${when}. Whoever has the token can do this: pass it on to nobody else.`,
    make: "Make a token", revoke: "Revoke all tokens", revokeTitle: "Revoke all tokens of this class?", revokeLead: "Devices that teach or watch with them are cut off at once. This cannot be undone; new tokens can be made at any time.", revoked: "All tokens of this class are revoked",
  },
  password: {
    title: "Change password", old: "Current password", submit: "Change password", done: "Your password is changed. Other devices have to sign in again.",
    wrong: w("The current password is not right.", "Nothing was changed.", "Type it again, or ask your administrator for a new link."),
  },
  attendance: { title: "Attendance", from: "Came", to: "Left", nobody: "Nobody was in this lesson.", none: "This class has not been held yet.", file: "Download as CSV" },
  signIn: {
    title: "Sign in", lead: "Live lessons and recordings of your schools.", login: "Log-in name", password: "Password", show: "Show password", hide: "Hide password",
    submit: "Sign in", busy: "Signing in…", haveCode: "Joining a class?", codeLabel: "Class code", codeGo: "Go to class", forgot: "Forgot your password? Your school’s administrator can send you a new link.",
  },
  welcome: {
    title: "Choose your password", lead: "This link is for you alone and works once.", password: "New password", repeat: "Once more", rule: "At least 10 characters. A short sentence is easy to remember.",
    submit: "Save and sign in", mismatch: "The two are not the same.", tooShort: (n: number) => `${n} more character${s(n)}`, done: "Your password is set.", toSignIn: "Sign in now",
  },
  today: {
    title: "Today’s classes", next: "Next", now: "Now", again: "Go on teaching", start: "Start class", back: "Back to class", join: "Join class", watch: "Watch recording", enter: "Enter",
    none: "No classes on this day", noneLead: "Enjoy the quiet, or plan a class.", noneLeadViewer: "Classes you may join appear here.", live: "Live", over: "Over", recording: "Recorded",
    previousDay: "Previous day", nextDay: "Next day", toToday: "Today", create: "New class", import: "Import timetable", people: (n: number) => `${n} in class`, mine: "You teach",
    startsIn: (min: number) => (min <= 0 ? "due now" : min < 60 ? `in ${min} min` : `in ${Math.floor(min / 60)} h ${min % 60} min`), allDone: "All of today’s classes are over.", copyLink: "Copy link", screenLink: "Link for a classroom screen",
  },
  classForm: {
    title: "New class", edit: "Edit class", name: "Title", namePlaceholder: "e.g. Chinese 3: The Xisha Islands", subject: "Subject", grade: "Grade", teacher: "Teacher", place: "School", mode: "How it is taught",
    dedicated: "Dedicated classroom", dedicatedLead: "A few classrooms, everybody can be seen and heard", famous: "Famous-teacher class", famousLead: "Many watch, some are brought on stage", date: "Date", time: "Start", duration: "Length in minutes",
    repeat: "Repeats", once: "Once", weekly: "Every week", until: "Until", waitingRoom: "Those who come by link wait until I let them in", record: "Record the lesson", create: "Create class", save: "Save changes", created: "Class created", saved: "Saved", deleted: "Class deleted",
  },
  csv: {
    title: "Import timetable", lead: "A CSV file with one class per line. The first line names the columns.", choose: "Choose file", submit: "Import", created: (n: number) => `${n} class${n === 1 ? "" : "es"} created`, nothing: "Nothing was imported. Correct these lines and import again:",
    line: (n: number) => `Line ${n}`, template: "Download a file to fill in",
    errors: {
      csv_gbk: "is not UTF-8: in Excel choose \"CSV UTF-8\"", csv_not_utf8: "is not UTF-8 text", csv_empty: "has no line below the header", csv_too_many_rows: "is over the limit of 5000 lines", csv_unknown_column: "is not a known column", csv_repeated_column: "stands twice in the header", csv_missing_column: "is missing in the header", csv_bad_row: "The line has too many fields or open quotes", csv_missing_value: "is not filled in", csv_too_long: "is too long", csv_bad_date: "is not a date (2026-11-21)", csv_bad_time: "is not a time (08:30)", csv_bad_number: "is not a whole number in range", csv_bad_word: "is not one of the words that can stand here", csv_ends_before_start: "ends before it begins", csv_unknown_teacher: "is no teacher's log-in name that you can see", csv_unknown_place: "is no place that you can see", csv_ambiguous_place: "fits several places: write the path, e.g. Chengdu/First School", csv_not_allowed: "is where you may not plan for this teacher",
    } as Record<string, string>,
  },
  lobby: {
    title: "Before class", yourName: "Your name", namePlaceholder: "As the teacher knows you", join: "Join class", start: "Start class", enterOnly: "Enter without starting", camera: "Camera", microphone: "Microphone", speaker: "Speaker", testSound: "Test sound", testing: "Playing…", testDone: "Did you hear three notes?",
    level: "Microphone level", speak: "Say something: the bar should move.", cameraOff: "Camera is off", withoutCamera: "Continue without camera", withoutBoth: "Continue and only listen", systemDefault: "System default", starting: "Starting camera…",
    opensAt: (time: string) => `Starts at ${time}`, running: "The class is running", waitingLead: "The teacher lets everybody in one by one.", studentLead: "You are seen and heard only when the teacher calls you.", byTeacher: (name: string) => `with ${name}`, turnCameraOn: "Turn camera on", turnCameraOff: "Turn camera off", turnMicOn: "Turn microphone on", turnMicOff: "Turn microphone off", loadingClass: "Looking up the class…",
  },
  waiting: { title: "You are in the waiting room", lead: "The teacher sees your name and will let you in.", notOpen: "The class has not begun", notOpenLead: "You are let in by yourself as soon as the teacher starts.", leave: "Leave" },
  room: {
    joining: "Entering the class…", start: "Start class", startLead: "Nobody sees or hears you yet.", notStarted: "Not started yet", studentsWait: (n: number) => (n === 0 ? "Nobody is waiting yet" : `${n} waiting for you`), end: "End class", endTitle: "End the class for everybody?", endLead: (n: number) => `${n} ${n === 1 ? "person" : "people"} will leave and the recording closes. This cannot be undone.`, endKeep: "Keep teaching", leave: "Leave class", leaveOnly: "Leave, class goes on",
    rec: "Recording", recShort: "REC", recFailed: "Not recording", recFailedLead: w("The recording has stopped: the server’s disk is full or faulty.", "The class goes on, and what was recorded is safe.", "Go on teaching and tell your administrator."), recOff: "Not recorded", recUnknownShort: "REC unknown", recUnknown: "No connection: whether the lesson is recorded is not known here",
    micOff: "microphone off", speaking: "speaking", muteOn: "Mute", muteOff: "Unmute", mic: "Microphone", camera: "Camera", cameraOn: "Start camera", cameraOff: "Stop camera", share: "Share screen", shareStop: "Stop sharing", sharing: "You are sharing your screen", hand: "Raise hand", handUp: "Hand is up", callFirst: "Call on", callNext: (name: string) => `Call on ${name}`, muteAll: "Mute all",
    onStage: "On stage", putOnStage: "Bring on stage", takeOffStage: "Take off stage", lowerHand: "Lower hand", lowerAll: "Lower all hands", mutePerson: "Mute", remove: "Remove", removed: (name: string) => `${name} is being removed`, hands: "Hands", noHands: "No hands up",
    chat: "Chat", chatEmpty: "No messages yet", chatPlaceholder: "Write to everybody", send: "Send", questions: "Questions", questionsEmpty: "No questions yet", questionsEmptyLead: "Ask at any time; the most wanted come first.", ask: "Ask", askPlaceholder: "Ask a question", vote: "I want to know too", votes: (n: number) => `${n} vote${s(n)}`, answer: "Answer", answered: "Answered", markAnswered: "Answered aloud", answerPlaceholder: "Answer in writing", people: "People", count: (n: number) => `${n} in class`, since: (t: string) => `since ${t}`, away: "connection lost", attendance: "Attendance",
    waitingRoom: "Waiting room", admit: "Let in", admitAll: "Let all in", turnAway: "Turn away", waitingRoomToggle: "Newcomers wait until I let them in", copyLink: "Copy class link",
    youOnStage: "You are on stage: everybody sees and hears you", youOnStageMuted: "You are on stage. Unmute to speak", onStageShort: "You are on stage", onStageMutedShort: "On stage, muted", youOffStage: "You are off stage: nobody sees or hears you", mutedByTeacher: "The teacher muted you", unmuteSelf: "Unmute", audioOnly: "Sound only", audioOnlyOn: "Sound only: no pictures are loaded", audioOnlyOff: "Show pictures", fullScreen: "Full screen", fullScreenExit: "Leave full screen", keyboard: "Keyboard", keyboardTitle: "Keyboard in class", settings: "Devices", more: "More", pin: "Show large", unpin: "Back to the lesson", screenOf: (name: string) => `Screen of ${name}`, ownScreen: "Your screen", noPicture: "Camera off", loadingPicture: "Picture is coming", unsupportedPicture: "This browser cannot show this picture (H.264). Sound goes on; use Chrome, Edge or Safari for the picture", pausedPicture: "Line too thin for this picture", sidePanel: "Side panel", controls: "Class controls", playSound: "Click to hear the class", reconnecting: "Connection lost. Coming back by itself…", offline: "This device has no network. You will be back by yourself as soon as it has.", sinceDown: (t: string) => `for ${t}`, mediaBlocked: w("Picture and sound do not get through: the network blocks UDP.", "Chat, questions and raising your hand work.", "Use another network, or ask the school’s administrator to open the UDP port of this server."), mediaForbidden: w("This browser does not let pages send or receive pictures and sound (WebRTC is off).", "Chat, questions and raising your hand work.", "Turn off what blocks WebRTC, an extension for example, or use another browser. It is tried again by itself."),
    classTime: "Class time", teacherNotYet: "The teacher is not here yet", up: "Sending", down: "Receiving", rtt: "Delay", loss: "Loss", youMarker: " (you)", handAnnounce: (name: string) => `${name} raised a hand`, stageAnnounce: (name: string, on: boolean) => (on ? `${name} is on stage` : `${name} left the stage`), questionAnnounce: (name: string) => `${name} asked a question`, chatAnnounce: (name: string, text: string) => `${name}: ${text}`, waitingAnnounce: (n: number) => `${n} waiting to be let in`, screenAnnounce: (name: string, on: boolean) => (on ? `${name} is sharing the screen` : `${name} stopped sharing`), opened: "The class has begun",
    keys: { call: "Call on the first raised hand", muteAll: "Mute all", mute: "Mute or unmute yourself", camera: "Camera on or off", share: "Share screen", hand: "Raise or lower hand", chat: "Chat", people: "People", questions: "Questions", full: "Full screen", help: "This help" },
  },
  quality: {
    down: { unknown: "Receiving: being measured", good: "Receiving well", fair: "Receiving with losses", poor: "Receiving badly" } satisfies Record<Quality, string> as Record<Quality, string>,
    teacherUp: { unknown: "School’s line: being measured", good: "School’s line: sending well", fair: "School’s line: some loss, pupils may see a smaller picture", poor: "School’s line: bad, sound goes first" } satisfies Record<Quality, string> as Record<Quality, string>,
    short: { unknown: "Line …", good: "Line good", fair: "Line fair", poor: "Line poor" } satisfies Record<Quality, string> as Record<Quality, string>,
    cpu: "This computer is at its limit; the picture is sent smaller.",
  },
  screen: { nextLesson: "Next lesson", at: (t: string) => `at ${t}`, waiting: "The lesson begins by itself", thisIs: "This is", nameTitle: "What is this classroom called?", nameLead: "The teacher calls the classroom by this name.", nameSave: "Use this name", change: "Change name", over: "The lesson is over", noNext: "No further lesson is planned" },
  library: {
    title: "Library", placeholder: "Title, teacher, subject, school, or what was said in chat", continue: "Continue watching", newest: "New", results: (n: number) => `${n} lesson${s(n)}`, none: "Nothing found", noneLead: "Try fewer or other words, or remove a filter.", empty: "No recordings yet", emptyLead: "A lesson appears here within seconds of its end.", filters: "Filters", removeFilter: (v: string) => `Remove filter ${v}`, subject: "Subject", teacher: "Teacher", school: "School", live: "Live now", partial: "Incomplete", deleted: (t: string) => `“${t}” was deleted`, more: "Show more", keyboardHint: "Press / to search, arrow keys to choose", left: (t: string) => `${t} left`,
  },
  player: {
    play: "Play", pause: "Pause", back10: "Back 10 seconds", on10: "Forward 10 seconds", speed: "Speed", volume: "Volume", mute: "Mute", unmute: "Unmute", full: "Full screen", swap: "Swap pictures", chapters: "Chapters", chat: "What happened", download: "Download", downloadOf: { camera: (format: string) => `Teacher’s camera and microphone (${format})`, screen: (format: string) => `Teacher’s screen and microphone (${format})` }, afterClass: "This picture can be watched after class", delete: "Delete", resume: (t: string) => `Resumed at ${t}`, fromStart: "From the start", position: "Position", gap: "Missing", seekTo: (t: string) => `Go to ${t}`, live: "The lesson is still running; up to now can be watched.", partial: "This recording is incomplete.", noVideo: "No picture at this moment", keyboard: "Keyboard", copyMoment: "Copy link to this moment", noTracks: "There is nothing to play in this recording.", failures: {
      broken: w("This stretch cannot be played just now.", "The rest of the recording can.", "Try again, or go on after it."),
      unsupported: w("This browser cannot play this picture or sound.", "Everything else of the recording plays.", "Open it in current Chrome, Edge or Firefox."),
    }, gaps: "Missing stretches",
    chapterKinds: { start: "Start", screen_on: "Screen shared", screen_off: "Screen ended", stage_on: "On stage", stage_off: "Off stage" } as Record<string, string>,
    gapCauses: { restart: "server restarted", loss: "lost on the line", disk: "disk full or faulty", overload: "server overloaded", reconnect: "sender was away", muted: "muted", camera_silent: "the camera sent nothing", network: "the network broke off", operator: "stopped by an operator", rate_exceeded: "the camera sent more than it may" } satisfies Record<GapCause, string> as Record<GapCause, string>,
    keys: { play: "Play or pause", seek: "10 s back or forward", frame: "5 s back or forward", volume: "Volume", chapter: "Previous or next chapter", speed: "Slower or faster", swap: "Swap pictures", full: "Full screen", mute: "Mute" },
    asked: (name: string) => `${name} asked`, answeredEvent: "Answered", joined: (name: string) => `${name} came`, stage: (name: string, on: boolean) => (on ? `${name} on stage` : `${name} off stage`), screenEvent: (name: string, on: boolean) => (on ? `${name} shares the screen` : `${name} stops sharing`), hand: (name: string) => `${name} raised a hand`, recordingEvent: (on: boolean): string => (on ? "Recording goes on" : "Recording interrupted"), opened: "Class opened", ended: "Class ended",
  },
  people: {
    title: "People", separate: "Separate administrators", lookRules: "What may be looked at", resetFactor: "Reset second factor", resetFactorLead: (name: string) => `${name} must set up a second factor anew before exam pictures are shown.`, resetFactorDone: (name: string) => `The second factor of ${name} is reset`, create: "New person", searchPlaceholder: "Name or log-in name", login: "Log-in name", name: "Name", role: "Role", place: "Place", roles: "Roles", addRole: "Add role", removeRole: "Remove role", invite: "Create and get link", inviteTitle: "Send this link to the person", inviteLead: (name: string, until: string) => `With it ${name} chooses a password. It works once and until ${until}.`, copyLink: "Copy link", newLink: "New password link", disable: "Switch off", enable: "Switch on", disabled: "Off", invited: "Invited", active: "Active", none: "Nobody here yet", noneLead: "Add the first person; you get a link to send.", noMatch: "Nobody by that name", edit: "Edit", disabledDone: (name: string) => `${name} can no longer sign in`, enabledDone: (name: string) => `${name} can sign in again`, count: (n: number) => `${n} ${n === 1 ? "person" : "people"}`, status: "Status", actions: "Actions",
  },
  places: { title: "Places", create: "Add under it", rename: "Rename", level: "Kind", name: "Name", deleted: (name: string) => `“${name}” was deleted`, empty: "No places yet", add: "Add", lead: "Rights at a place hold for everything below it.", under: (name: string) => `New place under ${name}` },
  classesAdmin: { title: "Classes", none: "No classes yet", noneLead: "Plan one or import the timetable.", code: "Code", when: "When", weekly: (day: string, time: string) => `every ${day} ${time}`, edit: "Edit" },
  levels: { nation: "Nation", province: "Province", city: "City", district: "District", school: "School", exam_site: "Exam site", class: "Class" } satisfies Record<PlaceLevel, string> as Record<PlaceLevel, string>,
  roles: { administrator: "Administrator", teacher: "Teacher", student: "Student", staff: "Staff", patrol_officer: "Patrol officer", site_administrator: "Site administrator", system_administrator: "System administrator", security_administrator: "Security administrator", audit_administrator: "Audit administrator" } satisfies Record<Role, string> as Record<Role, string>,
  roomRoles: { teacher: "Teacher", student: "Student", classroom: "Classroom", viewer: "Viewer" } satisfies Record<RoomRole, string> as Record<RoomRole, string>,
  errors: { page: "There is no such page.", toToday: "To today’s classes", toLibrary: "To the library" },
  closeReasons,
  refusals,
  faults,
  allow,
  problems,
};

export type Dictionary = typeof en;
