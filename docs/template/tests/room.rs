//! The room, through the real pipeline over memory.

use serde_json::{Value, json};
use ws_core::testing::TestApp;

#[tokio::test(start_paused = true)]
async fn a_line_reaches_everyone_in_the_room() {
    let app = TestApp::start({{crate_name}}::app()).await;
    let mut ann = app.connect("/rooms/lobby").await.unwrap();
    let mut bob = app.connect("/rooms/lobby").await.unwrap();
    let joined: Value = ann.next_event("joined").await.unwrap();
    assert!(joined["who"].is_string());
    bob.send_event("say", &json!({ "text": "hi" })).await;
    for client in [&mut bob, &mut ann] {
        let said: Value = client.next_event("said").await.unwrap();
        assert_eq!(said["text"], "hi");
    }
    bob.send_event("say", &json!({ "text": "" })).await;
    let error: Value = bob.next_event("error").await.unwrap();
    assert_eq!(error["code"], "empty");
    assert_eq!(app.undeclared(), [], "all emitted events are declared");
}

/// Clients that were made from the committed document keep working. After a change that they must
/// follow, run the test with `WS_CONTRACT=accept` and commit the document.
#[test]
fn the_contract_is_not_broken() {
    let contract = {{crate_name}}::app().contract();
    ws_core::contract::assert_unbroken("asyncapi.json", &contract);
}
