#!/usr/bin/env python3
"""Verifies a Lectern evidence file (docs/evidence-format.md) with nothing but Python's standard library and no code of ours:
verify-evidence.py FILE [PUBLIC-KEY-HEX]   prints AUTHENTIC, or NOT AUTHENTIC and what is wrong; exits with 0 or 1."""
import hashlib, json, mmap, re, struct, sys, time, zlib
# Ed25519 (RFC 8032), verification only; points as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    s, t, u, v = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(n, point):
    total = (0, 1, 1, 0)
    for bit in bin(n)[2:]:
        total = add(total, total)
        if bit == "1": total = add(total, point)
    return total
def point(raw):
    number = int.from_bytes(raw, "little")
    y, odd = number & 2**255 - 1, number >> 255
    if len(raw) != 32 or y >= P: return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P: x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and odd): return None
    x = P - x if x & 1 != odd else x
    return x, y, 1, x * y % P
BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
def signed(public, message, signature):
    key, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if not key or not r or len(signature) != 64 or s >= L: return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    a, b = times(s, BASE), add(r, times(k, key))
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0

# The container: every byte outside the members follows from their names, sizes and checksums.
def local(name, size, crc):
    big = size >= 2**32 - 1
    extra = struct.pack("<HHQQ", 1, 16, size, size) if big else b""
    short = min(size, 2**32 - 1)
    return struct.pack("<4s5H3I2H", b"PK\3\4", 45 if big else 20, 0x800, 0, 0, 33, crc, short, short, len(name), len(extra)) + name + extra
def directory(members, start):
    out, most = b"", 2**32 - 1
    for name, size, crc, offset in members:
        wide = ([size, size] if size >= most else []) + ([offset] if offset >= most else [])
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        fixed = (b"PK\1\2", 45, 45 if size >= most else 20, 0x800, 0, 0, 33, crc, min(size, most), min(size, most), len(name), len(extra))
        out += struct.pack("<4s6H3I5H2I", *fixed, 0, 0, 0, 0, min(offset, most)) + name + extra
    size, n, end = len(out), len(members), b""
    if start >= most or size >= most or n >= 65535:
        end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, size, start) + struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    return out + end + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, min(n, 65535), min(n, 65535), min(size, most), min(start, most), 0)
OURS = re.compile(rb"PK\x03\x04.{26}((?:manifest|viewers|hashes|signature)\.json|\xe8\xaf\xb4\xe6\x98\x8e\.html|[0-9A-Z]{26}/[0-9A-Za-z/.\-]{5,100}?\.(?:json|jsonl|mp4|lead|bin)(?!l))", re.S)
def read(data, wrong):
    """Names and bytes of the members; where the headers are damaged, whatever looks like a member."""
    view, members, files, at = memoryview(data), [], {}, 0
    while data[at:at + 4] == b"PK\3\4" and len(data) >= at + 30:
        crc, short, _, n, extra = struct.unpack("<3I2H", data[at + 14:at + 30])
        name = data[at + 30:at + 30 + n]
        size = struct.unpack("<Q", data[at + 34 + n:at + 42 + n])[0] if short == 2**32 - 1 and extra == 20 else short
        head = local(name, size, crc)
        start = at + len(head)
        if data[at:start] != head or start + size > len(data): break
        if zlib.crc32(view[start:start + size]) != crc: wrong(name.decode(errors="replace"), None, "checksum")
        members.append((name, size, crc, at))
        files[name.decode(errors="replace")] = view[start:start + size]
        at = start + size
    if len(files) == len(members) and data[at:] == directory(members, at): return files
    wrong("", None, "the container was changed or cut off")
    found = list(OURS.finditer(data))
    for here, after in zip(found, found[1:] + [None]):
        cut = after.start() if after else len(data) if data.rfind(b"PK\1\2") < here.start() else data.find(b"PK\1\2", here.end())
        files.setdefault(here[1].decode(), view[here.end() + (20 if here[0][18:22] == b"\xff" * 4 else 0):cut])
    return files
def ulid(text): return sum("0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c) << 5 * i for i, c in enumerate(reversed(text)))
def parse(raw):
    try: return json.loads(bytes(raw))
    except ValueError: return None

def chain(folder, files, keys, wrong, expected):
    """Computes a recording's links anew (recorder/INVARIANTS.md, 5 and 14)."""
    camera, recording = folder.split("/")
    number, tracks = ulid(recording), {ulid(camera) + 1 + i: s for i, s in enumerate(("main", "sub", "sound"))}
    clocks = {e["stream"]: e["hz"] for r in (parse(files.get(camera + "/camera.json", b"")) or {}).get("recordings", []) if r["recording"] == recording for e in r["clocks"]}
    pieces = []
    for name in files:
        match = re.fullmatch(re.escape(folder) + r"/(timeline|(?:main|sub|sound)-(?:raw|\d+))\.(\d+)\.(\d+)\.(?:jsonl|bin|mp4|lead)", name)
        if match: pieces.append((match[1], int(match[3]), int(match[2]), files[name]))
    link, count, before, now = hashlib.sha256(files.get(folder + "/recording.json", b"")).digest(), 0, bytes(32), number >> 80
    lines = bytes(files.get(folder + "/chain.jsonl", b"")).split(b"\n")
    if lines.pop() or not lines or b'"signs"' not in lines[-1]: wrong(folder, now, "the chain does not end with a signed head")
    for i, line in enumerate(lines):
        entry = parse(line)
        try:
            if "signs" in entry:
                head, earlier = bytes.fromhex(entry["head"]), bytes.fromhex(entry["previous"])
                message = b"lectern head v1\n" + number.to_bytes(16, "big") + struct.pack(">Q32sq32s", entry["signs"], head, entry["at"], earlier)
                proof = bytes.fromhex(entry["signature"])
                if entry["key"] not in keys or not signed(keys[entry["key"]], message, proof): wrong(folder, now, "the signature of a head")
                elif expected and keys[entry["key"]] != expected: wrong(folder, now, "a head is signed by another key")
                if i and (head, entry["signs"], earlier) != (link, count, before): wrong(folder, now, "a signed head does not follow on what is before it")
                link, count, before, now = head, entry["signs"], hashlib.sha256(message + proof).digest(), entry["at"]
                continue
            track, _, part = entry["f"].partition(".")
            stream = track if entry["f"] == "timeline.jsonl" else tracks.get(ulid(track), "?")
            what = stream if stream == "timeline" else stream + ("-raw" if part == "0.raw" else "-" + part.split(".")[0])
            hz = clocks.get(stream, 8000 if stream == "sound" else 90000) if entry["k"] == "frag" else 1000
            now = (number >> 80) + entry["t"] * 1000 // hz if entry["k"] != "init" else now
            holds = max((p for p in pieces if p[0] == what and p[1] <= entry["o"]), key=lambda p: p[1], default=None)
            data = holds[3][holds[2] + entry["o"] - holds[1]:][:entry["n"]] if holds else b""
            want = bytes.fromhex(entry["h"])
            if link and hashlib.sha256(b"".join((link, struct.pack(">QQ", len(data), entry["t"]), data))).digest() != want:
                wrong(f"{folder}, {stream}", now, "bytes are not those that were recorded")
            link, count = want, count + 1
        except (KeyError, ValueError, TypeError, AttributeError, struct.error):
            wrong(folder, now, "an entry of the chain can't be read")
            link = None

def verify(data, expected=None):
    found, wrong = [], lambda *what: found.append(what)
    files = read(data, wrong)
    signature, hashes, manifest = (parse(files.get(n + ".json", b"")) or {} for n in ("signature", "hashes", "manifest"))
    public = b""
    try:
        public = bytes.fromhex(signature["public"])
        message = b"lectern evidence v1\n" + hashlib.sha256(files["hashes.json"]).digest()
        fits = signature["key"] == hashlib.sha256(public).hexdigest()[:16] and (json.dumps(signature, indent=2) + "\n").encode() == bytes(files["signature.json"])
        if not fits or set(signature) != {"suite", "key", "public", "signature"} or signature["suite"] != "sha256-ed25519" or not signed(public, message, bytes.fromhex(signature["signature"])): wrong("hashes.json", None, "the signature")
    except (KeyError, ValueError, TypeError): wrong("signature.json", None, "there is none that can be read")
    if expected and public != expected: wrong("signature.json", None, "signed by another key")
    if manifest.get("format") != 1 or manifest.get("suite") != "sha256-ed25519": wrong("manifest.json", None, "another format")
    listed = [m for m in hashes.get("members", []) if isinstance(m, dict)]
    if [m.get("name") for m in listed] + ["hashes.json", "signature.json"] != list(files): wrong("", None, "members are missing, added or in another order")
    for m in listed:
        if hashlib.sha256(files.get(m.get("name"), b"\0")).hexdigest() != m.get("sha256"): wrong(m.get("name"), None, "it was changed or is not here")
    named = [bytes.fromhex(k["public"]) for k in manifest.get("keys", []) if re.fullmatch("[0-9a-f]{64}", str(k.get("public")))] + [public]
    keys = {hashlib.sha256(k).hexdigest()[:16]: k for k in named}
    names = list(files) + [str(m.get("name")) for m in listed]
    for folder in sorted({"/".join(n.split("/")[:2]) for n in names if n.count("/") == 2}): chain(folder, files, keys, wrong, expected)
    return found, manifest.get("utc_offset_s", 0)

if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as file: data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found, offset = verify(data, bytes.fromhex(sys.argv[2]) if len(sys.argv) > 2 else None)
    except Exception as error: found, offset = [("", None, f"it can't be read: {error!r}")], 0
    print("NOT AUTHENTIC" if found else "AUTHENTIC")
    for where, at, what in found[:500]:
        print("WRONG:", where, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at // 1000 + offset)) if at and 0 < at < 2**42 else "-", what, sep="\t")
    sys.exit(1 if found else 0)
