//! A typed controller without a server: its methods can be called.

use ws_core::{prelude::*, testing::TestConnection};

struct Counter {
    step: u32,
}

#[ws_handlers]
impl Counter {
    #[on_open]
    async fn greet(&self, conn: &Connection) -> Result {
        conn.push("hello")?;
        Ok(conn.event("step", &self.step)?)
    }

    #[on_event("add")]
    async fn add(&self, Data(to): Data<u32>) -> Result<Data<u32>> {
        Ok(Data(to.checked_add(self.step).ok_or("overflow")?))
    }

    fn helper(&self) -> u32 {
        self.step * 2
    }
}

#[tokio::test]
async fn methods_can_be_called_unchanged() {
    let counter = Counter { step: 2 };
    assert_eq!(counter.add(Data(40)).await.unwrap(), Data(42));
    assert!(counter.add(Data(u32::MAX)).await.is_err());
    assert_eq!(counter.helper(), 4);
}

#[tokio::test]
async fn a_connection_without_a_server_shows_what_was_pushed() {
    let counter = Counter { step: 2 };
    let mut test = TestConnection::new();
    counter.greet(test.connection()).await.unwrap();
    assert_eq!(test.pushed(), ["hello".into(), Message::text(r#"{"event":"step","data":2}"#)]);
    assert!(test.pushed().is_empty(), "each is shown once");
    test.connection().context().set(7_u8);
    assert_eq!(test.connection().context().get::<u8>(), Some(7));
}
