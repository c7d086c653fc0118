//! [`RouteTable`]: a printable list of the registered routes.

use std::{any::TypeId, fmt, ops::Deref};

use super::App;
use crate::{handshake::Route, place::Location};

/// One route, as registered.
///
/// ```
/// # use ws_core::{App, Controller};
/// # struct Echo;
/// # impl Controller for Echo {}
/// let routes = App::without_registry().controller("/echo", Echo).routes();
/// let route = &routes[0];
/// assert_eq!((&*route.server, &*route.path, route.controller), ("ws", "/echo", "Echo"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The name of the server.
    pub server: String,
    /// The path pattern.
    pub path: String,
    /// The controller's name.
    pub controller: &'static str,
    /// The route's own middleware, outermost first. Server-wide middleware runs outside of it.
    pub middleware: Vec<&'static str>,
    /// The events of the controller's `#[ws_handlers]`, in source order.
    pub events: Vec<&'static str>,
    /// The place that registers the route.
    pub location: Location,
}

/// All routes, sorted by server and path; `Display` prints them as a table.
///
/// ```
/// # use ws_core::{App, Controller};
/// # struct Echo;
/// # impl Controller for Echo {}
/// let routes = App::without_registry().controller("/echo", Echo).routes();
/// assert_eq!(routes.len(), 1);
/// println!("{routes}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable(Vec<RouteInfo>);

impl RouteTable {
    pub(super) fn of(app: &App) -> Self {
        let mut routes: Vec<_> = app.routes.iter().map(|route| info(app, route)).collect();
        routes.sort_by(|a, b| (&a.server, &a.path, a.location).cmp(&(&b.server, &b.path, b.location)));
        Self(routes)
    }
}

fn info(app: &App, Route { spec, middleware, .. }: &Route) -> RouteInfo {
    let named = spec.middleware.iter().map(|reference| reference.name);
    RouteInfo {
        server: spec.server.to_string(),
        path: spec.path.to_string(),
        controller: spec.name,
        middleware: named.chain(middleware.iter().map(|middleware| middleware.layer.name)).collect(),
        events: events(app, (spec.controller)()),
        location: spec.location,
    }
}

/// Returns the events of a controller's typed handlers.
fn events(app: &App, controller: TypeId) -> Vec<&'static str> {
    let entry = app.registry.handlers.iter().find(|entry| (entry.controller)() == controller);
    entry
        .into_iter()
        .flat_map(|entry| entry.handlers)
        .flat_map(|handler| handler.facts.events())
        .copied()
        .collect()
}

impl Deref for RouteTable {
    type Target = [RouteInfo];

    fn deref(&self) -> &[RouteInfo] {
        &self.0
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["SERVER", "PATH", "CONTROLLER", "MIDDLEWARE", "DEFINED AT"].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(head)
            .chain(self.0.iter().map(|route| {
                let middleware =
                    if route.middleware.is_empty() { "-".to_owned() } else { route.middleware.join(", ") };
                let (controller, location) = (route.controller.to_owned(), route.location.to_string());
                [route.server.clone(), route.path.clone(), controller, middleware, location]
            }))
            .collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (number, row) in rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            let end = if number + 1 == rows.len() { "" } else { "\n" };
            write!(f, "{}{end}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
