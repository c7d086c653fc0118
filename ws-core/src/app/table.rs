//! [`RouteTable`]: what is registered, for people.

use std::{any::TypeId, fmt, ops::Deref};

use super::App;
use crate::place::Location;

/// One route as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The name of the server.
    pub server: String,
    /// The path pattern.
    pub path: String,
    /// The controller's name.
    pub controller: &'static str,
    /// The route's own middleware in their order; server-wide ones come before them.
    pub middleware: Vec<&'static str>,
    /// The events of its `#[ws_handlers]`, in their order.
    pub events: Vec<&'static str>,
    /// Where it is registered.
    pub location: Location,
}

/// All routes, sorted by server and path; `Display` prints them as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable(Vec<RouteInfo>);

impl RouteTable {
    pub(super) fn of(app: &App) -> Self {
        let linked = app.registry.controllers.iter().map(|entry| RouteInfo {
            server: entry.server.to_owned(),
            path: entry.path.to_owned(),
            controller: entry.name,
            middleware: entry.middleware.iter().map(|middleware| middleware.name).collect(),
            events: events(app, (entry.controller)()),
            location: entry.location,
        });
        let by_hand = app.routes.iter().map(|route| RouteInfo {
            server: route.server.clone(),
            path: route.path.clone(),
            controller: route.name,
            middleware: route.middleware.iter().map(|middleware| middleware.name).collect(),
            events: events(app, route.controller.type_id),
            location: route.location,
        });
        let mut routes: Vec<_> = linked.chain(by_hand).collect();
        routes.sort_by(|a, b| (&a.server, &a.path, a.location).cmp(&(&b.server, &b.path, b.location)));
        Self(routes)
    }
}

/// What the typed handlers of a controller listen to.
fn events(app: &App, controller: TypeId) -> Vec<&'static str> {
    let entry = app.registry.handlers.iter().find(|entry| (entry.controller)() == controller);
    entry.into_iter().flat_map(|entry| entry.handlers).filter_map(|handler| handler.event).collect()
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
