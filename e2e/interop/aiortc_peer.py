"""aiortc as a WHIP publisher or WHEP viewer: a WebRTC stack written in Python, with no transport-wide feedback and no simulcast."""

import asyncio
import fractions
import os
import sys
import time

import av
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

import strip
from endpoint import Endpoint, Refused, arguments, say, stdin_closed


class Pictures(VideoStreamTrack):
    def __init__(self, options):
        super().__init__()
        self.picture = strip.Picture(options.width, options.height)
        self.first, self.number, self.started = options.first_frame, 0, None

    async def recv(self):
        self.started = self.started or time.time()
        await asyncio.sleep(max(0.0, self.started + self.number / strip.FPS - time.time()))
        frame = av.VideoFrame.from_ndarray(self.picture.draw(self.first + self.number), format="yuv420p")
        frame.pts, frame.time_base = self.number * 90000 // strip.FPS, fractions.Fraction(1, 90000)
        self.number += 1
        return frame


class Sound(AudioStreamTrack):
    SAMPLES = 960

    def __init__(self):
        super().__init__()
        self.at, self.started = 0, None

    async def recv(self):
        self.started = self.started or time.time()
        await asyncio.sleep(max(0.0, self.started + self.at / 48000 - time.time()))
        frame = av.AudioFrame.from_ndarray(strip.sound(self.at, self.SAMPLES).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.at, fractions.Fraction(1, 48000)
        self.at += self.SAMPLES
        return frame


def prefer(transceiver, kind, name):
    """Only the wanted codec and its retransmissions."""
    known = (RTCRtpSender if kind == "send" else RTCRtpReceiver).getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in known if c.mimeType in (f"video/{name}", "video/rtx")])


async def publish(peer, options):
    prefer(peer.addTransceiver(Pictures(options), direction="sendonly"), "send", options.codec)
    peer.addTransceiver(Sound(), direction="sendonly")


async def watch(peer, options, seen, enough):
    prefer(peer.addTransceiver("video", direction="recvonly"), "receive", options.codec)
    peer.addTransceiver("audio", direction="recvonly")

    @peer.on("track")
    def on_track(track):
        asyncio.ensure_future(take(track))

    async def take(track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "audio":
                    seen.sound += 1
                    continue
                luma = frame.planes[0]
                seen.picture(strip.np.frombuffer(luma, strip.np.uint8).reshape(luma.height, luma.line_size)[:, : frame.width])
                if seen.readable >= options.frames:
                    enough.set()
        except MediaStreamError:
            enough.set()


async def main(options) -> None:
    code = await live(options)
    sys.stdout.flush()
    # asyncio would wait for the thread that waits for standard input.
    os._exit(code)


async def live(options) -> int:
    peer, endpoint = RTCPeerConnection(), Endpoint(options.url, options.token)
    seen, enough = strip.Watched(), asyncio.Event()
    peer.on("connectionstatechange", lambda: say("state", state=peer.connectionState))
    await (publish(peer, options) if options.verb == "publish" else watch(peer, options, seen, enough))
    await peer.setLocalDescription(await peer.createOffer())
    try:
        answer = await asyncio.to_thread(endpoint.post, peer.localDescription.sdp)
    except Refused as refusal:
        say("refused", text=str(refusal))
        return 1
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    asyncio.get_running_loop().run_in_executor(None, stdin_closed).add_done_callback(lambda _: enough.set())
    try:
        await asyncio.wait_for(enough.wait(), options.seconds)
    except TimeoutError:
        pass
    await asyncio.to_thread(endpoint.delete)
    say("end", **(seen.figures() if options.verb == "watch" else {}))
    try:
        await asyncio.wait_for(peer.close(), 3)
    except TimeoutError:
        say("note", text="the peer connection would not close")
    return 0


if __name__ == "__main__":
    asyncio.run(main(arguments()))
