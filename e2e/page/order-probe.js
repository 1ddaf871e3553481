// Runs inside a page before its own scripts: which pictures a <video> shows, one after the other, by their marked strips.
//
// `window.lecternOrder` = { watch(name, video), seen(name) }; `seen`: [frame number or null, media time in seconds] of each
// picture that was shown since.

(() => {
  const PICTURES_MAX = 10_000;
  const all = new Map();
  const canvas = new OffscreenCanvas(1, 1);
  const pen = canvas.getContext("2d", { willReadFrequently: true });

  function read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    [canvas.width, canvas.height] = [width, 2];
    pen.drawImage(video, 0, Math.floor(stripHeight(height) / 2), width, 2, 0, 0, width, 2);
    const { data } = pen.getImageData(0, 0, width, 1);
    return decodeStrip((cell) => data[Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * 4 + 1])?.frame ?? null;
  }

  const watch = (name, video) => {
    const seen = [];
    all.set(name, seen);
    const next = () => video.requestVideoFrameCallback((_, { mediaTime }) => {
      seen.push([read(video), mediaTime]);
      if (seen.length < PICTURES_MAX) next();
    });
    next();
  };

  window.lecternOrder = { watch, seen: (name) => all.get(name) ?? [] };
})();
