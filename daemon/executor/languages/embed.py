"""Make C strings of the wrappers: embed.py OUT NAME=FILE…

Comments on lines of their own and blank lines are left out: an interpreter compiles a wrapper at each start.
"""

import sys


def lines(path, comment):
    with open(path, encoding="utf-8") as source:
        for line in source:
            text = line.strip()
            if text and not text.startswith(comment):
                yield line.rstrip("\n")


def array(text):
    # Numbers rather than a literal: C compilers need not take long ones.
    data = [str(byte) for byte in text.encode()] + ["0"]
    return ",\n".join("\t" + ", ".join(data[i : i + 24]) for i in range(0, len(data), 24))


def main():
    out, *wrappers = sys.argv[1:]
    with open(out, "w", encoding="utf-8") as c:
        c.write('#include "wrappers.h"\n')
        for wrapper in wrappers:
            name, path = wrapper.split("=", 1)
            comment = "#" if path.endswith(".py") else "//"
            text = "".join(line + "\n" for line in lines(path, comment))
            c.write(f"\nconst char {name}[] = {{\n{array(text)}\n}};\n")


main()
