//! What stands there: the arguments of `#[ws_controller]`, and the struct with its `#[state]` fields and its guards.
//!
//! Reading takes `#[state]` and `#[guard(..)]` off, so that what is left is the struct as rustc shall see it. Nothing is judged
//! that needs a second look at a value; that is the model's part.

use proc_macro2::TokenStream;
use syn::{
    Field, ItemStruct, LitStr, Meta, Path,
    parse::{Parse, ParseStream},
};

use crate::{
    args::{Args, Key},
    errors::Errors,
    handlers,
    size::SizeLiteral,
};

const KEYS: &[Key] = &[
    Key { name: "path", usage: r#"path = "/rooms/{room}""# },
    Key { name: "server", usage: r#"server = "ws""# },
    Key { name: "middleware", usage: "middleware(require_jwt, throttle)" },
    Key { name: "interceptors", usage: "interceptors(timing, audit)" },
    Key { name: "subprotocols", usage: r#"subprotocols("chat.v2", "chat.v1")"# },
    Key { name: "subprotocol_mismatch", usage: r#"subprotocol_mismatch = "refuse""# },
    Key { name: "limits", usage: r#"limits(message = "64KiB", frame = "16KiB")"# },
];

const LIMIT_KEYS: &[Key] = &[
    Key { name: "message", usage: r#"message = "64KiB""# },
    Key { name: "frame", usage: r#"frame = "16KiB""# },
    Key { name: "overflow", usage: r#"overflow = "drop_oldest""# },
];

/// The attribute's arguments.
pub(super) struct Arguments {
    pub(super) path: Option<LitStr>,
    pub(super) server: Option<LitStr>,
    pub(super) middleware: Vec<Path>,
    pub(super) interceptors: Vec<Path>,
    pub(super) subprotocols: Vec<LitStr>,
    pub(super) subprotocol_mismatch: Option<LitStr>,
    pub(super) message_limit: Option<SizeLiteral>,
    pub(super) frame_limit: Option<SizeLiteral>,
    pub(super) overflow: Option<LitStr>,
}

impl Arguments {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let args = Args::read(tokens, KEYS, errors);
        let path = args.required("path", errors);
        let server = args.text("server", errors);
        let middleware = args.list::<ModPath>("middleware", errors);
        let interceptors = args.list::<ModPath>("interceptors", errors);
        let subprotocols = args.list("subprotocols", errors);
        let subprotocol_mismatch = args.value("subprotocol_mismatch", errors);
        let limits = args.nested("limits", LIMIT_KEYS, errors);
        Self {
            path,
            server,
            middleware: middleware.into_iter().map(|ModPath(path)| path).collect(),
            interceptors: interceptors.into_iter().map(|ModPath(path)| path).collect(),
            subprotocols,
            subprotocol_mismatch,
            message_limit: limits.value("message", errors),
            frame_limit: limits.value("frame", errors),
            overflow: limits.value("overflow", errors),
        }
    }
}

/// The struct, and which of its fields are filled from the state.
pub(super) struct Controller {
    /// As written, less `#[state]` and `#[guard(..)]`.
    pub(super) item: ItemStruct,
    pub(super) guards: Vec<Path>,
    /// One for each field, in their order.
    pub(super) sources: Vec<Source>,
}

/// Where a field's value comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `#[state]`: what the application provides.
    State,
    /// Everything else.
    Default,
}

impl Controller {
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let mut item: ItemStruct = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) => {
                errors.add_at(error.span(), "a controller is a struct; put `#[ws_controller(..)]` on one");
                return None;
            }
        };
        let sources = item.fields.iter_mut().map(|field| Source::take(field, errors)).collect();
        let guards = item.attrs.extract_if(.., |attribute| handlers::is_guard(attribute)).collect::<Vec<_>>();
        let guards = guards.iter().filter_map(|attribute| handlers::guard(attribute, errors)).collect();
        Some(Self { item, guards, sources })
    }
}

impl Source {
    /// Takes `#[state]` off a field.
    fn take(field: &mut Field, errors: &mut Errors) -> Self {
        let marks: Vec<_> =
            field.attrs.extract_if(.., |attribute| attribute.path().is_ident("state")).collect();
        for mark in &marks {
            if !matches!(mark.meta, Meta::Path(_)) {
                errors.add(&mark.meta, "`#[state]` has no arguments; the field's type says what is taken");
            }
        }
        if let Some(second) = marks.get(1) {
            errors.add(second, "`#[state]` is given twice; keep one");
        }
        if marks.is_empty() { Self::Default } else { Self::State }
    }
}

/// A path to a function, without type arguments.
struct ModPath(Path);

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Path::parse_mod_style).map(Self)
    }
}
