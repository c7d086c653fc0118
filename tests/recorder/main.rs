//! A program that installs its own recorder for the facade `metrics`: a binary of its own, because
//! the recorder is global to the process.

use metrics_exporter_prometheus::PrometheusBuilder;
use ws_core::{prelude::*, testing::TestApp};

struct Silent;

impl Controller for Silent {}

#[tokio::test(start_paused = true)]
async fn a_recorder_of_the_program_gets_the_metrics_and_the_page_reports_it() {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let app = TestApp::start(App::without_registry().controller("/silent", Silent).ops("ops")).await;
    let _client = app.connect("/silent").await.unwrap();
    let page = app.http("ops").get("/metrics").send().await.unwrap();
    assert_eq!(page.status, 501);
    assert!(page.text().contains("another recorder"), "{}", page.text());
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let rendered = recorder.render();
    let expected = r#"ws_connections{server="ws",route="/silent"} 1"#;
    assert!(rendered.contains(expected), "{rendered}");
}
