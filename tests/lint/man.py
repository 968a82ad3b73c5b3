"""man.py BUILD: pages pass mandoc's lint; every public function stands in a NAME section, every option in its page."""
import glob
import os
import re
import subprocess
import sys


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def functions():
    for header in glob.glob("include/sandboxcp/**/*.h", recursive=True):
        for declaration in re.findall(r"SCP_API([^;{]*);", text(header)):
            name = re.search(r"(scp_\w+)\s*\(", declaration)
            if name:
                yield os.path.basename(header), name[1]


def named():
    names = set()
    for page in glob.glob("man/*.3"):
        head = re.search(r"^\.Sh NAME$(.*?)^\.Sh ", text(page), re.M | re.S)
        names.update(re.findall(r"^\.Nm (scp_\w+)", head[1] if head else "", re.M))
    return names


def options(program):
    out = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
    found = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", out))
    if program.endswith("sandboxctl"):
        for command in re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", out, re.M):
            more = subprocess.run([program, *command.split(), "--help"], capture_output=True, text=True, check=False).stdout
            found.update(re.findall(r"^\s+(?:-\w, )?--([a-z][a-z-]+)", more, re.M))
    return found


def described(page):
    body = text(page)
    return set(re.findall(r"^\.(?:It )?Fl Fl ([a-z][a-z-]*)", body, re.M)) | set(re.findall(r"Fl Fl ([a-z][a-z-]*)", body))


def main():
    bad = []
    for page in sorted(glob.glob("man/*.[1-8]")):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
        if lint.returncode:
            bad.append(lint.stdout + lint.stderr)
    names = named()
    bad += [f"{header}: {name} is in no page's NAME" for header, name in functions() if name not in names]
    known = {name for _, name in functions()}
    bad += [f"man: {name} is no public function" for name in sorted(names - known)]
    for program, page in (("sandboxctl", "man/sandboxctl.1"), ("sandboxd", "man/sandboxd.8")):
        found = options(os.path.join(sys.argv[1], "daemon", program))
        if not found:
            bad.append(f"{program} --help names no option")
        bad += [f"{page}: --{o} is missing" for o in sorted(found - described(page))]
    print("\n".join(bad))
    return 1 if bad else 0


sys.exit(main())
