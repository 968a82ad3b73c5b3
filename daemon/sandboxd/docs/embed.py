"""embed.py OUT FILE...: the files, gzipped, as C: what docs/assets.h declares. The same input gives the same bytes."""
import gzip
import hashlib
import os
import sys

HEAD = '/* Made by docs/embed.py. */\n#include "assets.h"\n\n'


def packed(data):
    return gzip.compress(data, 9, mtime=0)


def array(number, data):
    lines = [",".join(str(b) for b in data[i:i + 32]) for i in range(0, len(data), 32)]
    return f"static const unsigned char bytes_{number}[] = {{\n" + ",\n".join(lines) + "\n};\n"


def main():
    arrays, rows = [], []
    for number, path in enumerate(sys.argv[2:]):
        with open(path, "rb") as f:
            data = f.read()
        small = packed(data)
        tag = hashlib.sha256(data).hexdigest()[:32]
        arrays.append(array(number, small))
        rows.append(f'\t{{ "{os.path.basename(path)}", bytes_{number}, {len(small)}, {len(data)}, "{tag}" }},\n')
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write(HEAD + "".join(arrays) + "\nconst struct asset assets[] = {\n" + "".join(rows) + "};\n")
        out.write(f"const size_t asset_count = {len(rows)};\n")


main()
