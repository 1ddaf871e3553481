// Evaluated in a page: a WHIP publisher and a WHEP viewer in a few lines of fetch, as any web page would write them.
// `window.lecternWhip` = { publish(url, token, options), watch(url, token, options), seen, end() }.

(() => {
  const state = { connection: undefined, resource: undefined, seen: { decoded: 0, readable: 0, frames: [], ages: [], sizes: {} } };

  async function exchange(connection, url, token) {
    await connection.setLocalDescription();
    const response = await fetch(url, {
      method: "POST", body: connection.localDescription.sdp,
      headers: { "content-type": "application/sdp", authorization: `Bearer ${token}` },
    });
    if (response.status !== 201) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
    state.resource = { url: new URL(response.headers.get("location"), response.url).href, token };
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  const prefer = (transceiver, known, codec) =>
    transceiver.setCodecPreferences(known.filter(({ mimeType }) => [`video/${codec}`, "video/rtx"].includes(mimeType)));

  state.publish = async (url, token, { codec = "VP8" } = {}) => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    const connection = (state.connection = new RTCPeerConnection());
    for (const track of stream.getTracks()) {
      const transceiver = connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      if (track.kind === "video") prefer(transceiver, RTCRtpSender.getCapabilities("video").codecs, codec);
    }
    await exchange(connection, url, token);
  };

  state.watch = async (url, token, { codec = "VP8" } = {}) => {
    const connection = (state.connection = new RTCPeerConnection());
    const stream = new MediaStream();
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { autoplay: true, muted: true, playsInline: true, srcObject: stream });
    connection.ontrack = ({ track }) => stream.addTrack(track);
    prefer(connection.addTransceiver("video", { direction: "recvonly" }), RTCRtpReceiver.getCapabilities("video").codecs, codec);
    connection.addTransceiver("audio", { direction: "recvonly" });
    await exchange(connection, url, token);
    const canvas = new OffscreenCanvas(64, 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const frame = () => {
      const { videoWidth: width, videoHeight: height } = video;
      video.requestVideoFrameCallback(frame);
      if (!width) return;
      const { seen } = state;
      seen.decoded += 1;
      seen.sizes[`${width}x${height}`] = (seen.sizes[`${width}x${height}`] ?? 0) + 1;
      canvas.width = width; // the strip's middle row at full width: nothing is scaled
      context.drawImage(video, 0, Math.floor(stripHeight(height) / 2), width, 1, 0, 0, width, 1);
      const row = context.getImageData(0, 0, width, 1).data;
      const found = decodeStrip((cell) => row[Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * 4 + 1]);
      if (!found) return;
      seen.readable += 1;
      seen.frames.push(found.frame);
      seen.ages.push(stripAge(found.ms, Date.now()));
    };
    video.requestVideoFrameCallback(frame);
    await video.play().catch(() => {});
  };

  state.end = async () => {
    if (state.resource) {
      await fetch(state.resource.url, { method: "DELETE", headers: { authorization: `Bearer ${state.resource.token}` } });
      state.resource = undefined;
    }
    state.connection?.close();
  };

  window.lecternWhip = state;
})();
