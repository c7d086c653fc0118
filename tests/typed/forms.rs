//! A type that is a parameter by value and by reference.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Deserializer};
use ws_core::{
    handlers::{FromHandshake, Input, Param, ParamError, Setup},
    prelude::*,
};

use super::{ask, serve_at};

/// The value of the header: unchanged as a reference, in capitals by value.
struct Tenant(String);

impl FromHandshake for Tenant {
    fn from_handshake(handshake: &Handshake) -> std::result::Result<Self, ParamError> {
        Ok(Self(handshake.header("x-tenant").unwrap_or("none").to_owned()))
    }
}

impl<'a> Param<'a> for Tenant {
    type Kept = ();

    fn keep(_: &Setup<'_>) -> std::result::Result<(), ParamError> {
        Ok(())
    }

    fn get((): &'a (), input: &mut Input<'a>) -> std::result::Result<Self, ParamError> {
        let tenant = Self::from_handshake(input.connection().handshake())?;
        Ok(Self(tenant.0.to_uppercase()))
    }
}

struct Tenants;

#[ws_handlers]
impl Tenants {
    #[on_event("by value")]
    async fn by_value(&self, tenant: Tenant) -> Data<String> {
        Data(tenant.0)
    }

    #[on_event("by reference")]
    async fn by_reference<'a>(&self, tenant: &'a Tenant) -> Data<&'a str> {
        Data(&tenant.0)
    }

    #[on_event("both")]
    async fn both(&self, by_reference: &Tenant, by_value: Tenant) -> Data<[String; 2]> {
        Data([by_reference.0.clone(), by_value.0])
    }
}

#[tokio::test]
async fn each_form_of_a_users_type_is_made_by_its_own_trait() {
    let app = serve_at("/", Tenants).await;
    let mut client = app.connect("/").header("x-tenant", "acme").await.unwrap();
    for (event, data) in [
        ("by value", serde_json::json!("ACME")),
        ("by reference", "acme".into()),
        ("both", serde_json::json!(["acme", "ACME"])),
    ] {
        let got = ask(&mut client, format!(r#"{{"event":"{event}"}}"#)).await;
        assert_eq!(got["data"], data, "{event}");
    }
}

/// How often [`Number`] was parsed.
static PARSED: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone)]
struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        PARSED.fetch_add(1, Ordering::SeqCst);
        u32::deserialize(deserializer).map(Self)
    }
}

struct Numbers;

#[ws_handlers]
impl Numbers {
    #[on_event("by value")]
    async fn by_value(&self, Path(number): Path<Number>) -> Data<u32> {
        Data(number.0)
    }

    #[on_event("by reference")]
    async fn by_reference(&self, Path(number): &Path<Number>) -> Data<u32> {
        Data(number.0)
    }

    #[on_event("maybe")]
    async fn maybe(&self, number: Option<Path<Number>>) -> Data<Option<u32>> {
        Data(number.map(|Path(number)| number.0))
    }
}

#[tokio::test]
async fn a_path_that_is_a_parameter_in_all_forms_is_parsed_once() {
    let app = serve_at("/{number}", Numbers).await;
    let mut client = app.connect("/7").await.unwrap();
    for event in ["by value", "by reference", "maybe", "by value"] {
        let got = ask(&mut client, format!(r#"{{"event":"{event}"}}"#)).await;
        assert_eq!(got["data"], 7, "{event}");
    }
    assert_eq!(PARSED.load(Ordering::SeqCst), 1);
}
