#!/usr/bin/env python3
"""Compares the compile time of typed handlers with that of as many axum handlers.

Writes two programs with the same payload types and the same number of handlers, compiles their
dependencies, then measures the CPU time (user and system, all processes) of four steps: `cargo check`,
`cargo build`, and both again after one handler has changed. The programs are measured in turns; the
medians are printed as a Markdown table.

    tests/benches/compile_time.py [--handlers 200] [--rounds 3] [--core PATH] [--keep DIR]

`--core` is the folder of ws-core: give that of another checkout to compare two versions.
"""

import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PER_CONTROLLER = 10

PAYLOADS = """\
#[derive(Deserialize)]
pub struct Say{n} {{
    room: u32,
    text: String,
}}

#[derive(Serialize)]
pub struct Said{n} {{
    room: u32,
    text: String,
}}
"""

# {change} is the part of the changed handler that differs in each round.
OURS_HANDLER = """\
    #[on_event("say{n}")]
    async fn say{n}(&self, Data(say): Data<Say{n}>) -> Data<Said{n}> {{
        tokio::task::yield_now().await;
        Data(Said{n} {{ room: say.room + {change}, text: say.text }})
    }}
"""

OURS_CONTROLLER = """\
#[ws_controller(path = "/rooms/{c}")]
struct Room{c};

#[ws_handlers]
impl Room{c} {{
{handlers}}}
"""

OURS_MAIN = """\
#[tokio::main]
async fn main() -> Result<(), StartError> {
    App::new().run().await
}
"""

AXUM_HANDLER = """\
async fn say{n}(Json(say): Json<Say{n}>) -> Json<Said{n}> {{
    tokio::task::yield_now().await;
    Json(Said{n} {{ room: say.room + {change}, text: say.text }})
}}
"""

AXUM_ROUTER = """\
fn rooms{c}() -> Router {{
    Router::new(){routes}
}}
"""

AXUM_MAIN = """\
#[tokio::main]
async fn main() {{
    let app = Router::new(){nests};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    axum::serve(listener, app).await.unwrap();
}}
"""

MANIFEST = """\
[package]
name = "{name}"
version = "0.0.0"
edition = "2024"

[dependencies]
{dependency}
serde = {{ version = "1", features = ["derive"] }}
tokio = {{ version = "1", features = ["macros", "net", "rt-multi-thread"] }}

[workspace]
"""


def ours(handlers, change):
    parts = ["use serde::{Deserialize, Serialize};\nuse ws_core::prelude::*;\n"]
    for first in range(0, handlers, PER_CONTROLLER):
        numbers = range(first, min(first + PER_CONTROLLER, handlers))
        parts += [PAYLOADS.format(n=n) for n in numbers]
        methods = "".join(OURS_HANDLER.format(n=n, change=change if n == 0 else 0) for n in numbers)
        parts.append(OURS_CONTROLLER.format(c=first, handlers=methods))
    return "\n".join(parts + [OURS_MAIN])


def axum(handlers, change):
    parts = ["use axum::{Json, Router, routing::post};\nuse serde::{Deserialize, Serialize};\n"]
    nests = ""
    for first in range(0, handlers, PER_CONTROLLER):
        numbers = range(first, min(first + PER_CONTROLLER, handlers))
        parts += [PAYLOADS.format(n=n) for n in numbers]
        parts += [AXUM_HANDLER.format(n=n, change=change if n == 0 else 0) for n in numbers]
        routes = "".join(f'.route("/say{n}", post(say{n}))' for n in numbers)
        parts.append(AXUM_ROUTER.format(c=first, routes=routes))
        nests += f'.nest("/rooms/{first}", rooms{first}())'
    return "\n".join(parts + [AXUM_MAIN.format(nests=nests)])


def cargo(folder, command):
    """Runs cargo offline where it can; returns the CPU seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["cargo", *command.split(), "--quiet"], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


class Program:
    def __init__(self, folder, name, dependency, write, handlers):
        self.folder, self.name, self.write, self.handlers = folder / name, name, write, handlers
        (self.folder / "src").mkdir(parents=True, exist_ok=True)
        (self.folder / "Cargo.toml").write_text(MANIFEST.format(name=name, dependency=dependency))
        self.change = 0
        self.touch()
        for command in ["check", "build"]:
            cargo(self.folder, command)
        self.seconds = {}

    def touch(self):
        self.change += 1
        (self.folder / "src/main.rs").write_text(self.write(self.handlers, self.change))

    def measure(self):
        cargo(self.folder, f"clean -p {self.name}")
        for command in ["check", "build"]:
            self.seconds.setdefault(command, []).append(cargo(self.folder, command))
        for command in ["check", "build"]:
            self.touch()
            step = f"{command}, one handler changed"
            self.seconds.setdefault(step, []).append(cargo(self.folder, command))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--handlers", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--core", type=pathlib.Path, default=HERE.parent.parent / "ws-core")
    arguments.add_argument("--keep", type=pathlib.Path, help="folder to write the programs to and keep them")
    options = arguments.parse_args()
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="compile-time-"))
    core = f'ws-core = {{ path = "{options.core.resolve()}" }}'
    programs = [
        Program(folder, "ours", core, ours, options.handlers),
        Program(folder, "with-axum", 'axum = "0.8"', axum, options.handlers),
    ]
    for number in range(options.rounds):
        for program in programs:
            program.measure()
        print(f"round {number + 1}/{options.rounds}", flush=True)
    first, second = programs
    print(f"\nCPU seconds for {options.handlers} handlers, medians of {options.rounds} rounds:\n")
    print("| step | ws-core | axum | ratio |\n|---|---:|---:|---:|")
    for step, seconds in first.seconds.items():
        one, other = statistics.median(seconds), statistics.median(second.seconds[step])
        print(f"| {step} | {one:.1f} | {other:.1f} | {one / other:.2f} |")
    if not options.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
