use ws_core::prelude::*;

macro_rules! controller {
    ($name:ident, $path:literal, $state:ty) => {
        #[ws_controller(path = $path, middleware(trace))]
        struct $name(#[state] $state);

        impl Controller for $name {
            async fn on_open(&self, _conn: &Connection) -> Result {
                let _ = self.0;
                Ok(())
            }
        }
    };
}

macro_rules! functions {
    ($trace:ident, $state:ty, $handler:ident, $error:ty, $order:literal) => {
        #[ws_middleware(order = $order)]
        async fn $trace(handshake: Handshake, next: Next<'_>, _: $state) -> Result<Response> {
            next.run(handshake).await
        }

        #[ws_error_handler(order = $order)]
        async fn $handler(_error: $error, _scene: &Scene) -> Recovery {
            Recovery::pass()
        }
    };
}

controller!(Echo, "/echo", u8);
controller!(Rooms, "/rooms/{room}", u16);
functions!(trace, State<u8>, io, &std::io::Error, 7);

struct Board;

macro_rules! bodies {
    ($handler:ident($pattern:pat, $payload:ty) $body:block $visibility:vis $traced:ident $around:block) => {
        #[ws_handlers]
        impl Board {
            #[on_event("say")]
            $visibility async fn $handler(&self, $pattern: $payload) -> $payload $body
        }

        #[ws_middleware(scope = "route")]
        async fn $traced(_: Handshake, _: Next<'_>) -> Result<Response> $around
    };
}

bodies! {
    say(Data(text), Data<String>) { Data(text) }
    traced { Err("no route".into()) }
}
