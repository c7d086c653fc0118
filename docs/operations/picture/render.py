"""Draws the panels of a Grafana dashboard as one SVG, in the layout of the dashboard."""

import math
import re
from html import escape

COLUMN, ROW, GAP = 60, 38, 8
TITLE, AXIS, LEGEND_LINE, LEGEND_LINES = 24, 44, 14, 3
COLOURS = [
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1"),
    *("#9c755f", "#3aa6a0", "#c9a400", "#d37295", "#7f7f7f"),
]
STYLE = """
text { font-family: system-ui, sans-serif; font-size: 11px; fill: #444 }
.title { font-size: 13px; font-weight: 600; fill: #222 }
.panel { fill: #fff; stroke: #ddd }
.grid { stroke: #eee } .mark { stroke: #999; stroke-dasharray: 3 3 }
.drain { fill: #f28e2b; opacity: .12 }
.line { fill: none; stroke-width: 1.4; stroke-linejoin: round }
.left { text-anchor: end } .middle { text-anchor: middle }
"""


class Series:
    """A line of a panel: its name in the legend, its points in seconds and values, and its unit if
    it has an axis of its own on the right."""

    def __init__(self, name, points, right_unit=None):
        self.name = name
        self.points = points
        self.right_unit = right_unit


def evaluate(dashboard, ask):
    """Asks for the queries of all panels. Returns the series of each panel by its id, and those of
    the annotations under `None`."""
    recorded = {}
    for panel in dashboard["panels"]:
        right = {
            override["matcher"]["options"]: value["value"]
            for override in panel["fieldConfig"]["overrides"]
            for value in override["properties"]
            if value["id"] == "unit"
        }
        recorded[panel["id"]] = [
            Series(name, points, right.get(name))
            for target in panel["targets"]
            for labels, points in ask(target["expr"])
            for name in [legend(target["legendFormat"], labels)]
        ]
    annotations = [note["expr"] for note in dashboard["annotations"]["list"] if "expr" in note]
    recorded[None] = [Series("", points) for expr in annotations for _, points in ask(expr)]
    return recorded


def legend(template, labels):
    """The name of a series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)


def picture(dashboard, recorded, marks, seconds):
    """The SVG of a recorded run of so many seconds, with numbered marks."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    width = max(place["x"] + place["w"] for place in places) * COLUMN
    height = max(place["y"] + place["h"] for place in places) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 28}" role="img">',
        f"<title>{escape(dashboard['title'])}: a recorded run</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height + 28}" fill="#f7f8fa"/>',
    ]
    for panel in dashboard["panels"]:
        parts += panel_parts(panel, recorded[panel["id"]], recorded[None], marks, seconds)
    notes = [f"{number} {text} ({at:.0f} s)" for number, (at, text) in enumerate(marks, 1)]
    notes.append("shaded: an instance drains; lines that are zero throughout are left out")
    parts.append(f'<text x="12" y="{height + 17}">{escape("   ·   ".join(notes))}</text>')
    return "\n".join([*parts, "</svg>\n"])


def panel_parts(panel, series, drains, marks, seconds):
    """One panel: frame, title, axes, marks, lines and legend."""
    place, defaults = panel["gridPos"], panel["fieldConfig"]["defaults"]
    left, top = place["x"] * COLUMN + GAP / 2, place["y"] * ROW + GAP / 2
    width, height = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
    yield f'<rect class="panel" x="{left}" y="{top}" width="{width}" height="{height}" rx="3"/>'
    yield f'<text class="title" x="{left + 10}" y="{top + 17}">{escape(panel["title"])}</text>'

    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    series = [line for line in series if any(value > 0 for _, value in line.points)] or series
    lines = stack(series) if stacked else series
    plot = (
        left + AXIS + 6,
        top + TITLE + 8,
        width - AXIS - 6 - (AXIS if any(line.right_unit for line in lines) else 14),
        height - TITLE - 24 - LEGEND_LINE * LEGEND_LINES - 6,
    )
    yield from frame(plot, drains, marks, seconds)
    for unit, on_right in [(defaults["unit"], False)] + [
        (unit, True) for unit in {line.right_unit for line in lines} - {None}
    ]:
        of_axis = [line for line in lines if (line.right_unit is not None) == on_right]
        is_log = defaults["custom"]["scaleDistribution"]["type"] == "log"
        scale = Scale(of_axis, defaults["min"] if is_log else None)
        yield from axis(plot, scale, unit, on_right)
        for line in of_axis:
            colour = COLOURS[lines.index(line) % len(COLOURS)]
            steps = defaults["custom"]["lineInterpolation"] == "stepAfter"
            yield from drawn(plot, line, scale, seconds, colour, steps, stacked)
    yield from legend_parts([line.name for line in lines], left + 10, top + height - 6, width - 20)


def stack(series):
    """The series on top of each other, the topmost first: the lower ones are drawn over it."""
    total, stacked = {}, []
    for line in series:
        for at, value in line.points:
            total[at] = total.get(at, 0) + value
        stacked.append(Series(line.name, [(at, total[at]) for at, _ in line.points]))
    return stacked[::-1]


def frame(plot, drains, marks, seconds):
    """The vertical parts: times, the drain, and the numbered marks."""
    x, y, width, height = plot
    for line in drains:
        for first, last in intervals(line.points):
            at, wide = x + first / seconds * width, max(1, (last - first) / seconds * width)
            size = f'width="{wide:.0f}" height="{height:.0f}"'
            yield f'<rect class="drain" x="{at:.0f}" y="{y:.0f}" {size}/>'
    for at in range(0, int(seconds) + 1, 30):
        place = x + at / seconds * width
        yield f'<path class="grid" d="M{place:.0f} {y:.0f}v{height:.0f}"/>'
        below = f'x="{place:.0f}" y="{y + height + 14:.0f}"'
        yield f'<text class="middle" {below}>{at // 60}:{at % 60:02}</text>'
    for number, (at, _) in enumerate(marks, 1):
        place = x + at / seconds * width
        yield f'<path class="mark" d="M{place:.0f} {y:.0f}v{height:.0f}"/>'
        yield f'<text class="middle" x="{place:.0f}" y="{y - 3:.0f}">{number}</text>'


def intervals(points):
    """The times without a gap of more than two seconds."""
    found = []
    for at, _ in points:
        if found and at - found[-1][1] <= 2:
            found[-1][1] = at
        else:
            found.append([at, at])
    return found


class Scale:
    """The vertical axis of some lines: linear from zero, or logarithmic from a smallest value."""

    def __init__(self, lines, least=None):
        values = [value for line in lines for _, value in line.points if math.isfinite(value)]
        most = max(values, default=0) or 1
        if least is None:
            # A round number that has round quarters.
            power = 10 ** math.floor(math.log10(most))
            steps = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
            top = next(step * power for step in steps if step * power >= most)
            self.ticks = [top * quarter / 4 for quarter in range(5)]
            self.share = lambda value: value / top
        else:
            decades = max(1, math.ceil(math.log10(most / least)))
            self.ticks = [least * 10**decade for decade in range(decades + 1)]
            self.share = lambda value: math.log10(max(value, least) / least) / decades


def axis(plot, scale, unit, on_right):
    """The ticks of a vertical axis."""
    x, y, width, height = plot
    for value in scale.ticks:
        place = y + height - scale.share(value) * height
        text = escape(formatted(value, unit))
        if on_right:
            yield f'<text x="{x + width + 5:.0f}" y="{place + 4:.0f}">{text}</text>'
        else:
            yield f'<path class="grid" d="M{x:.0f} {place:.0f}h{width:.0f}"/>'
            yield f'<text class="left" x="{x - 5:.0f}" y="{place + 4:.0f}">{text}</text>'


def formatted(value, unit):
    """A value with its unit, as Grafana writes it."""
    if value == 0:
        return "0"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
    suffix = {"cps": "/s", "reqps": "/s", "Bps": " B/s"}.get(unit, "")
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}{suffix.strip()}"
    return f"{value:.3g}{suffix}"


def drawn(plot, line, scale, seconds, colour, steps, filled):
    """A line; it is interrupted where points are missing for more than two seconds."""
    x, y, width, height = plot
    path, before = [], None
    for at, value in line.points:
        if not math.isfinite(value):
            before = None
            continue
        across = round(x + at / seconds * width, 1)
        down = round(y + height - scale.share(value) * height, 1)
        if before is None or at - before[0] > 2:
            path.append([])
        elif steps:
            path[-1].append((across, before[1]))
        path[-1].append((across, down))
        before = (at, down)
    for points in path:
        text = "L".join(f"{across:g} {down:g}" for across, down in points)
        if filled:
            bottom = f"L{points[-1][0]:g} {y + height:g}L{points[0][0]:g} {y + height:g}z"
            yield f'<path d="M{text}{bottom}" fill="{colour}" opacity=".8"/>'
        else:
            yield f'<path class="line" d="M{text}" stroke="{colour}"/>'


def legend_parts(names, left, bottom, width):
    """The names, in at most three lines."""
    places, at, line = [], 0, 0
    for name in names:
        wide = 22 + 6.2 * len(name)
        if at and at + wide > width:
            at, line = 0, line + 1
        places.append((at, line))
        at += wide
    for index, (name, (at, line)) in enumerate(zip(names, places)):
        if line >= LEGEND_LINES:
            break
        x, y = left + at, bottom - (LEGEND_LINES - 1 - line) * LEGEND_LINE
        colour = COLOURS[index % len(COLOURS)]
        yield f'<rect x="{x:.0f}" y="{y - 6:.0f}" width="10" height="4" fill="{colour}"/>'
        yield f'<text x="{x + 14:.0f}" y="{y:.0f}">{escape(name)}</text>'
