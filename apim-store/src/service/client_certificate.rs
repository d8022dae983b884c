//! Certificates by which clients may call an API (spec: gateway-security, section 7).
//!
//! They belong to the draft of an API until a revision takes a copy, and gateways know those of the revision that
//! is deployed.

use apim_core::Timestamp;
use apim_core::model::{KeyType, PinnedCertificate, PolicyKind};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

pub(crate) use crate::db::client_certificates::StoredCertificate;

use super::{Expected, api};
use crate::db::client_certificates::{self as certificates, DRAFT};
use crate::db::{Read, Write, policies};
use crate::error::{Finding, Refusal, Result, code};

/// Bytes of a certificate as it is sent.
const LONGEST: usize = 64 << 10;

/// Certificates of one API. Gateways take a few more.
const MOST: usize = 1000;

/// Characters of an alias.
const LONGEST_ALIAS: usize = 30;

/// What a client sends of a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) certificate: Option<&'a [u8]>,
    pub(crate) tier: Option<&'a str>,
}

/// One certificate in X.509, read and found to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// DER.
    pub der: Vec<u8>,
    /// Whom it is for, as `CN=partner, O=Example`.
    pub subject: String,
    /// The version of its form: 3, hardly ever 1.
    pub version: u32,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads one, in PEM or in DER.
    ///
    /// # Errors
    ///
    /// Why it is none, in bounded time and memory whatever the bytes are.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        // DER of a certificate begins with a SEQUENCE; text never begins with that byte.
        if bytes.first() == Some(&0x30) {
            return Self::of(bytes.to_vec());
        }
        let mut found = None;
        for pem in Pem::iter_from_buffer(bytes) {
            let pem = pem.map_err(|error| format!("is not PEM: {error}"))?;
            if pem.label != "CERTIFICATE" {
                return Err(format!("holds a {}, and only a certificate is wanted", pem.label));
            }
            if found.replace(pem.contents).is_some() {
                return Err("holds more than one certificate".to_owned());
            }
        }
        found.map_or_else(|| Err("is neither PEM nor DER".to_owned()), Self::of)
    }

    fn of(der: Vec<u8>) -> Result<Self, String> {
        let not_one = |error: &dyn std::fmt::Display| format!("is not a certificate: {error}");
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|error| not_one(&error))?;
        if !rest.is_empty() {
            return Err("has something after the certificate".to_owned());
        }
        let (subject, version) = (parsed.subject().to_string(), parsed.version().0.saturating_add(1));
        let (not_before, not_after) =
            (moment(parsed.validity().not_before), moment(parsed.validity().not_after));
        Ok(Self { der, subject, version, not_before, not_after })
    }
}

/// What begins before 1970 has begun.
fn moment(time: ASN1Time) -> Timestamp {
    Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// Those of an API's draft that lead to one endpoint; of one alias, if that is asked for.
///
/// # Errors
///
/// 404 if there is no such API.
pub(crate) async fn list(
    cx: &mut Read,
    id: &str,
    key_type: KeyType,
    alias: Option<&str>,
) -> Result<Vec<StoredCertificate>> {
    let api = api::to_view(cx, id).await?;
    let mut all = certificates::of(cx, &api.id, DRAFT).await?;
    all.retain(|it| it.key_type == key_type && alias.is_none_or(|alias| alias == it.alias));
    Ok(all)
}

/// One of them.
///
/// # Errors
///
/// 404.
pub(crate) async fn get(
    cx: &mut Read,
    id: &str,
    key_type: KeyType,
    alias: &str,
) -> Result<StoredCertificate> {
    let found = list(cx, id, key_type, Some(alias)).await?.pop();
    Ok(found.ok_or_else(|| code::NOT_FOUND.because(format!("The API has no certificate {alias}")))?)
}

/// Adds one to an API's draft.
///
/// # Errors
///
/// 400 if the certificate is none, has expired, or names a tier that is not there; 409 if the API has the alias or
/// the certificate already.
pub(crate) async fn add(
    cx: &mut Write,
    id: &str,
    key_type: KeyType,
    alias: &str,
    sent: Sent<'_>,
) -> Result<StoredCertificate> {
    let api = api::to_edit(cx, id, &Expected::any()).await?;
    let others = certificates::of(cx, &api.id, DRAFT).await?;
    check_alias(alias)?;
    if others.iter().any(|other| other.alias == alias) {
        return Err(code::CONFLICT.because(format!("The API has a certificate {alias}")).into());
    }
    if others.len() >= MOST {
        return Err(code::BAD_VALUE.because(format!("An API has {MOST} certificates at most")).into());
    }
    let certificate = readable(cx, sent.certificate.unwrap_or_default())?;
    let tier = tier(cx, sent.tier.unwrap_or_default()).await?;
    let fingerprint = fingerprint(&certificate.der);
    let made = StoredCertificate {
        alias: alias.to_owned(),
        key_type,
        tier,
        fingerprint,
        certificate: certificate.der,
    };
    keep(cx, api, &others, made).await
}

/// Replaces the certificate of an alias, or its tier, or both.
///
/// # Errors
///
/// 404; otherwise as [`add`].
pub(crate) async fn replace(
    cx: &mut Write,
    id: &str,
    key_type: KeyType,
    alias: &str,
    sent: Sent<'_>,
) -> Result<StoredCertificate> {
    let api = api::to_edit(cx, id, &Expected::any()).await?;
    let mut it = get(cx, id, key_type, alias).await?;
    if sent.certificate.is_none() && sent.tier.is_none() {
        return Err(refused("certificate", "or `tier` is needed").into());
    }
    if let Some(bytes) = sent.certificate {
        it.certificate = readable(cx, bytes)?.der;
        it.fingerprint = fingerprint(&it.certificate);
    }
    if let Some(name) = sent.tier {
        it.tier = tier(cx, name).await?;
    }
    let others = certificates::of(cx, &api.id, DRAFT).await?;
    keep(cx, api, &others, it).await
}

/// Takes one out of an API's draft.
///
/// # Errors
///
/// 404.
pub(crate) async fn remove(cx: &mut Write, id: &str, key_type: KeyType, alias: &str) -> Result<()> {
    let api = api::to_edit(cx, id, &Expected::any()).await?;
    let found = get(cx, id, key_type, alias).await?;
    certificates::delete(cx, &api.id, &found.alias).await?;
    api.save(cx).await?;
    Ok(())
}

async fn keep(
    cx: &mut Write,
    api: api::Editable,
    others: &[StoredCertificate],
    it: StoredCertificate,
) -> Result<StoredCertificate> {
    // A gateway could not tell by which of two aliases a call is to be counted.
    let twin = others.iter().find(|other| other.alias != it.alias && other.fingerprint == it.fingerprint);
    if let Some(twin) = twin {
        return Err(code::CONFLICT.because(format!("The API has this certificate as {}", twin.alias)).into());
    }
    certificates::put(cx, &api.id, &it).await?;
    api.save(cx).await?;
    Ok(it)
}

fn readable(cx: &Read, bytes: &[u8]) -> Result<Certificate> {
    if bytes.is_empty() {
        return Err(refused("certificate", "is required").into());
    }
    let certificate = Certificate::read(bytes).map_err(|why| refused("certificate", why))?;
    if certificate.not_after < cx.now() {
        return Err(refused("certificate", format!("has expired at {}", certificate.not_after)).into());
    }
    Ok(certificate)
}

async fn tier(cx: &mut Read, name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(refused("tier", "is required").into());
    }
    match policies::named(cx, PolicyKind::Subscription, name).await? {
        Some(_) => Ok(name.to_owned()),
        None => Err(code::BAD_PLAN.because(format!("There is no business plan {name}")).into()),
    }
}

/// An alias stands in paths and in the names of files.
fn check_alias(alias: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || " ._-@:+".contains(c);
    if alias.is_empty() || alias.chars().count() > LONGEST_ALIAS || !alias.chars().all(plain) {
        let rule = format!("must have 1 to {LONGEST_ALIAS} letters, digits, blanks or any of . _ - @ : +");
        return Err(refused("alias", rule).into());
    }
    if matches!(alias, "." | "..") {
        return Err(refused("alias", "must not be a path").into());
    }
    Ok(())
}

fn refused(field: &str, why: impl Into<String>) -> Refusal {
    code::BAD_VALUE.found(vec![Finding::new(field, why)])
}

fn fingerprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As gateways are told of it.
pub(super) fn pinned(it: StoredCertificate) -> PinnedCertificate {
    PinnedCertificate {
        certificate: pem(&it.certificate),
        tier: Some(it.tier.as_str()).filter(|tier| *tier != "Unlimited").map(Into::into),
        alias: it.alias,
        key_type: Some(it.key_type),
    }
}

/// As files have it (RFC 7468).
pub(crate) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// An entry of a list.
pub(crate) fn document(api: &str, it: &StoredCertificate) -> Value {
    json!({"alias": it.alias, "apiId": api, "tier": it.tier})
}

/// What is known of one.
///
/// # Errors
///
/// If the database holds what was never accepted.
pub(crate) fn info(it: &StoredCertificate, now: Timestamp) -> Result<Value> {
    let certificate = Certificate::of(it.certificate.clone()).map_err(crate::error::Failure::new)?;
    let active = (certificate.not_before..=certificate.not_after).contains(&now);
    Ok(json!({
        "status": if active { "Active" } else { "Expired" },
        "validity": {"from": date(certificate.not_before), "to": date(certificate.not_after)},
        "version": format!("V{}", certificate.version),
        "subject": certificate.subject,
    }))
}

fn date(at: Timestamp) -> String {
    let civil = at.civil();
    format!("{:02}-{:02}-{}", civil.day, civil.month, civil.year)
}
