#!/usr/bin/env python3
"""Compares the dashboard, the alert rules, the table of names and the output of the demo.

usage: check.py METRICS RULES        (needs: pip install promql-parser PyYAML)

METRICS is the text of `/metrics`. RULES is written: the queries of the dashboard as recording
rules, for promtool. Then each of the texts is damaged in memory, and a damage that is not found is
an error.
"""

import json
import re
import sys
from itertools import combinations
from pathlib import Path

import promql_parser
import yaml
from promql_parser import AggregateExpr, BinaryExpr, MatrixSelector, VectorSelector

OPERATIONS = Path(__file__).resolve().parents[2] / "docs/operations"
PANELS = 12
# Labels that Prometheus adds to each series of a target.
TARGET_LABELS = {"job", "instance"}
# Series of a histogram: the suffix, and the labels that it adds.
PARTS = {"_bucket": {"le"}, "_sum": set(), "_count": set()}
VARIABLE = r"\$\{?\w+\}?"


class Metric:
    """A metric: its type, and the names of its labels."""

    def __init__(self, kind, labels):
        self.kind = kind
        self.labels = labels


# The demo sends no asks.
NOT_IN_DEMO = {"ws_asks_total"}
# Series that Prometheus itself adds.
OF_PROMETHEUS = {"up": Metric("gauge", set())}


def table(page):
    """The metrics of the table under `## Names`, by name."""
    found = {}
    for line in page.partition("## Names")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and (name := re.fullmatch(r"`(\w+)`", cells[0])):
            found[name[1]] = Metric(
                cells[1], {label.strip() for label in cells[2].split(",")} - {""}
            )
    return found


def exposed(text):
    """The metrics of this output whose name begins with `ws_`, by name."""
    found = {}
    kinds = dict(re.findall(r"^# TYPE (ws_\w+) (\w+)$", text, re.M))
    helped = set(re.findall(r"^# HELP (ws_\w+) \S", text, re.M))
    for name, labels in re.findall(r"^(ws_\w+)(?:\{(.*)\})? \S+$", text, re.M):
        names = set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels))
        base = family(name, kinds)
        names -= PARTS.get(name.removeprefix(base), set())
        metric = found.setdefault(base, Metric(kinds.get(base, "without a type"), set()))
        metric.labels |= names
    return found, helped


def family(name, kinds):
    """The name of the metric that this series belongs to."""
    for suffix in PARTS:
        base = name.removesuffix(suffix)
        if base != name and base in kinds:
            return base
    return name


def selectors(expression):
    """Each metric of an expression with the labels that are used of it: in its own matchers, and in
    the aggregations and the joins around it."""
    if isinstance(expression, (VectorSelector, MatrixSelector)):
        selector = getattr(expression, "vector_selector", expression)
        return [(selector.name, {matcher.name for matcher in selector.matchers.matchers})]
    found = []
    for child in children(expression):
        found += selectors(child)
    modifier = getattr(expression, "modifier", None)
    labels = set()
    if isinstance(expression, AggregateExpr) and modifier:
        labels = set(modifier.labels)
    if isinstance(expression, BinaryExpr) and modifier and modifier.matching:
        labels = set(modifier.matching.labels)
    return [(name, used | labels) for name, used in found]


def children(expression):
    """The direct parts of an expression."""
    parts = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs")]
    parts += getattr(expression, "args", None) or []
    return [part for part in parts if part is not None]


def without_variables(text):
    """A query as Grafana sends it. Variables stand for the range, and in strings of matchers."""
    return re.sub(VARIABLE, ".+", text.replace("$__rate_interval", "5m"))


def expression_problems(place, text, metrics):
    """The names and labels of an expression that do not exist."""
    try:
        used = selectors(promql_parser.parse(without_variables(text)))
    except ValueError as error:
        return [f"{place}: {error}: {text}"]
    problems = [] if used else [f"{place}: no metric is used: {text}"]
    kinds = {name: metric.kind for name, metric in metrics.items()}
    for name, labels in used:
        base = family(name, kinds)
        if base not in metrics:
            problems.append(f"{place}: unknown metric `{name}`")
            continue
        known = metrics[base].labels | TARGET_LABELS | PARTS.get(name.removeprefix(base), set())
        problems += [
            f"{place}: `{name}` has no label `{label}`" for label in sorted(labels - known)
        ]
        counts = metrics[base].kind != "gauge"
        rated = re.search(rf"\b(rate|increase)\({name}\b", text) is not None
        if counts != rated:
            problems.append(f"{place}: `{name}` is a {metrics[base].kind}, with or without a rate")
    return problems


def dashboard_problems(text, metrics):
    """The problems of the dashboard."""
    try:
        dashboard = json.loads(text)
    except ValueError as error:
        return [f"dashboard.json: {error}"]
    problems = []
    panels, variables = dashboard["panels"], dashboard["templating"]["list"]
    if len(panels) != PANELS:
        problems.append(f"dashboard.json: {len(panels)} panels, expected {PANELS}")
    if dashboard.get("id") is not None or dashboard["schemaVersion"] < 39:
        problems.append("dashboard.json: an id of a database, or an old schema version")
    for key in ("id", "title"):
        if len({panel[key] for panel in panels}) != len(panels):
            problems.append(f"dashboard.json: two panels with one {key}")
    for one, two in combinations(panels, 2):
        if overlap(one["gridPos"], two["gridPos"]):
            problems.append(f"dashboard.json: {one['title']} and {two['title']} overlap")

    expected = ["datasource", "job", "instance", "server", "route"]
    names = [variable["name"] for variable in variables]
    if names != expected:
        problems.append(f"dashboard.json: the variables are {names}, expected {expected}")
    for variable in variables[1:]:
        query = variable["query"]["query"]
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        if not found or variable["definition"] != query:
            problems.append(f"variable {variable['name']}: {query}")
            continue
        place = f"variable {variable['name']}"
        problems += expression_problems(place, f"sum by ({found[2]}) ({found[1]})", metrics)

    for panel in panels:
        place = f"panel {panel['title']}"
        if not panel.get("description") or not panel["fieldConfig"]["defaults"].get("unit"):
            problems.append(f"{place}: a description or a unit is missing")
        for target in panel["targets"]:
            problems += expression_problems(place, target["expr"], metrics)
            problems += legend_problems(place, target)
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            place = f"annotation {annotation['name']}"
            problems += expression_problems(place, annotation["expr"], metrics)
    uids = set(re.findall(r'"uid": "(.*?)"', text)) - {dashboard["uid"], "-- Grafana --"}
    if uids != {"${datasource}"}:
        problems.append(f"dashboard.json: data sources {sorted(uids)}")
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    if used != set(names):
        problems.append(f"dashboard.json: the used variables are {sorted(used)}")
    return problems


def overlap(one, two):
    """Whether two panels share a part of the grid, or one is outside of it."""
    apart = (
        one["x"] + one["w"] <= two["x"]
        or two["x"] + two["w"] <= one["x"]
        or one["y"] + one["h"] <= two["y"]
        or two["y"] + two["h"] <= one["y"]
    )
    return not apart or one["x"] + one["w"] > 24


def legend_problems(place, target):
    """Labels of a legend that the query does not keep, and labels that it keeps and hides."""
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    kept = set()
    if found := re.search(r"by \(([^)]*)\)", target["expr"]):
        kept = {label.strip() for label in found[1].split(",")} - {"le"}
    return [] if shown == kept else [f"{place}: the legend shows {sorted(shown)} of {sorted(kept)}"]


def alert_problems(text, metrics):
    """The problems of the alert rules."""
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    problems = []
    for rule in rules:
        place = f"alert {rule['alert']}"
        problems += expression_problems(place, rule["expr"], metrics)
        for key in ("for", "labels", "annotations"):
            if key not in rule:
                problems.append(f"{place}: `{key}` is missing")
        if rule.get("labels", {}).get("severity") not in ("warning", "critical"):
            problems.append(f"{place}: the severity")
        if set(rule.get("annotations", {})) != {"summary", "runbook"}:
            problems.append(f"{place}: the annotations")
    return problems


def problems(texts):
    """The problems of these texts: dashboard, alerts, table and live output."""
    metrics = table(texts["table"])
    known = metrics | OF_PROMETHEUS
    live, helped = exposed(texts["live"])
    found = dashboard_problems(texts["dashboard"], known)
    found += alert_problems(texts["alerts"], known)
    missing = (metrics.keys() - live.keys()) ^ NOT_IN_DEMO
    found += [f"`{name}`: is in the table and not in the output, or the reverse" for name in missing]
    found += [
        f"`{name}` is in the output and not in the table" for name in live.keys() - metrics.keys()
    ]
    found += [f"`{name}` has no help text" for name in live.keys() - helped]
    for name in metrics.keys() & live.keys():
        table_has, live_has = metrics[name], live[name]
        if table_has.kind != live_has.kind:
            found.append(f"`{name}`: {table_has.kind} in the table, {live_has.kind} in the output")
        if table_has.labels != live_has.labels:
            labels = sorted(table_has.labels), sorted(live_has.labels)
            found.append(f"`{name}`: labels {labels[0]} in the table, {labels[1]} in the output")
    return sorted(found)


# A text, its part to replace (the first occurrence), and the replacement.
DAMAGES = [
    ("dashboard", "ws_connections{", "ws_connection{"),
    ("dashboard", "sum by (status)", "sum by (state)"),
    ("dashboard", '"{{status}}"', '"{{code}}"'),
    ("dashboard", 'server=~\\"$server\\"', 'host=~\\"$server\\"'),
    ("dashboard", "label_values(ws_ready, job)", "label_values(ws_readiness, job)"),
    ("dashboard", "sum (rate(ws_rate_limited_total", "sum ((ws_rate_limited_total"),
    ("dashboard", "rate(ws_handshake_duration_seconds_bucket", "rate(ws_handshake_duration_bucket"),
    ("dashboard", '"x": 8', '"x": 4'),
    ("dashboard", '"uid": "${datasource}"', '"uid": "prometheus-1"'),
    ("dashboard", "max by (instance) (ws_draining", "max by (instance) (ws_drains"),
    ("dashboard", "[$__rate_interval]", "[$__rate"),
    ("dashboard", '"panels": [', '"panels": [,'),
    ("alerts", "ws_outbox_full_total", "ws_outbox_overflows_total"),
    ("alerts", "by (job, route, event)", "by (job, server, event)"),
    ("alerts", 'status!="101"', 'code!="101"'),
    ("alerts", "unless ws_draining == 1", "unless ws_drains == 1"),
    ("alerts", "severity: critical", "severity: urgent"),
    ("table", "| `ws_ready` | gauge", "| `ws_ready` | counter"),
    ("table", "| `ws_rooms` |", "| `ws_room` |"),
    ("table", "server, route, cause, close_code", "server, route, cause"),
    ("live", "# TYPE ws_events_total counter", "# TYPE ws_events_total gauge"),
    ("live", "ws_cluster_nodes", "ws_cluster_peers"),
    ("live", "# HELP ws_connections", "# HELP connections"),
    ("live", 'direction="', 'way="'),
]


def rules(dashboard):
    """Writes the queries of the dashboard as a file of recording rules."""
    queries = [
        target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"]
    ]
    recorded = [
        {"record": f"query:{number}", "expr": without_variables(query)}
        for number, query in enumerate(queries, 1)
    ]
    return json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}, indent=1)


def main(live, rules_file):
    names = {"dashboard": "dashboard.json", "alerts": "alerts.yml", "table": "metrics.md"}
    texts = {key: (OPERATIONS / name).read_text() for key, name in names.items()}
    texts["live"] = Path(live).read_text()
    if found := problems(texts):
        sys.exit("\n".join(found))
    Path(rules_file).write_text(rules(texts["dashboard"]))
    for key, old, new in DAMAGES:
        assert old in texts[key], f"{old} is not in {key}"
        if not problems(texts | {key: texts[key].replace(old, new, 1)}):
            sys.exit(f"this damage of {key} is not found: {old} -> {new}")
    metrics = len(table(texts["table"]))
    print(f"ok      {metrics} metrics, {PANELS} panels, {len(DAMAGES)} damages found")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
