"""A registry of images on loopback, as much of one as an engine's pull asks for: what a registry answers when it is asked
for a login, or is busy, can't be had from a real one on demand. The engine is a real one."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LOGIN = ("robot", "let me in")


def layer(files):
    """A gzipped tar and its own digest; files: name → bytes, or a link's target as a string."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 1), sha256(raw.getvalue())


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Has one image, called whatever/box. `login`: None, "basic" (LOGIN is the one that counts) or "token" (which nobody
    gets). The next `busy` questions for it are answered 503."""

    def __init__(self, layers, login=None):
        self.blobs, self.login, self.busy = {}, login, 0
        self.open = threading.Event()  # blobs are given once it is set
        self.open.set()
        made = [layer(files) for files in layers]
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
                             "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]}}).encode()
        for blob in [config, *(packed for packed, _ in made)]:
            self.blobs[sha256(blob)] = blob
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": sha256(config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(packed), "digest": sha256(packed)}
                       for packed, _ in made]}).encode()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.name = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, path, authorization):
        """Status, headers, body."""
        if path.startswith("/token"):
            return 401, {}, b'{"details":"incorrect username or password"}'
        if self.login == "basic" and authorization != "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode():
            return 401, {"Www-Authenticate": 'Basic realm="registry"'}, error("UNAUTHORIZED", "authentication required")
        if self.login == "token":
            realm = f'Bearer realm="http://{self.name}/token",service="registry"'
            return 401, {"Www-Authenticate": realm}, error("UNAUTHORIZED", "authentication required")
        if path == "/v2/":
            return 200, {}, b"{}"
        if self.busy > 0:
            self.busy -= 1
            return 503, {}, b""
        if "/box/" not in path:
            return 404, {}, error("MANIFEST_UNKNOWN", "manifest unknown")
        if "/manifests/" in path:
            return 200, {"Content-Type": MANIFEST, "Docker-Content-Digest": sha256(self.manifest)}, self.manifest
        self.open.wait(120)
        blob = self.blobs.get(os.path.basename(path))
        return (200, {"Content-Type": "application/octet-stream"}, blob) if blob else (404, {}, error("BLOB_UNKNOWN", "blob unknown"))

    def handler(self):
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, headers, body = registry.answer(self.path.split("?")[0], self.headers.get("Authorization"))
                self.send_response(status)
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler


def error(code, message):
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
