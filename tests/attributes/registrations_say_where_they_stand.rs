use ws_core::prelude::*;

mod rooms {
    use ws_core::prelude::*;

    /// Documented.
    #[ws_controller(
        path = "/rooms/{room}",
        server = "chat",
        middleware(crate::registrations_say_where_they_stand::trace, super::trace)
    )]
    #[derive(Debug)]
    pub struct Rooms;

    impl Controller for Rooms {}
}

#[ws_middleware(scope = "route")]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[test]
fn a_route_has_the_place_of_its_attribute() {
    let routes = App::new().routes();
    let here = routes.iter().filter(|route| route.server == "chat");
    let [route] = here.collect::<Vec<_>>()[..] else { panic!("one route of `chat`") };
    assert_eq!(route.path, "/rooms/{room}");
    assert_eq!(route.controller, "Rooms");
    assert_eq!(route.middleware, ["crate::registrations_say_where_they_stand::trace", "super::trace"]);
    assert!(route.location.module.ends_with("::rooms"), "{}", route.location.module);
    assert!(route.location.file.ends_with("registrations_say_where_they_stand.rs"), "{}", route.location);
    assert_eq!(route.location.line, 7);
}
