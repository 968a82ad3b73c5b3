"""s3_fake.py JOURNAL: an S3 server that fails as the bucket's name says; and the endpoints of roles' keys.

It checks no signature: what is right is tried on a real server. It prints its address, and notes each request's first
line in JOURNAL.
"""
import hashlib
import http.server
import json
import re
import sys
import threading
import time
import urllib.parse

ERROR = '<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message>%s</Error>'
HELLO = b"hello, whoever reads this"
ETAG = '"%s"' % hashlib.md5(HELLO).hexdigest()
BIG = bytes(range(256)) * 4096 * 3  # 3 MiB
counts = {}
lock = threading.Lock()


def nth(name):
    with lock:
        counts[name] = counts.get(name, 0) + 1
        return counts[name]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def say(self, status, body=b"", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code, message="as was asked", more="", headers=()):
        self.say(status, ERROR % (code, message, more), headers)

    def serve(self):
        with lock, open(sys.argv[1], "a", encoding="utf-8") as journal:
            journal.write(self.requestline + "\n")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        parts = url.path.lstrip("/").split("/", 1)
        self.key = parts[1] if len(parts) > 1 else ""
        name = re.sub("[^a-z]", "_", parts[0])
        if "list-type" in self.query and name not in ("denied", "elsewhere", "doctype", "nolist", "busy"):
            return self.say(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        getattr(self, "do_" + name, self.do_nothing)()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = lambda self: self.serve()

    def do_nothing(self):
        self.fail(404, "NoSuchBucket")

    # ---- what passes, and what doesn't ----
    def do_flaky(self):
        turn = nth(self.command + self.path)
        if turn < 3:
            return self.fail([503, 500][turn - 1], "SlowDown")
        self.say(200, HELLO if self.command == "GET" else b"", [("ETag", ETAG)])

    def do_busy(self):
        self.fail(503, "SlowDown", "reduce your request rate", headers=[("Retry-After", "0")])

    def do_denied(self):
        self.fail(403, "AccessDenied", "not for you")

    def do_skewed(self):  # as it is where the two clocks are too far apart
        self.fail(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")

    def do_elsewhere(self):
        self.fail(301, "PermanentRedirect", "elsewhere", "<Region>eu-west-7</Region>", [("x-amz-bucket-region", "eu-west-7")])

    def do_html(self):
        self.say(502, "<html><body>Bad <b>Gateway</body>")

    def do_full(self):
        self.fail(507, "InsufficientStorage")

    def do_doctype(self):
        self.say(200, '<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>')

    def do_nolist(self):
        self.say(200, "{}")

    # ---- bytes that aren't what they should be ----
    def do_wrongetag(self):
        self.say(200, b"", [("ETag", '"%s"' % ("0" * 32))])

    def do_wrongbytes(self):
        self.say(200, HELLO, [("ETag", '"%s"' % hashlib.md5(b"others").hexdigest())])

    def do_wrongsum(self):
        self.say(200, HELLO, [("ETag", '"x-1"'), ("x-amz-meta-sha256", "0" * 64)])

    def do_unknownsum(self):
        self.say(200, HELLO, [("ETag", '"%s"' % ("0" * 32)), ("x-amz-server-side-encryption", "aws:kms")])

    # ---- answers that break off ----
    def do_cut(self):
        begin = int(re.match(r"bytes=(\d+)", self.headers.get("Range") or "bytes=0").group(1))
        if self.headers.get("Range") and self.headers.get("If-Match") != '"big-1"':
            return self.fail(412, "PreconditionFailed")
        if self.key == "changes" and begin:
            return self.fail(412, "PreconditionFailed")
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(BIG) - begin))
        self.send_header("ETag", '"big-1"')
        if begin:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(BIG) - 1, len(BIG)))
        self.end_headers()
        step = 0 if self.key == "stuck" and begin else 1000000
        self.wfile.write(BIG[begin:begin + step])
        self.wfile.flush()
        self.close_connection = True

    # ---- uploads in parts ----
    def parts(self, complete):
        if "uploads" in self.query and self.command == "POST":
            return self.say(200, "<InitiateMultipartUploadResult><UploadId>id-1</UploadId></InitiateMultipartUploadResult>")
        if self.command == "PUT":
            return self.say(200, b"", [("ETag", '"%s"' % hashlib.md5(self.body).hexdigest())])
        if self.command == "DELETE":
            return self.say(204)
        complete()

    def done(self, etag):
        self.say(200, "<CompleteMultipartUploadResult><ETag>&quot;%s&quot;</ETag></CompleteMultipartUploadResult>" % etag)

    def expected(self):
        digests = re.findall(r'<ETag>"([0-9a-f]+)"', self.body.decode())
        return "%s-%d" % (hashlib.md5(bytes.fromhex("".join(digests))).hexdigest(), len(digests))

    def do_latefail(self):
        self.parts(lambda: self.done(self.expected()) if nth("late") > 1 else self.fail(200, "InternalError", "try again"))

    def do_neverdone(self):
        self.parts(lambda: self.fail(200, "InternalError", "never"))

    def do_otherwhole(self):
        self.parts(lambda: self.done("0" * 32 + "-3"))

    def do_lost(self):  # the answer to the first try is lost; then the upload is gone
        if self.command == "HEAD":
            return self.say(200, b"", [("ETag", '"%s"' % counts["etag"])])

        def complete():
            if nth("lost") > 1:
                return self.fail(404, "NoSuchUpload")
            counts["etag"] = self.expected()
            self.close_connection = True
        self.parts(complete)

    def do_partfails(self):
        if "partNumber" in self.query and self.query["partNumber"] == ["2"]:
            return self.fail(400, "BadDigest")
        self.parts(lambda: self.fail(400, "InvalidPart"))

    def do_nobatch(self):
        if self.command == "POST":
            return self.fail(501, "NotImplemented")
        self.say(204)

    # ---- keys of roles ----
    def keys(self, name, lasts):
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lasts))
        self.say(200, json.dumps({"Code": "Success", "AccessKeyId": "test:tester", "SecretAccessKey": "testing",
                                  "Token": "token-%s" % name, "Expiration": until}))

    def do_role(self):
        if self.headers.get("Authorization") != "let me":
            return self.say(403)
        self.keys(nth("role"), {"short": 2, "soon": 200}.get(self.key, 3600))

    def do_brokenrole(self):
        self.say(200, '{"AccessKeyId": 1}')

    def do_latest(self):
        if self.command == "PUT" and self.key == "api/token":
            return self.say(200, "ticket")
        if self.headers.get("X-aws-ec2-metadata-token") != "ticket":
            return self.say(401)
        if self.key.endswith("security-credentials/"):
            return self.say(200, "my-role\n")
        return self.keys("instance", 3600) if self.key.endswith("/my-role") else self.say(404)

    # What is asked of it with keys: which token came?
    def do_tokens(self):
        self.say(200, b"", [("ETag", '"%s"' % (self.headers.get("x-amz-security-token") or "none"))])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
sys.stdout.write("http://127.0.0.1:%d\n" % server.server_port)
sys.stdout.flush()
server.serve_forever()
