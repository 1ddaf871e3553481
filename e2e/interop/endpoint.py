"""A WHIP or WHEP resource (RFC 9725; draft-ietf-wish-whep): one POST to begin, one DELETE to end. And a client's life: it
prints JSON lines, ends when enough was seen, when its time is over, or when its standard input closes."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """The endpoint said no."""


class Endpoint:
    def __init__(self, url: str, token: str):
        self.url, self.token, self.resource = url, token, None

    def post(self, offer: str) -> str:
        """Sends the offer, returns the answer."""
        request = urllib.request.Request(self.url, offer.encode(), {"content-type": "application/sdp", "authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                if response.status != 201:
                    raise Refused(f"POST {self.url}: {response.status}")
                self.resource = urllib.parse.urljoin(self.url, response.headers["location"])
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(f"POST {self.url}: {error.code} {error.read().decode()[:500]}") from error
        except OSError as error:
            raise Refused(f"POST {self.url}: {error}") from error

    def delete(self) -> None:
        """Ends the session; a resource that is gone already is as good."""
        if self.resource is None:
            return
        request = urllib.request.Request(self.resource, method="DELETE", headers={"authorization": f"Bearer {self.token}"})
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except (urllib.error.URLError, TimeoutError) as error:
            say("note", text=f"DELETE: {error}")
        self.resource = None


def say(kind: str, **fields) -> None:
    print(json.dumps({"type": kind, **fields}), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["publish", "watch"])
    parser.add_argument("url", help="WHIP endpoint to publish to, WHEP endpoint to watch")
    parser.add_argument("--token", required=True)
    parser.add_argument("--codec", choices=["VP8", "H264"], default="VP8")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--first-frame", type=int, default=0, help="number of the first published frame")
    parser.add_argument("--frames", type=int, default=100, help="a viewer ends when it read so many strips")
    parser.add_argument("--seconds", type=float, default=60, help="ends at the latest after this")
    options = parser.parse_args()
    options.width, options.height = map(int, options.size.split("x"))
    return options


def stdin_closed() -> None:
    """Returns when the caller closes our standard input."""
    sys.stdin.read()
