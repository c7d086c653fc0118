//! The report of `growth`: a table for each transport, the ratios to the smallest size, and their
//! curve as SVG.

use std::fmt::Write as _;

use super::{Figures, Measured, Transport};
use crate::{
    machine::Description,
    report::versions_of,
    stats::{Spread, three_digits},
};

const NOTES: &str = "\
Medians over all rounds. Memory is that of the node for each connection after one message; the kernel's objects are \
those of both ends together. CPU time is the node's, user and system; over memory it includes the client's end, which \
compares each message. A heartbeat is a ping and its pong. The drain has the default settings: 1000 connections every \
100 ms. [README.md](README.md#growth) has the method.\n";

/// Packages whose versions a reader wants to know.
const PACKAGES: [&str; 3] = ["ws-core", "tokio", "hyper"];

/// A row of a table, or a curve.
struct Row {
    name: &'static str,
    /// Reads its figure; `None` if it was not measured.
    read: fn(&Figures) -> Option<f64>,
}

const ROWS: [Row; 14] = [
    Row { name: "resident bytes a connection", read: |it| Some(it.resident) },
    Row { name: "allocated bytes a connection", read: |it| it.allocated },
    Row { name: "bytes of the kernel's objects, both ends", read: |it| it.kernel },
    Row { name: "connections opened per second", read: |it| Some(it.opened_per_second) },
    Row { name: "µs of CPU an opening", read: |it| Some(it.open_cpu) },
    Row { name: "idle: per cent of a core", read: |it| Some(it.idle_share * 100.0) },
    Row { name: "idle: µs of CPU a heartbeat", read: |it| Some(it.heartbeat_cpu) },
    Row { name: "broadcast: µs of CPU a delivery", read: |it| Some(it.delivery_cpu) },
    Row { name: "broadcast: ms until all have it", read: |it| Some(it.broadcast_seconds * 1e3) },
    Row { name: "room of 1000: µs of CPU a delivery", read: |it| Some(it.room_cpu) },
    Row { name: "messages lost", read: |it| Some(it.lost) },
    Row { name: "drain: seconds", read: |it| Some(it.drain_seconds) },
    Row { name: "drain: µs of CPU a connection", read: |it| Some(it.close_cpu) },
    Row { name: "connections not closed cleanly", read: |it| Some(it.unclosed) },
];

/// The figures that should not grow with the number of connections.
const CURVES: [Row; 4] = [
    Row { name: "memory", read: |it| Some(it.resident) },
    Row { name: "delivery", read: |it| Some(it.delivery_cpu) },
    Row { name: "delivery to a room", read: |it| Some(it.room_cpu) },
    Row { name: "heartbeat", read: |it| Some(it.heartbeat_cpu) },
];

/// The whole report.
pub(super) fn write_text(measured: &[Measured], rounds: usize, machine: &Description) -> String {
    let Description { date, hardware, kernel, load_average } = machine;
    let mut text = format!(
        "# Results of growth\n\n{date} · {hardware} · {kernel}  \n\
         load average before the run: {load_average}; {rounds} rounds  \n{versions}\n\n{NOTES}",
        versions = versions_of(&PACKAGES, include_str!("../../Cargo.lock")),
    );
    for (transport, title) in [
        (Transport::Sockets, "Over sockets, node and clients in two processes"),
        (Transport::Memory, "Over memory, in one process"),
    ] {
        let sizes = of(measured, transport);
        if !sizes.is_empty() {
            let _ = write!(text, "\n## {title}\n\n");
            write_table(&mut text, &sizes, &ROWS, |size, _, row| median(size, row));
            let _ = write!(text, "\nAs a multiple of the smallest size:\n\n");
            write_table(&mut text, &sizes, &CURVES, ratio);
        }
    }
    text + "\n![The multiples over the number of connections](results-growth.svg)\n"
}

fn of(measured: &[Measured], transport: Transport) -> Vec<&Measured> {
    measured.iter().filter(|it| it.transport == transport).collect()
}

/// Rows downwards, sizes across.
fn write_table(
    text: &mut String,
    sizes: &[&Measured],
    rows: &[Row],
    figure: impl Fn(&Measured, &Measured, &Row) -> Option<f64>,
) {
    let Some(smallest) = sizes.first() else { return };
    let connections: Vec<String> = sizes.iter().map(|it| three_digits(it.connections as f64)).collect();
    let _ = writeln!(text, "| connections | {} |", connections.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(sizes.len()));
    for row in rows {
        let cells =
            sizes.iter().map(|it| figure(it, smallest, row).map_or_else(|| "–".to_owned(), three_digits));
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} | {} |", row.name, cells.join(" | "));
    }
}

fn median(measured: &Measured, row: &Row) -> Option<f64> {
    Spread::of(measured.rounds.iter().filter_map(row.read)).map(|spread| spread.median)
}

fn ratio(measured: &Measured, smallest: &Measured, row: &Row) -> Option<f64> {
    Some(median(measured, row)? / median(smallest, row)?)
}

/// The size of the drawing, and the room around it for the labels.
const WIDTH: f64 = 770.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 260.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 40.0;

/// The range of both axes: connections, by their logarithm, and the multiple of the smallest size.
const CONNECTIONS: [f64; 2] = [1_000.0, 100_000.0];
const MULTIPLES: [f64; 2] = [0.0, 8.0];

/// The multiple that should not be exceeded.
const GOAL: f64 = 1.2;

const COLOURS: [&str; CURVES.len()] = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"];

/// The multiples over the number of connections, as SVG.
pub(super) fn curve(measured: &[Measured]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for multiple in [0.0, GOAL, 2.0, 4.0, 6.0, 8.0] {
        let (y, colour) = (y(multiple), if multiple == GOAL { "#57606a" } else { "#d0d7de" });
        let end = WIDTH - RIGHT;
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"{colour}\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{multiple}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    for connections in [1_000.0, 2_000.0, 5_000.0, 10_000.0, 18_000.0, 50_000.0, 100_000.0] {
        let (x, y) = (x(connections), HEIGHT - BOTTOM + 18.0);
        let label = three_digits(connections);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>");
    }
    let mut label_y = TOP + 10.0;
    for transport in [Transport::Sockets, Transport::Memory] {
        let sizes = of(measured, transport);
        let Some(smallest) = sizes.first() else { continue };
        let dashes = if transport == Transport::Memory { " stroke-dasharray=\"5 4\"" } else { "" };
        for (row, colour) in CURVES.iter().zip(COLOURS) {
            let points = sizes.iter().filter_map(|size| {
                Some(format!("{:.1},{:.1}", x(size.connections as f64), y(ratio(size, smallest, row)?)))
            });
            let points = points.collect::<Vec<_>>().join(" ");
            let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}");
            let _ = writeln!(svg, "<polyline points=\"{points}\" {style}/>");
            let from = WIDTH - RIGHT + 20.0;
            let _ = writeln!(svg, "<path d=\"M{from} {label_y}h24\" {style}/>");
            let (text_x, text_y) = (from + 30.0, label_y + 4.0);
            let _ = writeln!(
                svg,
                "<text x=\"{text_x}\" y=\"{text_y}\">{}, {}</text>",
                row.name,
                transport.name()
            );
            label_y += 20.0;
        }
    }
    svg + "</svg>\n"
}

fn x(connections: f64) -> f64 {
    let [least, most] = CONNECTIONS.map(f64::ln);
    LEFT + (connections.ln() - least) / (most - least) * (WIDTH - LEFT - RIGHT)
}

fn y(multiple: f64) -> f64 {
    let [least, most] = MULTIPLES;
    let share = (multiple.clamp(least, most) - least) / (most - least);
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(resident: f64) -> Figures {
        Figures {
            resident,
            allocated: None,
            kernel: None,
            opened_per_second: 1.0,
            open_cpu: 1.0,
            idle_share: 0.01,
            heartbeat_cpu: 1.0,
            delivery_cpu: 4.0,
            room_cpu: 4.0,
            broadcast_seconds: 0.5,
            lost: 0.0,
            drain_seconds: 1.0,
            close_cpu: 1.0,
            unclosed: 0.0,
        }
    }

    fn measured() -> [Measured; 2] {
        [(1000, [2000.0, 2100.0, 1900.0]), (100_000, [2300.0, 2200.0, 2100.0])].map(
            |(connections, resident)| Measured {
                transport: Transport::Memory,
                connections,
                rounds: resident.map(figures).into(),
            },
        )
    }

    #[test]
    fn a_size_has_a_column_and_its_multiple_of_the_smallest_one() {
        let [date, hardware, kernel, load_average] = ["now", "a machine", "Linux", "0"].map(str::to_owned);
        let machine = Description { date, hardware, kernel, load_average };
        let text = write_text(&measured(), 3, &machine);
        assert!(text.contains("\n| connections | 1 000 | 100 000 |\n|---|---:|---:|\n"), "{text}");
        assert!(text.contains("\n| resident bytes a connection | 2 000 | 2 200 |\n"), "{text}");
        assert!(text.contains("\n| memory | 1.00 | 1.10 |\n"), "{text}");
        assert!(text.contains("\n| allocated bytes a connection | – | – |\n"), "{text}");
        assert!(!text.contains("Over sockets"), "{text}");
    }

    #[test]
    fn the_curve_goes_from_the_left_to_the_right_and_stays_inside() {
        let svg = curve(&measured());
        assert!(svg.contains("points=\"50.0,247.5 510.0,244."), "{svg}");
        assert_eq!((y(9.0), y(0.0)), (TOP, HEIGHT - BOTTOM));
    }
}
