"""Files of a session over HTTP."""
import hashlib
import os
import unittest

import case
import plane
from plane import API


class Files(case.PlaneCase):
    def setUp(self):
        self.s = self.session("shell-basic")

    def get(self, path, **headers):
        return self.client.ask("GET", self.client.file_url(self.s, path), headers=headers)

    def test_what_is_uploaded_is_what_code_and_download_see(self):
        data = bytes(range(256)) * 5000
        up = self.client.upload(self.s, "a/b/ä ö?#%+.bin", data)
        self.assertEqual(up, {"path": "a/b/ä ö?#%+.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        self.assertEqual(self.client.download(self.s, "a/b/ä ö?#%+.bin"), data)
        r = self.client.run(self.s, "sha256sum 'a/b/ä ö?#%+.bin'; rm 'a/b/ä ö?#%+.bin' && rmdir a/b a && echo mine", "shell")
        self.assertTrue(r["stdout"].startswith(up["sha256"]), r)
        self.assertTrue(r["stdout"].endswith("mine\n"), "the code can't change what was uploaded")

    def test_multipart_uploads_work(self):
        boundary = "----x7MA4YWxkTrZu0gW"
        for order in (("path", "file"), ("file", "path")):
            parts = {"path": f'--{boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\nm/{order[0]}.txt\r\n',
                     "file": f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\nline\r\n--not the end\r\n'}
            body = "".join(parts[p] for p in order) + f"--{boundary}--\r\n"
            answer = self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload", body.encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"})
            if order[0] == "file" and answer.status == 400:
                continue  # a streamed upload may want to know its path first, as long as it says so
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(self.client.download(self.s, f"m/{order[0]}.txt"), b"line\r\n--not the end")

    def test_a_file_is_replaced_as_a_whole(self):
        self.client.upload(self.s, "f", b"long old content")
        tag = self.get("f").headers["ETag"]
        self.client.upload(self.s, "f", b"new")
        answer = self.get("f")
        self.assertEqual(answer.body, b"new")
        self.assertNotEqual(answer.headers["ETag"], tag)

    def test_an_upload_that_breaks_off_leaves_the_old_file(self):
        self.client.upload(self.s, "f", b"old")
        connection = self.client.connection()
        connection.putrequest("POST", f"{API}/sessions/{self.s}/files/upload?path=f")
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(b"x" * 300000)
        connection.close()
        self.assertEqual(self.client.download(self.s, "f"), b"old")
        listed = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files").json["files"]
        self.assertEqual([f["path"] for f in listed], ["f"])

    def test_empty_files_and_names_of_255_bytes(self):
        for path in ("empty", "x" * 255, "/".join(["d" * 100] * 10)):
            self.client.upload(self.s, path, b"")
            self.assertEqual(self.client.download(self.s, path), b"")

    def test_headers_tell_type_length_and_tag(self):
        self.client.upload(self.s, "t.csv", b"a,b\n")
        answer = self.get("t.csv")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/csv"))
        self.assertEqual(answer.headers["Content-Length"], "4")
        self.assertEqual(self.get("t.csv", **{"If-None-Match": answer.headers["ETag"]}).status, 304)
        self.assertEqual(self.get("t.csv", **{"If-None-Match": '"other"'}).status, 200)
        head = self.client.ask("HEAD", self.client.file_url(self.s, "t.csv"))
        self.assertEqual((head.status, head.headers["Content-Length"], head.body), (200, "4", b""))
        self.assertEqual(head.headers["ETag"], answer.headers["ETag"])

    def test_html_from_a_sandbox_can_not_act_in_the_browser(self):
        self.client.upload(self.s, "x.html", b"<script>1</script>")
        headers = self.get("x.html").headers
        self.assertTrue(headers.get("X-Content-Type-Options") == "nosniff" or "attachment" in headers.get("Content-Disposition", ""), headers)

    def test_ranges(self):
        self.client.upload(self.s, "r", b"0123456789")
        for value, status, body in (("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-3", 206, b"789"), ("bytes=0-99", 206, b"0123456789"),
                                    ("bytes=10-", 416, None), ("bytes=5-2", None, None), ("lines=1-2", 200, b"0123456789")):
            with self.subTest(range=value):
                answer = self.get("r", Range=value)
                if status:
                    self.assertEqual(answer.status, status, answer)
                else:
                    self.assertIn(answer.status, (200, 416), answer)
                if body is not None:
                    self.assertEqual(answer.body, body)
                if answer.status == 206:
                    self.assertIn("/10", answer.headers["Content-Range"])

    def test_lists_are_ordered_paged_and_recursive_if_asked(self):
        self.client.run(self.s, "mkdir -p d/e; for i in 3 1 2; do echo $i >f$i; done; echo x >d/e/deep", "shell")
        top = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files").json
        self.assertEqual([(f["path"], f["type"]) for f in top["files"]], [("d", "directory"), ("f1", "file"), ("f2", "file"), ("f3", "file")])
        self.assertEqual((top["total"], top["offset"]), (4, 0))
        deep = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files?recursive=true").json["files"]
        self.assertIn("d/e/deep", [f["path"] for f in deep])
        below = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files?path=d/e").json["files"]
        self.assertEqual([f["path"] for f in below], ["d/e/deep"])
        page = self.client.must(200, "GET", f"{API}/sessions/{self.s}/files?limit=2&offset=1").json
        self.assertEqual([f["path"] for f in page["files"]], ["f1", "f2"])
        self.assertIsNotNone(page["next"])

    def test_delete(self):
        self.client.upload(self.s, "d/f", b"x")
        self.assertIn(self.client.ask("DELETE", self.client.file_url(self.s, "d")).status, (409,))
        self.assertIn(self.client.ask("DELETE", self.client.file_url(self.s, "d/f")).status, (200, 204))
        self.assertEqual(self.get("d/f").status, 404)
        self.assertIn(self.client.ask("DELETE", self.client.file_url(self.s, "d")).status, (200, 204))

    def test_a_file_in_the_way_is_409(self):
        self.client.upload(self.s, "f", b"x")
        for path, what in (("f/below", "a file as parent"),):
            answer = self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload?path={path}", b"x", {"Content-Type": "application/octet-stream"})
            self.assertEqual(answer.status, 409, f"{what}: {answer}")
        self.client.run(self.s, "mkdir dir", "shell")
        answer = self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload?path=dir", b"x", {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 409, answer)

    def test_what_is_no_file_is_never_read(self):
        self.client.run(self.s, "mkfifo fifo; ln -s /etc/passwd link; ln -s . loop; ln -s /nowhere dangling; mkdir d; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"", "shell")
        for path in ("fifo", "link", "loop/fifo", "dangling", "d", "sock", "loop/link"):
            with self.subTest(path=path):
                answer = self.client.ask("GET", self.client.file_url(self.s, path), timeout=20)
                self.assertIn(answer.status, (404, 409), answer)
        for path in ("link", "dangling", "loop/x", "fifo"):
            with self.subTest(upload=path):
                answer = self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload?path={path}", b"x", {"Content-Type": "application/octet-stream"}, timeout=20)
                self.assertIn(answer.status, (200, 409), answer)
        self.assertFalse(os.path.exists("/nowhere"))

    def test_files_are_readable_after_the_end_and_writes_are_409(self):
        self.client.upload(self.s, "f", b"kept")
        self.client.delete(self.s)
        self.assertEqual(self.client.download(self.s, "f"), b"kept")
        self.assertEqual([f["path"] for f in self.client.must(200, "GET", f"{API}/sessions/{self.s}/files").json["files"]], ["f"])
        answer = self.client.ask("POST", f"{API}/sessions/{self.s}/files/upload?path=g", b"x", {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 409, answer)
        self.assertEqual(self.client.ask("DELETE", self.client.file_url(self.s, "f")).status, 409)

    def test_100_mib_both_ways_cost_8_mib(self):
        """And where files go to S3, the part of an upload that is in memory."""
        most = (8 + (8 if self.daemon.bucket else 0)) << 10
        size = 100 << 20
        digest = hashlib.sha256()

        def flow():
            for i in range(100):
                block = bytes([i]) * (1 << 20)
                digest.update(block)
                yield block

        before = self.rss()
        up = self.client.must(200, "POST", f"{API}/sessions/{self.s}/files/upload?path=big", flow(), {"Content-Type": "application/octet-stream"}).json
        self.assertEqual((up["size"], up["sha256"]), (size, digest.hexdigest()))
        body = self.client.download(self.s, "big")
        self.assertEqual(hashlib.sha256(body).hexdigest(), digest.hexdigest())
        self.assertLess(self.rss() - before, most, "KiB more resident than before")

    def rss(self):
        """The greatest resident size so far, KiB."""
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="utf-8") as f:
            return int(next(line.split()[1] for line in f if line.startswith("VmHWM:")))


if __name__ == "__main__":
    unittest.main()
