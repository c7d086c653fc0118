//! An error type with a trait object inside is accepted at every place. A future that holds such an
//! error is not `Send` for every lifetime of the object.

use std::error::Error as StdError;

use futures_util::stream;
use ws_core::prelude::*;

type BoxError = Box<dyn StdError + Send + Sync>;

fn seven() -> Result<u8, BoxError> {
    Ok("7".parse()?)
}

async fn of_controller(_: &Handshake) -> Result<(), BoxError> {
    seven()?;
    Ok(())
}

async fn of_event(_: &Handshake) -> Result<(), Box<dyn StdError + Send + Sync + 'static>> {
    seven()?;
    Ok(())
}

#[ws_controller(path = "/rooms")]
#[guard(of_controller)]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    #[guard(of_event)]
    async fn open(&self) -> Result<(), Box<dyn StdError + Send + Sync>> {
        seven()?;
        Ok(())
    }

    #[on_event("say")]
    #[guard(of_event)]
    async fn say(&self, Data(text): Data<String>) -> Result<Data<u8>, BoxError> {
        Ok(Data(text.parse()?))
    }

    #[on_event("maybe")]
    async fn maybe(&self) -> Result<Option<Data<u8>>, BoxError> {
        Ok(Some(Data(seven()?)))
    }

    #[on_event("inside")]
    async fn inside(&self) -> Option<Result<Data<u8>, BoxError>> {
        Some(seven().map(Data))
    }

    #[on_event("stream")]
    async fn stream(&self) -> Stream<impl futures_util::Stream<Item = Result<Data<u8>, BoxError>> + use<>> {
        Stream::new(stream::iter([seven().map(Data)]))
    }

    #[on_event("boxed-stream")]
    async fn boxed_stream(&self) -> Stream<stream::BoxStream<'static, Result<Data<u8>, BoxError>>> {
        Stream::new(Box::pin(stream::iter([seven().map(Data)])))
    }

    #[on_event("result-of-stream")]
    async fn result_of_stream(
        &self,
    ) -> Result<Stream<impl futures_util::Stream<Item = Result<Data<u8>, BoxError>> + use<>>, BoxError> {
        Ok(Stream::new(stream::iter([seven().map(Data)])))
    }

    #[on_unknown]
    async fn unknown(&self) -> Result<(), BoxError> {
        Ok(())
    }

    #[on_text]
    async fn text(&self, text: &str) -> Result<String, BoxError> {
        Ok(text.parse::<u8>()?.to_string())
    }

    #[on_binary]
    async fn binary(&self, bytes: Bytes) -> Result<Message, BoxError> {
        drop(bytes);
        Err("never mind".into())
    }

    #[on_ping]
    async fn ping(&self) -> Result<(), BoxError> {
        Ok(())
    }

    #[on_close]
    async fn close(&self) -> Result<(), BoxError> {
        seven()?;
        Ok(())
    }
}

#[test]
fn a_start_hook_may_fail_with_one() {
    drop(App::without_registry().on_start(async |_| -> Result<(), BoxError> {
        seven()?;
        Ok(())
    }));
}
