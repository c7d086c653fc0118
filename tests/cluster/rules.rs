//! The rules of a cluster, each over every broker.

/// Runs rules over the broker in memory, where time is paused, and over Redis and NATS.
macro_rules! rules {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(&crate::brokers::Broker::memory()).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                if let Some(broker) = crate::brokers::Broker::redis() {
                    super::$name(&broker).await;
                }
            })+
        }
        mod nats {
            $(#[tokio::test]
            async fn $name() {
                if let Some(broker) = crate::brokers::Broker::nats() {
                    super::$name(&broker).await;
                }
            })+
        }
    };
}

mod alone;
mod asking;
mod exclusive;
mod interest;
mod limits;
mod members;
mod names;
mod outage;
pub(crate) mod presence;
mod start;
mod targets;
mod user_asks;

pub(crate) use crate::nodes::app;
