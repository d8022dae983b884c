//! Deny policies, arranged for looking up (spec: throttling, section 8).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use apim_core::model::{Application, DenyCondition, DenyId, DenyPolicy, Tenant, UserName};

/// All deny policies of a gateway.
///
/// They are few, and change seldom, so a change builds them anew; what they cost is paid by requests, for
/// whom each kind is one lookup, and none where there are none of that kind.
#[derive(Debug, Default)]
pub struct Denies {
    all: HashMap<DenyId, Arc<DenyPolicy>>,
    contexts: HashMap<Box<str>, DenyId>,
    applications: HashMap<Box<str>, Vec<(UserName, DenyId)>>,
    users: HashMap<UserName, Vec<(Tenant, DenyId)>>,
    networks: Vec<Network>,
}

#[derive(Debug)]
struct Network {
    tenant: Tenant,
    first: IpAddr,
    last: IpAddr,
    invert: bool,
    id: DenyId,
}

impl Denies {
    /// The policy that denies calls of an API version, named by its versioned context.
    pub fn context(&self, context: &str) -> Option<&DenyId> {
        self.contexts.get(context)
    }

    /// The policy that denies calls from an address to APIs of a tenant.
    pub fn address(&self, tenant: &Tenant, address: IpAddr) -> Option<&DenyId> {
        self.networks
            .iter()
            .find(|network| network.tenant == *tenant && network.denies(address))
            .map(|n| &n.id)
    }

    /// The policy that denies calls of an application.
    pub fn application(&self, application: &Application) -> Option<&DenyId> {
        let owners = self.applications.get(application.name.as_str())?;
        owners.iter().find(|(owner, _)| *owner == application.owner).map(|(_, id)| id)
    }

    /// The policy that denies calls on behalf of a user.
    pub fn user(&self, tenant: &Tenant, user: &UserName) -> Option<&DenyId> {
        self.users.get(user)?.iter().find(|(of, _)| of == tenant).map(|(_, id)| id)
    }

    pub(super) fn with(&self, deny: Arc<DenyPolicy>) -> Self {
        let mut all = self.all.clone();
        all.insert(deny.id.clone(), deny);
        Self::of(all)
    }

    pub(super) fn without(&self, id: &DenyId) -> Self {
        let mut all = self.all.clone();
        all.remove(id);
        Self::of(all)
    }

    fn of(all: HashMap<DenyId, Arc<DenyPolicy>>) -> Self {
        let mut denies = Self::default();
        for (id, deny) in &all {
            let id = id.clone();
            match &deny.condition {
                DenyCondition::Api { context } => {
                    denies.contexts.insert(context.as_str().into(), id);
                }
                DenyCondition::Application { owner, name } => {
                    denies.applications.entry(name.as_str().into()).or_default().push((owner.clone(), id));
                }
                DenyCondition::User { name } => {
                    denies.users.entry(name.clone()).or_default().push((deny.tenant.clone(), id));
                }
                DenyCondition::Ip { first, last, invert } => denies.networks.push(Network {
                    tenant: deny.tenant.clone(),
                    first: first.to_canonical(),
                    last: last.to_canonical(),
                    invert: *invert,
                    id,
                }),
                unknown => tracing::error!(?unknown, "a deny policy of an unknown kind is not enforced"),
            }
        }
        denies.all = all;
        denies
    }
}

impl Network {
    fn denies(&self, address: IpAddr) -> bool {
        // Addresses of different families do not compare as numbers, so neither contains the other.
        let inside = address.is_ipv4() == self.first.is_ipv4()
            && address.is_ipv4() == self.last.is_ipv4()
            && (self.first..=self.last).contains(&address);
        inside != self.invert
    }
}
