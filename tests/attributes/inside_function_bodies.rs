use ws_core::prelude::*;

mod outer {
    pub(super) mod inner {
        use ws_core::prelude::*;

        #[ws_middleware(scope = "route")]
        pub(in super::super) async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
            next.run(handshake).await
        }
    }
}

fn register() {
    #[ws_middleware(scope = "route")]
    async fn local(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        next.run(handshake).await
    }

    #[derive(Clone)]
    struct Local;

    #[ws_controller(path = "/local", middleware(local, outer::inner::trace, self::outer::inner::trace))]
    struct Inside {
        #[state]
        _local: Local,
    }

    impl Controller for Inside {}

    #[ws_error_handler]
    async fn handler(_error: &Error, _scene: &Scene) -> Recovery {
        Recovery::pass()
    }
}

#[test]
fn a_controller_inside_a_function_is_registered() {
    register();
    let routes = App::new().routes();
    assert!(routes.iter().any(|route| route.path == "/local" && route.controller == "Inside"));
}
