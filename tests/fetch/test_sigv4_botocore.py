#!/usr/bin/env python3
"""Signs random requests with daemon/fetch/sigv4.c and with botocore: both must agree.

usage: test_sigv4_botocore.py SIGN_LINES

Exits with 77 without botocore (Debian's python3-botocore).
"""
import hashlib
import os
import random
import subprocess
import sys
from urllib.parse import quote

SYSTEM_PYTHON = "/usr/bin/python3"
try:
    import botocore
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    # Another python3 in PATH does not see Debian's packages.
    if os.path.exists(SYSTEM_PYTHON) and "--again" not in sys.argv:
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, "-B", *sys.argv, "--again"])
    print("no botocore: install python3-botocore (tests/deps)")
    sys.exit(77)

REQUESTS = 2000
CHARACTERS = [chr(c) for c in range(0x01, 0x80)] + list("äöü€日本😀\u0301")
QUERIES = ["list-type", "prefix", "delimiter", "continuation-token", "max-keys", "location",
           "start-after", "encoding-type", "a b", "a-b", "a%b", "A", "ä"]
TOKEN_CHARACTERS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789+/=")


def text(rnd, at_most, characters=CHARACTERS):
    return "".join(rnd.choice(characters) for _ in range(rnd.randint(0, at_most)))


def s3_request(rnd):
    pairs = [(name, text(rnd, 20)) for name in rnd.sample(QUERIES, rnd.randint(0, 6))]
    path = "/" + rnd.choice(["bucket/", ""]) + text(rnd, 40)
    headers = {}
    if rnd.random() < 0.3:
        headers["x-amz-checksum-mode"] = "ENABLED"
    if rnd.random() < 0.3:
        headers["range"] = f"bytes={rnd.randint(0, 1 << 40)}-"
    if rnd.random() < 0.2:
        headers["x-amz-meta-note"] = "  two   blanks\there "
    host = rnd.choice(["s3.eu-west-1.amazonaws.com", "b-1.s3.amazonaws.com", "127.0.0.1:9000"])
    return "s3", rnd.choice(["GET", "HEAD", "PUT"]), host, path, pairs, headers, b""


def other_request(rnd):
    headers = {"content-type": "application/x-amz-json-1.1",
               "x-amz-target": "AmazonSSM." + rnd.choice(["GetParameter", "GetParametersByPath"])}
    path = rnd.choice(["/", "/a b", "/ä+~", "/%41"])
    return "ssm", "POST", "ssm.eu-west-1.amazonaws.com", path, [], headers, text(rnd, 60).encode()


def sign_with_botocore(service, method, host, path, pairs, headers, body, keys, region):
    url = "https://" + host + quote(path, safe="/-_.~")
    if pairs:
        url += "?" + "&".join(quote(n, safe="-_.~") + "=" + quote(v, safe="-_.~") for n, v in pairs)
    request = AWSRequest(method=method, url=url, data=body, headers={**headers, "Host": host})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(*keys), service, region).add_auth(request)
    payload = request.headers.get("X-Amz-Content-SHA256", hashlib.sha256(body).hexdigest())
    return request.headers["X-Amz-Date"], payload, request.headers["Authorization"]


def line(fields):
    return "".join(field.encode().hex() + "\t" for field in fields) + "\n"


def main():
    seed = int(os.environ.get("DEPLOYD_TEST_SEED", random.randrange(1 << 32)))
    rnd = random.Random(seed)
    print(f"botocore {botocore.__version__}, seed {seed}")
    wanted, lines, requests = [], [], []
    for i in range(REQUESTS):
        kind = other_request if rnd.random() < 0.15 else s3_request
        service, method, host, path, pairs, headers, body = kind(rnd)
        token = text(rnd, 900, TOKEN_CHARACTERS) if i % 2 else ""
        keys = ("AKID" + str(i), text(rnd, 60, TOKEN_CHARACTERS) + "x", token or None)
        region = rnd.choice(["us-east-1", "eu-central-1", "cn-north-1"])
        timestamp, payload, authorization = sign_with_botocore(
            service, method, host, path, pairs, headers, body, keys, region)
        fields = [method, host, path, timestamp, region, service, keys[0], keys[1], payload, token]
        for group in (pairs, headers.items()):
            fields.append(str(len(group)))
            fields += [part for pair in group for part in pair]
        requests.append(fields)
        lines.append(line(fields))
        wanted.append(authorization)
    run = subprocess.run([sys.argv[1]], input="".join(lines), capture_output=True, text=True,
                         check=False, timeout=60)
    answers = run.stdout.splitlines()
    faults = 0
    for fields, authorization, answer in zip(requests, wanted, answers):
        target, is_authorization = answer.split("\t")
        path, _, query = target.partition("?")
        names = sorted(quote(n, safe="-_.~") for n in fields[11:11 + 2 * int(fields[10]):2])
        if (is_authorization != authorization or path != quote(fields[2], safe="/-_.~") or
                [q.partition("=")[0] for q in query.split("&") if q] != names):
            faults += 1
            if faults <= 3:
                print(f"differs: {fields}\n  {answer}\n  {authorization}")
    if run.returncode != 0 or len(answers) != REQUESTS:
        print(f"{len(answers)} of {REQUESTS} answers, status {run.returncode}: {run.stderr}")
        faults += 1
    print(f"{REQUESTS} requests, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
