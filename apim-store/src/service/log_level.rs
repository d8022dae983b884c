//! What gateways write of an API's calls, set while everything runs.

use apim_core::event::Change;
use apim_core::model::{ApiId, LogLevel, LogSetting};

use crate::db::{Read, Write, apis, log_levels};
use crate::error::{Refusal, Result, code};
use crate::service::listing;

/// An API, or one of its operations, with its level.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) api: ApiId,
    /// With the version.
    pub(crate) context: String,
    /// Method and path template, of an operation.
    pub(crate) operation: Option<(String, String)>,
    pub(crate) level: LogLevel,
}

/// All APIs, and the operations that have a level of their own; or those of them that have one level.
pub(crate) async fn list(cx: &mut Read, level: Option<LogLevel>) -> Result<Vec<Entry>> {
    let mut settings = log_levels::all(cx).await?;
    let mut list = Vec::new();
    for place in log_levels::places(cx).await? {
        let context = listing::with_version(&place.context, &place.api_version);
        list.extend(entries(&place.id, &context, settings.remove(&place.id)));
    }
    list.retain(|entry| level.is_none_or(|level| entry.level == level));
    Ok(list)
}

/// One API, and its operations that have a level of their own.
///
/// # Errors
///
/// 404 if there is no such API.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<Vec<Entry>> {
    let api = apis::find(cx, &ApiId::from(id)).await?.ok_or_else(|| unknown(id))?;
    let setting = log_levels::of_api(cx, &api.id).await?;
    Ok(entries(&api.id, &listing::versioned_context(&api), setting))
}

/// Sets the level of an API, or of one of its operations, and lets gateways know.
///
/// # Errors
///
/// 404 if there is no such API, or it has no such operation.
pub(crate) async fn set(
    cx: &mut Write,
    id: &str,
    operation: Option<(&str, &str)>,
    level: LogLevel,
) -> Result<Vec<Entry>> {
    let id = &ApiId::from(id);
    // Locked first, so that gateways learn of two settings in the order in which they are kept.
    apis::lock(cx, id).await?;
    let api = apis::find(cx, id).await?.ok_or_else(|| unknown(id))?;
    if let Some((method, path)) = operation {
        let operations = api.doc["operations"].as_array().into_iter().flatten();
        let mut known = operations.map(|it| (it["verb"].as_str(), it["target"].as_str()));
        if !known.any(|known| known == (Some(method), Some(path))) {
            let text = format!("The API has no operation {method} {path}");
            return Err(code::NO_OPERATION_TO_LOG.because(text).into());
        }
    }
    log_levels::put(cx, id, operation.unwrap_or_default(), level).await?;
    match log_levels::of_api(cx, id).await?.filter(LogSetting::is_on) {
        Some(setting) => cx.tell(Change::LogSaved(setting.into())),
        // What says nothing any more need not be kept, here or at gateways.
        None => forget(cx, id).await?,
    }
    get(cx, id).await
}

/// Nothing is to be written of an API's calls any more, as when it is deleted.
pub(crate) async fn forget(cx: &mut Write, api: &ApiId) -> Result<()> {
    if log_levels::of_api(cx, api).await?.is_some() {
        log_levels::clear(cx, api).await?;
        cx.tell(Change::LogRemoved(api.clone()));
    }
    Ok(())
}

fn entries(api: &ApiId, context: &str, setting: Option<LogSetting>) -> Vec<Entry> {
    let entry = |operation, level| Entry { api: api.clone(), context: context.to_owned(), operation, level };
    let mut entries = vec![entry(None, setting.as_ref().map_or(LogLevel::Off, |setting| setting.level))];
    let operations = setting.into_iter().flat_map(|setting| setting.operations);
    entries.extend(operations.map(|log| entry(Some((log.method, log.path)), log.level)));
    entries
}

fn unknown(id: &str) -> Refusal {
    code::NO_API_TO_LOG.because(format!("There is no API {id}"))
}
