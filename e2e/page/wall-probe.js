// Runs inside a page with many pictures, before its own scripts: looks at one <video> after the other, in turn, and reads the
// marked strip of the frame that it presents. Reading every frame of 36 tiles would cost more than showing them.
//
// `window.lecternWall` = { report(), reset(), stats(), tiles(), shown() }.

(() => {
  const RECORDS_MAX = 60_000;
  const LOOK_EVERY_MS = 40;
  const now = () => performance.timeOrigin + performance.now();
  const wall = { seen: [], unreadable: 0, connections: [], clickedAt: 0 };
  const canvas = new OffscreenCanvas(1, 1);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const ids = new WeakMap();
  let count = 0;

  addEventListener("click", () => (wall.clickedAt = now()), { capture: true });
  addEventListener("keydown", () => (wall.clickedAt = now()), { capture: true });

  // When the tile of a camera began to show its picture: the page says so with the frame that it presents.
  const shown = new Map();
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const { camera, phase } = target.dataset ?? {};
      if (camera && phase === "shown") requestAnimationFrame(() => shown.set(camera, now()));
      else if (camera) shown.delete(camera);
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-phase"] });

  /** Every <video> of the page that has a picture, those in shadow roots too. */
  function videos(root = document, found = []) {
    for (const element of root.querySelectorAll("*")) {
      if (element.localName === "video" && element.videoWidth > 0) found.push(element);
      if (element.shadowRoot) videos(element.shadowRoot, found);
    }
    return found;
  }

  const idOf = (video) => {
    if (!ids.has(video)) ids.set(video, (count += 1));
    return ids.get(video);
  };

  /** The strip of what a video presents now. */
  function read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    [canvas.width, canvas.height] = [width, 2];
    pen.drawImage(video, 0, Math.floor(stripHeight(height) / 2), width, 2, 0, 0, width, 2);
    const { data } = pen.getImageData(0, 0, width, 1);
    return decodeStrip((cell) => data[Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * 4 + 1]);
  }

  let turn = 0;
  function look() {
    const all = videos();
    const video = all[(turn += 1) % Math.max(1, all.length)];
    const again = () => setTimeout(look, LOOK_EVERY_MS);
    if (!video) return again();
    let done = false;
    const once = () => {
      if (done) return;
      done = true;
      again();
    };
    // A picture that stands still presents no frame: go on without it.
    setTimeout(once, 300);
    return video.requestVideoFrameCallback(() => {
      if (done) return;
      const at = now();
      const strip = read(video);
      if (!strip) wall.unreadable += 1;
      else if (wall.seen.length < RECORDS_MAX) wall.seen.push([idOf(video), strip.frame, stripAge(strip.ms, at), video.videoHeight, at]);
      once();
    });
  }
  setTimeout(look, LOOK_EVERY_MS);

  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...settings) {
      super(...settings);
      wall.connections.push(this);
    }
  };

  /** [video, frame number, age in ms, height, seen at] of every look that found a strip. */
  wall.report = () => ({ seen: [...wall.seen], unreadable: wall.unreadable, videos: videos().length, clickedAt: wall.clickedAt, now: now() });
  wall.reset = () => Object.assign(wall, { seen: [], unreadable: 0 });

  /** { openedAt, clickedAt, shown: [[camera, at]] }: when the page was opened, when was clicked, since when tiles show their picture. */
  wall.shown = () => ({ openedAt: performance.timeOrigin, clickedAt: wall.clickedAt, shown: [...shown] });

  /** What each video of the page presented so far. */
  wall.tiles = () => videos().map((video) => {
    const quality = video.getVideoPlaybackQuality();
    return { id: idOf(video), height: video.videoHeight, total: quality.totalVideoFrames, dropped: quality.droppedVideoFrames };
  });

  /** Sum over the receiving lines. */
  wall.stats = async () => {
    const sum = { lines: 0, framesReceived: 0, framesDecoded: 0, framesDropped: 0, packetsLost: 0, bytes: 0, freezes: 0 };
    for (const connection of wall.connections.filter((one) => one.connectionState !== "closed")) {
      for (const row of (await connection.getStats()).values()) {
        if (row.type !== "inbound-rtp" || row.kind !== "video" || !row.framesReceived) continue;
        sum.lines += 1;
        sum.framesReceived += row.framesReceived;
        sum.framesDecoded += row.framesDecoded;
        sum.framesDropped += row.framesDropped;
        sum.packetsLost += row.packetsLost;
        sum.bytes += row.bytesReceived;
        sum.freezes += row.freezeCount ?? 0;
      }
    }
    return sum;
  };

  window.lecternWall = wall;
})();
