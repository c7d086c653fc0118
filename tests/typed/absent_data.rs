//! Absent `data` and `"data": null` mean the same, for every type, in both formats.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use validator::Validate;
use ws_core::{Route, handlers::Valid, prelude::*, testing::TestApp};

#[derive(Deserialize)]
struct Unit;

#[derive(Deserialize, Serialize)]
struct Wrapped(Option<u8>);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Choice {
    Number(u8),
    Nothing,
}

#[derive(Deserialize, Serialize, Validate)]
struct Page {
    #[validate(range(max = 100))]
    size: u8,
}

struct Types;

#[ws_handlers]
impl Types {
    #[on_event("()")]
    async fn unit(&self, data: Data<()>) -> Data<()> {
        data
    }

    #[on_event("unit struct")]
    async fn unit_struct(&self, Data(Unit): Data<Unit>) -> Data<()> {
        Data(())
    }

    #[on_event("option")]
    async fn option(&self, data: Data<Option<Page>>) -> Data<Option<Page>> {
        data
    }

    #[on_event("newtype")]
    async fn newtype(&self, data: Data<Wrapped>) -> Data<Wrapped> {
        data
    }

    #[on_event("enum")]
    async fn choice(&self, data: Data<Choice>) -> Data<Choice> {
        data
    }

    #[on_event("value")]
    async fn value(&self, data: Data<Value>) -> Data<Value> {
        data
    }

    #[on_event("number")]
    async fn number(&self, data: Data<u8>) -> Data<u8> {
        data
    }

    #[on_event("struct")]
    async fn record(&self, data: Data<Page>) -> Data<Page> {
        data
    }

    #[on_event("valid")]
    async fn valid(&self, Valid(data): Valid<Data<Page>>) -> Data<Page> {
        data
    }

    #[on_event("optional data")]
    async fn optional(&self, data: Option<Data<Value>>) -> Data<bool> {
        Data(data.is_some())
    }

    #[on_event("optional unit")]
    async fn optional_unit(&self, data: Option<Data<()>>) -> Data<bool> {
        Data(data.is_some())
    }

    #[on_event("optional number")]
    async fn optional_number(&self, data: Option<Data<u8>>) -> Data<Option<u8>> {
        Data(data.map(|Data(number)| number))
    }

    #[on_event("optional valid")]
    async fn optional_valid(&self, data: Option<Valid<Data<Page>>>) -> Data<bool> {
        Data(data.is_some())
    }
}

/// Sends each event without `data` and with `null`, in both formats. All get the same answer.
async fn check(cases: &[(&str, &str, Value)]) {
    let route = Route::new("/", Types).subprotocols(&["msgpack"]);
    let app = TestApp::start(App::without_registry().route(route)).await;
    let mut text = app.connect("/").await.unwrap();
    let mut packed = app.connect("/").subprotocols(&["msgpack"]).await.unwrap();
    for (event, answered, data) in cases {
        let expected = json!({"event": answered, "data": data});
        for sent in [json!({"event": event}), json!({"event": event, "data": null})] {
            assert_eq!(super::ask(&mut text, sent.to_string()).await, expected, "{sent}");
            packed.send_binary(rmp_serde::to_vec_named(&sent).unwrap()).await;
            let got = packed.next().await.unwrap().into_bytes();
            assert_eq!(rmp_serde::from_slice::<Value>(&got).unwrap(), expected, "MessagePack: {sent}");
        }
    }
}

#[tokio::test]
async fn a_type_that_accepts_null_needs_no_data() {
    let types = ["()", "unit struct", "option", "newtype", "enum", "value"];
    check(&types.map(|event| (event, event, json!(null)))).await;
}

#[tokio::test]
async fn a_type_that_needs_a_value_is_refused_without_data() {
    let error = json!({"code": "invalid_data", "message": "data is missing"});
    check(&["number", "struct", "valid"].map(|event| (event, "error", error.clone()))).await;
}

#[tokio::test]
async fn an_optional_parameter_is_none_whatever_its_type_accepts() {
    check(&[
        ("optional data", "optional data", json!(false)),
        ("optional unit", "optional unit", json!(false)),
        ("optional number", "optional number", json!(null)),
        ("optional valid", "optional valid", json!(false)),
    ])
    .await;
}
