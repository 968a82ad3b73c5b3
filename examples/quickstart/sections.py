"""Installed size by section of a Debian package database: a CSV, an SVG chart, and the top ten as the return value."""
import csv
from html import escape


def packages(path):
    with open(path, encoding="utf-8") as database:
        for paragraph in database.read().split("\n\n"):
            lines = (line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" "))
            fields = {name: value for name, _, value in lines}
            if fields.get("Status", "").endswith(" installed"):
                yield fields.get("Section", "unknown"), int(fields.get("Installed-Size", 0))


def totals(path):
    sections = {}
    for section, kib in packages(path):
        count, size = sections.get(section, (0, 0))
        sections[section] = (count + 1, size + kib)
    rows = [{"section": s, "packages": c, "mib": round(k / 1024, 1)} for s, (c, k) in sections.items()]
    return sorted(rows, key=lambda row: (-row["mib"], row["section"]))


def write_csv(path, rows):
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, ["section", "packages", "mib"])
        writer.writeheader()
        writer.writerows(rows)


def write_svg(path, rows):
    widest = max((row["mib"] for row in rows), default=0) or 1
    bars = []
    for i, row in enumerate(rows):
        y, width = 50 + i * 26, max(1, 430 * row["mib"] / widest)
        bars.append(f'<text x="150" y="{y + 14}" text-anchor="end">{escape(row["section"])}</text>')
        bars.append(f'<rect x="160" y="{y}" width="{width:.1f}" height="19" rx="3" fill="#3b6ea8"/>')
        bars.append(f'<text x="{168 + width:.1f}" y="{y + 14}" fill="#555">{row["mib"]} MiB</text>')
    with open(path, "w") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{70 + 26 * len(rows)}" '
                  f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
                  f'<text x="20" y="30" font-size="17">Installed size by section</text>{"".join(bars)}</svg>\n')


def handler(event):
    rows = totals(event["database"])
    write_csv("sections.csv", rows)
    write_svg("chart.svg", rows[:10])
    return rows[:10]
