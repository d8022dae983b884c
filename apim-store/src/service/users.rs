//! Users and their roles, for consoles, portals and the example servers.
//!
//! Whatever takes something from a user (a password changed, a role gone, an account locked or deleted)
//! also ends the tokens that were issued before, in the same transaction.

use std::time::Duration;

use apim_core::event::Change;
use apim_core::model::{Revocation, Role, Tenant, UserName};
use apim_core::store::{User, UserStore as _};
use apim_core::{Secret, Timestamp};

use crate::db::{Desk, Read, Write, revocations, roles, users};
use crate::error::{Failure, Finding, Result, code};
use crate::principal::{self, Principal};
use crate::store::Store;

/// Shorter passwords are refused (NIST SP 800-63B section 5.1.1).
pub(crate) const SHORTEST: usize = 8;
/// Longer ones only cost time.
pub(crate) const LONGEST: usize = 256;

/// Makes a user.
///
/// # Errors
///
/// 400 for a bad name or password, 412 for an unknown role, 409 if the name is taken.
pub async fn create(desk: &Desk, name: &str, password: Secret, wanted: &[Role]) -> Result<User> {
    // The name may carry the tenant, as it does in tokens; it is kept without.
    let (name, _) = principal::split(name);
    check_name(&name)?;
    refuse_suffixed(&name)?;
    refuse_reserved(&name)?;
    let hash = hash(desk.store(), password).await?;
    let mut cx = desk.write().await?;
    check_roles(&mut cx, wanted).await?;
    let user = User {
        tenant: cx.tenant().clone(),
        name: name.clone(),
        password: hash,
        roles: wanted.to_vec(),
        locked: false,
        created_at: cx.now(),
    };
    if !users::insert(&mut cx, &user).await? {
        return Err(code::CONFLICT.because(format!("There is a user {name} already")).into());
    }
    cx.commit().await?;
    Ok(user)
}

/// One user.
///
/// # Errors
///
/// 404 if there is none.
pub async fn get(cx: &mut Read, name: &str) -> Result<User> {
    let (name, _) = principal::split(name);
    let found = users::find(cx, &name).await?;
    Ok(found.ok_or_else(|| code::NOT_FOUND.because(format!("There is no user {name}")))?)
}

/// All users of a tenant, by name.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn list(store: &Store, tenant: &Tenant) -> Result<Vec<User>> {
    Ok(store.users(tenant).await.map_err(Failure::from_error)?)
}

/// Replaces a user's roles.
///
/// # Errors
///
/// 404, or 412 for an unknown role, or 400 if nobody would be left to administer the tenant.
pub async fn set_roles(cx: &mut Write, name: &str, wanted: &[Role]) -> Result<User> {
    let mut user = get(cx, name).await?;
    check_roles(cx, wanted).await?;
    let lost = user.roles.iter().any(|role| !wanted.contains(role));
    user.roles = wanted.to_vec();
    save(cx, &user, lost).await?;
    Ok(user)
}

/// Sets a user's password.
///
/// # Errors
///
/// 404, or 400 for a bad password.
pub async fn set_password(desk: &Desk, name: &str, password: Secret) -> Result<()> {
    let hash = hash(desk.store(), password).await?;
    let mut cx = desk.write().await?;
    let mut user = get(&mut cx, name).await?;
    user.password = hash;
    save(&mut cx, &user, true).await?;
    cx.commit().await?;
    Ok(())
}

/// Locks a user out, or lets them in again.
///
/// # Errors
///
/// 404, or 400 if nobody would be left to administer the tenant.
pub async fn set_locked(cx: &mut Write, name: &str, locked: bool) -> Result<User> {
    let mut user = get(cx, name).await?;
    user.locked = locked;
    save(cx, &user, locked).await?;
    Ok(user)
}

/// The roles that exist.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn all_roles(cx: &mut Read) -> Result<Vec<Role>> {
    roles::all(cx).await
}

/// Makes a role.
///
/// # Errors
///
/// 400 for a bad name, 409 if it exists.
pub async fn create_role(cx: &mut Write, name: &str) -> Result<Role> {
    check_name(name)?;
    let role = Role::from(name);
    // Roles are compared without regard to case, so `Admin` would be `admin` by another name.
    let same = roles::all(cx).await?.iter().any(|known| known.eq_ignore_ascii_case(name));
    if same || !roles::insert(cx, &role).await? {
        return Err(code::CONFLICT.because(format!("There is a role {name} already")).into());
    }
    Ok(role)
}

/// Changes the caller's own password. Whoever has only the caller's token must not find the password out
/// here, so wrong ones are counted.
pub(crate) async fn change_own_password(desk: &Desk, current: Secret, new: Secret) -> Result<()> {
    let (tenant, name) = (&desk.who().tenant, desk.who().user.clone());
    let (passwords, now) = (desk.store().passwords(), desk.store().now());
    passwords.begin(tenant, &name, now)?;
    let user = get(&mut desk.read().await?, &name).await?;
    if !passwords.verify(current, user.password).await? {
        return Err(code::BAD_REQUEST.because("The current password is wrong").into());
    }
    passwords.succeed(tenant, &name);
    set_password(desk, &name, new).await
}

async fn save(cx: &mut Write, user: &User, took: bool) -> Result<()> {
    if !users::update(cx, user).await? {
        return Err(code::NOT_FOUND.because(format!("There is no user {}", user.name)).into());
    }
    refuse_without_admin(cx).await?;
    if took {
        end_tokens(cx, &user.name).await?;
    }
    Ok(())
}

/// Ends all tokens of a user that were issued until now. They say when in whole seconds, and one that was
/// issued right after an earlier change dates from the second after that; so this ends what dates from the
/// second to come, too.
async fn end_tokens(cx: &mut Write, user: &UserName) -> Result<()> {
    let earlier = revocations::ended_before(cx, None, user).await?;
    let second = cx.now().max(earlier).as_millis().div_ceil(1000);
    let before = Timestamp::from_secs(second).plus(Duration::from_millis(1));
    let revocation = Revocation::User { user: user.clone(), before };
    if revocations::put(cx, &revocation).await? {
        cx.tell(Change::Revoked(revocation));
    }
    Ok(())
}

/// A tenant without an administrator could never be changed again.
async fn refuse_without_admin(cx: &mut Write) -> Result<()> {
    if revocations::holders(cx, &Role::from(Principal::ADMIN)).await? == 0 {
        return Err(code::BAD_REQUEST.because("One user at least must remain an administrator").into());
    }
    Ok(())
}

async fn check_roles(cx: &mut Read, wanted: &[Role]) -> Result<()> {
    let known = roles::all(cx).await?;
    match wanted.iter().find(|role| !known.contains(role)) {
        Some(role) => Err(code::NO_SUCH_ROLE.because(format!("There is no role {role}")).into()),
        None => Ok(()),
    }
}

/// A name that still carries the tenant after it was taken off once: in a token it would be somebody else's.
fn refuse_suffixed(name: &UserName) -> Result<()> {
    match principal::split(name).0 == *name {
        true => Ok(()),
        false => Err(code::BAD_REQUEST.found(vec![Finding::new("/name", "carries its tenant twice")]).into()),
    }
}

/// Names under which the platform itself acts.
fn refuse_reserved(name: &UserName) -> Result<()> {
    let tenant = Tenant::default();
    let reserved = [Principal::anonymous(tenant.clone()), Principal::platform(tenant)];
    match reserved.iter().any(|principal| principal.user.eq_ignore_ascii_case(name)) {
        true => Err(code::BAD_REQUEST.found(vec![Finding::new("/name", "is reserved")]).into()),
        false => Ok(()),
    }
}

/// Letters, digits, and what e-mail addresses and role names need.
fn check_name(name: &str) -> Result<()> {
    let fits = (1..=100).contains(&name.chars().count())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-@/+".contains(c));
    if fits {
        return Ok(());
    }
    let rule = "is 1 to 100 letters, digits and . _ - @ / +";
    Err(code::BAD_REQUEST.found(vec![Finding::new("/name", rule)]).into())
}

/// A password's hash in PHC form, if it may be somebody's password.
async fn hash(store: &Store, password: Secret) -> Result<String> {
    if !(SHORTEST..=LONGEST).contains(&password.expose().chars().count()) {
        let rule = format!("is {SHORTEST} to {LONGEST} letters long");
        return Err(code::BAD_REQUEST.found(vec![Finding::new("/password", rule)]).into());
    }
    store.passwords().hash(password).await
}
