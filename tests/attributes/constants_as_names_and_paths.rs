use ws_core::prelude::*;

const PATH: &str = "/constants/{room}";

mod names {
    pub(super) const SAY: &str = "say";
    pub(super) static SPEAK: &str = "speak";
}

const fn shout() -> &'static str {
    "shout"
}

#[ws_controller(path = PATH)]
struct Constants;

impl Constants {
    const WHISPER: &str = "whisper";
}

#[ws_handlers]
impl Constants {
    #[on_event(names::SAY, names::SPEAK, "talk", concat!("ta", "lks"))]
    async fn say(&self, _room: &Path<String>) {}

    #[on_event(Self::WHISPER, shout())]
    async fn whisper(&self) {}

    #[cfg(any())]
    #[on_event(Self::WHISPER)]
    async fn gone(&self) {}
}

#[ws_controller(path = concat!("/constants", "/v1"))]
struct Concatenated;

impl Controller for Concatenated {}

#[ws_controller(path = Self::PATH)]
struct OfTheType;

impl OfTheType {
    const PATH: &str = "/constants/of/the/type";
}

impl Controller for OfTheType {}

/// Sixteen times as many names, each with four more bits in front.
macro_rules! many {
    ([] $($name:expr,)*) => {
        #[ws_controller(path = "/many")]
        struct Many;

        #[ws_handlers]
        impl Many {
            #[on_event($($name),*)]
            async fn any(&self) {}
        }
    };
    ([$bit:tt $($more:tt)*] $($name:expr,)*) => {
        many!([$($more)*] $(concat!("0", $name),)* $(concat!("1", $name),)*);
    };
    ($($name:literal)*) => {
        many!([. . . .] $($name,)*);
    };
}

many!(
    "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y"
);

#[test]
fn names_and_paths_are_the_values_of_the_constants() {
    let routes = App::new().routes();
    let find = |path: &str| routes.iter().find(|route| route.path == path).expect(path).clone();
    assert_eq!(find(PATH).events, ["say", "speak", "talk", "talks", "whisper", "shout"]);
    assert_eq!(find("/constants/v1").controller, "Concatenated");
    assert_eq!(find("/constants/of/the/type").controller, "OfTheType");
    let many = find("/many").events;
    assert_eq!((many.len(), many.first(), many.last()), (400, Some(&"0000a"), Some(&"1111y")));
}
