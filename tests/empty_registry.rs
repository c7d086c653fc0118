//! An empty registry. Each binary has a registry of its own, and the one of this crate's unit tests
//! stays empty: keep annotated items out of `lib.rs`.

use ws_core::{App, Config, app::Problem};

fn config() -> Config {
    let mut config = Config::default();
    config.servers[0].port = 0;
    config
}

#[tokio::test]
async fn a_binary_without_a_controller_is_told_how_to_register_one() {
    let Err(error) = App::new().config(config()).start().await else { panic!("it starts") };
    assert!(matches!(error.problems(), [Problem::EmptyRegistry]), "{error}");
    let text = error.to_string();
    for part in ["#[ws_controller(path = \"..\")]", "`App::controller`", "`ws_core::link!(that_crate)`"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_controller_by_hand_is_enough() {
    struct Nothing;
    impl ws_core::Controller for Nothing {}
    let running = App::new().controller("/", Nothing).config(config()).start().await.unwrap();
    assert!(running.local_addr("ws").is_some());
}
