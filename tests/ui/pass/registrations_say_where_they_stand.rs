use ws_core::prelude::*;

mod rooms {
    use ws_core::prelude::*;

    /// Documented.
    #[ws_controller(
        path = "/rooms/{room}",
        server = "chat",
        middleware(crate::trace, super::trace)
    )]
    #[derive(Debug)]
    pub struct Rooms;

    impl Controller for Rooms {}
}

#[ws_middleware(scope = "route")]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {
    let routes = App::new().routes();
    let [route] = &routes[..] else { panic!("one route, not {}", routes.len()) };
    assert_eq!(route.server, "chat");
    assert_eq!(route.path, "/rooms/{room}");
    assert_eq!(route.controller, "Rooms");
    assert_eq!(route.middleware, ["crate::trace", "super::trace"]);
    assert!(route.location.module.ends_with("::rooms"), "{}", route.location.module);
    assert!(route.location.file.ends_with("registrations_say_where_they_stand.rs"), "{}", route.location);
    assert_eq!(route.location.line, 7);
}
