"""layers.py: who includes whom, against the table of the house."""
import os
import re
import sys

BELOW = {
    "lib/util": set(),
    "lib/metrics": {"lib/util"},
    "lib/meter": {"lib/util", "lib/metrics"},
    "lib/json": {"lib/util"},
    "lib/http": {"lib/util"},
    "lib/executor": {"lib/util"},
    "lib/database": {"lib/util", "lib/json", "lib/http"},
    "lib/storage": {"lib/util", "lib/json", "lib/http"},
    "lib/runtime": {"lib/util", "lib/json", "lib/http", "lib/executor"},
    "lib/store": {"lib/util", "lib/json", "lib/database"},
    "lib/mirror": {"lib/util", "lib/store", "lib/database", "lib/storage"},
    "lib/provision": {"lib/util", "lib/json", "lib/store", "lib/database", "lib/storage", "lib/runtime", "lib/executor",
                      "lib/mirror"},
    "daemon/http": {"lib/util"},
    "daemon/executor": {"lib/util", "lib/executor", "daemon/http"},
    "daemon/wire": {"lib/util", "lib/json"},
    "daemon/sandboxd": {"lib/util", "lib/metrics", "lib/json", "daemon/http", "daemon/wire"},
    "daemon/sandboxctl": {"lib/util", "lib/json", "lib/http", "daemon/wire"},
}
BELOW["lib/schedule"] = BELOW["lib/provision"] | {"lib/provision"}
BELOW["lib/core"] = BELOW["lib/schedule"] | {"lib/schedule", "lib/metrics", "lib/meter"}
BELOW["lib/upkeep"] = BELOW["lib/core"] | {"lib/core"}
BELOW["lib"] = BELOW["lib/upkeep"] | {"lib/upkeep"}
VENDORS = {
    r"cJSON": {"lib/json"}, r"curl/": {"lib/http"}, r"sqlite3\.h": {"lib/database"}, r"mysql|errmsg\.h": {"lib/database"}, r"openssl/": {"lib/util"},
    r"event2/": {"lib/executor", "daemon/http", "daemon/sandboxd", "daemon/executor"}, r"http_parser\.h": {"daemon/http", "lib/executor"},
    r"seccomp\.h": {"daemon/executor", "lib/runtime"}, r"yaml\.h": {"lib/runtime"},
    r"expat\.h": {"lib/storage"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def room_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in BELOW:
        folder = os.path.dirname(folder)
    return folder


def files():
    for top in ("lib", "daemon"):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(folder, name)


def resolve(source, name, headers):
    """The header's file: beside the source, else by its name in the source's own room, else anywhere."""
    beside = os.path.normpath(os.path.join(os.path.dirname(source), name))
    if beside in headers:
        return [beside]
    same = [h for h in headers if (h.endswith("/" + name))]
    own = [h for h in same if room_of(h) == room_of(source)]
    return own or same


def problems():
    everything = list(files())
    headers = {f for f in everything if f.endswith(".h")}
    for source in everything:
        room = room_of(source)
        with open(source, encoding="utf-8") as f:
            text = f.read()
        for kind, name in INCLUDE.findall(text):
            for pattern, rooms in VENDORS.items():
                if re.match(pattern, name) and room not in rooms:
                    yield f"{source}: <{name}> belongs to {', '.join(sorted(rooms))}"
            if kind == "<":
                continue
            found = resolve(source, name, headers)
            if found and not any(room_of(h) == room or room_of(h) in BELOW[room] for h in found):
                yield f"{source}: {room} may not include {found[0]}"
    for folder, _, names in os.walk("lib"):
        count = sum(n.endswith(".c") for n in names)
        if count > 25:
            yield f"{folder}: {count} C files in one folder"


def main():
    found = list(problems())
    print("\n".join(found))
    return 1 if found else 0


sys.exit(main())
