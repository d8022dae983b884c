//! Answers the control plane's questions.

use std::time::Duration;

use apim_core::SnapshotSource;
use futures_util::StreamExt as _;

use crate::Gateway;

/// The first wait after a failure; each further one is twice as long, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Answers every question that comes, for as long as it is polled.
pub(crate) async fn answer(gateway: &Gateway, source: &dyn SnapshotSource) {
    let mut wait = SHORTEST;
    loop {
        match source.questions().await {
            Ok(mut questions) => {
                while let Some(Ok(question)) = questions.next().await {
                    wait = SHORTEST;
                    source.answer(question.number, gateway.why(question.request)).await;
                }
            }
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the control plane's questions cannot be heard now"
            ),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}
