//! Payloads with validation rules.

use serde::Deserialize;
use serde_json::json;
use validator::Validate;
use ws_core::{handlers::Valid, prelude::*};

use super::{ask, serve};

#[derive(Deserialize, Validate)]
struct Order {
    #[validate(length(min = 1, max = 3, message = "1 to 3 characters"))]
    name: String,
    #[validate(range(max = 10))]
    amount: u32,
    #[validate(nested)]
    items: Vec<Item>,
}

#[derive(Deserialize, Validate)]
struct Item {
    #[validate(length(min = 1))]
    id: String,
}

struct Orders;

#[ws_handlers]
impl Orders {
    #[on_event("order")]
    async fn order(&self, Valid(Data(order)): Valid<Data<Order>>) -> Data<u32> {
        Data(order.amount)
    }
}

#[tokio::test]
async fn a_broken_rule_is_invalid_data_with_its_fields() {
    let app = serve(Orders).await;
    let mut client = app.connect("/").await.unwrap();
    let good = json!({"event": "order", "data": {"name": "abc", "amount": 10, "items": [{"id": "x"}]}});
    assert_eq!(ask(&mut client, good.to_string()).await["data"], 10);
    let bad = json!({
        "event": "order",
        "data": {"name": "abcd", "amount": 11, "items": [{"id": "x"}, {"id": ""}]},
        "ref": 1,
    });
    let got = ask(&mut client, bad.to_string()).await;
    assert_eq!((&got["event"], &got["ref"]), (&json!("error"), &json!(1)));
    assert_eq!(got["data"]["code"], "invalid_data");
    assert_eq!(
        got["data"]["fields"],
        json!({"name": ["1 to 3 characters"], "amount": ["range"], "items": {"1": {"id": ["length"]}}})
    );
    let ill_typed = json!({"event": "order", "data": {"name": 1}});
    assert_eq!(ask(&mut client, ill_typed.to_string()).await["data"]["path"], "name");
}
