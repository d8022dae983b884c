//! Deny policies: whose calls are refused before anything else is looked at.

use std::net::IpAddr;

use apim_core::event::Change;
use apim_core::model::{DenyCondition, DenyId, DenyPolicy, UserName};
use serde_json::Value;

pub(crate) use crate::db::denials::Denial;

use crate::db::{Read, Write, apis, applications, denials};
use crate::error::{Finding, Result, code};

/// All of them, or those that a query like `conditionType:IP&conditionValue:"10.0.0.1"` asks for.
pub(crate) async fn list(cx: &mut Read, query: Option<&str>) -> Result<Vec<Denial>> {
    let mut found = denials::all(cx).await?;
    for term in query.unwrap_or_default().split('&').map(str::trim).filter(|term| !term.is_empty()) {
        match term.split_once(':') {
            Some(("conditionType", kind)) => found.retain(|it| it.kind.eq_ignore_ascii_case(kind)),
            Some(("conditionValue", value)) => found.retain(|it| matches(&it.value, value)),
            _ => return Err(code::BAD_REQUEST.because(format!("\"{term}\" is no search term")).into()),
        }
    }
    Ok(found)
}

/// Quoted: exactly; else: somewhere in it.
fn matches(value: &str, wanted: &str) -> bool {
    match wanted.strip_prefix('"').and_then(|wanted| wanted.strip_suffix('"')) {
        Some(exact) => value == exact,
        None => value.contains(wanted),
    }
}

/// One of them.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<Denial> {
    let found = denials::find(cx, &DenyId::from(id)).await?;
    Ok(found.ok_or_else(|| code::NOT_FOUND.because(format!("There is no deny policy {id}")))?)
}

/// Makes one.
pub(crate) async fn create(cx: &mut Write, body: &Value) -> Result<Denial> {
    let kind = body["conditionType"].as_str().unwrap_or_default();
    let condition = condition(kind, &body["conditionValue"])?;
    refuse_unless_there(cx, &condition).await?;
    let made = Denial {
        id: DenyId::from(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        value: canonical(&condition),
        active: body["conditionStatus"].as_bool().unwrap_or(true),
        doc: body["conditionValue"].clone(),
    };
    if !denials::insert(cx, &made).await? {
        let code = if kind.starts_with("IP") { code::ADDRESS_DENIED } else { code::CONFLICT };
        return Err(code.because(format!("{} is denied already", made.value)).into());
    }
    tell(cx, &made, condition);
    Ok(made)
}

/// Puts one in force, or out of it.
pub(crate) async fn set_active(cx: &mut Write, id: &str, active: bool) -> Result<Denial> {
    // Changed first: one that is being deleted must not be told of after it is gone.
    if !denials::set_active(cx, &DenyId::from(id), active).await? {
        return Err(code::NOT_FOUND.because(format!("There is no deny policy {id}")).into());
    }
    let found = get(cx, id).await?;
    let condition = condition(&found.kind, &found.doc)?;
    tell(cx, &found, condition);
    Ok(found)
}

/// Deletes one.
pub(crate) async fn remove(cx: &mut Write, id: &str) -> Result<()> {
    let found = get(cx, id).await?;
    denials::delete(cx, &found.id).await?;
    cx.tell(Change::DenyRemoved(found.id));
    Ok(())
}

fn tell(cx: &mut Write, it: &Denial, condition: DenyCondition) {
    let change = match it.active {
        true => {
            let (id, tenant) = (it.id.clone(), cx.tenant().clone());
            Change::DenySaved(DenyPolicy { id, tenant, condition }.into())
        }
        false => Change::DenyRemoved(it.id.clone()),
    };
    cx.tell(change);
}

fn condition(kind: &str, value: &Value) -> Result<DenyCondition> {
    match kind {
        "API" => {
            let context = text(value)?.trim_end_matches('/');
            let context = if context.starts_with('/') { context.to_owned() } else { format!("/{context}") };
            Ok(DenyCondition::Api { context })
        }
        "APPLICATION" => {
            let (owner, name) = text(value)?.split_once(':').ok_or_else(|| bad("is owner:application"))?;
            Ok(DenyCondition::Application { owner: UserName::from(owner), name: name.to_owned() })
        }
        "USER" => {
            let (name, _) = crate::principal::split(text(value)?);
            Ok(DenyCondition::User { name })
        }
        "IP" => {
            let address = address(value, "fixedIp")?;
            Ok(DenyCondition::Ip { first: address, last: address, invert: invert(value) })
        }
        "IPRANGE" => {
            let (first, last) = (address(value, "startingIp")?, address(value, "endingIp")?);
            if first.is_ipv4() != last.is_ipv4() || first > last {
                return Err(bad("starts before it ends, in one family of addresses"));
            }
            Ok(DenyCondition::Ip { first, last, invert: invert(value) })
        }
        _ => Err(code::BAD_REQUEST.found(vec![Finding::new("/conditionType", "is not known")]).into()),
    }
}

/// APIs and applications must be there; users and addresses are anybody's.
async fn refuse_unless_there(cx: &mut Read, condition: &DenyCondition) -> Result<()> {
    match condition {
        DenyCondition::Api { context } if !apis::stands_at(cx, context).await? => {
            Err(code::NO_API_TO_DENY.because(format!("There is no API at {context}")).into())
        }
        DenyCondition::Application { owner, name } => {
            let search = applications::Search {
                owner: Some(owner.clone()),
                name: Some(name.clone()),
                ..applications::Search::default()
            };
            if applications::page(cx, &search, 1, 0).await?.1 > 0 {
                return Ok(());
            }
            let text = format!("There is no application {owner}:{name}");
            Err(code::NO_APPLICATION_TO_DENY.because(text).into())
        }
        _ => Ok(()),
    }
}

/// One spelling for what means the same.
fn canonical(condition: &DenyCondition) -> String {
    match condition {
        DenyCondition::Api { context } => context.clone(),
        DenyCondition::Application { owner, name } => format!("{owner}:{name}"),
        DenyCondition::User { name } => name.to_string(),
        DenyCondition::Ip { first, last, invert } => {
            let not = if *invert { "!" } else { "" };
            if first == last { format!("{not}{first}") } else { format!("{not}{first}-{last}") }
        }
        _ => String::new(),
    }
}

fn text(value: &Value) -> Result<&str> {
    let text = value.as_str().map(str::trim).filter(|text| (1..=512).contains(&text.len()));
    text.ok_or_else(|| bad("is text"))
}

/// An address; one that is IPv4 in IPv6's clothes is meant as IPv4.
fn address(value: &Value, name: &str) -> Result<IpAddr> {
    let text = value[name].as_str().unwrap_or_default().trim();
    let address: IpAddr = text.parse().map_err(|_| bad(&format!("has no address as {name}")))?;
    Ok(address.to_canonical())
}

fn invert(value: &Value) -> bool {
    value["invert"].as_bool().unwrap_or(false)
}

fn bad(rule: &str) -> crate::Error {
    code::BAD_REQUEST.found(vec![Finding::new("/conditionValue", rule)]).into()
}
