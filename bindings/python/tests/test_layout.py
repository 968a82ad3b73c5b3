"""The structs, enums and functions of the binding are those of the headers: the C compiler is asked."""

import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

from sandboxcp import _lib, _structs  # noqa: E402
from sandboxcp.errors import Status  # noqa: E402

HEADERS = [p for p in sorted((ROOT / "include" / "sandboxcp").glob("*.h"))]
SOURCE = "\n".join(re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S) for p in HEADERS)

# Known to the headers only: for hosts with a loop of their own, and what the binding has other ways for.
# An executor's reports are for programs that stand in for sandboxd; they have no Python side.
UNBOUND_STRUCTS = {"scp_error_kind", "scp_call", "scp_check", "scp_report", "scp_container_report"}
UNBOUND = re.compile(
    r"_async$|^scp_(upload|download|report|peer)_|^scp_plane_(with|drain|event_fd|dispatch|check)$|^scp_(check_free|request_cancel)$"
    r"|^scp_error_kind_|_status_name$|^scp_language_name$|^scp_run$|^scp_file_(get_bytes|link)$"
)


def c_structs():
    """name → names of its members, in order."""
    found = {}
    for name, body in re.findall(r"typedef struct (scp_\w+) \{(.*?)\} \1;", SOURCE, flags=re.S):
        body = re.sub(r"\(\*(\w+)\)\([^)]*\)", r"\1", body)  # pointers to functions
        found[name] = [re.search(r"(\w+)(\[\d+\])?$", m.strip()).group(1) for m in body.split(";") if m.strip()]
    return found


def c_functions():
    """name → number of parameters."""
    flat = re.sub(r"\s+", " ", SOURCE)
    found = {}
    for name, parameters in re.findall(r"SCP_API [\w\s*]*?(scp_\w+)\(([^;]*)\);", flat):
        found[name] = 0 if parameters.strip() == "void" else parameters.count(",") + 1
    return found


def c_enums():
    """enumerator → its value is asked of the compiler."""
    bodies = re.findall(r"typedef enum \w+ \{(.*?)\}", SOURCE, flags=re.S)
    return [name for body in bodies for name in re.findall(r"\b(SCP_\w+)\b\s*(?:=[^,]*)?(?:,|$)", body)]


def ask_compiler(lines):
    program = "#include <stddef.h>\n#include <stdio.h>\n#include <sandboxcp/sandboxcp.h>\nint main(void)\n{\n"
    program += "\n".join(f'\tprintf("%s %lld\\n", "{key}", (long long)({value}));' for key, value in lines)
    program += "\n\treturn 0;\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "ask.c"), os.path.join(folder, "ask")
        pathlib.Path(source).write_text(program)
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, "-I", str(ROOT / "include"), "-o", binary, source], check=True)
        answer = subprocess.run([binary], check=True, stdout=subprocess.PIPE).stdout.decode()
    return {key: int(value) for key, value in (line.split() for line in answer.splitlines())}


class Layout(unittest.TestCase):
    def test_every_struct_of_the_headers_is_known(self):
        self.assertEqual(set(c_structs()) - UNBOUND_STRUCTS, set(_structs.ALL))

    def test_members_have_the_same_names_in_the_same_order(self):
        for name, members in c_structs().items():
            if name in _structs.ALL:
                self.assertEqual(members, [f[0] for f in _structs.ALL[name]._fields_], name)

    def test_offsets_and_sizes_are_the_compilers(self):
        ask, expected = [], {}
        for name, cls in _structs.ALL.items():
            ask.append((name, f"sizeof({name})"))
            expected[name] = ctypes.sizeof(cls)
            for member, *_ in cls._fields_:
                ask.append((f"{name}.{member}@", f"offsetof({name}, {member})"))
                ask.append((f"{name}.{member}#", f"sizeof((({name} *)0)->{member})"))
                expected[f"{name}.{member}@"] = getattr(cls, member).offset
                expected[f"{name}.{member}#"] = getattr(cls, member).size
        self.assertEqual(ask_compiler(ask), expected)

    def test_enums_have_the_headers_values(self):
        tables = {
            "SESSION_": _structs.SESSION_STATUSES,
            "CONTAINER_": _structs.CONTAINER_STATUSES,
            "EXECUTION_": _structs.EXECUTION_STATUSES,
            "EVENT_": _structs.EVENT_KINDS,
            "LOG_": _structs.LOG_LEVELS,
            "SCHEMA_": _structs.SCHEMAS,
        }
        known = {f"SCP_{p}{k.upper()}": v for p, table in tables.items() for k, v in table.items()}
        known.update({f"SCP_{k.upper()}": v for k, v in {**_structs.LANGUAGES, **_structs.HEALTH_STATUSES}.items()})
        known.update({"SCP_PERSISTENT": 1, "SCP_EPHEMERAL": 2, "SCP_MODE_DEFAULT": 0, "SCP_FILE": 1, "SCP_DIRECTORY": 2})
        known.update({"SCP_DEFAULT": 0, "SCP_OFF": 1, "SCP_ON": 2})
        known.update({"SCP_CALLBACKS_THREADS": 0, "SCP_CALLBACKS_DISPATCH": 1})
        known.update({f"SCP_{s.name}": s.value for s in Status})
        self.assertEqual(ask_compiler([(n, n) for n in c_enums()]), known)

    def test_every_function_is_bound_or_left_out_by_name(self):
        bound = set(_lib.FUNCTIONS)
        expected = {name for name in c_functions() if not UNBOUND.search(name)} | {"scp_status_name"}
        self.assertEqual(bound, expected)

    def test_functions_take_as_many_parameters(self):
        functions = c_functions()
        for name, (_, arguments) in _lib.FUNCTIONS.items():
            self.assertEqual(len(arguments), functions[name], name)


class Style(unittest.TestCase):
    def test_the_oldest_python_can_read_it(self):
        import ast

        for path in (ROOT / "bindings" / "python" / "sandboxcp").glob("*.py"):
            ast.parse(path.read_text(), str(path), feature_version=(3, 9))


if __name__ == "__main__":
    unittest.main()
