"""swift.sh for tests in Python: a server of one's own, and what its buckets hold."""
import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "swift.sh")
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}


class Server:
    def __init__(self, folder=None):
        self.folder = tempfile.mkdtemp(prefix="scp-swift-", dir=folder)
        self.home = os.path.join(self.folder, "swift")
        try:
            self.endpoint = self.script("start").strip()
        except BaseException:
            self.stop()
            raise

    def script(self, word):
        return subprocess.run([SCRIPT, word, self.home], stdout=subprocess.PIPE, text=True, check=True).stdout

    def url(self, bucket, more=""):
        return f"s3://{bucket}?endpoint={self.endpoint}&region=us-east-1{more}"

    def kill(self):
        self.script("kill")

    def revive(self):
        self.script("revive")

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.home], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path, query):
        """A signed GET, by another hand than the one that is tested (AWS Signature Version 4)."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="")
        headers = {"host": urllib.parse.urlsplit(self.endpoint).netloc, "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
                   "x-amz-date": now}
        signed = ";".join(sorted(headers))
        canonical = "\n".join(["GET", path, text, *(f"{k}:{v}" for k, v in sorted(headers.items())), "", signed,
                               headers["x-amz-content-sha256"]])
        key = ("AWS4" + KEYS["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        string = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(key, string.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={KEYS['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={signed}, "
                                    f"Signature={signature}")
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}{path}?{text}", headers=headers), timeout=60) as answer:
            return answer.read()

    def objects(self, bucket, prefix=""):
        """{key: size} of what a bucket holds."""
        found, query = {}, {"list-type": "2", "prefix": prefix}
        while True:
            page = xml.etree.ElementTree.fromstring(self.ask(f"/{bucket}", query))
            name = page.tag[:page.tag.index("}") + 1]
            for entry in page.iter(name + "Contents"):
                found[entry.find(name + "Key").text] = int(entry.find(name + "Size").text)
            token = page.find(name + "NextContinuationToken")
            if token is None:
                return found
            query["continuation-token"] = token.text
