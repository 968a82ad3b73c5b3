"""What a client saw, word for word but for what is different each time: ids, times, durations, sizes of processes, names of
hosts and folders."""
import json
import re

# In the order in which they are first seen: so that one session is told from another.
NAMES = (("session", r"sess_[a-z0-9]{16}"), ("execution", r"exec_\d{8}_[a-z0-9]{8}"), ("request", r"req_[A-Za-z0-9_-]+"),
         ("container", r"scp-[a-z0-9-]{8,}"), ("node", r"(?:oci|docker)-[0-9a-f]{12}"),
         ("workspace", r"ws_[a-z0-9]{16}"))
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
# Of each run, of each machine, or of each backend by its nature; that they are there, and of which type, is compared.
MEASURED = {"execution_time", "duration_ms", "cpu_time_ms", "peak_memory_mb", "io_read_bytes", "io_write_bytes"}
OWN = {"runtime_type", "workspace_path", "image"}
HEADERS = ("Content-Type", "Allow", "Retry-After", "Content-Range", "Accept-Ranges", "Content-Disposition", "WWW-Authenticate",
           "X-Content-Type-Options")


class Transcript:
    def __init__(self, client):
        self.client, self.lines, self.names = client, [], {}

    # ---- what is different each time ----
    def name(self, kind, text):
        known = self.names.setdefault(kind, {})
        return known.setdefault(text, f"<{kind} {len(known) + 1}>")

    def plain(self, text):
        for kind, pattern in NAMES:
            text = re.sub(pattern, lambda m, k=kind: self.name(k, m[0]) if k != "request" else "<request>", text)
        return TIME.sub("<time>", text)

    def value(self, value, key=""):
        if isinstance(value, dict):
            # When a session is over its container is on its way out; how far is a matter of time.
            if value.get("terminated_at"):
                value = {**value, "container_id": "<over>"}
            return {k: self.value(v, k) for k, v in sorted(value.items())}
        if isinstance(value, list):
            return [self.value(v) for v in value]
        if key in MEASURED or key in OWN:
            return f"<{key}: number>" if key in MEASURED and isinstance(value, (int, float)) else f"<{key}: {type(value).__name__}>"
        return self.plain(value) if isinstance(value, str) else value

    # ---- what was seen ----
    def note(self, text):
        self.lines.append(text)

    def show(self, value):
        text = json.dumps(self.value(value), ensure_ascii=True)
        # A megabyte of output is compared as a whole too, but not printed.
        self.note(f"    {text}" if len(text) < 4000 else f"    {text[:1000]} … {len(text)} characters, {hash_of(text)}")

    def ask(self, method, path, body=None, headers=None):
        answer = self.client.ask(method, path, body, headers)
        self.note(self.plain(f"{method} {path} -> {answer.status}"))
        for name in HEADERS:
            if answer.headers.get(name):
                self.note(f"    {name}: {answer.headers[name]}")
        if (answer.headers.get("Content-Type") or "").startswith("application/json") and answer.body:
            self.show(answer.json)
        elif answer.body:
            self.note(f"    {len(answer.body)} bytes, {hash_of(answer.body)}")
        return answer

    def events(self, execution_id):
        """Where an event ends is chance; that the texts of a stream are whole and the result is last isn't."""
        texts, others = {}, []
        for _, name, data in self.client.events(execution_id):
            if name in ("stdout", "stderr"):
                texts[name] = texts.get(name, "") + data["text"]
            else:
                others.append([name, data])
        self.note("events")
        self.show(sorted(texts.items()))
        self.show(others)


def hash_of(data):
    import hashlib
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]
